// Finds the socket on this host that belongs to a flow, and which way the flow goes.
//
// The direction comes from the host's own addresses: a listener on 0.0.0.0:80 also seems to answer for a web server
// whose flows this host only forwards. An originated flow has its socket at the source of the original tuple, an
// accepted one at the source of the reply tuple: so both are right behind any NAT of this host.

#ifndef CTWATCH_SOCKET_LOOKUP_H_
#define CTWATCH_SOCKET_LOOKUP_H_

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>

#include "ct_requests.h"
#include "socket_diag.h"

namespace ctwatch {

// In the order of FLOW_DIRECTIONS in src/kernel/addon.ts.
enum class FlowDirection : std::uint8_t { kUnknown, kOriginated, kAccepted, kForwarded };

struct FlowSocket {
  FlowDirection direction = FlowDirection::kUnknown;
  SocketMatch match = SocketMatch::kNone;
  // With a match.
  std::uint32_t uid = 0;
  // 0: no process has it.
  std::uint32_t inode = 0;
  std::optional<std::uint64_t> cgroup_id{};
};

// libuv worker, one at a time. Opened in the namespace of the constructing thread. Needs no privilege.
class SocketLookup {
 public:
  SocketLookup();

  // Two or three exact look-ups, about 3 us each. Throws OperationError "socket-lookup".
  FlowSocket Find(const FlowEnds& flow);

 private:
  std::optional<SocketFacts> Ask(const SocketPair& pair);
  bool IsLocal(std::uint8_t family, const Address& address);
  // The socket at `pair`, with what it is for it.
  FlowSocket Take(FlowDirection direction, const SocketPair& pair);
  FlowSocket FindAccepting(const SocketPair& pair);

  // The answer of a moment ago holds: addresses change rarely, and hosts have few.
  struct KnownAddress {
    std::uint8_t family = 0;
    Address address{};
    bool local = false;
    std::chrono::steady_clock::time_point until{};
  };

  RequestSocket diag_;
  RequestSocket route_;
  std::array<KnownAddress, 256> known_{};
};

}  // namespace ctwatch

#endif  // CTWATCH_SOCKET_LOOKUP_H_
