#include "socket_diag.h"

#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>

namespace ctwatch {
namespace {

// Not in the headers of older systems.
constexpr std::uint16_t kAttributeCgroupId = 21;

constexpr std::uint8_t kStateListen = 10;

constexpr Address kMappedPrefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

Address LoadAddress(std::uint8_t family, const __be32 (&words)[4]) {
  Address address{};
  std::memcpy(address.data(), words, family == AF_INET6 ? 16 : 4);
  return address;
}

bool IsMapped(const Address& address) {
  return std::equal(kMappedPrefix.begin(), kMappedPrefix.begin() + 12, address.begin());
}

Address Unmap(const Address& address) {
  Address v4{};
  std::copy(address.begin() + 12, address.end(), v4.begin());
  return v4;
}

bool IsAny(const Address& address) {
  return address == Address{};
}

// An IPv6 socket that is connected over IPv4 is one of IPv4 to everybody but its owner. One that only listens has no
// peer, and maybe no address.
void UnmapPair(SocketPair& pair) {
  if (pair.family != AF_INET6) return;
  const bool local = IsMapped(pair.local);
  const bool remote = IsMapped(pair.remote);
  if ((!local && !remote) || (!local && !IsAny(pair.local)) || (!remote && !IsAny(pair.remote))) return;
  pair.family = AF_INET;
  if (local) pair.local = Unmap(pair.local);
  if (remote) pair.remote = Unmap(pair.remote);
}

}  // namespace

FlowEnds ParseFlowEnds(Bytes bytes) {
  const auto port = [&](std::size_t index) { return LoadHostOrder<std::uint16_t>(bytes.subspan(4 + 2 * index)); };
  const auto address = [&](std::size_t index) { return LoadHostOrder<Address>(bytes.subspan(16 + 16 * index)); };
  const auto pair = [&](std::size_t index) {
    return SocketPair{.family = LoadHostOrder<std::uint8_t>(bytes),
                      .protocol = LoadHostOrder<std::uint8_t>(bytes.subspan(1)),
                      .local = address(index),
                      .remote = address(index + 1),
                      .local_port = port(index),
                      .remote_port = port(index + 1)};
  };
  return {pair(0), pair(2)};
}

SocketRequest MakeSocketRequest(const SocketPair& pair) {
  SocketRequest request;
  request.header.nlmsg_len = sizeof(request);
  request.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
  request.header.nlmsg_flags = NLM_F_REQUEST;
  request.diag.sdiag_family = pair.family;
  request.diag.sdiag_protocol = pair.protocol;
  request.diag.idiag_states = ~0U;
  auto& id = request.diag.id;
  // udp_dump_one() takes source and destination the other way round, "for historical reasons".
  const bool swapped = pair.protocol == IPPROTO_UDP || pair.protocol == IPPROTO_UDPLITE;
  id.idiag_sport = htobe16(swapped ? pair.remote_port : pair.local_port);
  id.idiag_dport = htobe16(swapped ? pair.local_port : pair.remote_port);
  const std::size_t bytes = pair.family == AF_INET6 ? 16 : 4;
  std::memcpy(id.idiag_src, (swapped ? pair.remote : pair.local).data(), bytes);
  std::memcpy(id.idiag_dst, (swapped ? pair.local : pair.remote).data(), bytes);
  id.idiag_cookie[0] = INET_DIAG_NOCOOKIE;
  id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
  return request;
}

std::optional<SocketFacts> ParseSocket(Bytes payload, std::uint8_t protocol) {
  if (payload.size() < sizeof(inet_diag_msg)) return std::nullopt;
  const auto message = LoadHostOrder<inet_diag_msg>(payload);
  if (message.idiag_family != AF_INET && message.idiag_family != AF_INET6) return std::nullopt;
  SocketFacts socket;
  socket.pair = {.family = message.idiag_family,
                 .protocol = protocol,
                 .local = LoadAddress(message.idiag_family, message.id.idiag_src),
                 .remote = LoadAddress(message.idiag_family, message.id.idiag_dst),
                 .local_port = be16toh(message.id.idiag_sport),
                 .remote_port = be16toh(message.id.idiag_dport)};
  UnmapPair(socket.pair);
  socket.state = message.idiag_state;
  socket.uid = message.idiag_uid;
  socket.inode = message.idiag_inode;
  const bool whole = ForEachAttribute(payload.subspan(sizeof(inet_diag_msg)), [&](std::uint16_t type, Bytes value) {
    if (type != kAttributeCgroupId || value.size() != sizeof(std::uint64_t) || socket.cgroup_id) return;
    socket.cgroup_id = LoadHostOrder<std::uint64_t>(value);
  });
  return whole ? std::optional(socket) : std::nullopt;
}

SocketMatch MatchSocket(const SocketFacts& socket, const SocketPair& pair) {
  const SocketPair& found = socket.pair;
  if (found.local_port != pair.local_port) return SocketMatch::kNone;
  const bool no_peer = found.remote_port == 0 && IsAny(found.remote);
  if (no_peer && (pair.protocol != IPPROTO_TCP || socket.state == kStateListen)) {
    // The kernel has compared the addresses: a bound one is the one asked for.
    return SocketMatch::kListener;
  }
  const bool same = found.family == pair.family && found.remote_port == pair.remote_port &&
                    found.remote == pair.remote && (found.local == pair.local || IsAny(found.local));
  return same ? SocketMatch::kExact : SocketMatch::kNone;
}

RouteRequest MakeRouteRequest(std::uint8_t family, const Address& address) {
  const std::uint16_t bytes = family == AF_INET6 ? 16 : 4;
  RouteRequest request;
  request.header.nlmsg_len = static_cast<std::uint32_t>(sizeof(request) - sizeof(Address) + bytes);
  request.header.nlmsg_type = RTM_GETROUTE;
  request.header.nlmsg_flags = NLM_F_REQUEST;
  request.route.rtm_family = family;
  request.route.rtm_dst_len = static_cast<std::uint8_t>(bytes * 8);
  request.destination_header = {static_cast<std::uint16_t>(sizeof(nlattr) + bytes), RTA_DST};
  request.destination = address;
  return request;
}

std::span<std::byte> RouteRequestBytes(RouteRequest& request) {
  return std::as_writable_bytes(std::span(&request, 1)).first(request.header.nlmsg_len);
}

std::optional<bool> ParseRouteIsLocal(Bytes payload) {
  if (payload.size() < sizeof(rtmsg)) return std::nullopt;
  return LoadHostOrder<rtmsg>(payload).rtm_type == RTN_LOCAL;
}

}  // namespace ctwatch
