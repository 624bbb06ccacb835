#include "netlink_socket.h"

#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <string>

#include "file_status.h"
#include "operation_error.h"

namespace ctwatch {
namespace {

int IntOption(int fd, int option) {
  int value = -1;
  socklen_t length = sizeof(value);
  return getsockopt(fd, SOL_SOCKET, option, &value, &length) == 0 ? value : -1;
}

// The multicast groups of a socket; bit 0 is group 1. Nothing beyond the first 64 is of interest.
std::uint64_t Groups(int fd) {
  std::array<std::uint32_t, 64> words{};
  socklen_t length = sizeof(words);
  if (getsockopt(fd, SOL_NETLINK, NETLINK_LIST_MEMBERSHIPS, words.data(), &length) != 0) return 0;
  return words[0] | std::uint64_t{words[1]} << 32;
}

// Inode of the network namespace that a socket is in; 0 when the kernel does not tell.
std::uint64_t NamespaceOf(int fd) {
  const FileDescriptor netns(ioctl(fd, SIOCGSKNS));
  const auto status = netns.valid() ? ReadFileStatus(netns.get()) : std::nullopt;
  return status ? status->inode : 0;
}

[[noreturn]] void Refuse(const char* why) {
  throw OperationError("adopt", EINVAL, std::string("a socket that was kept is ") + why);
}

}  // namespace

NetlinkSocket::NetlinkSocket(int protocol)
    : fd_(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol)) {
  if (!fd_.valid()) throw OperationError("socket", errno, "cannot open a netlink socket");
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  if (bind(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    throw OperationError("bind", errno, "cannot bind a netlink socket");
  }
}

NetlinkSocket NetlinkSocket::Adopt(int descriptor, int protocol, int group) {
  if (IntOption(descriptor, SO_DOMAIN) != AF_NETLINK || IntOption(descriptor, SO_PROTOCOL) != protocol) {
    Refuse("no netlink socket of this kind");
  }
  if (Groups(descriptor) != std::uint64_t{1} << (group - 1)) Refuse("subscribed to something else");
  const NetlinkSocket here(protocol);
  const std::uint64_t netns = NamespaceOf(descriptor);
  if (netns == 0 || netns != NamespaceOf(here.descriptor())) Refuse("in another network namespace");
  FileDescriptor fd(fcntl(descriptor, F_DUPFD_CLOEXEC, 0));
  if (!fd.valid()) throw OperationError("adopt", errno, "cannot duplicate a socket that was kept");
  return NetlinkSocket(std::move(fd));
}

ReceiveBuffer NetlinkSocket::GrowReceiveBuffer(int bytes) {
  const bool forced = setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) == 0;
  int granted = 0;
  socklen_t length = sizeof(granted);
  if ((!forced && setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes)) != 0) ||
      getsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUF, &granted, &length) != 0) {
    throw OperationError("receive-buffer", errno, "cannot set the receive buffer of a netlink socket");
  }
  return {static_cast<std::uint32_t>(granted), forced};
}

void NetlinkSocket::Enable(int option) {
  const int on = 1;
  if (setsockopt(fd_.get(), SOL_NETLINK, option, &on, sizeof(on)) != 0) {
    throw OperationError("set-option", errno, "cannot set netlink option " + std::to_string(option));
  }
}

void NetlinkSocket::Join(int group) {
  if (setsockopt(fd_.get(), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) != 0) {
    throw OperationError("add-membership", errno, "the kernel refused the subscription to conntrack events");
  }
}

Received NetlinkSocket::Receive(std::span<std::byte> buffer) const {
  for (;;) {
    // With MSG_TRUNC the result is the real length, also of what did not fit.
    const ssize_t length = recv(fd_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT | MSG_TRUNC);
    if (length >= 0) {
      const auto bytes = static_cast<std::size_t>(length);
      if (bytes > buffer.size()) return {ReceiveStatus::kTruncated};
      return {ReceiveStatus::kMessage, bytes};
    }
    if (errno == EINTR) continue;
    if (errno == EAGAIN) return {ReceiveStatus::kEmpty};
    if (errno == ENOBUFS) return {ReceiveStatus::kOverrun};
    throw OperationError("receive", errno, "cannot receive from a netlink socket");
  }
}

void NetlinkSocket::Send(Bytes message) const {
  while (send(fd_.get(), message.data(), message.size(), 0) < 0) {
    if (errno != EINTR) throw OperationError("send", errno, "the kernel refused a netlink request");
  }
}

bool NetlinkSocket::WaitReadable(std::chrono::steady_clock::time_point deadline) const {
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
    pollfd entry{fd_.get(), POLLIN, 0};
    const int ready = poll(&entry, 1, static_cast<int>(std::max<decltype(left)>(left, 0)));
    if (ready >= 0) return ready > 0;
    if (errno != EINTR) throw OperationError("poll", errno, "cannot wait for a netlink socket");
  }
}

std::uint32_t NetlinkSocket::Drops() const {
  std::array<std::uint32_t, SK_MEMINFO_VARS> info{};
  socklen_t length = sizeof(info);
  if (getsockopt(fd_.get(), SOL_SOCKET, SO_MEMINFO, info.data(), &length) != 0) {
    throw OperationError("memory-info", errno, "cannot read how many events the kernel dropped");
  }
  return info[SK_MEMINFO_DROPS];
}

}  // namespace ctwatch
