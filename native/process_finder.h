// Finds the processes that hold sockets, by the socket's inode: `readlink` of /proc/PID/fd/*, 3-6 us each.
//
// In this order, as long as the budget lasts: where the inode was the last time; the processes that had such sockets
// before; then all others, a slice at a time, going on where the last call stopped. A process is reached through its
// directory, opened once: when it ends, nothing of a successor with its pid can be read there. What vanishes meanwhile
// is no error.

#ifndef CTWATCH_PROCESS_FINDER_H_
#define CTWATCH_PROCESS_FINDER_H_

#include <dirent.h>
#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "file_descriptor.h"

namespace ctwatch {

// A socket whose process is looked for.
struct WantedSocket {
  std::uint32_t inode;
  // Of the socket, when it was made.
  std::uint32_t uid;
  // Sockets of the same kind share a number: once one is found, all processes are not gone through for the others,
  // which are closed by now. 0: of no kind.
  std::uint64_t kind;
  // Answer: index of its process.
  std::optional<std::size_t> process{};
};

// What procfs says about a process, as it is; parsed in TypeScript.
struct ProcessFacts {
  pid_t pid;
  std::uint32_t uid;
  std::string stat;
  std::string cgroup;
  // Only when asked for.
  std::string command_line;
  // Open sockets, when they were counted: now and then, as that reads all descriptors.
  std::optional<std::uint32_t> sockets{};
};

// CPU time of the thread: of known processes, and of going through the others.
struct FinderBudget {
  std::chrono::nanoseconds known;
  std::chrono::nanoseconds scan;
};

struct FinderAnswer {
  std::vector<ProcessFacts> processes;
  FinderBudget spent;
  // Processes that could not be looked at for want of a capability.
  std::uint32_t refused = 0;
};

// libuv worker, one at a time. All that it remembers is bounded.
class ProcessFinder {
 public:
  ProcessFinder();

  // Fills in `process` of those it finds.
  FinderAnswer Find(std::vector<WantedSocket>& wanted, FinderBudget budget, bool command_line);

 private:
  class Search;

  struct Place {
    pid_t pid;
    int descriptor;
  };
  struct Known {
    pid_t pid;
    // Calls since it was last of use.
    int idle_calls = 0;
    std::chrono::steady_clock::time_point counted_at{};
  };
  struct CloseDirectory {
    void operator()(DIR* directory) const { closedir(directory); }
  };

  void Remember(std::uint32_t inode, Place place);
  std::optional<Place> Recall(std::uint32_t inode) const;
  void Promote(pid_t pid);

  FileDescriptor proc_;
  // Where inodes were found; the older half is forgotten when the newer is full.
  std::unordered_map<std::uint32_t, Place> recent_;
  std::unordered_map<std::uint32_t, Place> older_;
  // Most useful first.
  std::vector<Known> known_;
  // Where going through all processes has come to.
  std::unique_ptr<DIR, CloseDirectory> cursor_;
  // Every other time only processes of the sockets' users are looked at: most sockets are found there for much less.
  std::uint32_t round_ = 0;
};

}  // namespace ctwatch

#endif  // CTWATCH_PROCESS_FINDER_H_
