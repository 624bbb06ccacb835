#pragma once

#include <fcntl.h>
#include <sys/stat.h>

#include <cstdint>
#include <optional>

namespace ctwatch {

struct FileStatus {
  std::uint32_t uid;
  std::uint64_t inode;
};

// Any thread. Nothing when the file has gone, as the directory of a process does. fstat() would do as well, but is a
// symbol of glibc 2.33; statx() is one of 2.28, which Node.js itself needs.
inline std::optional<FileStatus> ReadFileStatus(int descriptor) {
  struct statx status {};
  if (statx(descriptor, "", AT_EMPTY_PATH, STATX_UID | STATX_INO, &status) != 0) return std::nullopt;
  return FileStatus{.uid = status.stx_uid, .inode = status.stx_ino};
}

}  // namespace ctwatch
