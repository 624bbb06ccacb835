#include "ct_answers.h"

#include <arpa/inet.h>
#include <linux/if_addr.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_cttimeout.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

namespace ctwatch {
namespace {

// CTA_STATS_GLOBAL_*; the second is not in the headers of older systems.
constexpr std::uint16_t kGlobalEntries = 1;
constexpr std::uint16_t kGlobalMaxEntries = 2;

template <typename Visit>
bool ForEachAnswerAttribute(Bytes payload, Visit&& visit) {
  return payload.size() >= sizeof(nfgenmsg) && ForEachAttribute(payload.subspan(sizeof(nfgenmsg)), visit);
}

}  // namespace

std::optional<TableStats> ParseTableStats(Bytes payload) {
  std::optional<std::uint32_t> count;
  std::optional<std::uint32_t> max;
  const bool whole = ForEachAnswerAttribute(payload, [&](std::uint16_t type, Bytes value) {
    if (type == kGlobalEntries && !count) count = ParseBigEndian<std::uint32_t>(value);
    if (type == kGlobalMaxEntries && !max) max = ParseBigEndian<std::uint32_t>(value);
  });
  if (!whole || !count) return std::nullopt;
  return TableStats{*count, max};
}

bool AddCpuStats(Bytes payload, CpuStats& sum) {
  CpuStats cpu;
  const bool whole = ForEachAnswerAttribute(payload, [&](std::uint16_t type, Bytes attribute) {
    const auto value = ParseBigEndian<std::uint32_t>(attribute);
    if (!value) return;
    switch (type) {
#define CTWATCH_TAKE(name, number) \
  case number:                     \
    cpu.name = *value;             \
    break;
      CTWATCH_CPU_COUNTERS(CTWATCH_TAKE)
#undef CTWATCH_TAKE
    }
  });
  if (!whole) return false;
#define CTWATCH_ADD(name, number) sum.name += cpu.name;
  CTWATCH_CPU_COUNTERS(CTWATCH_ADD)
#undef CTWATCH_ADD
  return true;
}

std::optional<std::vector<std::uint32_t>> ParseTimeouts(Bytes payload, std::size_t count) {
  std::vector<std::optional<std::uint32_t>> found(count);
  const bool whole = ForEachAnswerAttribute(payload, [&](std::uint16_t type, Bytes data) {
    if (type != CTA_TIMEOUT_DATA) return;
    ForEachAttribute(data, [&](std::uint16_t index, Bytes value) {
      if (index >= 1 && index <= count && !found[index - 1]) found[index - 1] = ParseBigEndian<std::uint32_t>(value);
    });
  });
  std::vector<std::uint32_t> seconds;
  for (const auto& timeout : found) {
    if (!whole || !timeout) return std::nullopt;
    seconds.push_back(*timeout);
  }
  return seconds;
}

std::optional<std::string> ParseHostAddress(Bytes payload) {
  if (payload.size() < sizeof(ifaddrmsg)) return std::nullopt;
  const int family = LoadHostOrder<ifaddrmsg>(payload).ifa_family;
  const std::size_t size = family == AF_INET ? sizeof(in_addr) : sizeof(in6_addr);
  if (family != AF_INET && family != AF_INET6) return std::nullopt;
  Bytes address;
  Bytes local;
  ForEachAttribute(payload.subspan(sizeof(ifaddrmsg)), [&](std::uint16_t type, Bytes value) {
    if (value.size() != size) return;
    if (type == IFA_ADDRESS && address.empty()) address = value;
    if (type == IFA_LOCAL && local.empty()) local = value;
  });
  // On a point-to-point link IFA_ADDRESS is the peer's.
  const Bytes own = local.empty() ? address : local;
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (own.empty() || inet_ntop(family, own.data(), text.data(), text.size()) == nullptr) return std::nullopt;
  return text.data();
}

KernelError ParseError(const NetlinkMessage& message) {
  if (message.payload.size() < sizeof(nlmsgerr)) return {EBADMSG, {}};
  const auto answer = LoadHostOrder<nlmsgerr>(message.payload);
  // A hostile error number must not turn into success or overflow when negated.
  KernelError error{answer.error <= 0 && answer.error > -4096 ? -answer.error : EBADMSG, {}};

  // The request comes back whole unless capped; its attributes are followed by those of the answer.
  const std::size_t echoed = (message.flags & NLM_F_CAPPED) != 0 || answer.msg.nlmsg_len < sizeof(nlmsghdr)
                                 ? 0
                                 : NLMSG_ALIGN(std::size_t{answer.msg.nlmsg_len}) - sizeof(nlmsghdr);
  const Bytes rest = message.payload.subspan(sizeof(nlmsgerr));
  if ((message.flags & NLM_F_ACK_TLVS) == 0 || echoed > rest.size()) return error;
  ForEachAttribute(rest.subspan(echoed), [&](std::uint16_t type, Bytes value) {
    if (type != NLMSGERR_ATTR_MSG) return;
    for (const std::byte c : value) {
      if (c == std::byte{0}) break;
      error.text.push_back(static_cast<char>(c));
    }
  });
  return error;
}

}  // namespace ctwatch
