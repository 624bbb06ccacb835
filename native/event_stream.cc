#include "event_stream.h"

#include <linux/netlink.h>

#include <utility>

#include "ct_parser.h"

namespace ctwatch {

EventStream::EventStream(std::uint16_t type, int receive_buffer_bytes)
    : EventStream(type, receive_buffer_bytes, NetlinkSocket(NETLINK_NETFILTER), 0) {}

EventStream::EventStream(std::uint16_t type, int receive_buffer_bytes, NetlinkSocket socket,
                         std::optional<std::uint32_t> told_drops)
    : type_(type),
      socket_(std::move(socket)),
      receive_buffer_(socket_.GrowReceiveBuffer(receive_buffer_bytes)),
      drops_(told_drops ? *told_drops : socket_.Drops()),
      unknown_losses_(!told_drops && drops_ > 0 ? 1 : 0) {
  // Without it one overflow makes the kernel discard everything until the queue is empty; drops are counted either way.
  // NETLINK_BROADCAST_ERROR stays off: with it a stalled reader would keep dead entries in the table.
  socket_.Enable(NETLINK_NO_ENOBUFS);
}

EventStream::Drained EventStream::Drain(const ColumnWriter& writer, std::size_t first, std::size_t end) {
  CtRecord record;
  std::size_t row = first;
  while (row < end) {
    if (const auto message = reader_.Next()) {
      if (ParseRecord(*message, type_, record)) {
        writer.Write(row++, record);
      } else {
        ++malformed_;
      }
    } else if (!Refill()) {
      break;
    }
  }
  const std::uint32_t drops = socket_.Drops();
  lost_ += drops - drops_;  // modulo 2^32, like the kernel's counter
  drops_ = drops;
  return {row - first, row == end};
}

// False when nothing is queued.
bool EventStream::Refill() {
  if (reader_.damaged()) ++malformed_;
  reader_ = {};
  const Received received = socket_.Receive(buffer_);
  switch (received.status) {
    case ReceiveStatus::kMessage:
      reader_ = MessageReader(Bytes(buffer_).first(received.bytes));
      return true;
    case ReceiveStatus::kTruncated:
      ++malformed_;
      return true;
    case ReceiveStatus::kOverrun:
      ++unknown_losses_;
      return true;
    case ReceiveStatus::kEmpty:
      return false;
  }
  return false;
}

}  // namespace ctwatch
