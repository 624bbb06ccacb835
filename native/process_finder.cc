#include "process_finder.h"

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <string_view>

#include "file_status.h"

namespace ctwatch {
namespace {

// Inodes remembered in each half: more sockets than can be asked for in ten seconds.
constexpr std::size_t kPlacesMax = 2048;

// Processes looked at first: more than a host has busy programs, few enough to be looked at each time.
constexpr std::size_t kKnownMax = 64;

// Calls without use after which a process is no longer looked at first.
constexpr int kIdleCallsMax = 32;

// How often the sockets of a process are counted.
constexpr std::chrono::seconds kBetweenCounts{10};

// Inodes of one kernel-wide counter, given to CPUs in thousands: a process with one so near has just opened a socket.
constexpr std::uint32_t kNearInodes = 4096;

// systemd holds the sockets that it opens for services beside them: it is asked last.
constexpr pid_t kInit = 1;

// Descriptors between two looks at the clock, which costs as much as one of them.
constexpr int kDescriptorsPerLook = 32;

constexpr std::size_t kStatBytesMax = 1024;
constexpr std::size_t kCgroupBytesMax = 8192;
constexpr std::size_t kCommandLineBytesMax = 4096;

std::chrono::nanoseconds ThreadTime() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

template <typename Number>
std::optional<Number> ParseNumber(std::string_view text) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// `socket:[123]`.
std::optional<std::uint32_t> ReadSocketInode(int directory, const char* name) {
  std::array<char, 64> target;
  const ssize_t length = readlinkat(directory, name, target.data(), target.size());
  constexpr std::string_view kPrefix = "socket:[";
  if (length <= static_cast<ssize_t>(kPrefix.size()) || std::memcmp(target.data(), kPrefix.data(), kPrefix.size()) != 0)
    return std::nullopt;
  const std::string_view text(target.data(), static_cast<std::size_t>(length));
  return ParseNumber<std::uint32_t>(text.substr(kPrefix.size(), text.size() - kPrefix.size() - 1));
}

// At most so many bytes; what is there when reading fails.
std::string ReadText(int directory, const char* name, std::size_t bytes_max) {
  const FileDescriptor file(openat(directory, name, O_RDONLY | O_CLOEXEC));
  std::string text(file.valid() ? bytes_max : 0, '\0');
  std::size_t length = 0;
  while (length < text.size()) {
    const ssize_t got = read(file.get(), text.data() + length, text.size() - length);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    length += static_cast<std::size_t>(got);
  }
  text.resize(length);
  return text;
}

}  // namespace

// One call: what is still wanted, what was found, what it cost.
class ProcessFinder::Search {
 public:
  Search(ProcessFinder& finder, std::vector<WantedSocket>& wanted, bool command_line)
      : finder_(finder), wanted_(wanted), command_line_(command_line) {
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      open_.emplace(wanted[i].inode, i);
      uids_.insert(wanted[i].uid);
      lowest_ = std::min(lowest_, wanted[i].inode);
      highest_ = std::max(highest_, wanted[i].inode);
    }
  }

