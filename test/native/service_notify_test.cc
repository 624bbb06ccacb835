#include "service_notify.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <string>

#include "file_descriptor.h"
#include "operation_error.h"
#include "report.h"

namespace ctwatch {
namespace {

// A manager that hears one datagram at `name`, an '@' standing for the zero byte of an abstract one.
class Manager {
 public:
  explicit Manager(const std::string& name) : fd_(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, name.data(), name.size());
    if (name[0] == '@') address.sun_path[0] = '\0';
    const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
    bound_ = bind(fd_.get(), reinterpret_cast<const sockaddr*>(&address), length) == 0;
  }

  bool bound() const { return bound_; }

  // The text, then the descriptors that came along.
  std::string Hear(std::array<int, 2>& descriptors, std::size_t& count) const {
    std::array<char, 256> text{};
    iovec part{text.data(), text.size()};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(descriptors))> control{};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const ssize_t length = recvmsg(fd_.get(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    const cmsghdr* rights = CMSG_FIRSTHDR(&message);
    count = rights == nullptr ? 0 : (rights->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    if (count > 0) std::memcpy(descriptors.data(), CMSG_DATA(rights), count * sizeof(int));
    return length < 0 ? "nothing" : std::string(text.data(), static_cast<std::size_t>(length));
  }

 private:
  FileDescriptor fd_;
  bool bound_ = false;
};

int ErrorOf(const std::string& address, std::span<const int> descriptors = {}) {
  try {
    NotifyService(address, "READY=1", descriptors);
    return 0;
  } catch (const OperationError& error) {
    return error.operation() == "notify" ? error.code().value() : -1;
  }
}

void TestAddress(Report& report, const std::string& name) {
  const Manager manager(name);
  report.True(name + " is bound", manager.bound());
  std::array<int, 2> descriptors{};
  std::size_t count = 0;
  NotifyService(name, "READY=1\nSTATUS=fine", {});
  report.Equal(name + " hears the whole state", manager.Hear(descriptors, count), "READY=1\nSTATUS=fine");
  report.Equal(name + " gets no descriptor unasked", count, std::size_t{0});

  std::array<int, 2> ends{};
  report.True("a pipe", pipe(ends.data()) == 0);
  const FileDescriptor reader(ends[0]);
  const FileDescriptor writer(ends[1]);
  NotifyService(name, "FDSTORE=1", ends);
  report.Equal(name + " hears of descriptors", manager.Hear(descriptors, count), "FDSTORE=1");
  report.Equal(name + " gets both", count, std::size_t{2});
  if (count != 2) return;
  const FileDescriptor copied_reader(descriptors[0]);
  const FileDescriptor copied_writer(descriptors[1]);
  char byte = 0;
  report.True("a copy writes", write(copied_writer.get(), "x", 1) == 1);
  report.True("what the original reads", read(reader.get(), &byte, 1) == 1 && byte == 'x');
}

}  // namespace

void TestServiceNotify(Report& report) {
  const std::string own = std::to_string(getpid());
  const std::string path = "/tmp/ctwatch-notify-" + own;
  TestAddress(report, "@ctwatch-notify-" + own);
  TestAddress(report, path);
  unlink(path.c_str());

  report.Equal("nobody there", ErrorOf("@ctwatch-nobody-" + own), ECONNREFUSED);
  report.Equal("no such path", ErrorOf(path), ENOENT);
  report.Equal("neither path nor name", ErrorOf("vsock:2:1"), EAFNOSUPPORT);
  report.Equal("an empty address", ErrorOf(""), EAFNOSUPPORT);
  report.Equal("a name without letters", ErrorOf("@"), ENAMETOOLONG);
  report.Equal("a path that does not fit", ErrorOf("/" + std::string(107, 'x')), ENAMETOOLONG);
  const std::array<int, kNotifyDescriptorsMax + 1> many{};
  report.Equal("too many descriptors", ErrorOf(path, many), E2BIG);
}

}  // namespace ctwatch
