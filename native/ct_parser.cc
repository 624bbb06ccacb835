#include "ct_parser.h"

#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace ctwatch {
namespace {

// Linux 6.14; not in the headers of older systems.
constexpr std::uint16_t kCtaTimestampEvent = 27;

static_assert(kEntryNew == (NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW));
static_assert(kEntryDestroy == (NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE));

double ToSeconds(std::uint64_t nanoseconds) {
  return static_cast<double>(nanoseconds) / 1e9;
}

constexpr std::array<std::uint8_t, 5> kIpLengths = {0, 4, 4, 16, 16};
constexpr std::array<std::uint8_t, 10> kProtoLengths = {0, 1, 2, 2, 2, 1, 1, 2, 1, 1};
constexpr std::array<std::uint8_t, 3> kCounterLengths = {0, 8, 8};
constexpr std::array<std::uint8_t, 3> kTimestampLengths = {0, 8, 8};
constexpr std::array<std::uint8_t, 2> kTcpLengths = {0, 1};

// Attributes of fixed length within one nested attribute: the first occurrence of each type whose length is as
// expected. Borrows the message. `kLengths[type]` is the expected length, 0 for a type that is of no interest.
template <const auto& kLengths>
class FixedAttributes {
 public:
  explicit FixedAttributes(Bytes nested) {
    const bool whole = ForEachAttribute(nested, [&](std::uint16_t type, Bytes value) {
      if (type >= kLengths.size() || kLengths[type] == 0 || value.size() != kLengths[type] || Has(type)) return;
      values_[type] = value.data();
      seen_ |= 1U << type;
    });
    if (!whole) seen_ = 0;
  }

  template <typename... Types>
  bool Has(Types... types) const {
    const std::uint32_t mask = ((1U << types) | ...);
    return (seen_ & mask) == mask;
  }

  // Of a type that `Has` is true for.
  Bytes operator[](std::size_t type) const { return {values_[type], kLengths[type]}; }

 private:
  // Set for the types in `seen_` only: clearing it would cost more than finding the attributes.
  std::array<const std::byte*, kLengths.size()> values_;
  std::uint32_t seen_ = 0;
};

struct Tuple {
  column_type::address source{};
  column_type::address destination{};
  std::uint16_t source_port = 0;
  std::uint16_t destination_port = 0;
  bool has_ports = false;
  std::uint8_t protocol = 0;
};

bool ParseAddresses(Bytes nested, std::uint8_t family, Tuple& tuple) {
  const FixedAttributes<kIpLengths> ip(nested);
  const auto source_type = family == AF_INET ? CTA_IP_V4_SRC : CTA_IP_V6_SRC;
  const auto destination_type = family == AF_INET ? CTA_IP_V4_DST : CTA_IP_V6_DST;
  if (!ip.Has(source_type, destination_type)) return false;
  const Bytes source = ip[source_type];
  const Bytes destination = ip[destination_type];
  std::memcpy(tuple.source.data(), source.data(), source.size());
  std::memcpy(tuple.destination.data(), destination.data(), destination.size());
  return true;
}

// What takes the place of ports is told by the attributes, not by the protocol: an unknown protocol simply has none.
bool ParseProtocol(Bytes nested, Tuple& tuple) {
  const FixedAttributes<kProtoLengths> proto(nested);
  if (!proto.Has(CTA_PROTO_NUM)) return false;
  tuple.protocol = LoadBigEndian<std::uint8_t>(proto[CTA_PROTO_NUM]);

  const auto take_icmp = [&](std::uint16_t id, std::uint16_t type, std::uint16_t code) {
    if (!proto.Has(id, type, code)) return false;
    tuple.source_port = LoadBigEndian<std::uint16_t>(proto[id]);
    tuple.destination_port = static_cast<std::uint16_t>(LoadBigEndian<std::uint8_t>(proto[type]) << 8 |
                                                        LoadBigEndian<std::uint8_t>(proto[code]));
    return true;
  };
  if (proto.Has(CTA_PROTO_SRC_PORT, CTA_PROTO_DST_PORT)) {
    tuple.source_port = LoadBigEndian<std::uint16_t>(proto[CTA_PROTO_SRC_PORT]);
    tuple.destination_port = LoadBigEndian<std::uint16_t>(proto[CTA_PROTO_DST_PORT]);
    tuple.has_ports = true;
  } else {
    tuple.has_ports = take_icmp(CTA_PROTO_ICMP_ID, CTA_PROTO_ICMP_TYPE, CTA_PROTO_ICMP_CODE) ||
                      take_icmp(CTA_PROTO_ICMPV6_ID, CTA_PROTO_ICMPV6_TYPE, CTA_PROTO_ICMPV6_CODE);
  }
  return true;
}

// Usable: addresses of the message's family and a protocol.
bool ParseTuple(Bytes nested, std::uint8_t family, Tuple& tuple) {
  Bytes ip;
  Bytes proto;
  const bool whole = ForEachAttribute(nested, [&](std::uint16_t type, Bytes value) {
    if (type == CTA_TUPLE_IP && ip.empty()) ip = value;
    if (type == CTA_TUPLE_PROTO && proto.empty()) proto = value;
  });
  return whole && ParseAddresses(ip, family, tuple) && ParseProtocol(proto, tuple);
}

// Fills one record from the top-level attributes of one message.
class RecordBuilder {
 public:
  explicit RecordBuilder(CtRecord& record) : record_(record) {}

