/*
 * Traffic for the benchmarks and the kernel tests: new flows through the packet path, or entries made and flushed
 * through ctnetlink. Run it inside a throw-away network namespace (`ip netns exec`), never in one that matters.
 *
 * This program WRITES to the conntrack table. Code that does so may exist only in bench/ and test/: ctwatch itself
 * never creates, changes or deletes an entry.
 *
 * A flow is made distinct by its source address (IP_PKTINFO chooses any of 127.0.0.0/8 for each packet), on top of 16
 * random source ports, so a million flows need 16 sockets. Bound receivers swallow the packets: no ICMP answers, no
 * second flow. Every subcommand prints JSON lines. Exit: 0 done, 1 a system call failed, 2 usage.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
  SOURCE_SOCKETS = 16,
  /* Packets a sendmmsg() call carries: the cost of the system call disappears, a slice stays below 1 ms. */
  PACKETS_PER_CALL = 64,
  /* Requests a ctnetlink send carries: about 32 KiB. */
  CREATES_PER_SEND = 200,
  DPORTS_MAX = 1024,
  DPORT_DEFAULT = 20000,
};

/* Pace: a slice of flows is due every 2 ms, as a timer of 4 ms (HZ=250) would already be a burst. */
static const int64_t SLICE_NS = 2000000;
static const int64_t SECOND_NS = 1000000000;

static void die(const char* operation) {
  fprintf(stderr, "traffic: %s: %s\n", operation, strerror(errno));
  exit(1);
}

static int64_t now_ns(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return (int64_t)t.tv_sec * SECOND_NS + t.tv_nsec;
}

static void sleep_until(int64_t monotonic_ns) {
  struct timespec t = {.tv_sec = monotonic_ns / SECOND_NS, .tv_nsec = monotonic_ns % SECOND_NS};
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR) {
  }
}

/* ---- arguments ---- */

static double option(int argc, char** argv, const char* name, double fallback) {
  for (int i = 2; i + 1 < argc; i++) {
    if (strcmp(argv[i], name) == 0) return strtod(argv[i + 1], NULL);
  }
  return fallback;
}

static long operand(int argc, char** argv) {
  long n = argc > 2 ? strtol(argv[2], NULL, 10) : 0;
  if (n < 1 || n > 100000000) {
    fprintf(stderr, "traffic: a number of flows between 1 and 100,000,000 is expected\n");
    exit(2);
  }
  return n;
}

/* ---- ctnetlink: entries without packets ---- */

static int open_netlink(void) {
  int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
  if (fd < 0) die("socket(NETLINK_NETFILTER)");
  return fd;
}

static void put_attribute(struct nlmsghdr* message, uint16_t type, const void* value, size_t length) {
  struct nlattr* attribute = (struct nlattr*)((char*)message + NLMSG_ALIGN(message->nlmsg_len));
  attribute->nla_type = type;
  attribute->nla_len = (uint16_t)(NLA_HDRLEN + length);
  memcpy((char*)attribute + NLA_HDRLEN, value, length);
  message->nlmsg_len = NLMSG_ALIGN(message->nlmsg_len) + (uint32_t)NLA_ALIGN(attribute->nla_len);
}

static struct nlattr* open_nest(struct nlmsghdr* message, uint16_t type) {
  struct nlattr* nest = (struct nlattr*)((char*)message + NLMSG_ALIGN(message->nlmsg_len));
  put_attribute(message, type | NLA_F_NESTED, NULL, 0);
  return nest;
}

static void close_nest(struct nlmsghdr* message, struct nlattr* nest) {
  nest->nla_len = (uint16_t)((char*)message + message->nlmsg_len - (char*)nest);
}

static void put_tuple(struct nlmsghdr* message, uint16_t type, const uint32_t address[2], const uint16_t port[2]) {
  uint8_t udp = IPPROTO_UDP;
  struct nlattr* tuple = open_nest(message, type);
  struct nlattr* ip = open_nest(message, CTA_TUPLE_IP);
  put_attribute(message, CTA_IP_V4_SRC, &address[0], sizeof address[0]);
  put_attribute(message, CTA_IP_V4_DST, &address[1], sizeof address[1]);
  close_nest(message, ip);
  struct nlattr* proto = open_nest(message, CTA_TUPLE_PROTO);
  put_attribute(message, CTA_PROTO_NUM, &udp, sizeof udp);
  put_attribute(message, CTA_PROTO_SRC_PORT, &port[0], sizeof port[0]);
  put_attribute(message, CTA_PROTO_DST_PORT, &port[1], sizeof port[1]);
  close_nest(message, proto);
  close_nest(message, tuple);
}

