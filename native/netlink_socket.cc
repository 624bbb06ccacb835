#include "netlink_socket.h"

#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>

#include "operation_error.h"

namespace ctwatch {

NetlinkSocket::NetlinkSocket(int protocol)
    : fd_(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol)) {
  if (!fd_.valid()) throw OperationError("socket", errno, "cannot open a netlink socket");
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  if (bind(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    throw OperationError("bind", errno, "cannot bind a netlink socket");
  }
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
