// Whose flows are these: the socket of each, the process that holds it, or at least its cgroup. One request, one thread
// hop: the socket of a short connection is open for milliseconds.

#ifndef CTWATCH_OWNER_LOOKUP_H_
#define CTWATCH_OWNER_LOOKUP_H_

#include <napi.h>

#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "cgroup_paths.h"
#include "process_finder.h"
#include "socket_diag.h"
#include "socket_lookup.h"

namespace ctwatch {

struct OwnerQuestion {
  std::vector<FlowEnds> flows{};
  // Sockets of earlier questions whose process was not found.
  std::vector<WantedSocket> sockets{};
  FinderBudget budget{};
  bool command_line = false;
};

struct OwnerAnswer {
  struct Flow {
    FlowSocket socket;
    std::optional<std::size_t> process{};
    // Of the socket, when its process was not found.
    std::string cgroup{};
  };
  std::vector<Flow> flows{};
  std::vector<WantedSocket> sockets{};
  FinderAnswer found{};
  // CLOCK_BOOTTIME, and the unit in which processes tell their start.
  double boot_seconds = 0;
  double ticks_per_second = 0;
};

// libuv worker, several at once: they wait for each other. Opened in the namespace of the constructing thread.
class OwnerLookup {
 public:
  // Throws OperationError "socket-lookup".
  OwnerAnswer Ask(const OwnerQuestion& question);

 private:
  std::mutex mutex_;
  SocketLookup sockets_;
  ProcessFinder processes_;
  CgroupPaths cgroups_;
};

// JS thread. The argument and the result of `ConntrackSocket.owners`, which conntrack_socket.h describes.
OwnerQuestion ToOwnerQuestion(const Napi::Value& value);
Napi::Value ToJs(Napi::Env env, const OwnerAnswer& answer);

}  // namespace ctwatch

#endif  // CTWATCH_OWNER_LOOKUP_H_
