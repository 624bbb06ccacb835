// The event sockets of an earlier process, which somebody kept open in between.
//
// With nf_conntrack_events=2 an entry that is born while nobody listens never sends an event. Sockets that are kept
// stay listening: what happens waits in their buffers, and what does not fit is counted, until the next process takes
// over.

#ifndef CTWATCH_KEPT_SOCKETS_H_
#define CTWATCH_KEPT_SOCKETS_H_

#include <cstdint>
#include <optional>
#include <string>

#include "drain_memory.h"
#include "netlink_socket.h"

namespace ctwatch {

// Borrowed; `memory` may be -1.
struct KeptDescriptors {
  int created;
  int destroyed;
  int memory;
};

// JS thread. Either both sockets or none: one alone would tell half of what happens.
struct KeptSockets {
  // In the network namespace of the calling thread. What does not fit is left out, and `refusal` says why.
  static KeptSockets Adopt(const KeptDescriptors& descriptors);

  std::optional<NetlinkSocket> created;
  std::optional<NetlinkSocket> destroyed;
  // Absent although the sockets are there: how far the earlier process had come is not known.
  std::optional<DrainMemory> memory;
  std::string refusal;
};

}  // namespace ctwatch

#endif  // CTWATCH_KEPT_SOCKETS_H_
