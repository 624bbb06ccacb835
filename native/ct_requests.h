// Asks the kernel: table and CPU statistics, protocol timeouts, single flows, and (CtDump) the entries of the table.
//
// All of it needs CAP_NET_ADMIN of the calling thread at every request, and the kernel answers ctnetlink requests one
// at a time: another process that flushes 250,000 entries blocks them for 325 ms, inside `send`. Never on the JS
// thread.

#ifndef CTWATCH_CT_REQUESTS_H_
#define CTWATCH_CT_REQUESTS_H_

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <vector>

#include "column_writer.h"
#include "ct_answers.h"
#include "netlink_message.h"
#include "netlink_socket.h"

namespace ctwatch {

// How long an answer may take; then OperationError ETIMEDOUT.
inline constexpr std::chrono::milliseconds kRequestTimeout{2000};

// The kernel fills dump messages of up to 32 KiB and is not asked to fill larger ones: they gain nothing.
inline constexpr std::size_t kAnswerBufferBytes = 32 * 1024;

// Protocol timeouts in seconds; absent where the kernel cannot tell (no nfnetlink_cttimeout).
struct ProtocolTimeouts {
  std::optional<std::vector<std::uint32_t>> tcp;   // 11, in the order of enum ctattr_timeout_tcp
  std::optional<std::vector<std::uint32_t>> udp;   // unreplied, stream
  std::optional<std::vector<std::uint32_t>> icmp;  // one
};

// Rows of a lookup, in this order.
struct LookupResult {
  std::size_t found;
  std::size_t gone;
};

// Flows asked for in one datagram: their answers take a quarter of the smallest receive buffer.
inline constexpr std::size_t kLookupsPerSend = 64;

// libuv worker. A request socket; opened where its thread was, used by one thread at a time under its owner's lock.
class RequestSocket {
 public:
  // `protocol` is NETLINK_*.
  explicit RequestSocket(int protocol);
  RequestSocket(const RequestSocket&) = delete;
  RequestSocket& operator=(const RequestSocket&) = delete;

  // Starts a request; answers to earlier ones are ignored from here on. `message` begins with an nlmsghdr, whose length
  // and sequence number are filled in.
  void Send(std::span<std::byte> message);

  // The same with several requests in one datagram; the kernel answers one after the other. `messages` are whole, their
  // sequence numbers rise by one from `NextSeq()`.
  void SendAll(Bytes messages, std::uint32_t count);
  std::uint32_t NextSeq() const { return seq_ + 1; }

  // The next message of the answer; nothing when none came in time. Borrows until the next call.
  std::optional<NetlinkMessage> Next(std::chrono::steady_clock::time_point deadline);

  // Datagrams that did not fit or were damaged.
  std::uint64_t malformed() const { return malformed_; }

 private:
  NetlinkSocket socket_;
  std::uint32_t seq_ = 0;
  // Of the requests sent last.
  std::uint32_t count_ = 1;
  std::array<std::byte, kAnswerBufferBytes> buffer_;
  MessageReader reader_;
  std::uint64_t malformed_ = 0;
};

// libuv worker, several at once: requests wait for each other. Opened in the namespace of the constructing thread.
class CtRequests {
 public:
  // Throw OperationError "table-stats", "cpu-stats", "protocol-timeouts": EPERM, ETIMEDOUT, EBADMSG, ...
  TableStats ReadTableStats();
  CpuStats ReadCpuStats();
  ProtocolTimeouts ReadProtocolTimeouts();

  // Looks `flows` flows up: in, the rows are tuples, zone and id. Out, the first `found` rows are entries as the kernel
  // has them, the next `gone` rows the tuples of those that it has no more. What it did not understand is in neither.
  // Throws OperationError "lookup". The kernel collects an expired entry that it meets, as with any packet's lookup.
  LookupResult Lookup(const ColumnWriter& rows, std::size_t flows);

 private:
  std::optional<std::vector<std::uint32_t>> ReadTimeouts(std::uint8_t protocol, std::size_t count);

  std::mutex mutex_;
  RequestSocket socket_{NETLINK_NETFILTER};
};

// libuv worker, several at once: reads wait for each other. One dump at a time, pulled: the kernel walks the table only
// as far as it was read, so memory is bounded. Entries that come and go meanwhile may or may not be seen, or be seen
// twice.
class CtDump {
 public:
  // What to list: every entry; or none, which is cheaper and makes the kernel collect expired entries all the same.
  enum class Filter { kAll, kNothing };

  // Throws OperationError "dump": EBUSY while an earlier dump is not read to its end.
  void Start(Filter filter);

  // Fills up to `rows` rows from row 0; fewer only at the end, then 0. After ETIMEDOUT the dump can be read on.
  std::size_t Read(const ColumnWriter& writer, std::size_t rows);

  // Any thread. Messages of all dumps that were not usable as an entry.
  std::uint64_t malformed() const { return malformed_.load(std::memory_order_relaxed); }

 private:
  std::mutex mutex_;
  RequestSocket socket_{NETLINK_NETFILTER};
  bool active_ = false;
  std::uint64_t unusable_ = 0;
  std::atomic<std::uint64_t> malformed_ = 0;
};

}  // namespace ctwatch

#endif  // CTWATCH_CT_REQUESTS_H_
