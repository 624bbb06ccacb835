// Walks netlink: messages in a buffer, attributes in a message, big-endian values in an attribute. Pure.
//
// Every length comes from outside and is checked against what is really there before anything is read; reads go through
// memcpy, so no alignment is assumed. Format: netlink(7), linux/netlink.h.

#ifndef CTWATCH_NETLINK_MESSAGE_H_
#define CTWATCH_NETLINK_MESSAGE_H_

#include <endian.h>
#include <linux/netlink.h>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>

namespace ctwatch {

// Borrowed bytes of a message; valid as long as the receive buffer they came from is not received into.
using Bytes = std::span<const std::byte>;

// The first bytes as a T in host order, wherever they are. `bytes` holds at least sizeof(T).
template <typename T>
inline T LoadHostOrder(Bytes bytes) {
  T value;
  std::memcpy(&value, bytes.data(), sizeof(T));
  return value;
}

// The first bytes as a big-endian number. `bytes` holds at least sizeof(T).
template <std::unsigned_integral T>
inline T LoadBigEndian(Bytes bytes) {
  const T raw = LoadHostOrder<T>(bytes);
  if constexpr (sizeof(T) == 8) return be64toh(raw);
  if constexpr (sizeof(T) == 4) return be32toh(raw);
  if constexpr (sizeof(T) == 2) return be16toh(raw);
  if constexpr (sizeof(T) == 1) return raw;
}

// The attribute as a number, if it has exactly that many bytes.
template <std::unsigned_integral T>
inline std::optional<T> ParseBigEndian(Bytes attribute) {
  if (attribute.size() != sizeof(T)) return std::nullopt;
  return LoadBigEndian<T>(attribute);
}

struct NetlinkMessage {
  std::uint16_t type;
  std::uint16_t flags;
  std::uint32_t seq;
  std::uint32_t portid;
  // Borrows from the buffer of the reader; without the header and the padding.
  Bytes payload;
};

// The messages of one received buffer, in order. Borrows the buffer.
class MessageReader {
 public:
  MessageReader() = default;
  explicit MessageReader(Bytes buffer) : rest_(buffer) {}

  // The next message; nothing at the end, or when what is left is not a message.
  std::optional<NetlinkMessage> Next() {
    if (rest_.empty()) return std::nullopt;
    if (rest_.size() < sizeof(nlmsghdr)) return Damaged();
    const auto header = LoadHostOrder<nlmsghdr>(rest_);
    if (header.nlmsg_len < sizeof(nlmsghdr) || header.nlmsg_len > rest_.size()) return Damaged();
    const Bytes payload = rest_.subspan(sizeof(nlmsghdr), header.nlmsg_len - sizeof(nlmsghdr));
    rest_ = rest_.subspan(std::min<std::size_t>(NLMSG_ALIGN(std::size_t{header.nlmsg_len}), rest_.size()));
    return NetlinkMessage{header.nlmsg_type, header.nlmsg_flags, header.nlmsg_seq, header.nlmsg_pid, payload};
  }

  // Whether the buffer ended in bytes that are no message; they were skipped.
  bool damaged() const { return damaged_; }

 private:
  std::nullopt_t Damaged() {
    rest_ = {};
    damaged_ = true;
    return std::nullopt;
  }

  Bytes rest_;
  bool damaged_ = false;
};

// Calls `visit(type, value)` for each attribute, type without the NLA_F_* bits. False when a length does not fit:
// attributes before it were visited, those behind it cannot be found.
template <typename Visit>
inline bool ForEachAttribute(Bytes attributes, Visit&& visit) {
  while (attributes.size() >= sizeof(nlattr)) {
    const auto header = LoadHostOrder<nlattr>(attributes);
    if (header.nla_len < sizeof(nlattr) || header.nla_len > attributes.size()) return false;
    visit(static_cast<std::uint16_t>(header.nla_type & NLA_TYPE_MASK),
          attributes.subspan(sizeof(nlattr), header.nla_len - sizeof(nlattr)));
    attributes = attributes.subspan(std::min<std::size_t>(NLA_ALIGN(std::size_t{header.nla_len}), attributes.size()));
  }
  return true;
}

}  // namespace ctwatch

#endif  // CTWATCH_NETLINK_MESSAGE_H_