  void LookWhereTheyWere() {
    for (auto& socket : wanted_) {
      if (socket.process) continue;
      const auto place = finder_.Recall(socket.inode);
      if (!place) continue;
      const FileDescriptor process = OpenProcess(place->pid);
      if (!process.valid()) continue;
      const FileDescriptor directory(openat(process.get(), "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
      if (!directory.valid()) continue;
      const auto inode = ReadSocketInode(directory.get(), std::to_string(place->descriptor).c_str());
      if (inode == socket.inode) Take(*inode, process.get(), *place);
    }
  }

  void LookAtKnown(std::chrono::nanoseconds budget) {
    const auto until = ThreadTime() + budget;
    // What is found moves to the front.
    const std::vector<Known> known = finder_.known_;
    std::vector<pid_t> useless;
    for (const Known& entry : known) {
      const pid_t pid = entry.pid;
      if (open_.empty() || ThreadTime() >= until) break;
      looked_at_.insert(pid);
      const std::size_t before = open_.size();
      const bool alive = LookAt(pid, until, false);
      if (!alive || (open_.size() == before && entry.idle_calls >= kIdleCallsMax)) useless.push_back(pid);
      if (open_.size() == before) CountIdle(pid);
    }
    std::erase_if(finder_.known_, [&](const Known& entry) {
      return std::find(useless.begin(), useless.end(), entry.pid) != useless.end();
    });
  }

  // The sockets of the processes that were found, where that is due.
  void CountSockets(std::chrono::nanoseconds budget) {
    const auto until = ThreadTime() + budget;
    const auto now = std::chrono::steady_clock::now();
    for (auto& facts : answer_.processes) {
      const auto known = std::find_if(finder_.known_.begin(), finder_.known_.end(),
                                      [&](const Known& entry) { return entry.pid == facts.pid; });
      if (known == finder_.known_.end() || now - known->counted_at < kBetweenCounts || ThreadTime() >= until) continue;
      known->counted_at = now;
      const FileDescriptor process = OpenProcess(facts.pid);
      const std::unique_ptr<DIR, CloseDirectory> directory(process.valid() ? OpenDescriptors(process.get()) : nullptr);
      if (!directory) continue;
      std::uint32_t sockets = 0;
      int looks = 0;
      const dirent* entry = nullptr;
      while ((entry = readdir(directory.get())) != nullptr) {
        if (++looks % kDescriptorsPerLook == 0 && ThreadTime() >= until) break;
        if (ReadSocketInode(dirfd(directory.get()), entry->d_name)) ++sockets;
      }
      if (entry == nullptr) facts.sockets = sockets;
    }
  }

  // Goes on where the last call stopped, once around at most.
  void LookAtOthers(std::chrono::nanoseconds budget) {
    const auto until = ThreadTime() + budget;
    pid_t first = 0;
    bool around = false;
    while (StillWorthIt() && ThreadTime() < until) {
      const auto pid = NextProcess();
      if (pid == kInit) continue;
      if (!pid) {
        LookAt(kInit, until, false);
        if (around || !finder_.cursor_) break;
        around = true;
        continue;
      }
      if (first == 0) first = *pid;
      if (around && *pid >= first) break;
      if (!looked_at_.contains(*pid)) LookAt(*pid, until, finder_.round_ % 2 == 0);
    }
  }

  FinderAnswer answer_{};

 private:
  FileDescriptor OpenProcess(pid_t pid) const {
    return FileDescriptor(openat(finder_.proc_.get(), std::to_string(pid).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  }

  // Whether one is wanted whose kind has not been found.
  bool StillWorthIt() const {
    return std::any_of(open_.begin(), open_.end(), [&](const auto& entry) {
      const std::uint64_t kind = wanted_[entry.second].kind;
      return kind == 0 || !kinds_found_.contains(kind);
    });
  }

  // False when there is no such process any more.
  bool LookAt(pid_t pid, std::chrono::nanoseconds until, bool only_users) {
    const FileDescriptor process = OpenProcess(pid);
    if (!process.valid()) return false;
    if (only_users) {
      const auto status = ReadFileStatus(process.get());
      if (!status || !uids_.contains(status->uid)) return true;
    }
    const std::unique_ptr<DIR, CloseDirectory> directory(OpenDescriptors(process.get()));
    if (!directory) return true;
    int looks = 0;
    bool near = false;
    while (const dirent* entry = readdir(directory.get())) {
      if (entry->d_name[0] == '.') continue;
      if (++looks % kDescriptorsPerLook == 0 && ThreadTime() >= until) break;
      const auto inode = ReadSocketInode(dirfd(directory.get()), entry->d_name);
      if (!inode) continue;
      if (open_.contains(*inode)) {
        const auto descriptor = ParseNumber<int>(entry->d_name);
        Take(*inode, process.get(), {pid, descriptor.value_or(0)});
        if (open_.empty()) break;
      } else if (*inode + kNearInodes > lowest_ && *inode < highest_ + kNearInodes) {
        near = true;
      }
    }
    // Its sockets of a moment ago are closed, but the next ones will be its as well.
    if (near) finder_.Promote(pid);
    return true;
  }

  DIR* OpenDescriptors(int process) {
    const int fd = openat(process, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 && (errno == EACCES || errno == EPERM)) ++answer_.refused;
    if (fd < 0) return nullptr;
    DIR* directory = fdopendir(fd);
    if (directory == nullptr) close(fd);
    return directory;
  }

  void Take(std::uint32_t inode, int process, Place place) {
    const auto index = Describe(process, place.pid);
    if (!index) return;
    const auto [first, last] = open_.equal_range(inode);
    for (auto entry = first; entry != last; ++entry) {
      wanted_[entry->second].process = *index;
      kinds_found_.insert(wanted_[entry->second].kind);
    }
    open_.erase(first, last);
    finder_.Remember(inode, place);
    finder_.Promote(place.pid);
  }

  // The place of the process in the answer; nothing when it has just ended.
  std::optional<std::size_t> Describe(int process, pid_t pid) {
    const auto known = std::find_if(answer_.processes.begin(), answer_.processes.end(),
                                    [&](const ProcessFacts& facts) { return facts.pid == pid; });
    if (known != answer_.processes.end()) return known - answer_.processes.begin();
    const auto status = ReadFileStatus(process);
    if (!status) return std::nullopt;
    ProcessFacts facts{.pid = pid,
                       .uid = status->uid,
                       .stat = ReadText(process, "stat", kStatBytesMax),
                       .cgroup = ReadText(process, "cgroup", kCgroupBytesMax),
                       .command_line = command_line_ ? ReadText(process, "cmdline", kCommandLineBytesMax) : ""};
    if (facts.stat.empty()) return std::nullopt;
    answer_.processes.push_back(std::move(facts));
    return answer_.processes.size() - 1;
  }

  void CountIdle(pid_t pid) {
    for (auto& entry : finder_.known_) {
      if (entry.pid == pid) ++entry.idle_calls;
    }
  }

  // The next process in the directory; nothing at its end, where the next call begins anew.
  std::optional<pid_t> NextProcess() {
    auto& cursor = finder_.cursor_;
    if (!cursor) {
      const int fd = openat(finder_.proc_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
      cursor.reset(fd < 0 ? nullptr : fdopendir(fd));
      if (!cursor && fd >= 0) close(fd);
      if (!cursor) return std::nullopt;
    }
    while (const dirent* entry = readdir(cursor.get())) {
      const auto pid = ParseNumber<pid_t>(entry->d_name);
      if (pid) return pid;
    }
    rewinddir(cursor.get());
    ++finder_.round_;
    return std::nullopt;
  }

  ProcessFinder& finder_;
  std::vector<WantedSocket>& wanted_;
  const bool command_line_;
  // Inode -> index in `wanted_`.
  std::unordered_multimap<std::uint32_t, std::size_t> open_;
  std::unordered_set<std::uint64_t> kinds_found_;
  std::unordered_set<std::uint32_t> uids_;
  std::unordered_set<pid_t> looked_at_;
  std::uint32_t lowest_ = ~0U;
  std::uint32_t highest_ = 0;
};

ProcessFinder::ProcessFinder() : proc_(open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {}

FinderAnswer ProcessFinder::Find(std::vector<WantedSocket>& wanted, FinderBudget budget, bool command_line) {
  if (!proc_.valid() || wanted.empty()) return {};
  const auto began = ThreadTime();
  Search search(*this, wanted, command_line);
  search.LookWhereTheyWere();
  search.LookAtKnown(budget.known);
  const auto known = ThreadTime();
  search.LookAtOthers(budget.scan);
  const auto scanned = ThreadTime();
  search.CountSockets(budget.known - (known - began));
  search.answer_.spent = {.known = known - began + (ThreadTime() - scanned), .scan = scanned - known};
  return std::move(search.answer_);
}

void ProcessFinder::Remember(std::uint32_t inode, Place place) {
  if (recent_.size() >= kPlacesMax && !recent_.contains(inode)) {
    older_ = std::move(recent_);
    recent_.clear();
  }
  recent_[inode] = place;
}

std::optional<ProcessFinder::Place> ProcessFinder::Recall(std::uint32_t inode) const {
  for (const auto* places : {&recent_, &older_}) {
    if (const auto found = places->find(inode); found != places->end()) return found->second;
  }
  return std::nullopt;
}

void ProcessFinder::Promote(pid_t pid) {
  Known promoted{pid};
  const auto before = std::find_if(known_.begin(), known_.end(), [&](const Known& entry) { return entry.pid == pid; });
  if (before != known_.end()) {
    promoted.counted_at = before->counted_at;
    known_.erase(before);
  }
  known_.insert(known_.begin(), promoted);
  if (known_.size() > kKnownMax) known_.pop_back();
}

}  // namespace ctwatch
