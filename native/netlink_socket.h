// One netlink socket: carries bytes, decodes nothing.

#ifndef CTWATCH_NETLINK_SOCKET_H_
#define CTWATCH_NETLINK_SOCKET_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "file_descriptor.h"
#include "netlink_message.h"

namespace ctwatch {

enum class ReceiveStatus {
  kMessage,    // `bytes` bytes of whole messages
  kEmpty,      // nothing queued
  kTruncated,  // a message did not fit the buffer and is gone
  kOverrun,    // ENOBUFS: the kernel lost messages without telling how many
};

struct Received {
  ReceiveStatus status;
  std::size_t bytes = 0;
};

struct ReceiveBuffer {
  // As the kernel accounts it: twice what was asked for. A queued event takes 1,280 bytes of it, whatever its kind.
  std::uint32_t bytes;
  // It could be set beyond net.core.rmem_max.
  bool forced;
};

// Any thread, one at a time. Owns the descriptor, which is non-blocking and closed on exec. Every failure throws
// OperationError with the operation named here.
class NetlinkSocket {
 public:
  // In the network namespace of the calling thread, where the socket then stays. `protocol` is NETLINK_*. "socket",
  // "bind".
  explicit NetlinkSocket(int protocol);

  // One that another process opened: a duplicate, the descriptor stays the caller's. Throws OperationError "adopt" when
  // it is no socket of `protocol` in the network namespace of the calling thread, or not a member of `group` alone.
  static NetlinkSocket Adopt(int descriptor, int protocol, int group);

  // Asks for `bytes` of receive buffer: forced with CAP_NET_ADMIN in the initial user namespace, else capped by
  // net.core.rmem_max. "receive-buffer".
  ReceiveBuffer GrowReceiveBuffer(int bytes);

  // Switches a boolean option of SOL_NETLINK on. "set-option".
  void Enable(int option);

  // Subscribes to a multicast group (NFNLGRP_*). Needs CAP_NET_ADMIN in the namespace, at this call only.
  // "add-membership".
  void Join(int group);

  // Takes one datagram, without waiting. "receive".
  Received Receive(std::span<std::byte> buffer) const;

  // Sends to the kernel, which answers most requests before this returns. "send".
  void Send(Bytes message) const;

  // Waits until something can be received; false when the deadline passes first. "poll".
  bool WaitReadable(std::chrono::steady_clock::time_point deadline) const;

  // Messages dropped because the receive buffer was full, since the socket was opened, modulo 2^32. "memory-info".
  std::uint32_t Drops() const;

  // Borrowed, for polling.
  int descriptor() const { return fd_.get(); }

 private:
  explicit NetlinkSocket(FileDescriptor fd) : fd_(std::move(fd)) {}

  FileDescriptor fd_;
};

}  // namespace ctwatch

#endif  // CTWATCH_NETLINK_SOCKET_H_
