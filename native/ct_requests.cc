#include "ct_requests.h"

#include <endian.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netfilter/nfnetlink_cttimeout.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "ct_lookup.h"
#include "ct_parser.h"
#include "operation_error.h"

namespace ctwatch {
namespace {

struct Request {
  nlmsghdr header{};
  nfgenmsg family{};
};

struct TimeoutRequest {
  Request request;
  nlattr l3_header{sizeof(nlattr) + sizeof(std::uint16_t), CTA_TIMEOUT_L3PROTO};
  std::uint16_t l3_protocol = htobe16(AF_INET);
  std::uint16_t l3_padding = 0;
  nlattr l4_header{sizeof(nlattr) + sizeof(std::uint8_t), CTA_TIMEOUT_L4PROTO};
  std::uint8_t l4_protocol = 0;
  std::array<std::uint8_t, 3> l4_padding{};
};

// No mark has a bit set where the mask has none: the kernel compares `mark & mask` with the mark asked for. A kernel
// without marks lists everything.
struct NothingRequest {
  Request request;
  nlattr mark_header{sizeof(nlattr) + sizeof(std::uint32_t), CTA_MARK};
  std::uint32_t mark = htobe32(1);
  nlattr mask_header{sizeof(nlattr) + sizeof(std::uint32_t), CTA_MARK_MASK};
  std::uint32_t mask = 0;
};
static_assert(sizeof(NothingRequest) == 36 && sizeof(Request) == 20 && sizeof(TimeoutRequest) == 36);

constexpr std::uint16_t kTimeoutDefaultGet = NFNL_SUBSYS_CTNETLINK_TIMEOUT << 8 | IPCTNL_MSG_TIMEOUT_DEFAULT_GET;

constexpr std::uint16_t ConntrackType(std::uint8_t operation) {
  return NFNL_SUBSYS_CTNETLINK << 8 | operation;
}

Request MakeRequest(std::uint16_t type, std::uint16_t flags) {
  Request request;
  request.header.nlmsg_type = type;
  request.header.nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
  request.family.version = NFNETLINK_V0;
  return request;
}

template <typename Message>
std::span<std::byte> AsBytes(Message& message) {
  return std::as_writable_bytes(std::span(&message, 1));
}

std::chrono::steady_clock::time_point DeadlineFromNow() {
  return std::chrono::steady_clock::now() + kRequestTimeout;
}

// Throws when the message says that the request failed.
void CheckAnswer(const NetlinkMessage& message, const char* operation) {
  KernelError error{};
  if (message.type == NLMSG_ERROR) {
    error = ParseError(message);
  } else if (message.type == NLMSG_DONE && message.payload.size() >= sizeof(int)) {
    const int status = LoadHostOrder<int>(message.payload);
    if (status < 0) error.error_number = status > -4096 ? -status : EBADMSG;
  }
  if (error.error_number == 0) return;
  throw OperationError(operation, error.error_number,
                       error.text.empty() ? "the kernel refused a conntrack request"
                                          : "the kernel refused a conntrack request (" + error.text + ")");
}

NetlinkMessage RequireAnswer(std::optional<NetlinkMessage> message, const char* operation) {
  if (!message) throw OperationError(operation, ETIMEDOUT, "the kernel did not answer a conntrack request");
  CheckAnswer(*message, operation);
  return *message;
}

[[noreturn]] void ThrowUnreadable(const char* operation) {
  throw OperationError(operation, EBADMSG, "the kernel's answer to a conntrack request is not readable");
}

}  // namespace

RequestSocket::RequestSocket(int protocol) : socket_(protocol) {
  socket_.Enable(NETLINK_EXT_ACK);
  socket_.Enable(NETLINK_CAP_ACK);
}

void RequestSocket::Send(std::span<std::byte> message) {
  auto header = LoadHostOrder<nlmsghdr>(message);
  header.nlmsg_len = static_cast<std::uint32_t>(message.size());
  header.nlmsg_seq = ++seq_;
  std::memcpy(message.data(), &header, sizeof(header));
  count_ = 1;
  socket_.Send(message);
}

void RequestSocket::SendAll(Bytes messages, std::uint32_t count) {
  seq_ += count;
  count_ = count;
  socket_.Send(messages);
}

std::optional<NetlinkMessage> RequestSocket::Next(std::chrono::steady_clock::time_point deadline) {
  for (;;) {
    while (const auto message = reader_.Next()) {
      if (seq_ - message->seq < count_) return message;
    }
    if (reader_.damaged()) ++malformed_;
    reader_ = {};
    const Received received = socket_.Receive(buffer_);
    if (received.status == ReceiveStatus::kMessage) {
      reader_ = MessageReader(Bytes(buffer_).first(received.bytes));
    } else if (received.status != ReceiveStatus::kEmpty) {
      ++malformed_;
    } else if (!socket_.WaitReadable(deadline)) {
      return std::nullopt;
    }
  }
}

TableStats CtRequests::ReadTableStats() {
  static constexpr char kOperation[] = "table-stats";
  const std::lock_guard lock(mutex_);
  Request request = MakeRequest(ConntrackType(IPCTNL_MSG_CT_GET_STATS), 0);
  socket_.Send(AsBytes(request));
  const auto answer = RequireAnswer(socket_.Next(DeadlineFromNow()), kOperation);
  const auto stats = ParseTableStats(answer.payload);
  if (!stats) ThrowUnreadable(kOperation);
  return *stats;
}

CpuStats CtRequests::ReadCpuStats() {
  static constexpr char kOperation[] = "cpu-stats";
  const std::lock_guard lock(mutex_);
  Request request = MakeRequest(ConntrackType(IPCTNL_MSG_CT_GET_STATS_CPU), NLM_F_DUMP);
  socket_.Send(AsBytes(request));
  const auto deadline = DeadlineFromNow();
  CpuStats sum;
  for (;;) {
    const auto answer = RequireAnswer(socket_.Next(deadline), kOperation);
    if (answer.type == NLMSG_DONE) return sum;
    if (!AddCpuStats(answer.payload, sum)) ThrowUnreadable(kOperation);
  }
}

ProtocolTimeouts CtRequests::ReadProtocolTimeouts() {
  const std::lock_guard lock(mutex_);
  return {ReadTimeouts(IPPROTO_TCP, CTA_TIMEOUT_TCP_MAX), ReadTimeouts(IPPROTO_UDP, CTA_TIMEOUT_UDP_MAX),
          ReadTimeouts(IPPROTO_ICMP, CTA_TIMEOUT_ICMP_MAX)};
}

LookupResult CtRequests::Lookup(const ColumnWriter& rows, std::size_t flows) {
  static constexpr char kOperation[] = "lookup";
  const std::lock_guard lock(mutex_);
  // Answers overwrite the rows of flows that are not asked for yet.
  std::vector<CtRecord> asked;
  for (std::size_t row = 0; row < flows; ++row) asked.push_back(rows.Read(row));
  std::vector<CtRecord> gone;
  std::vector<std::byte> messages;
  CtRecord found;
  LookupResult result{0, 0};
  for (std::size_t first = 0; first < flows; first += kLookupsPerSend) {
    const std::size_t count = std::min(kLookupsPerSend, flows - first);
    const std::uint32_t first_seq = socket_.NextSeq();
    messages.clear();
    for (std::size_t i = 0; i < count; ++i) {
      AppendLookup(asked[first + i], first_seq + static_cast<std::uint32_t>(i), messages);
    }
    socket_.SendAll(messages, static_cast<std::uint32_t>(count));
    const auto deadline = DeadlineFromNow();
    for (std::size_t i = 0; i < count; ++i) {
      const auto answer = socket_.Next(deadline);
      if (!answer) throw OperationError(kOperation, ETIMEDOUT, "the kernel did not answer a conntrack lookup");
      const CtRecord& flow = asked[first + (answer->seq - first_seq)];
      if (answer->type != NLMSG_ERROR) {
        if (!ParseRecord(*answer, kEntryNew, found)) continue;
        found.portid = 0;  // ours: nobody has changed the entry
        if (IsSameFlow(flow, found)) {
          rows.Write(result.found++, found);
        } else {
          gone.push_back(OnlyTuples(flow));
        }
        continue;
      }
      const int error = ParseError(*answer).error_number;
      if (error == ENOENT) gone.push_back(OnlyTuples(flow));
      if (error == EPERM) CheckAnswer(*answer, kOperation);
    }
  }
  for (const CtRecord& flow : gone) rows.Write(result.found + result.gone++, flow);
  return result;
}

std::optional<std::vector<std::uint32_t>> CtRequests::ReadTimeouts(std::uint8_t protocol, std::size_t count) {
  TimeoutRequest request;
  request.request = MakeRequest(kTimeoutDefaultGet, 0);
  request.l4_protocol = protocol;
  socket_.Send(AsBytes(request));
  try {
    return ParseTimeouts(RequireAnswer(socket_.Next(DeadlineFromNow()), "protocol-timeouts").payload, count);
  } catch (const OperationError& error) {
    // EINVAL: no nfnetlink_cttimeout in this kernel. EOPNOTSUPP: it does not know the protocol. ENOENT: nor the
    // request.
    const int reason = error.code().value();
    if (reason == EINVAL || reason == EOPNOTSUPP || reason == ENOENT) return std::nullopt;
    throw;
  }
}

void CtDump::Start(Filter filter) {
  const std::lock_guard lock(mutex_);
  if (active_) throw OperationError("dump", EBUSY, "an earlier dump of the table has not been read to its end");
  const Request request = MakeRequest(ConntrackType(IPCTNL_MSG_CT_GET), NLM_F_DUMP);
  NothingRequest nothing{.request = request};
  const auto message = AsBytes(nothing);
  socket_.Send(filter == Filter::kNothing ? message : message.first(sizeof(Request)));
  active_ = true;
}

std::size_t CtDump::Read(const ColumnWriter& writer, std::size_t rows) {
  const std::lock_guard lock(mutex_);
  const auto deadline = DeadlineFromNow();
  CtRecord record;
  std::size_t row = 0;
  while (active_ && row < rows) {
    const auto message = socket_.Next(deadline);
    if (!message && row > 0) break;  // keep what is there; the next call waits again
    if (message && (message->type == NLMSG_DONE || message->type == NLMSG_ERROR)) active_ = false;
    const auto answer = RequireAnswer(message, "dump");
    if (!active_) break;
    if (ParseRecord(answer, kEntryNew, record)) {
      writer.Write(row++, record);
    } else {
      ++unusable_;
    }
  }
  malformed_.store(unusable_ + socket_.malformed(), std::memory_order_relaxed);
  return row;
}

}  // namespace ctwatch
