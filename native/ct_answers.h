// Turns the answers to requests into numbers: table and CPU statistics, protocol timeouts, addresses, errors. Pure.

#ifndef CTWATCH_CT_ANSWERS_H_
#define CTWATCH_CT_ANSWERS_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "netlink_message.h"

namespace ctwatch {

// Answer to IPCTNL_MSG_CT_GET_STATS.
struct TableStats {
  // Entries of the namespace, expired ones included.
  std::uint32_t count = 0;
  // nf_conntrack_max; Linux 4.18.
  std::optional<std::uint32_t> max;
};

// X(name, CTA_STATS_* number) of what the kernel still sends; clash_resolve since Linux 5.10, chain_toolong since 5.15.
#define CTWATCH_CPU_COUNTERS(X) \
  X(found, 2)                   \
  X(invalid, 4)                 \
  X(insert, 8)                  \
  X(insert_failed, 9)           \
  X(drop, 10)                   \
  X(early_drop, 11)             \
  X(error, 12)                  \
  X(search_restart, 13)         \
  X(clash_resolve, 14)          \
  X(chain_toolong, 15)

// Answers to IPCTNL_MSG_CT_GET_STATS_CPU, summed modulo 2^32 as the kernel counts. A counter that is not sent is 0.
struct CpuStats {
#define CTWATCH_FIELD(name, number) std::uint32_t name = 0;
  CTWATCH_CPU_COUNTERS(CTWATCH_FIELD)
#undef CTWATCH_FIELD
};

// What the kernel says about a failed request.
struct KernelError {
  int error_number;
  // Its own words (NETLINK_EXT_ACK); often empty.
  std::string text;
};

// Any thread, as are all of these. `payload` is that of a netlink message, nfgenmsg included.
std::optional<TableStats> ParseTableStats(Bytes payload);

// Adds the counters of one CPU. False when the message is damaged.
bool AddCpuStats(Bytes payload, CpuStats& sum);

// The timeouts 1 to `count` of an IPCTNL_MSG_TIMEOUT_DEFAULT_GET answer, seconds; nothing when one of them is missing.
std::optional<std::vector<std::uint32_t>> ParseTimeouts(Bytes payload, std::size_t count);

// The address of an RTM_NEWADDR message in text; nothing when it has none, or is neither IPv4 nor IPv6. `payload`
// begins with the ifaddrmsg.
std::optional<std::string> ParseHostAddress(Bytes payload);

// Of a message of type NLMSG_ERROR. An error number of 0 is an acknowledgement; a message too short to tell is EBADMSG.
KernelError ParseError(const NetlinkMessage& message);

}  // namespace ctwatch

#endif  // CTWATCH_CT_ANSWERS_H_
