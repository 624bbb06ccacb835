#include "ct_lookup.h"

#include <endian.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstring>
#include <span>

namespace ctwatch {
namespace {

using Message = std::vector<std::byte>;

template <typename T>
void Append(Message& message, const T& value) {
  const auto bytes = std::as_bytes(std::span(&value, 1));
  message.insert(message.end(), bytes.begin(), bytes.end());
}

void AppendAttribute(Message& message, std::uint16_t type, std::span<const std::byte> value) {
  Append(message, nlattr{static_cast<std::uint16_t>(sizeof(nlattr) + value.size()), type});
  message.insert(message.end(), value.begin(), value.end());
  message.resize(NLMSG_ALIGN(message.size()));
}

template <typename T>
void AppendNumber(Message& message, std::uint16_t type, T value) {
  AppendAttribute(message, type, std::as_bytes(std::span(&value, 1)));
}

// An attribute that holds what `fill` appends.
template <typename Fill>
void AppendNested(Message& message, std::uint16_t type, Fill fill) {
  const std::size_t at = message.size();
  Append(message, nlattr{0, static_cast<std::uint16_t>(type | NLA_F_NESTED)});
  fill();
  const auto length = static_cast<std::uint16_t>(message.size() - at);
  std::memcpy(message.data() + at, &length, sizeof(length));
}

void AppendAddresses(Message& message, const CtRecord& flow) {
  const bool is_ipv4 = flow.family == AF_INET;
  const std::size_t length = is_ipv4 ? 4 : 16;
  const auto bytes = [&](const column_type::address& address) {
    return std::as_bytes(std::span(address)).first(length);
  };
  AppendAttribute(message, is_ipv4 ? CTA_IP_V4_SRC : CTA_IP_V6_SRC, bytes(flow.originalSource));
  AppendAttribute(message, is_ipv4 ? CTA_IP_V4_DST : CTA_IP_V6_DST, bytes(flow.originalDestination));
}

void AppendProtocol(Message& message, const CtRecord& flow) {
  const std::uint16_t source = htobe16(flow.originalSourcePort);
  const std::uint16_t destination = htobe16(flow.originalDestinationPort);
  AppendNumber(message, CTA_PROTO_NUM, flow.protocol);
  if ((flow.present & present::originalPorts) == 0) return;
  const auto append_icmp = [&](std::uint16_t id, std::uint16_t type, std::uint16_t code) {
    AppendNumber(message, id, source);
    AppendNumber(message, type, static_cast<std::uint8_t>(flow.originalDestinationPort >> 8));
    AppendNumber(message, code, static_cast<std::uint8_t>(flow.originalDestinationPort));
  };
  switch (flow.protocol) {
    case IPPROTO_ICMP:
      return append_icmp(CTA_PROTO_ICMP_ID, CTA_PROTO_ICMP_TYPE, CTA_PROTO_ICMP_CODE);
    case IPPROTO_ICMPV6:
      return append_icmp(CTA_PROTO_ICMPV6_ID, CTA_PROTO_ICMPV6_TYPE, CTA_PROTO_ICMPV6_CODE);
    default:
      AppendNumber(message, CTA_PROTO_SRC_PORT, source);
      AppendNumber(message, CTA_PROTO_DST_PORT, destination);
  }
}

}  // namespace

void AppendLookup(const CtRecord& flow, std::uint32_t seq, Message& messages) {
  const std::size_t at = messages.size();
  nlmsghdr header{};
  header.nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET;
  header.nlmsg_flags = NLM_F_REQUEST;
  header.nlmsg_seq = seq;
  Append(messages, header);
  Append(messages, nfgenmsg{flow.family, NFNETLINK_V0, 0});
  AppendNested(messages, CTA_TUPLE_ORIG, [&] {
    AppendNested(messages, CTA_TUPLE_IP, [&] { AppendAddresses(messages, flow); });
    AppendNested(messages, CTA_TUPLE_PROTO, [&] { AppendProtocol(messages, flow); });
  });
  if (flow.zone != 0) AppendNumber(messages, CTA_ZONE, htobe16(flow.zone));
  header.nlmsg_len = static_cast<std::uint32_t>(messages.size() - at);
  std::memcpy(messages.data() + at, &header, sizeof(header));
}

bool IsSameFlow(const CtRecord& asked, const CtRecord& found) {
  return asked.family == found.family && asked.protocol == found.protocol && asked.zone == found.zone &&
         asked.originalSource == found.originalSource && asked.originalDestination == found.originalDestination &&
         asked.originalSourcePort == found.originalSourcePort &&
         asked.originalDestinationPort == found.originalDestinationPort && (asked.id == 0 || asked.id == found.id);
}

CtRecord OnlyTuples(const CtRecord& asked) {
  CtRecord record;
  record.family = asked.family;
  record.protocol = asked.protocol;
  record.originalSource = asked.originalSource;
  record.originalDestination = asked.originalDestination;
  record.originalSourcePort = asked.originalSourcePort;
  record.originalDestinationPort = asked.originalDestinationPort;
  record.replySource = asked.replySource;
  record.replyDestination = asked.replyDestination;
  record.replySourcePort = asked.replySourcePort;
  record.replyDestinationPort = asked.replyDestinationPort;
  record.zone = asked.zone;
  record.id = asked.id;
  record.present = asked.present & (present::originalTuple | present::replyTuple | present::originalPorts |
                                    present::replyPorts | present::zone | present::id);
  return record;
}

}  // namespace ctwatch
