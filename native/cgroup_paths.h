// Paths of cgroups by their number, which a socket tells: for sockets whose process is not found or may not be looked
// at.
//
// The number is the inode of the directory in the version 2 hierarchy (Linux 5.5). One walk learns all of them; there
// is another only for a number that is new, and not too soon.

#ifndef CTWATCH_CGROUP_PATHS_H_
#define CTWATCH_CGROUP_PATHS_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_map>

namespace ctwatch {

// libuv worker, one at a time.
class CgroupPaths {
 public:
  // As /proc/PID/cgroup shows it, `/system.slice/cron.service`; empty for the root and for what is not known.
  std::string Find(std::uint64_t id);

 private:
  void Walk();

  std::unordered_map<std::uint64_t, std::string> paths_;
  std::chrono::steady_clock::time_point walked_at_{};
};

}  // namespace ctwatch

#endif  // CTWATCH_CGROUP_PATHS_H_
