// Owns one file descriptor.

#ifndef CTWATCH_FILE_DESCRIPTOR_H_
#define CTWATCH_FILE_DESCRIPTOR_H_

#include <unistd.h>

#include <utility>

namespace ctwatch {

// Any thread, one at a time. Closes the descriptor when destroyed; -1 is "none".
class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int fd) : fd_(fd) {}
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  ~FileDescriptor() {
    if (valid()) close(fd_);
  }

  bool valid() const { return fd_ >= 0; }
  int get() const { return fd_; }

 private:
  int fd_ = -1;
};

}  // namespace ctwatch

#endif  // CTWATCH_FILE_DESCRIPTOR_H_
