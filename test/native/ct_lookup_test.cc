#include "ct_lookup.h"

#include <linux/netfilter/nfnetlink_conntrack.h>
#include <sys/socket.h>

#include <algorithm>

#include "ct_parser.h"
#include "message_bytes.h"
#include "record_check.h"
#include "report.h"

namespace ctwatch {
namespace {

CtRecord RecordOf(std::string_view name) {
  const Block block = Real(name);
  CtRecord record;
  if (!ParseRecord(*MessageReader{Bytes(block)}.Next(), kEntryNew, record)) std::abort();
  return record;
}

std::string ToHex(Bytes bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const std::byte b : bytes) {
    text.push_back(kDigits[std::to_integer<int>(b) >> 4]);
    text.push_back(kDigits[std::to_integer<int>(b) & 15]);
  }
  return text;
}

std::string Ask(const CtRecord& flow, std::uint32_t seq = 7) {
  std::vector<std::byte> message;
  AppendLookup(flow, seq, message);
  return ToHex(message);
}

// As the kernel itself writes the original tuple of that flow, which is its first attribute.
std::string AskAsKernel(std::string_view name, std::uint8_t family, const std::string& more = "") {
  const std::string attributes = AttributesOf(name);
  nlattr tuple{};
  std::memcpy(&tuple, attributes.data(), sizeof(tuple));
  const std::string rest = attributes.substr(0, tuple.nla_len) + more;
  const nlmsghdr header{static_cast<std::uint32_t>(sizeof(nlmsghdr) + sizeof(nfgenmsg) + rest.size()), 0x0101, 1, 7, 0};
  return ToHex(ToBlock(HostOrder(header) + HostOrder(nfgenmsg{family, NFNETLINK_V0, 0}) + rest));
}

struct AskCase {
  const char* name;
  std::uint8_t family;
};

constexpr AskCase kAskCases[] = {
    {"udp_ipv4_new", AF_INET},     {"udp_ipv6_new", AF_INET6}, {"tcp_ipv4_new", AF_INET},
    {"tcp_ipv6_new", AF_INET6},    {"icmp_ipv4_new", AF_INET}, {"icmpv6_new", AF_INET6},
    {"sctp_ipv4_new", AF_INET},    {"dccp_ipv4_new", AF_INET}, {"udplite_ipv4_new", AF_INET},
    {"nat_udp_ipv4_new", AF_INET}, {"gre_ipv4_new", AF_INET},
};

}  // namespace

void TestLookup(Report& report) {
  for (const AskCase& test : kAskCases) {
    report.Equal(std::string("asks with the kernel's own tuple: ") + test.name, Ask(RecordOf(test.name)),
                 AskAsKernel(test.name, test.family));
  }
  report.Equal("asks in the zone", Ask(RecordOf("zone_mark_udp_ipv4_new")),
               AskAsKernel("zone_mark_udp_ipv4_new", AF_INET, Attribute(CTA_ZONE, BigEndian<std::uint16_t>(42))));

  std::vector<std::byte> two;
  AppendLookup(RecordOf("udp_ipv4_new"), 7, two);
  AppendLookup(RecordOf("udp_ipv6_new"), 8, two);
  MessageReader reader{Bytes(two)};
  std::string seqs;
  while (const auto message = reader.Next()) seqs += std::to_string(message->seq) + " ";
  report.Equal("several requests in one buffer", seqs, "7 8 ");

  const CtRecord asked = RecordOf("lookup_tcp_ipv4_established");
  report.True("an answer is about the flow, whatever its state",
              IsSameFlow(asked, RecordOf("lookup_tcp_ipv4_time_wait")));
  const auto differs = [&](const char* name, auto change) {
    CtRecord other = asked;
    change(other);
    report.True(std::string("another flow: ") + name, !IsSameFlow(asked, other));
  };
  differs("family", [](CtRecord& r) { r.family = AF_INET6; });
  differs("protocol", [](CtRecord& r) { r.protocol = 17; });
  differs("zone", [](CtRecord& r) { r.zone = 1; });
  differs("source", [](CtRecord& r) { r.originalSource[3] ^= 1; });
  differs("destination", [](CtRecord& r) { r.originalDestination[15] ^= 1; });
  differs("source port", [](CtRecord& r) { ++r.originalSourcePort; });
  differs("destination port", [](CtRecord& r) { ++r.originalDestinationPort; });
  differs("id", [](CtRecord& r) { ++r.id; });
  differs("direction", [](CtRecord& r) { std::swap(r.originalSourcePort, r.originalDestinationPort); });
  CtRecord nameless = asked;
  nameless.id = 0;
  report.True("an id that was not told is any", IsSameFlow(nameless, asked));

  const CtRecord full = RecordOf("zone_mark_udp_ipv4_new");
  const CtRecord gone = OnlyTuples(full);
  report.True("of a flow that is gone its tuples are known",
              IsSameFlow(full, gone) && gone.replySource == full.replySource &&
                  gone.replyDestinationPort == full.replyDestinationPort);
  report.True("... and nothing else",
              IsConsistent(gone) && gone.status == 0 && gone.timeoutSeconds == 0 && gone.mark == 0);
}

}  // namespace ctwatch
