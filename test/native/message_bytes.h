// Bytes for tests: real messages from hex, others put together attribute by attribute.

#ifndef CTWATCH_TEST_MESSAGE_BYTES_H_
#define CTWATCH_TEST_MESSAGE_BYTES_H_

#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "netlink_message.h"
#include "real_messages.h"

namespace ctwatch {

// A heap block of exactly the bytes, so that the sanitizer sees every read beyond them.
using Block = std::vector<std::byte>;

inline Block ToBlock(std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

inline Block FromHex(std::string_view hex) {
  Block block;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    block.push_back(static_cast<std::byte>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16)));
  }
  return block;
}

// The captured datagram of that name; a misspelt name ends the program.
inline Block Real(std::string_view name) {
  for (const RealMessage& message : kRealMessages) {
    if (message.name == name) return FromHex(message.hex);
  }
  std::abort();
}

// The number in network order.
template <typename T>
std::string BigEndian(T value) {
  std::string bytes;
  for (std::size_t i = sizeof(T); i-- > 0;) bytes.push_back(static_cast<char>(value >> (8 * i)));
  return bytes;
}

template <typename T>
std::string HostOrder(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof(T)};
}

// A header with any length, however wrong.
inline std::string AttributeHeader(std::uint16_t type, std::size_t length) {
  return HostOrder(nlattr{static_cast<std::uint16_t>(length), type});
}

inline std::string Attribute(std::uint16_t type, const std::string& value) {
  return AttributeHeader(type, sizeof(nlattr) + value.size()) + value + std::string(-value.size() & 3, '\0');
}

inline std::string Nested(std::uint16_t type, const std::string& attributes) {
  return Attribute(static_cast<std::uint16_t>(type | NLA_F_NESTED), attributes);
}

// A whole message: header, nfgenmsg, attributes.
inline Block Message(std::uint16_t type, std::uint8_t family, const std::string& attributes, std::uint32_t portid = 0) {
  const std::size_t length = sizeof(nlmsghdr) + sizeof(nfgenmsg) + attributes.size();
  return ToBlock(HostOrder(nlmsghdr{static_cast<std::uint32_t>(length), type, 0, 0, portid}) +
                 HostOrder(nfgenmsg{family, NFNETLINK_V0, 0}) + attributes);
}

// The attributes of a real message, to be extended.
inline std::string AttributesOf(std::string_view name) {
  const Block block = Real(name);
  return std::string(reinterpret_cast<const char*>(block.data()), block.size())
      .substr(sizeof(nlmsghdr) + sizeof(nfgenmsg));
}

}  // namespace ctwatch

#endif  // CTWATCH_TEST_MESSAGE_BYTES_H_
