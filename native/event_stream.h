// The events of one multicast group: socket in, rows out, losses counted.

#ifndef CTWATCH_EVENT_STREAM_H_
#define CTWATCH_EVENT_STREAM_H_

#include <linux/netlink.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "column_writer.h"
#include "netlink_message.h"
#include "netlink_socket.h"

namespace ctwatch {

// JS thread. Owns its socket and a fixed receive buffer; allocates nothing after construction.
//
// Plain recv until EAGAIN: recvmmsg and io_uring gain nothing, copying and freeing the message is what costs. NEW and
// DESTROY have a stream each, so that received plus lost is the exact number of events of each kind, however late the
// reader is.
class EventStream {
 public:
  struct Drained {
    std::size_t rows;
    // Stopped at the end of the rows, so there may be more.
    bool more;
  };

  // `type` is the nlmsg_type that all messages of the group have. Throws OperationError, as does `Join`.
  EventStream(std::uint16_t type, int receive_buffer_bytes);
  // Goes on with a socket that is joined already. `told_drops` of its losses are known; without it, any that there are
  // count as one of unknown size.
  EventStream(std::uint16_t type, int receive_buffer_bytes, NetlinkSocket socket,
              std::optional<std::uint32_t> told_drops);
  EventStream(const EventStream&) = delete;
  EventStream& operator=(const EventStream&) = delete;

  // From here on events are queued. Last step of opening.
  void Join(int group) { socket_.Join(group); }

  // Writes what is queued to the rows [first, end), in kernel order. Throws OperationError "receive" or "memory-info".
  Drained Drain(const ColumnWriter& writer, std::size_t first, std::size_t end);

  ReceiveBuffer receive_buffer() const { return receive_buffer_; }
  int descriptor() const { return socket_.descriptor(); }

  // Totals since construction.
  std::uint64_t lost() const { return lost_; }
  // The kernel's counter as of the last drain.
  std::uint32_t drops() const { return drops_; }
  std::uint64_t malformed() const { return malformed_; }
  std::uint64_t unknown_losses() const { return unknown_losses_; }

 private:
  bool Refill();

  const std::uint16_t type_;
  NetlinkSocket socket_;
  ReceiveBuffer receive_buffer_;
  // An event has 140 to 400 bytes and a datagram of its own (never seen otherwise, though several would be legal). What
  // does not fit the rows stays in `reader_` for the next drain.
  std::array<std::byte, 8 * 1024> buffer_;
  MessageReader reader_;
  std::uint32_t drops_ = 0;
  std::uint64_t lost_ = 0;
  std::uint64_t malformed_ = 0;
  std::uint64_t unknown_losses_ = 0;
};

}  // namespace ctwatch

#endif  // CTWATCH_EVENT_STREAM_H_
