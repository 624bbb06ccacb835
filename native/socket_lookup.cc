#include "socket_lookup.h"

#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstddef>

#include "ct_answers.h"
#include "operation_error.h"

namespace ctwatch {
namespace {

// How long an address counts as one of the host's, or not.
constexpr std::chrono::seconds kAddressLifetime{5};

// The message that answers, or nothing when the kernel knows no such thing.
std::optional<NetlinkMessage> Exchange(RequestSocket& socket, std::span<std::byte> request) {
  socket.Send(request);
  const auto answer = socket.Next(std::chrono::steady_clock::now() + kRequestTimeout);
  if (!answer) throw OperationError("socket-lookup", ETIMEDOUT, "the kernel did not answer a socket look-up");
  if (answer->type != NLMSG_ERROR) return answer;
  const int error = ParseError(*answer).error_number;
  // All others mean that there is no such socket or route, or nobody who could tell: sctp_diag and its like are
  // modules.
  if (error == EPERM || error == EACCES) {
    throw OperationError("socket-lookup", error, "the kernel refused a socket look-up");
  }
  return std::nullopt;
}

bool HasSockets(std::uint8_t protocol) {
  return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_UDPLITE;
}

}  // namespace

SocketLookup::SocketLookup() : diag_(NETLINK_SOCK_DIAG), route_(NETLINK_ROUTE) {}

FlowSocket SocketLookup::Find(const FlowEnds& flow) {
  const auto& [original, reply] = flow;
  if (IsLocal(original.family, original.local)) {
    if (!HasSockets(original.protocol)) return {.direction = FlowDirection::kOriginated};
    const FlowSocket found = Take(FlowDirection::kOriginated, original);
    // A TCP listener on the port it came from has nothing to do with it.
    const bool listener = original.protocol == IPPROTO_TCP && found.match == SocketMatch::kListener;
    return listener ? FlowSocket{.direction = FlowDirection::kOriginated} : found;
  }
  if (IsLocal(reply.family, reply.local)) {
    return HasSockets(reply.protocol) ? FindAccepting(reply) : FlowSocket{.direction = FlowDirection::kAccepted};
  }
  if (HasSockets(original.protocol)) {
    // A transparent proxy has sockets with other hosts' addresses.
    for (const auto& [direction, pair] :
         {std::pair(FlowDirection::kAccepted, reply), std::pair(FlowDirection::kOriginated, original)}) {
      const FlowSocket found = Take(direction, pair);
      if (found.match == SocketMatch::kExact) return found;
    }
  }
  return {.direction = FlowDirection::kForwarded};
}

FlowSocket SocketLookup::FindAccepting(const SocketPair& pair) {
  const FlowSocket found = Take(FlowDirection::kAccepted, pair);
  if (found.match == SocketMatch::kListener || (found.match == SocketMatch::kExact && found.inode != 0)) return found;
  // In the handshake, in the backlog, or closed: whoever listens there has accepted it, or will.
  const FlowSocket listener =
      Take(FlowDirection::kAccepted,
           {.family = pair.family, .protocol = pair.protocol, .local = pair.local, .local_port = pair.local_port});
  return listener.match == SocketMatch::kListener ? listener : found;
}

FlowSocket SocketLookup::Take(FlowDirection direction, const SocketPair& pair) {
  FlowSocket found{.direction = direction};
  const auto socket = Ask(pair);
  if (!socket) return found;
  found.match = MatchSocket(*socket, pair);
  if (found.match == SocketMatch::kNone) return found;
  found.uid = socket->uid;
  found.inode = socket->inode;
  found.cgroup_id = socket->cgroup_id;
  return found;
}

std::optional<SocketFacts> SocketLookup::Ask(const SocketPair& pair) {
  SocketRequest request = MakeSocketRequest(pair);
  const auto answer = Exchange(diag_, std::as_writable_bytes(std::span(&request, 1)));
  if (!answer || answer->type != SOCK_DIAG_BY_FAMILY) return std::nullopt;
  return ParseSocket(answer->payload, pair.protocol);
}

bool SocketLookup::IsLocal(std::uint8_t family, const Address& address) {
  const auto now = std::chrono::steady_clock::now();
  std::size_t hash = family;
  for (const std::uint8_t byte : address) hash = hash * 31 + byte;
  KnownAddress& known = known_[hash % known_.size()];
  if (known.until > now && known.family == family && known.address == address) return known.local;
  RouteRequest request = MakeRouteRequest(family, address);
  const auto answer = Exchange(route_, RouteRequestBytes(request));
  const bool local = answer && answer->type == RTM_NEWROUTE && ParseRouteIsLocal(answer->payload).value_or(false);
  known = {family, address, local, now + kAddressLifetime};
  return local;
}

}  // namespace ctwatch
