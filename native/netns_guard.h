// Puts the calling thread into another network namespace for a while.
//
// Sockets stay in the namespace they were opened in, so a thread needs to be there only while it opens them:
// CAP_SYS_ADMIN is needed then and never again.

#ifndef CTWATCH_NETNS_GUARD_H_
#define CTWATCH_NETNS_GUARD_H_

#include <optional>
#include <string>

#include "file_descriptor.h"

namespace ctwatch {

// The constructing thread. Enters the namespace; the destructor, on the same thread, returns to the one before. A
// thread that cannot return would open every later socket in the wrong namespace, so that failure aborts the process.
class NetnsGuard {
 public:
  // `path` is a namespace file, e.g. /run/netns/NAME; without one the thread stays where it is. Throws OperationError
  // "open-netns" (ENOENT, EACCES, ...) or "setns" (EPERM: CAP_SYS_ADMIN is missing; EINVAL: no network namespace).
  explicit NetnsGuard(const std::optional<std::string>& path);
  NetnsGuard(const NetnsGuard&) = delete;
  NetnsGuard& operator=(const NetnsGuard&) = delete;
  ~NetnsGuard();

 private:
  FileDescriptor original_;
};

}  // namespace ctwatch

#endif  // CTWATCH_NETNS_GUARD_H_