  void Take(std::uint16_t type, Bytes value) {
    switch (type) {
      case CTA_TUPLE_ORIG:
        return TakeOriginal(value);
      case CTA_TUPLE_REPLY:
        return TakeReply(value);
      case CTA_ID:
        return TakeNumber(value, present::id, record_.id);
      case CTA_STATUS:
        return TakeNumber(value, present::status, record_.status);
      case CTA_TIMEOUT:
        return TakeNumber(value, present::timeout, record_.timeoutSeconds);
      case CTA_MARK:
        return TakeNumber(value, present::mark, record_.mark);
      case CTA_ZONE:
        return TakeNumber(value, present::zone, record_.zone);
      case CTA_PROTOINFO:
        return TakeProtocolInfo(value);
      case CTA_COUNTERS_ORIG:
        return TakeCounters(value, present::countersOriginal, record_.originalPackets, record_.originalBytes);
      case CTA_COUNTERS_REPLY:
        return TakeCounters(value, present::countersReply, record_.replyPackets, record_.replyBytes);
      case CTA_TIMESTAMP:
        return TakeTimestamps(value);
      case kCtaTimestampEvent:
        if (value.size() == sizeof(std::uint64_t)) TakeSeconds(value, present::timestampEvent, record_.eventSeconds);
        return;
      case CTA_TUPLE_MASTER:
        record_.present |= present::master;
        return;
      default:
        return;
    }
  }

 private:
  bool Lacks(std::uint32_t bit) const { return (record_.present & bit) == 0; }

  template <typename T>
  void TakeNumber(Bytes value, std::uint32_t bit, T& field) {
    if (value.size() != sizeof(T) || !Lacks(bit)) return;
    field = LoadBigEndian<T>(value);
    record_.present |= bit;
  }

  void TakeSeconds(Bytes nanoseconds, std::uint32_t bit, double& field) {
    if (!Lacks(bit)) return;
    field = ToSeconds(LoadBigEndian<std::uint64_t>(nanoseconds));
    record_.present |= bit;
  }

  void TakeOriginal(Bytes value) {
    Tuple tuple;
    if (!Lacks(present::originalTuple) || !ParseTuple(value, record_.family, tuple)) return;
    record_.originalSource = tuple.source;
    record_.originalDestination = tuple.destination;
    record_.originalSourcePort = tuple.source_port;
    record_.originalDestinationPort = tuple.destination_port;
    record_.protocol = tuple.protocol;
    record_.present |= present::originalTuple | (tuple.has_ports ? present::originalPorts : 0);
  }

  void TakeReply(Bytes value) {
    Tuple tuple;
    if (!Lacks(present::replyTuple) || !ParseTuple(value, record_.family, tuple)) return;
    record_.replySource = tuple.source;
    record_.replyDestination = tuple.destination;
    record_.replySourcePort = tuple.source_port;
    record_.replyDestinationPort = tuple.destination_port;
    record_.present |= present::replyTuple | (tuple.has_ports ? present::replyPorts : 0);
  }

  void TakeCounters(Bytes value, std::uint32_t bit, double& packets, double& bytes) {
    const FixedAttributes<kCounterLengths> counters(value);
    if (!Lacks(bit) || !counters.Has(CTA_COUNTERS_PACKETS, CTA_COUNTERS_BYTES)) return;
    packets = static_cast<double>(LoadBigEndian<std::uint64_t>(counters[CTA_COUNTERS_PACKETS]));
    bytes = static_cast<double>(LoadBigEndian<std::uint64_t>(counters[CTA_COUNTERS_BYTES]));
    record_.present |= bit;
  }

  void TakeTimestamps(Bytes value) {
    const FixedAttributes<kTimestampLengths> stamps(value);
    if (stamps.Has(CTA_TIMESTAMP_START)) {
      TakeSeconds(stamps[CTA_TIMESTAMP_START], present::timestampStart, record_.startSeconds);
    }
    if (stamps.Has(CTA_TIMESTAMP_STOP)) {
      TakeSeconds(stamps[CTA_TIMESTAMP_STOP], present::timestampStop, record_.stopSeconds);
    }
  }

  void TakeProtocolInfo(Bytes value) {
    if (!Lacks(present::tcpState)) return;
    ForEachAttribute(value, [&](std::uint16_t type, Bytes nested) {
      if (type != CTA_PROTOINFO_TCP) return;
      const FixedAttributes<kTcpLengths> tcp(nested);
      if (tcp.Has(CTA_PROTOINFO_TCP_STATE)) {
        TakeNumber(tcp[CTA_PROTOINFO_TCP_STATE], present::tcpState, record_.tcpState);
      }
    });
  }

  CtRecord& record_;
};

}  // namespace

bool ParseRecord(const NetlinkMessage& message, std::uint16_t type, CtRecord& record) {
  record = {};
  if (message.type != type || message.payload.size() < sizeof(nfgenmsg)) return false;
  const auto header = LoadHostOrder<nfgenmsg>(message.payload);
  if (header.nfgen_family != AF_INET && header.nfgen_family != AF_INET6) return false;
  record.family = header.nfgen_family;
  record.portid = message.portid;

  RecordBuilder builder(record);
  const bool whole = ForEachAttribute(message.payload.subspan(sizeof(nfgenmsg)),
                                      [&](std::uint16_t attribute, Bytes value) { builder.Take(attribute, value); });
  return whole && (record.present & present::originalTuple) != 0;
}

}  // namespace ctwatch
