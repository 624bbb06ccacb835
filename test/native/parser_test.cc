#include <arpa/inet.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>

#include <cstdio>

#include "ct_parser.h"
#include "message_bytes.h"
#include "record_check.h"
#include "report.h"

namespace ctwatch {
namespace {

constexpr std::uint16_t kEventTime = 27;  // CTA_TIMESTAMP_EVENT

std::string Endpoint(std::uint8_t family, const column_type::address& address, bool has_port, std::uint16_t port) {
  char text[INET6_ADDRSTRLEN] = "?";
  inet_ntop(family, address.data(), text, sizeof(text));
  return has_port ? std::string(text) + " " + std::to_string(port) : text;
}

template <typename... Values>
std::string Format(const char* format, Values... values) {
  char text[64];
  std::snprintf(text, sizeof(text), format, values...);
  return text;
}

// Everything that is present, in words; nothing of what is absent.
std::string Describe(const CtRecord& r) {
  const auto has = [&](std::uint32_t bit) { return (r.present & bit) != 0; };
  const bool ports = has(present::originalPorts);
  std::string text = std::to_string(r.protocol) + ": " +
                     Endpoint(r.family, r.originalSource, ports, r.originalSourcePort) + " > " +
                     Endpoint(r.family, r.originalDestination, ports, r.originalDestinationPort);
  if (has(present::replyTuple)) {
    const bool reply_ports = has(present::replyPorts);
    text += ", reply " + Endpoint(r.family, r.replySource, reply_ports, r.replySourcePort) + " > " +
            Endpoint(r.family, r.replyDestination, reply_ports, r.replyDestinationPort);
  }
  if (has(present::id)) text += Format(" id=%08x", r.id);
  if (has(present::status)) text += Format(" status=%x", r.status);
  if (has(present::timeout)) text += Format(" timeout=%u", r.timeoutSeconds);
  if (has(present::mark)) text += Format(" mark=%x", r.mark);
  if (has(present::zone)) text += Format(" zone=%u", r.zone);
  if (has(present::tcpState)) text += Format(" tcp=%u", r.tcpState);
  if (has(present::countersOriginal)) text += Format(" original=%.0f/%.0f", r.originalPackets, r.originalBytes);
  if (has(present::countersReply)) text += Format(" reply=%.0f/%.0f", r.replyPackets, r.replyBytes);
  if (has(present::timestampStart)) text += Format(" start=%.6f", r.startSeconds);
  if (has(present::timestampStop)) text += Format(" stop=%.6f", r.stopSeconds);
  if (has(present::timestampEvent)) text += Format(" event=%.6f", r.eventSeconds);
  if (has(present::master)) text += " master";
  if (r.portid != 0) text += Format(" portid=%u", r.portid);
  return text;
}

// The record of the first message in the buffer, from a block of exactly its size at an odd address.
std::string Parse(const Block& block, std::uint16_t type) {
  Block shifted(block.size() + 1);
  std::copy(block.begin(), block.end(), shifted.begin() + 1);
  const auto message = MessageReader(Bytes(shifted).subspan(1)).Next();
  CtRecord record;
  if (!message || !ParseRecord(*message, type, record)) return "malformed";
  return IsConsistent(record) ? Describe(record) : "inconsistent";
}

struct RealCase {
  const char* name;
  const char* expected;
};

constexpr RealCase kRealCases[] = {
    {"lookup_tcp_ipv4_established",
     "6: 127.0.0.1 56918 > 127.0.0.1 9100, reply 127.0.0.1 9100 > 127.0.0.1 56918 id=9c1b080f status=e timeout=431999 "
     "mark=0 tcp=3 portid=3627"},
    {"lookup_tcp_ipv4_time_wait",
     "6: 127.0.0.1 56918 > 127.0.0.1 9100, reply 127.0.0.1 9100 > 127.0.0.1 56918 id=9c1b080f status=e timeout=119 "
     "mark=0 tcp=7 portid=3627"},
    {"lookup_udp_ipv4_unreplied",
     "17: 127.0.0.1 58459 > 127.0.0.1 9102, reply 127.0.0.1 9102 > 127.0.0.1 58459 id=82ee018b status=8 timeout=30 "
     "mark=0 portid=3627"},
    {"udp_ipv4_new",
     "17: 127.0.0.1 59652 > 127.0.0.2 9001, reply 127.0.0.2 9001 > 127.0.0.1 59652 id=2124bd14 status=188 timeout=30"},
    {"udp_ipv4_destroy",
     "17: 127.0.0.1 59652 > 127.0.0.2 9001, reply 127.0.0.2 9001 > 127.0.0.1 59652 id=2124bd14 status=388 timeout=29 "
     "portid=2547370474"},
    {"udp_ipv6_new", "17: ::1 45567 > ::1 9001, reply ::1 9001 > ::1 45567 id=eb8528e4 status=8 timeout=30"},
    {"tcp_ipv4_new",
     "6: 127.0.0.1 50484 > 127.0.0.1 9100, reply 127.0.0.1 9100 > 127.0.0.1 50484 id=802ea04b status=188 timeout=120 "
     "tcp=1"},
    {"tcp_ipv4_destroy",
     "6: 127.0.0.1 50484 > 127.0.0.1 9100, reply 127.0.0.1 9100 > 127.0.0.1 50484 id=802ea04b status=38e timeout=119 "
     "tcp=7 portid=2929977822"},
    {"tcp_ipv6_new", "6: ::1 40148 > ::1 9100, reply ::1 9100 > ::1 40148 id=3728b112 status=8 timeout=120 tcp=1"},
    {"tcp_ipv4_refused_new",
     "6: 127.0.0.1 49896 > 127.0.0.1 9, reply 127.0.0.1 9 > 127.0.0.1 49896 id=f70d7f74 status=188 timeout=120 tcp=1"},
    // Refused: ended by the reset itself, long before its timeout, and by no other process.
    {"tcp_ipv4_refused_destroy",
     "6: 127.0.0.1 49896 > 127.0.0.1 9, reply 127.0.0.1 9 > 127.0.0.1 49896 id=f70d7f74 status=388 timeout=120 tcp=8"},
    {"udplite_ipv4_new",
     "136: 127.0.0.1 32958 > 127.0.0.3 9002, reply 127.0.0.3 9002 > 127.0.0.1 32958 id=c2877ca7 status=188 timeout=30"},
    {"icmp_ipv4_new",
     "1: 127.0.0.1 17185 > 127.0.0.4 2048, reply 127.0.0.4 17185 > 127.0.0.1 0 id=727f352f status=188 timeout=30"},
    {"icmpv6_new", "58: ::1 4660 > ::1 32768, reply ::1 4660 > ::1 33024 id=58b357fd status=8 timeout=30"},
    {"sctp_ipv4_new",
     "132: 127.0.0.1 5000 > 127.0.0.5 5001, reply 127.0.0.5 5001 > 127.0.0.1 5000 id=004b891e status=188 timeout=10"},
    {"sctp_ipv4_destroy",
     "132: 127.0.0.1 5000 > 127.0.0.5 5001, reply 127.0.0.5 5001 > 127.0.0.1 5000 id=004b891e status=388 timeout=9 "
     "portid=2530699811"},
    // Linux 6.18 has no tracker for DCCP any more: a protocol without ports.
    {"dccp_ipv4_new", "33: 127.0.0.1 > 127.0.0.5, reply 127.0.0.5 > 127.0.0.1 id=8b33874b status=188 timeout=600"},
    {"gre_ipv4_new",
     "47: 127.0.0.1 0 > 127.0.0.6 0, reply 127.0.0.6 0 > 127.0.0.1 0 id=79327083 status=188 timeout=30"},
    // The key is the call id of the peer.
    {"gre_key_pptp_ipv4_new",
     "47: 127.0.0.1 0 > 127.0.0.6 77, reply 127.0.0.6 77 > 127.0.0.1 0 id=213b00d9 status=188 timeout=30"},
    {"unknown_253_ipv4_new",
     "253: 127.0.0.1 > 127.0.0.7, reply 127.0.0.7 > 127.0.0.1 id=2725fea2 status=188 timeout=600"},
    {"nat_udp_ipv4_new",
     "17: 127.0.0.1 37152 > 127.0.0.53 5353, reply 127.0.0.54 53 > 127.0.0.77 37152 id=7d48c05f status=1b8 timeout=30"},
    {"zone_mark_udp_ipv4_new",
     "17: 127.0.0.1 45352 > 127.0.0.8 7777, reply 127.0.0.8 7777 > 127.0.0.1 45352 id=c05b026a status=188 timeout=30 "
     "mark=1234 zone=42"},
    {"zone_mark_udp_ipv4_destroy",
     "17: 127.0.0.1 45352 > 127.0.0.8 7777, reply 127.0.0.8 7777 > 127.0.0.1 45352 id=c05b026a status=388 timeout=29 "
     "mark=1234 zone=42 portid=3501182622"},
    {"ctnetlink_udp_ipv4_new",
     "17: 10.0.0.1 11 > 10.0.0.2 22, reply 10.0.0.2 22 > 10.0.0.1 11 id=d3dbfc8e status=e timeout=60 mark=5 "
     "portid=9155"},
    {"ctnetlink_udp_ipv4_destroy",
     "17: 10.0.0.1 11 > 10.0.0.2 22, reply 10.0.0.2 22 > 10.0.0.1 11 id=d3dbfc8e status=20e timeout=59 mark=5 "
     "portid=3877280163"},
    {"expired_udp_ipv4_destroy", "17: 10.0.0.9 1 > 10.0.0.10 2, reply 10.0.0.10 2 > 10.0.0.9 1 id=7432978e status=208"},
};

std::string Ip(const std::string& source, const std::string& destination) {
  return Nested(CTA_TUPLE_IP, Attribute(CTA_IP_V4_SRC, source) + Attribute(CTA_IP_V4_DST, destination));
}
const std::string kIp = Ip("\x0a\x01\x01\x01", "\x0a\x02\x02\x02");
const std::string kOtherIp = Ip("\x0b\x01\x01\x01", "\x0b\x02\x02\x02");

std::string Proto(const std::string& attributes) {
  return Nested(CTA_TUPLE_PROTO, attributes);
}
const std::string kUdp = Attribute(CTA_PROTO_NUM, "\x11");
const std::string kSourcePort = Attribute(CTA_PROTO_SRC_PORT, BigEndian<std::uint16_t>(1111));
const std::string kDestinationPort = Attribute(CTA_PROTO_DST_PORT, BigEndian<std::uint16_t>(53));

std::string Original(const std::string& attributes) {
  return Nested(CTA_TUPLE_ORIG, attributes);
}
const std::string kTuple = kIp + Proto(kUdp + kSourcePort + kDestinationPort);
const std::string kOriginal = Original(kTuple);
const char* const kPlain = "17: 10.1.1.1 1111 > 10.2.2.2 53";

std::string Counters(std::uint16_t type, std::uint64_t packets, std::uint64_t bytes) {
  return Nested(type,
                Attribute(CTA_COUNTERS_PACKETS, BigEndian(packets)) + Attribute(CTA_COUNTERS_BYTES, BigEndian(bytes)));
}

struct BuiltCase {
  const char* name;
  std::string attributes;
  std::string expected;
};

std::string PlainWith(const char* rest) {
  return std::string(kPlain) + rest;
}

const BuiltCase kBuiltCases[] = {
    {"original tuple alone", kOriginal, kPlain},
    {"NLA_F_NESTED not set", Attribute(CTA_TUPLE_ORIG, kTuple), kPlain},
    {"both NLA_F_ bits set", Attribute(CTA_TUPLE_ORIG | 0xc000, kTuple), kPlain},
    {"unknown attributes", Attribute(99, "12345") + kOriginal + Attribute(28, ""), kPlain},
    {"unknown attributes within a tuple", Original(Attribute(7, "x") + kTuple), kPlain},
    {"protocol before addresses", Original(Proto(kDestinationPort + kSourcePort + kUdp) + kIp), kPlain},
    {"reply tuple without ports", kOriginal + Nested(CTA_TUPLE_REPLY, kOtherIp + Proto(kUdp)),
     PlainWith(", reply 11.1.1.1 > 11.2.2.2")},
    {"unusable reply tuple", kOriginal + Nested(CTA_TUPLE_REPLY, kIp), kPlain},
    {"accounting",
     kOriginal + Counters(CTA_COUNTERS_ORIG, 3, 1500) + Counters(CTA_COUNTERS_REPLY, 1ULL << 40, (1ULL << 53) - 1),
     PlainWith(" original=3/1500 reply=1099511627776/9007199254740991")},
    {"accounting, packets only",
     kOriginal + Nested(CTA_COUNTERS_ORIG, Attribute(CTA_COUNTERS_PACKETS, BigEndian(3ULL))), kPlain},
    {"timestamps",
     kOriginal +
         Nested(CTA_TIMESTAMP, Attribute(CTA_TIMESTAMP_START, BigEndian(1700000000250000000ULL)) +
                                   Attribute(CTA_TIMESTAMP_STOP, BigEndian(1700000030500000000ULL))) +
         Attribute(kEventTime, BigEndian(1700000060750000000ULL)),
     PlainWith(" start=1700000000.250000 stop=1700000030.500000 event=1700000060.750000")},
    {"timestamps, start only",
     kOriginal + Nested(CTA_TIMESTAMP, Attribute(CTA_TIMESTAMP_START, BigEndian(1500000000ULL))),
     PlainWith(" start=1.500000")},
    {"event time padded by an empty attribute of CTA_STATUS's number",
     kOriginal + Attribute(CTA_STATUS, "") + Attribute(kEventTime, BigEndian(2000000000ULL)) +
         Attribute(CTA_STATUS, BigEndian(0x188U)),
     PlainWith(" status=188 event=2.000000")},
    {"mark, zone and master",
     kOriginal + Attribute(CTA_MARK, BigEndian(0xcafeU)) + Attribute(CTA_ZONE, BigEndian<std::uint16_t>(7)) +
         Nested(CTA_TUPLE_MASTER, kTuple),
     PlainWith(" mark=cafe zone=7 master")},
    {"present although 0", kOriginal + Attribute(CTA_MARK, BigEndian(0U)) + Attribute(CTA_TIMEOUT, BigEndian(0U)),
     PlainWith(" timeout=0 mark=0")},

    {"given twice: the first counts",
     kOriginal + Original(kOtherIp + Proto(kUdp)) + Attribute(CTA_ID, BigEndian(1U)) +
         Attribute(CTA_ID, BigEndian(2U)) + Counters(CTA_COUNTERS_ORIG, 1, 1) + Counters(CTA_COUNTERS_ORIG, 2, 2),
     PlainWith(" id=00000001 original=1/1")},
    {"given twice, the first unusable: the second counts", Original(kIp) + kOriginal, kPlain},
    {"given twice within a tuple",
     Original(kIp + kOtherIp + Proto(kUdp + kSourcePort + kSourcePort + kDestinationPort)), kPlain},
    {"wrong lengths are skipped",
     kOriginal + Attribute(CTA_ID, "abc") + Attribute(CTA_STATUS, "abcde") + Attribute(CTA_TIMEOUT, "") +
         Attribute(CTA_MARK, "ab") + Attribute(CTA_ZONE, "abcd") + Attribute(kEventTime, "abcd") +
         Nested(CTA_COUNTERS_ORIG, Attribute(CTA_COUNTERS_PACKETS, "abcd") + Attribute(CTA_COUNTERS_BYTES, "abcd")) +
         Nested(CTA_TIMESTAMP, Attribute(CTA_TIMESTAMP_START, "abcd") + Attribute(CTA_TIMESTAMP_STOP, "123456789")) +
         Nested(CTA_PROTOINFO, Nested(CTA_PROTOINFO_TCP, Attribute(CTA_PROTOINFO_TCP_STATE, "ab"))),
     kPlain},
    {"protocol information of another protocol",
     kOriginal + Nested(CTA_PROTOINFO, Nested(CTA_PROTOINFO_SCTP, Attribute(1, "\x03"))), kPlain},
    {"ports: one of the two", Original(kIp + Proto(kUdp + kSourcePort)), "17: 10.1.1.1 > 10.2.2.2"},
    {"ports: wrong length", Original(kIp + Proto(kUdp + kSourcePort + Attribute(CTA_PROTO_DST_PORT, "abcd"))),
     "17: 10.1.1.1 > 10.2.2.2"},
    {"icmp without a code",
     Original(kIp + Proto(Attribute(CTA_PROTO_NUM, "\x01") + Attribute(CTA_PROTO_ICMP_ID, "ab") +
                          Attribute(CTA_PROTO_ICMP_TYPE, "\x08"))),
     "1: 10.1.1.1 > 10.2.2.2"},
    {"icmp type and code",
     Original(kIp + Proto(Attribute(CTA_PROTO_NUM, "\x01") + Attribute(CTA_PROTO_ICMP_ID, BigEndian<std::uint16_t>(5)) +
                          Attribute(CTA_PROTO_ICMP_TYPE, "\x03") + Attribute(CTA_PROTO_ICMP_CODE, "\x04"))),
     "1: 10.1.1.1 5 > 10.2.2.2 772"},

    {"no attributes", "", "malformed"},
    {"no original tuple", Nested(CTA_TUPLE_REPLY, kTuple) + Attribute(CTA_ID, "abcd"), "malformed"},
    {"original tuple empty", Original(""), "malformed"},
    {"original tuple without addresses", Original(Proto(kUdp)), "malformed"},
    {"original tuple with a source only",
     Original(Nested(CTA_TUPLE_IP, Attribute(CTA_IP_V4_SRC, "abcd")) + Proto(kUdp)), "malformed"},
    {"original tuple without a protocol", Original(kIp + Proto(kSourcePort + kDestinationPort)), "malformed"},
    {"addresses of another length", Original(Ip("abcde", "abcde") + Proto(kUdp)), "malformed"},
    {"addresses of another family",
     Original(Nested(CTA_TUPLE_IP,
                     Attribute(CTA_IP_V6_SRC, "0123456789abcdef") + Attribute(CTA_IP_V6_DST, "0123456789abcdef")) +
              Proto(kUdp)),
     "malformed"},
    {"attribute beyond the message", kOriginal + AttributeHeader(CTA_ID, 9) + "abcd", "malformed"},
    {"attribute shorter than its header", kOriginal + AttributeHeader(CTA_ID, 3) + "abcd", "malformed"},
    {"attribute beyond its tuple", Original(kTuple + AttributeHeader(9, 40)), "malformed"},
    {"attribute beyond the addresses",
     Original(Nested(CTA_TUPLE_IP,
                     Attribute(CTA_IP_V4_SRC, "abcd") + Attribute(CTA_IP_V4_DST, "abcd") + AttributeHeader(1, 5)) +
              Proto(kUdp)),
     "malformed"},
    {"attribute beyond its counters",
     kOriginal +
         Nested(CTA_COUNTERS_ORIG, Attribute(1, "12345678") + Attribute(2, "12345678") + AttributeHeader(3, 99)),
     kPlain},
    {"attribute beyond the protocol information",
     kOriginal + Nested(CTA_PROTOINFO, AttributeHeader(CTA_PROTOINFO_TCP, 99)), kPlain},
};

// Every prefix of a real message, saying of itself that it is whole, then that it is as long as it is.
void TestCuts(Report& report, const RealMessage& real) {
  const Block whole = FromHex(real.hex);
  const std::size_t message_bytes = LoadHostOrder<std::uint32_t>(whole);
  bool harmless = true;
  for (std::size_t size = 0; size < message_bytes; ++size) {
    Block cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    harmless = harmless && Parse(cut, kEntryNew) == "malformed";
    if (size < sizeof(nlmsghdr)) continue;
    const auto length = static_cast<std::uint32_t>(size);
    std::memcpy(cut.data(), &length, sizeof(length));
    harmless = harmless && Parse(cut, kEntryNew) != "inconsistent" && Parse(cut, kEntryDestroy) != "inconsistent";
  }
  report.True("cut at every length: " + std::string(real.name), harmless);
}

}  // namespace

void TestParser(Report& report) {
  for (const RealCase& test : kRealCases) {
    const bool destroy = std::string_view(test.name).ends_with("_destroy");
    report.Equal(test.name, Parse(Real(test.name), destroy ? kEntryDestroy : kEntryNew), test.expected);
    report.Equal(std::string(test.name) + " where the other type is expected",
                 Parse(Real(test.name), destroy ? kEntryNew : kEntryDestroy), "malformed");
  }
  for (const BuiltCase& test : kBuiltCases) {
    report.Equal(test.name, Parse(Message(kEntryNew, AF_INET, test.attributes), kEntryNew), test.expected);
  }

  const std::string ipv6 = Original(
      Nested(CTA_TUPLE_IP,
             Attribute(CTA_IP_V6_SRC, std::string("\x20\x01\x0d\xb8", 4) + std::string(11, '\0') + "\x01") +
                 Attribute(CTA_IP_V6_DST, std::string("\xfe\x80", 2) + std::string(13, '\0') + "\x02")) +
      Proto(Attribute(CTA_PROTO_NUM, "\x3a") + Attribute(CTA_PROTO_ICMPV6_ID, BigEndian<std::uint16_t>(9)) +
            Attribute(CTA_PROTO_ICMPV6_TYPE, "\x80") + Attribute(CTA_PROTO_ICMPV6_CODE, std::string(1, '\1'))));
  report.Equal("icmpv6 type and code", Parse(Message(kEntryNew, AF_INET6, ipv6), kEntryNew),
               "58: 2001:db8::1 9 > fe80::2 32769");
  report.Equal("portid", Parse(Message(kEntryNew, AF_INET, kOriginal, 4711), kEntryNew), PlainWith(" portid=4711"));
  report.Equal("unknown family", Parse(Message(kEntryNew, AF_UNIX, kOriginal), kEntryNew), "malformed");
  report.Equal("no room for nfgenmsg", Parse(ToBlock(HostOrder(nlmsghdr{18, kEntryNew, 0, 0, 0}) + "\2"), kEntryNew),
               "malformed");
  report.Equal("an error message", Parse(Real("error_unknown_operation"), kEntryNew), "malformed");
  report.Equal("the end of a dump", Parse(Real("dump_done"), kEntryNew), "malformed");

  CtRecord record;
  const Block full = Message(kEntryNew, AF_INET, AttributesOf("zone_mark_udp_ipv4_new"), 99);
  const Block bare = Message(kEntryNew, AF_INET, kOriginal);
  ParseRecord(*MessageReader{Bytes(full)}.Next(), kEntryNew, record);
  ParseRecord(*MessageReader{Bytes(bare)}.Next(), kEntryNew, record);
  report.Equal("nothing is left of the record before", Describe(record), kPlain);
  report.True("... in any field", IsConsistent(record));

  const Block dump = Real("dump_three_entries");
  MessageReader reader{Bytes(dump)};
  std::string protocols;
  while (const auto message = reader.Next()) {
    if (ParseRecord(*message, kEntryNew, record)) protocols += std::to_string(record.protocol) + " ";
  }
  report.Equal("several messages in one buffer", protocols, "17 6 17 ");

  for (const RealMessage& real : kRealMessages) TestCuts(report, real);
}

}  // namespace ctwatch
