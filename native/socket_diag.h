// Asks for one socket, or whether an address is the host's own, and reads the answers. Pure: bytes in, bytes out.
//
// An exact look-up (SOCK_DIAG_BY_FAMILY without NLM_F_DUMP) goes the way of an incoming packet, so it also finds who
// would answer one: a listener for a peer it does not know, a UDP socket without a peer, an IPv6 socket that serves
// IPv4. `MatchSocket` tells these apart. Formats: linux/inet_diag.h, linux/rtnetlink.h; net/ipv4/inet_diag.c.

#ifndef CTWATCH_SOCKET_DIAG_H_
#define CTWATCH_SOCKET_DIAG_H_

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "netlink_message.h"

namespace ctwatch {

// In network order; IPv4 uses the first four bytes, the others are 0.
using Address = std::array<std::uint8_t, 16>;

// A connection as one of its ends sees it. Ports in host order.
struct SocketPair {
  std::uint8_t family = 0;    // AF_INET or AF_INET6
  std::uint8_t protocol = 0;  // IPPROTO_*
  Address local{};
  Address remote{};
  std::uint16_t local_port = 0;
  std::uint16_t remote_port = 0;
};

// Both tuples of a flow, each as the host would have it if its source were here.
struct FlowEnds {
  SocketPair original;
  SocketPair reply;
};

// Bytes of a flow in a request; see `ParseFlowEnds`.
inline constexpr std::size_t kFlowBytes = 80;

// What the kernel tells about a socket.
struct SocketFacts {
  // As it is bound and connected; an address of IPv4 in an IPv6 socket is told as one of IPv4.
  SocketPair pair;
  // enum of net/tcp_states.h: 1 ESTABLISHED, 3 SYN_RECV, 6 TIME_WAIT, 7 CLOSE (UDP without a peer), 10 LISTEN.
  std::uint8_t state = 0;
  std::uint32_t uid = 0;
  // 0: no process has it: TIME_WAIT, or not accepted yet.
  std::uint32_t inode = 0;
  // INET_DIAG_CGROUP_ID: of the version 2 hierarchy, when the socket was made. Linux 5.9.
  std::optional<std::uint64_t> cgroup_id;
};

enum class SocketMatch : std::uint8_t {
  kNone,      // a socket of somebody else
  kExact,     // the end of this connection
  kListener,  // would answer for this end: it listens, or is a UDP socket without a peer
};

struct SocketRequest {
  nlmsghdr header{};
  inet_diag_req_v2 diag{};
};
static_assert(sizeof(SocketRequest) == 72);

struct RouteRequest {
  nlmsghdr header{};
  rtmsg route{};
  nlattr destination_header{};
  Address destination{};
};
static_assert(sizeof(RouteRequest) == 48);

// Any thread, as are all of these. Family, protocol, two bytes unused; ports of original source and destination, reply
// source and destination in host order; four bytes unused; the addresses in the same order. `bytes` holds `kFlowBytes`.
FlowEnds ParseFlowEnds(Bytes bytes);

// Length and sequence number of the header are left to the sender.
SocketRequest MakeSocketRequest(const SocketPair& pair);

// `payload` is that of a SOCK_DIAG_BY_FAMILY message; nothing when it is damaged.
std::optional<SocketFacts> ParseSocket(Bytes payload, std::uint8_t protocol);

SocketMatch MatchSocket(const SocketFacts& socket, const SocketPair& pair);

// For IPv4 the last twelve bytes are not part of the message: see `RouteRequestBytes`.
RouteRequest MakeRouteRequest(std::uint8_t family, const Address& address);

// What to send of it.
std::span<std::byte> RouteRequestBytes(RouteRequest& request);

// Of an RTM_NEWROUTE message: whether packets to the address stay on this host. Nothing when it is damaged.
std::optional<bool> ParseRouteIsLocal(Bytes payload);

}  // namespace ctwatch

#endif  // CTWATCH_SOCKET_DIAG_H_
