#include "netns_guard.h"

#include <fcntl.h>
#include <sched.h>

#include <cstdio>
#include <cstdlib>
#include <utility>

#include "operation_error.h"

namespace ctwatch {
namespace {

FileDescriptor OpenNamespace(const std::string& path) {
  FileDescriptor fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) throw OperationError("open-netns", errno, "cannot open the network namespace " + path);
  return fd;
}

}  // namespace

NetnsGuard::NetnsGuard(const std::optional<std::string>& path) {
  if (!path) return;
  const FileDescriptor target = OpenNamespace(*path);
  FileDescriptor original = OpenNamespace("/proc/thread-self/ns/net");
  if (setns(target.get(), CLONE_NEWNET) != 0) {
    throw OperationError("setns", errno, "cannot enter the network namespace " + *path);
  }
  original_ = std::move(original);
}

NetnsGuard::~NetnsGuard() {
  if (!original_.valid() || setns(original_.get(), CLONE_NEWNET) == 0) return;
  std::perror("ctwatch: cannot return to the original network namespace");
  std::abort();
}

}  // namespace ctwatch
