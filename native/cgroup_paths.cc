#include "cgroup_paths.h"

#include <dirent.h>
#include <fcntl.h>

#include <deque>
#include <memory>

#include "file_descriptor.h"
#include "file_status.h"

namespace ctwatch {
namespace {

// More than any host has; 2 us each.
constexpr std::size_t kPathsMax = 16'384;
constexpr std::chrono::seconds kBetweenWalks{30};

constexpr std::uint64_t kRootId = 1;

struct CloseDirectory {
  void operator()(DIR* directory) const { closedir(directory); }
};

// The version 2 hierarchy, alone or beside version 1.
FileDescriptor OpenHierarchy() {
  const FileDescriptor hybrid(open("/sys/fs/cgroup/unified", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  return FileDescriptor(
      openat(hybrid.get(), hybrid.valid() ? "." : "/sys/fs/cgroup", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

}  // namespace

std::string CgroupPaths::Find(std::uint64_t id) {
  if (id == kRootId) return {};
  const auto now = std::chrono::steady_clock::now();
  const auto known = paths_.find(id);
  if (known != paths_.end()) return known->second;
  if (walked_at_ != std::chrono::steady_clock::time_point{} && now - walked_at_ < kBetweenWalks) return {};
  walked_at_ = now;
  Walk();
  const auto found = paths_.find(id);
  return found == paths_.end() ? std::string() : found->second;
}

void CgroupPaths::Walk() {
  paths_.clear();
  const FileDescriptor root = OpenHierarchy();
  std::deque<std::string> waiting{"."};
  while (!waiting.empty() && paths_.size() < kPathsMax) {
    const std::string path = std::move(waiting.front());
    waiting.pop_front();
    const int fd = openat(root.get(), path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) continue;
    if (const auto status = ReadFileStatus(fd)) paths_.emplace(status->inode, path.substr(1));
    const std::unique_ptr<DIR, CloseDirectory> directory(fdopendir(fd));
    if (!directory) {
      close(fd);
      continue;
    }
    while (const dirent* entry = readdir(directory.get())) {
      if (entry->d_type == DT_DIR && entry->d_name[0] != '.') waiting.push_back(path + '/' + entry->d_name);
    }
  }
}

}  // namespace ctwatch
