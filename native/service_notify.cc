#include "service_notify.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>

#include "file_descriptor.h"
#include "operation_error.h"

namespace ctwatch {
namespace {

constexpr timeval kSendTimeout{1, 0};

[[noreturn]] void Fail(int error_number) {
  throw OperationError("notify", error_number, "cannot tell the service manager");
}

// Returns its length: an abstract name ends where it ends, not at a zero.
socklen_t ToAddress(const std::string& name, sockaddr_un& address) {
  const bool is_abstract = name.starts_with('@');
  if (!is_abstract && !name.starts_with('/')) Fail(EAFNOSUPPORT);
  if (name.size() < 2 || name.size() >= sizeof(address.sun_path)) Fail(ENAMETOOLONG);
  address.sun_family = AF_UNIX;
  std::ranges::copy(name, address.sun_path);
  if (is_abstract) address.sun_path[0] = '\0';
  return static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size() + (is_abstract ? 0 : 1));
}

}  // namespace

void NotifyService(const std::string& name, const std::string& state, std::span<const int> descriptors) {
  if (descriptors.size() > kNotifyDescriptorsMax) Fail(E2BIG);
  sockaddr_un address{};
  const socklen_t address_length = ToAddress(name, address);
  const FileDescriptor fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!fd.valid()) Fail(errno);
  setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &kSendTimeout, sizeof(kSendTimeout));

  iovec text{const_cast<char*>(state.data()), state.size()};
  msghdr message{};
  message.msg_name = &address;
  message.msg_namelen = address_length;
  message.msg_iov = &text;
  message.msg_iovlen = 1;
  alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(kNotifyDescriptorsMax * sizeof(int))> control{};
  if (!descriptors.empty()) {
    message.msg_control = control.data();
    message.msg_controllen = CMSG_SPACE(descriptors.size_bytes());
    cmsghdr* rights = CMSG_FIRSTHDR(&message);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(descriptors.size_bytes());
    std::memcpy(CMSG_DATA(rights), descriptors.data(), descriptors.size_bytes());
  }
  while (sendmsg(fd.get(), &message, MSG_NOSIGNAL) < 0) {
    if (errno != EINTR) Fail(errno);
  }
}

}  // namespace ctwatch
