#include "netlink_message.h"

#include "message_bytes.h"
#include "report.h"

namespace ctwatch {
namespace {

std::string Header(std::uint32_t length) {
  return HostOrder(nlmsghdr{length, 7, 0, 0, 0});
}

// "<lengths of the payloads> [damaged]"
std::string Walk(const Block& block) {
  MessageReader reader{Bytes(block)};
  std::string seen;
  while (const auto message = reader.Next()) seen += std::to_string(message->payload.size()) + " ";
  return seen + (reader.damaged() ? "damaged" : "");
}

struct BufferCase {
  const char* name;
  std::string bytes;
  const char* expected;
};

}  // namespace

void TestNetlinkMessage(Report& report) {
  const BufferCase cases[] = {
      {"empty buffer", "", ""},
      {"one message without payload", Header(16), "0 "},
      {"several messages", Header(20) + "abcd" + Header(16), "4 0 "},
      {"payload padded to four", Header(17) + "a123" + Header(16), "1 0 "},
      {"last message not padded", Header(17) + "a", "1 "},
      {"shorter than a header", "abc", "damaged"},
      {"rest shorter than a header", Header(16) + "abc", "0 damaged"},
      {"length 0, which must not loop", Header(0) + Header(16), "damaged"},
      {"length below the header", Header(15) + "abcd", "damaged"},
      {"length beyond the buffer", Header(21) + "abcd", "damaged"},
      {"length close to 2^32, whose padding wraps", Header(0xffffffff) + "abcd", "damaged"},
      {"good message before a bad one", Header(20) + "abcd" + Header(99), "4 damaged"},
  };
  for (const BufferCase& test : cases) report.Equal(test.name, Walk(ToBlock(test.bytes)), test.expected);

  const Block dump = Real("dump_three_entries");
  report.Equal("a dump datagram holds three messages", Walk(dump), "176 224 176 ");

  const BufferCase attributes[] = {
      {"attributes", Attribute(1, "abcd") + Attribute(2, ""), "1:4 2:0 whole"},
      {"flag bits are not part of the type", Nested(5, "abcd") + Attribute(0x4006, "a"), "5:4 6:1 whole"},
      {"last attribute not padded", AttributeHeader(3, 5) + "a", "3:1 whole"},
      {"rest shorter than a header is padding", Attribute(1, "") + "abc", "1:0 whole"},
      {"length 0, which must not loop", Attribute(1, "") + AttributeHeader(2, 0), "1:0 "},
      {"length below the header", AttributeHeader(2, 3) + "abcd", ""},
      {"length beyond the message", AttributeHeader(2, 9) + "abcd", ""},
  };
  for (const BufferCase& test : attributes) {
    std::string seen;
    const bool whole = ForEachAttribute(ToBlock(test.bytes), [&](std::uint16_t type, Bytes value) {
      seen += std::to_string(type) + ":" + std::to_string(value.size()) + " ";
    });
    report.Equal(test.name, seen + (whole ? "whole" : ""), test.expected);
  }

  const Block number = FromHex("ff0102030405060708");
  const Bytes odd = Bytes(number).subspan(1);
  report.Equal("64 bits at an odd address", LoadBigEndian<std::uint64_t>(odd), 0x0102030405060708U);
  report.Equal("32 bits at an odd address", LoadBigEndian<std::uint32_t>(odd), 0x01020304U);
  report.Equal("16 bits at an odd address", LoadBigEndian<std::uint16_t>(odd), 0x0102U);
  report.True("a number of another length is none", !ParseBigEndian<std::uint32_t>(odd));
}

}  // namespace ctwatch