static struct nlmsghdr* put_request(void* at, uint8_t operation, uint16_t flags, uint8_t family) {
  struct nlmsghdr* message = at;
  memset(message, 0, NLMSG_SPACE(sizeof(struct nfgenmsg)));
  message->nlmsg_len = NLMSG_LENGTH(sizeof(struct nfgenmsg));
  message->nlmsg_type = (NFNL_SUBSYS_CTNETLINK << 8) | operation;
  message->nlmsg_flags = NLM_F_REQUEST | flags;
  ((struct nfgenmsg*)NLMSG_DATA(message))->nfgen_family = family;
  return message;
}

/* Entry number i: 10.x.y.z -> 192.0.2.1, 64 source ports for each address. */
static uint32_t put_create(void* at, uint32_t i, uint32_t timeout_seconds) {
  struct nlmsghdr* message = put_request(at, IPCTNL_MSG_CT_NEW, NLM_F_CREATE | NLM_F_EXCL, AF_INET);
  uint32_t source = htonl(0x0a000000u | ((i / 64) & 0xffffffu));
  uint32_t destination = htonl(0xc0000201u);
  uint16_t source_port = htons((uint16_t)(1024 + i % 64));
  uint16_t destination_port = htons(53);
  uint32_t timeout = htonl(timeout_seconds);
  put_tuple(message, CTA_TUPLE_ORIG, (uint32_t[]){source, destination}, (uint16_t[]){source_port, destination_port});
  put_tuple(message, CTA_TUPLE_REPLY, (uint32_t[]){destination, source}, (uint16_t[]){destination_port, source_port});
  put_attribute(message, CTA_TIMEOUT, &timeout, sizeof timeout);
  return message->nlmsg_len;
}

/* Without NLM_F_ACK the kernel answers errors only: what is queued here are failed requests. */
static long count_errors(int fd) {
  char answer[8192];
  long errors = 0;
  while (recv(fd, answer, sizeof answer, MSG_DONTWAIT) > 0) errors++;
  return errors;
}

static int create(int argc, char** argv) {
  long total = operand(argc, argv);
  uint32_t timeout_seconds = (uint32_t)option(argc, argv, "--timeout", 600);
  int fd = open_netlink();
  static _Alignas(8) char buffer[CREATES_PER_SEND * 256];
  long errors = 0;
  int64_t start = now_ns(CLOCK_MONOTONIC);
  for (long done = 0; done < total;) {
    size_t length = 0;
    for (int k = 0; k < CREATES_PER_SEND && done < total; k++, done++) {
      length += put_create(buffer + length, (uint32_t)done, timeout_seconds);
    }
    if (send(fd, buffer, length, 0) < 0) die("send(IPCTNL_MSG_CT_NEW)");
    errors += count_errors(fd);
  }
  double seconds = (double)(now_ns(CLOCK_MONOTONIC) - start) / 1e9;
  printf("{\"flows\":%ld,\"seconds\":%.6f,\"per_second\":%.0f,\"errors\":%ld}\n", total - errors, seconds,
         (double)(total - errors) / seconds, errors);
  close(fd);
  return 0;
}

static void flush_table(int fd) {
  _Alignas(8) char buffer[8192];
  struct nlmsghdr* message = put_request(buffer, IPCTNL_MSG_CT_DELETE, NLM_F_ACK, AF_UNSPEC);
  if (send(fd, message, message->nlmsg_len, 0) < 0) die("send(IPCTNL_MSG_CT_DELETE)");
  if (recv(fd, buffer, sizeof buffer, 0) < 0) die("recv");
  const struct nlmsgerr* answer = NLMSG_DATA((struct nlmsghdr*)buffer);
  if (answer->error != 0) {
    errno = -answer->error;
    die("IPCTNL_MSG_CT_DELETE");
  }
}

static int flush(void) {
  int fd = open_netlink();
  int64_t start = now_ns(CLOCK_MONOTONIC);
  flush_table(fd);
  printf("{\"seconds\":%.6f}\n", (double)(now_ns(CLOCK_MONOTONIC) - start) / 1e9);
  close(fd);
  return 0;
}

