#include "socket_diag.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "message_bytes.h"
#include "report.h"

namespace ctwatch {
namespace {

Address ToAddress(const char* text) {
  Address address{};
  if (inet_pton(AF_INET, text, address.data()) != 1) inet_pton(AF_INET6, text, address.data());
  return address;
}

SocketPair Pair(std::uint8_t protocol, const char* local, std::uint16_t local_port, const char* remote,
                std::uint16_t remote_port) {
  const std::uint8_t family = std::string_view(local).find(':') == std::string_view::npos ? AF_INET : AF_INET6;
  return {family, protocol, ToAddress(local), ToAddress(remote), local_port, remote_port};
}

std::string Format(std::uint8_t family, const Address& address) {
  char text[INET6_ADDRSTRLEN] = "";
  inet_ntop(family, address.data(), text, sizeof(text));
  return text;
}

Bytes PayloadOf(const Block& block) {
  return MessageReader{Bytes(block)}.Next()->payload;
}

std::string Describe(const Block& block, std::uint8_t protocol) {
  const auto socket = ParseSocket(PayloadOf(block), protocol);
  if (!socket) return "unreadable";
  const SocketPair& pair = socket->pair;
  return Format(pair.family, pair.local) + " " + Format(pair.family, pair.remote) + " state " +
         std::to_string(socket->state) + (socket->inode == 0 ? " no inode" : " inode") + " cgroup " +
         (socket->cgroup_id ? std::to_string(*socket->cgroup_id) : "unknown");
}

// Against the pair of the socket itself, with the peer changed when one is given.
SocketMatch Match(const char* name, std::uint8_t protocol, const char* local, const char* remote, int remote_port) {
  const Block block = Real(name);
  const auto socket = ParseSocket(PayloadOf(block), protocol);
  SocketPair pair = Pair(protocol, local, socket->pair.local_port, remote, socket->pair.remote_port);
  if (remote_port >= 0) pair.remote_port = static_cast<std::uint16_t>(remote_port);
  return MatchSocket(*socket, pair);
}

void TestSockets(Report& report) {
  report.Equal("a client", Describe(Real("socket_client"), IPPROTO_TCP), "127.0.0.1 127.0.0.1 state 1 inode cgroup 1");
  report.Equal("accepted by the kernel, not by the process", Describe(Real("socket_not_accepted"), IPPROTO_TCP),
               "127.0.0.1 127.0.0.1 state 1 no inode cgroup 1");
  report.Equal("TIME_WAIT", Describe(Real("socket_time_wait"), IPPROTO_TCP),
               "127.0.0.1 127.0.0.1 state 6 no inode cgroup unknown");
  report.Equal("a listener", Describe(Real("socket_listener"), IPPROTO_TCP),
               "127.0.0.1 0.0.0.0 state 10 inode cgroup 1");
  report.Equal("IPv4 accepted by an IPv6 socket", Describe(Real("socket_mapped_accepted"), IPPROTO_TCP),
               "127.0.0.1 127.0.0.1 state 1 inode cgroup 1");
  report.Equal("a listener of both families", Describe(Real("socket_mapped_listener"), IPPROTO_TCP),
               ":: :: state 10 inode cgroup 1");
  report.Equal("UDP without a peer", Describe(Real("socket_udp_unconnected"), IPPROTO_UDP),
               "0.0.0.0 0.0.0.0 state 7 inode cgroup 1");

  const Block client = Real("socket_client");
  const Bytes payload = PayloadOf(client);
  report.True("cut short", !ParseSocket(payload.first(sizeof(inet_diag_msg) - 1), IPPROTO_TCP));
  report.True("nothing", !ParseSocket(Bytes(), IPPROTO_TCP));
  report.True("without attributes", ParseSocket(payload.first(sizeof(inet_diag_msg)), IPPROTO_TCP).has_value());
  report.True("an attribute cut short", !ParseSocket(payload.first(payload.size() - 4), IPPROTO_TCP));
  Block family = client;
  family[sizeof(nlmsghdr)] = std::byte{1};
  report.True("of a family that is not asked for", !ParseSocket(PayloadOf(family), IPPROTO_TCP));
  const std::string odd = std::string(reinterpret_cast<const char*>(payload.data()), sizeof(inet_diag_msg)) +
                          Attribute(21, "abcd") + Attribute(99, "x") + Attribute(21, HostOrder(std::uint64_t{77}));
  const auto socket = ParseSocket(std::as_bytes(std::span(odd)), IPPROTO_TCP);
  report.Equal("a cgroup of four bytes is none", socket->cgroup_id.value_or(0), std::uint64_t{77});
}

void TestMatches(Report& report) {
  using enum SocketMatch;
  const auto is = [&](const char* name, SocketMatch actual, SocketMatch expected) {
    report.True(name, actual == expected);
  };
  const char* local = "127.0.0.1";
  is("its own client", Match("socket_client", IPPROTO_TCP, local, local, -1), kExact);
  is("TIME_WAIT is exact", Match("socket_time_wait", IPPROTO_TCP, local, local, -1), kExact);
  is("another peer's port", Match("socket_client", IPPROTO_TCP, local, local, 9), kNone);
  is("another peer", Match("socket_client", IPPROTO_TCP, local, "127.0.0.2", -1), kNone);
  is("another address", Match("socket_client", IPPROTO_TCP, "127.0.0.2", local, -1), kNone);
  is("a listener for a peer it does not know", Match("socket_listener", IPPROTO_TCP, local, "10.9.9.9", 4), kListener);
  is("IPv4 at a socket of IPv6", Match("socket_mapped_accepted", IPPROTO_TCP, local, local, -1), kExact);
  is("IPv4 at a listener of IPv6", Match("socket_mapped_listener", IPPROTO_TCP, local, "10.9.9.9", 4), kListener);
  is("UDP without a peer", Match("socket_udp_unconnected", IPPROTO_UDP, local, "10.9.9.9", 53), kListener);
  is("UDP with its peer", Match("socket_udp_connected", IPPROTO_UDP, local, local, 53), kExact);
  is("UDP with another peer", Match("socket_udp_connected", IPPROTO_UDP, local, "127.0.0.2", 53), kNone);
  is("UDP of IPv6 with a peer of IPv4", Match("socket_udp_mapped_connected", IPPROTO_UDP, local, local, 53), kExact);

  SocketFacts bound;
  bound.pair = Pair(IPPROTO_TCP, "127.0.0.1", 80, "0.0.0.0", 0);
  bound.state = 7;
  is("TCP that neither listens nor is connected", MatchSocket(bound, Pair(IPPROTO_TCP, local, 80, local, 9)), kNone);
  bound.state = 10;
  is("a listener on another port", MatchSocket(bound, Pair(IPPROTO_TCP, local, 81, local, 9)), kNone);
}

void TestRequests(Report& report) {
  const auto bytes = [](const SocketRequest& request) { return HostOrder(request).substr(sizeof(nlmsghdr)); };
  const std::string address = std::string("\x7f\0\0\1", 4) + std::string(12, '\0');
  const std::string other = std::string("\x0a\0\0\5", 4) + std::string(12, '\0');
  const std::string end = std::string(4, '\0') + std::string(8, '\xff');
  report.Equal("tcp: local first", bytes(MakeSocketRequest(Pair(IPPROTO_TCP, "127.0.0.1", 0x1234, "10.0.0.5", 0x0050))),
               std::string("\x02\x06\0\0\xff\xff\xff\xff\x12\x34\0\x50", 12) + address + other + end);
  report.Equal("udp: remote first",
               bytes(MakeSocketRequest(Pair(IPPROTO_UDP, "127.0.0.1", 0x1234, "10.0.0.5", 0x0050))),
               std::string("\x02\x11\0\0\xff\xff\xff\xff\0\x50\x12\x34", 12) + other + address + end);

  RouteRequest route = MakeRouteRequest(AF_INET, ToAddress("127.0.0.1"));
  report.Equal("a route of IPv4", RouteRequestBytes(route).size(), sizeof(nlmsghdr) + sizeof(rtmsg) + 8);
  route = MakeRouteRequest(AF_INET6, ToAddress("::1"));
  report.Equal("a route of IPv6", RouteRequestBytes(route).size(), sizeof(nlmsghdr) + sizeof(rtmsg) + 20);
  report.True("local", ParseRouteIsLocal(PayloadOf(Real("route_local"))) == true);
  report.True("local of IPv6", ParseRouteIsLocal(PayloadOf(Real("route_local_ipv6"))) == true);
  report.True("remote", ParseRouteIsLocal(PayloadOf(Real("route_remote"))) == false);
  report.True("a route cut short", !ParseRouteIsLocal(Bytes()));
}

void TestFlows(Report& report) {
  std::string bytes("\x02\x06\0\0", 4);
  for (std::uint16_t port = 1; port <= 4; ++port) bytes += HostOrder(port);
  bytes += std::string(4, '\0');
  for (const char* address : {"10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"}) bytes += HostOrder(ToAddress(address));
  report.Equal("bytes of a flow", bytes.size(), kFlowBytes);
  const auto [original, reply] = ParseFlowEnds(std::as_bytes(std::span(bytes)));
  const auto text = [](const SocketPair& pair) {
    return std::to_string(pair.protocol) + " " + Format(pair.family, pair.local) + ":" +
           std::to_string(pair.local_port) + " " + Format(pair.family, pair.remote) + ":" +
           std::to_string(pair.remote_port);
  };
  report.Equal("original", text(original), "6 10.0.0.1:1 10.0.0.2:2");
  report.Equal("reply", text(reply), "6 10.0.0.3:3 10.0.0.4:4");
}

}  // namespace

void TestSocketDiag(Report& report) {
  TestSockets(report);
  TestMatches(report);
  TestRequests(report);
  TestFlows(report);
}

}  // namespace ctwatch
