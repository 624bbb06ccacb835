// The conntrack sysctls that netlink has no getter for.

#ifndef CTWATCH_SYSCTLS_H_
#define CTWATCH_SYSCTLS_H_

#include <cstdint>
#include <optional>

namespace ctwatch {

// net.netfilter.nf_conntrack_*; absent when not readable (no conntrack, or an older kernel).
struct Sysctls {
  std::optional<std::uint32_t> buckets;
  std::optional<std::uint32_t> events;
  std::optional<std::uint32_t> acct;
  std::optional<std::uint32_t> timestamp;
};

// Any thread. Those of the thread's network namespace; read once when a socket is opened, never polled.
Sysctls ReadSysctls();

}  // namespace ctwatch

#endif  // CTWATCH_SYSCTLS_H_