/* ---- UDP: flows through the packet path ---- */

struct udp {
  int sources[SOURCE_SOCKETS];
  long next;              /* flow number, never repeated */
  uint32_t first_address; /* random, so that two runs in one namespace do not meet */
  uint16_t dport;
  uint16_t dports;
  long errors;
};

static int bind_udp(uint16_t port) {
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) die("socket(AF_INET, SOCK_DGRAM)");
  struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(port)};
  if (bind(fd, (struct sockaddr*)&any, sizeof any) < 0) die("bind");
  return fd;
}

static void open_udp(struct udp* udp, long dport, long dports) {
  if (dport < 1 || dports < 1 || dports > DPORTS_MAX || dport + dports > 65536) {
    fprintf(stderr, "traffic: --dport 1-65535 and --dports 1-%d are expected\n", DPORTS_MAX);
    exit(2);
  }
  memset(udp, 0, sizeof *udp);
  udp->dport = (uint16_t)dport;
  udp->dports = (uint16_t)dports;
  if (getrandom(&udp->first_address, sizeof udp->first_address, 0) < 0) die("getrandom");
  for (long k = 0; k < dports; k++) {
    int receiver = bind_udp((uint16_t)(dport + k)); /* never read: its small queue fills and drops */
    int bytes = 1;
    setsockopt(receiver, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
  }
  for (int s = 0; s < SOURCE_SOCKETS; s++) udp->sources[s] = bind_udp(0);
}

/* At most PACKETS_PER_CALL flows, all from one source port. */
static void send_flows(struct udp* udp, int count) {
  struct mmsghdr calls[PACKETS_PER_CALL];
  struct iovec payload = {.iov_base = "x", .iov_len = 1};
  struct sockaddr_in to[PACKETS_PER_CALL];
  _Alignas(struct cmsghdr) char control[PACKETS_PER_CALL][CMSG_SPACE(sizeof(struct in_pktinfo))];
  memset(calls, 0, sizeof calls);
  memset(to, 0, sizeof to);
  memset(control, 0, sizeof control);
  int source = udp->sources[(udp->next / PACKETS_PER_CALL) % SOURCE_SOCKETS];
  for (int k = 0; k < count; k++, udp->next++) {
    to[k].sin_family = AF_INET;
    to[k].sin_port = htons((uint16_t)(udp->dport + udp->next % udp->dports));
    to[k].sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    calls[k].msg_hdr = (struct msghdr){.msg_name = &to[k],
                                       .msg_namelen = sizeof to[k],
                                       .msg_iov = &payload,
                                       .msg_iovlen = 1,
                                       .msg_control = control[k],
                                       .msg_controllen = sizeof control[k]};
    struct cmsghdr* cmsg = CMSG_FIRSTHDR(&calls[k].msg_hdr);
    cmsg->cmsg_level = IPPROTO_IP;
    cmsg->cmsg_type = IP_PKTINFO;
    cmsg->cmsg_len = CMSG_LEN(sizeof(struct in_pktinfo));
    /* 127.1.0.0 and up, one address a flow: none comes twice within 16 million flows. */
    uint32_t address = 0x7f010000u + (udp->first_address + (uint32_t)udp->next) % 0xfe0000u;
    ((struct in_pktinfo*)CMSG_DATA(cmsg))->ipi_spec_dst.s_addr = htonl(address);
  }
  for (int sent = 0; sent < count;) {
    int n = sendmmsg(source, calls + sent, (unsigned)(count - sent), 0);
    if (n < 0) {
      udp->errors++; /* EPERM when the table is full: that packet is lost, the next may pass */
      n = 1;
    }
    sent += n;
  }
}

/* Sends `total` flows at `rate` per second (0: as fast as possible); flushes the table after every `flush_every`. */
static double run_flows(struct udp* udp, long total, double rate, long flush_every) {
  int netlink = flush_every > 0 ? open_netlink() : -1;
  long until_flush = flush_every;
  int64_t start = now_ns(CLOCK_MONOTONIC);
  for (long done = 0; done < total;) {
    int64_t elapsed = now_ns(CLOCK_MONOTONIC) - start;
    long due = rate > 0 ? (long)((double)elapsed * rate / 1e9) + 1 : total;
    if (due > total) due = total;
    while (done < due) {
      int count = due - done < PACKETS_PER_CALL ? (int)(due - done) : PACKETS_PER_CALL;
      send_flows(udp, count);
      done += count;
      until_flush -= count;
      if (flush_every > 0 && until_flush <= 0) {
        flush_table(netlink);
        until_flush = flush_every;
      }
    }
    if (rate <= 0 || done >= total) continue;
    int64_t next_flow = start + (int64_t)((double)done * 1e9 / rate);
    int64_t next_slice = now_ns(CLOCK_MONOTONIC) + SLICE_NS;
    sleep_until(next_flow > next_slice ? next_flow : next_slice);
  }
  if (netlink >= 0) close(netlink);
  return (double)(now_ns(CLOCK_MONOTONIC) - start) / 1e9;
}

static int udp(int argc, char** argv) {
  long total = operand(argc, argv);
  struct udp udp;
  open_udp(&udp, (long)option(argc, argv, "--dport", DPORT_DEFAULT), (long)option(argc, argv, "--dports", 1));
  double seconds =
      run_flows(&udp, total, option(argc, argv, "--rate", 0), (long)option(argc, argv, "--flush-every", 0));
  printf("{\"flows\":%ld,\"seconds\":%.6f,\"per_second\":%.0f,\"errors\":%ld}\n", total - udp.errors, seconds,
         (double)(total - udp.errors) / seconds, udp.errors);
  return 0;
}

static int burst(int argc, char** argv) {
  double base = option(argc, argv, "--base", 100);
  double factor = option(argc, argv, "--factor", 4);
  double before = option(argc, argv, "--before", 30);
  double after = option(argc, argv, "--after", 5);
  if (!(base > 0 && factor > 0 && before >= 0 && after > 0)) {
    fprintf(stderr, "traffic: positive --base, --factor, --before and --after are expected\n");
    return 2;
  }
  struct udp udp;
  open_udp(&udp, (long)option(argc, argv, "--dport", DPORT_DEFAULT), 1);
  int64_t start = now_ns(CLOCK_MONOTONIC);
  run_flows(&udp, (long)(base * before), base, 0);
  sleep_until(start + (int64_t)(before * 1e9));
  printf("{\"onset_unix_ms\":%.3f,\"base_per_second\":%.3f,\"factor\":%.3f}\n", (double)now_ns(CLOCK_REALTIME) / 1e6,
         base, factor);
  fflush(stdout);
  run_flows(&udp, (long)(base * factor * after), base * factor, 0);
  double seconds = (double)(now_ns(CLOCK_MONOTONIC) - start) / 1e9;
  printf("{\"flows\":%ld,\"seconds\":%.6f,\"per_second\":%.0f,\"errors\":%ld}\n", udp.next - udp.errors, seconds,
         (double)(udp.next - udp.errors) / seconds, udp.errors);
  return 0;
}

/* ---- TCP: connections that nobody answers ---- */

/* One's complement sum of the pseudo header (two addresses, protocol, length) and of the segment itself. */
static uint16_t tcp_checksum(const struct iphdr* ip, const struct tcphdr* tcp) {
  uint32_t sum = htons(IPPROTO_TCP) + htons(sizeof *tcp);
  const uint16_t* addresses = (const uint16_t*)&ip->saddr;
  for (int i = 0; i < 4; i++) sum += addresses[i];
  const uint16_t* words = (const uint16_t*)tcp;
  for (size_t i = 0; i < sizeof *tcp / 2; i++) sum += words[i];
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return (uint16_t)~sum;
}

/* SYNs 127.x.y.z -> 127.0.0.1:dport, all distinct. Half open only if a rule drops them on input: else a reset answers. */
static int syn(int argc, char** argv) {
  long total = operand(argc, argv);
  double rate = option(argc, argv, "--rate", 100);
  long dport = (long)option(argc, argv, "--dport", DPORT_DEFAULT);
  if (!(rate > 0) || dport < 1 || dport > 65535) {
    fprintf(stderr, "traffic: a positive --rate and --dport 1-65535 are expected\n");
    return 2;
  }
  int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
  if (fd < 0) die("socket(IPPROTO_RAW)");
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  struct {
    struct iphdr ip;
    struct tcphdr tcp;
  } packet;
  long errors = 0;
  int64_t start = now_ns(CLOCK_MONOTONIC);
  for (long i = 0; i < total; i++) {
    memset(&packet, 0, sizeof packet);
    packet.ip = (struct iphdr){.version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_TCP};
    packet.ip.tot_len = htons(sizeof packet);
    packet.ip.saddr = htonl(0x7f010000u + (uint32_t)i % 0xfe0000u);
    packet.ip.daddr = to.sin_addr.s_addr;
    packet.tcp.source = htons((uint16_t)(1024 + i % 60000));
    packet.tcp.dest = htons((uint16_t)dport);
    packet.tcp.seq = htonl((uint32_t)i);
    packet.tcp.doff = 5;
    packet.tcp.syn = 1;
    packet.tcp.window = htons(65535);
    packet.tcp.check = tcp_checksum(&packet.ip, &packet.tcp);
    sleep_until(start + (int64_t)((double)i * 1e9 / rate));
    if (sendto(fd, &packet, sizeof packet, 0, (struct sockaddr*)&to, sizeof to) < 0) errors++;
  }
  double seconds = (double)(now_ns(CLOCK_MONOTONIC) - start) / 1e9;
  printf("{\"flows\":%ld,\"seconds\":%.6f,\"per_second\":%.0f,\"errors\":%ld}\n", total - errors, seconds,
         (double)(total - errors) / seconds, errors);
  return 0;
}

/* ---- ICMP: one echo request, answered by the kernel ---- */

static uint16_t checksum(const uint8_t* bytes, size_t length) {
  uint32_t sum = 0;
  for (size_t i = 0; i + 1 < length; i += 2) sum += (uint32_t)bytes[i] << 8 | bytes[i + 1];
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return (uint16_t)~sum;
}

static int ping(int argc, char** argv) {
  struct sockaddr_in to4 = {.sin_family = AF_INET};
  struct sockaddr_in6 to6 = {.sin6_family = AF_INET6};
  const char* address = argc > 2 ? argv[2] : "127.0.0.1";
  bool ipv6 = inet_pton(AF_INET6, address, &to6.sin6_addr) == 1;
  if (!ipv6 && inet_pton(AF_INET, address, &to4.sin_addr) != 1) {
    fprintf(stderr, "traffic: an IPv4 or IPv6 address is expected\n");
    return 2;
  }
  int fd = socket(ipv6 ? AF_INET6 : AF_INET, SOCK_RAW | SOCK_CLOEXEC, ipv6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
  if (fd < 0) die("socket(SOCK_RAW)");
  uint16_t identifier = (uint16_t)getpid();
  /* type, code, checksum, identifier, sequence; the kernel fills in the checksum of ICMPv6 */
  uint8_t echo[8] = {ipv6 ? 128 : 8, 0, 0, 0, (uint8_t)(identifier >> 8), (uint8_t)identifier, 0, 1};
  uint16_t sum = checksum(echo, sizeof echo);
  echo[2] = (uint8_t)(sum >> 8);
  echo[3] = (uint8_t)sum;
  const struct sockaddr* to = ipv6 ? (const struct sockaddr*)&to6 : (const struct sockaddr*)&to4;
  if (sendto(fd, echo, sizeof echo, 0, to, ipv6 ? sizeof to6 : sizeof to4) < 0) die("sendto");
  printf("{\"flows\":1,\"id\":%u}\n", identifier);
  close(fd);
  return 0;
}

int main(int argc, char** argv) {
  const char* command = argc > 1 ? argv[1] : "";
  if (strcmp(command, "udp") == 0) return udp(argc, argv);
  if (strcmp(command, "create") == 0) return create(argc, argv);
  if (strcmp(command, "flush") == 0) return flush();
  if (strcmp(command, "burst") == 0) return burst(argc, argv);
  if (strcmp(command, "syn") == 0) return syn(argc, argv);
  if (strcmp(command, "ping") == 0) return ping(argc, argv);
  fprintf(stderr,
          "usage: traffic udp N [--rate R] [--dport P] [--dports K] [--flush-every M]\n"
          "       traffic create N [--timeout S]\n"
          "       traffic flush\n"
          "       traffic burst --base B --factor F --before S1 --after S2 [--dport P]\n"
          "       traffic syn N --rate R [--dport P]\n"
          "       traffic ping ADDRESS\n");
  return 2;
}
