#include "ct_answers.h"

#include <linux/netfilter/nfnetlink_cttimeout.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <cerrno>

#include "message_bytes.h"
#include "report.h"

namespace ctwatch {
namespace {

std::string DescribeStats(const Block& block) {
  MessageReader reader{Bytes(block)};
  const auto stats = ParseTableStats(reader.Next()->payload);
  if (!stats) return "unreadable";
  return std::to_string(stats->count) + " of " + (stats->max ? std::to_string(*stats->max) : "unknown");
}

std::string DescribeTimeouts(const Block& block, std::size_t count) {
  MessageReader reader{Bytes(block)};
  const auto timeouts = ParseTimeouts(reader.Next()->payload, count);
  if (!timeouts) return "unreadable";
  std::string text;
  for (const std::uint32_t seconds : *timeouts) text += std::to_string(seconds) + " ";
  return text;
}

std::string DescribeError(const Block& block) {
  MessageReader reader{Bytes(block)};
  const KernelError error = ParseError(*reader.Next());
  return std::to_string(error.error_number) + " " + error.text;
}

std::string DescribeAddress(const Block& block) {
  MessageReader reader{Bytes(block)};
  return ParseHostAddress(reader.Next()->payload).value_or("none");
}

// An RTM_NEWADDR message.
Block AddressMessage(std::uint8_t family, const std::string& attributes) {
  const auto length = static_cast<std::uint32_t>(sizeof(nlmsghdr) + sizeof(ifaddrmsg) + attributes.size());
  return ToBlock(HostOrder(nlmsghdr{length, RTM_NEWADDR, 0, 0, 0}) + HostOrder(ifaddrmsg{family, 24, 0, 0, 2}) +
                 attributes);
}

Block ErrorMessage(std::uint16_t flags, int error, std::uint32_t echoed_length, const std::string& rest) {
  const nlmsgerr answer{error, {echoed_length, 0, 0, 0, 0}};
  const std::size_t length = sizeof(nlmsghdr) + sizeof(answer) + rest.size();
  return ToBlock(HostOrder(nlmsghdr{static_cast<std::uint32_t>(length), NLMSG_ERROR, flags, 0, 0}) + HostOrder(answer) +
                 rest);
}

}  // namespace

void TestAnswers(Report& report) {
  report.Equal("table stats", DescribeStats(Real("table_stats")), "1 of 262144");
  report.Equal("table stats before Linux 4.18", DescribeStats(Message(0x105, 0, Attribute(1, BigEndian(7U)))),
               "7 of unknown");
  report.Equal("table stats with an unknown attribute",
               DescribeStats(Message(0x105, 0, Attribute(9, "x") + Attribute(1, BigEndian(7U)))), "7 of unknown");
  report.Equal("table stats without a count", DescribeStats(Message(0x105, 0, "")), "unreadable");
  report.Equal("table stats with a count of 2 bytes", DescribeStats(Message(0x105, 0, Attribute(1, "ab"))),
               "unreadable");
  report.Equal("table stats cut short", DescribeStats(Message(0x105, 0, AttributeHeader(1, 8))), "unreadable");
  report.True("an empty answer", !ParseTableStats(Bytes()));

  CpuStats sum;
  const Block cpus = Real("cpu_stats_two_cpus");
  MessageReader reader{Bytes(cpus)};
  int messages = 0;
  while (const auto message = reader.Next()) messages += AddCpuStats(message->payload, sum) ? 1 : 0;
  report.Equal("one message a CPU", messages, 2);
  report.Equal("inserts of both", sum.insert, 3U);
  report.Equal("nothing dropped", sum.drop, 0U);

  const Block near_wrap = Message(0x104, 0, Attribute(10, BigEndian(0xffffffffU)) + Attribute(15, BigEndian(3U)));
  for (int cpu = 0; cpu < 2; ++cpu) AddCpuStats(MessageReader{Bytes(near_wrap)}.Next()->payload, sum);
  report.Equal("sums wrap like the kernel's counters", sum.drop, 0xfffffffeU);
  report.Equal("chain_toolong", sum.chain_toolong, 6U);
  report.True("CPU stats cut short",
              !AddCpuStats(MessageReader{Bytes(Message(0x104, 0, AttributeHeader(10, 8)))}.Next()->payload, sum));

  report.Equal("timeouts of tcp", DescribeTimeouts(Real("timeouts_tcp"), CTA_TIMEOUT_TCP_MAX),
               "120 60 432000 120 60 30 120 10 120 300 300 ");
  report.Equal("timeouts of udp", DescribeTimeouts(Real("timeouts_udp"), CTA_TIMEOUT_UDP_MAX), "30 120 ");
  report.Equal("timeout of icmp", DescribeTimeouts(Real("timeouts_icmp"), CTA_TIMEOUT_ICMP_MAX), "30 ");
  report.Equal("a timeout is missing", DescribeTimeouts(Real("timeouts_icmp"), 2), "unreadable");

  report.Equal("address of IPv4", DescribeAddress(Real("address_ipv4")), "127.0.0.1");
  report.Equal("own address of a point-to-point link", DescribeAddress(Real("address_ipv4_point_to_point")),
               "10.9.8.7");
  report.Equal("address of IPv6", DescribeAddress(Real("address_ipv6")), "2001:db8::5");
  report.Equal("no address", DescribeAddress(AddressMessage(AF_INET, "")), "none");
  report.Equal("address of 3 bytes", DescribeAddress(AddressMessage(AF_INET, Attribute(IFA_LOCAL, "abc"))), "none");
  report.Equal("address of another family", DescribeAddress(AddressMessage(AF_UNIX, Attribute(IFA_LOCAL, "abcd"))),
               "none");
  report.Equal("address message cut short",
               DescribeAddress(ToBlock(HostOrder(nlmsghdr{20, RTM_NEWADDR, 0, 0, 0}) + "abcd")), "none");

  report.Equal("error of an unknown operation", DescribeError(Real("error_unknown_operation")), "22 ");
  report.Equal("error of a lookup that finds nothing", DescribeError(Real("error_no_such_flow")), "2 ");
  report.Equal("acknowledgement", DescribeError(ErrorMessage(0, 0, 16, "")), "0 ");
  report.Equal("positive error number", DescribeError(ErrorMessage(0, 1, 16, "")), "74 ");
  report.Equal("smallest integer, which cannot be negated", DescribeError(ErrorMessage(0, INT32_MIN, 16, "")), "74 ");
  report.Equal("error message cut short", DescribeError(ToBlock(HostOrder(nlmsghdr{18, NLMSG_ERROR, 0, 0, 0}) + "ab")),
               "74 ");
  const std::string text = Attribute(NLMSGERR_ATTR_MSG, std::string("no such zone\0", 13));
  report.Equal("extended text, request capped",
               DescribeError(ErrorMessage(NLM_F_CAPPED | NLM_F_ACK_TLVS, -EINVAL, 96, text)), "22 no such zone");
  report.Equal("extended text behind the request",
               DescribeError(ErrorMessage(NLM_F_ACK_TLVS, -EINVAL, 20, "1234" + text)), "22 no such zone");
  report.Equal("request said to be longer than it is",
               DescribeError(ErrorMessage(NLM_F_ACK_TLVS, -EINVAL, 0xfffffff0, text)), "22 ");
  report.Equal("extended text without its end",
               DescribeError(ErrorMessage(NLM_F_CAPPED | NLM_F_ACK_TLVS, -EPERM, 16, Attribute(1, "ab"))), "1 ab");
}

}  // namespace ctwatch
