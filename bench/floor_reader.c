/*
 * The floor of the benchmarks: the least a reader of conntrack events can do with a system call per event. One socket,
 * groups NEW and DESTROY, blocking recv(), no parsing. What ctwatch costs is told as a multiple of this.
 *
 * SIGTERM, or --idle-exit S seconds without an event, ends it. Prints {"ready":true} when it listens and
 * {received, dropped, cpu_seconds, max_rss_kib} at its end; SO_MEMINFO tells what the kernel dropped.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

/* The same buffer as ctwatch asks for each of its two sockets by default. */
static const int RECEIVE_BUFFER_BYTES = 32 << 20;

static volatile sig_atomic_t stopped;

static void stop(int signal) {
  (void)signal;
  stopped = 1;
}

static void set(int fd, int level, int option, const void* value, socklen_t length, const char* name) {
  if (setsockopt(fd, level, option, value, length) == 0) return;
  fprintf(stderr, "floor_reader: %s: %s\n", name, strerror(errno));
  exit(1);
}

static double seconds(struct timeval t) {
  return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

int main(int argc, char** argv) {
  double idle_exit = argc > 2 && strcmp(argv[1], "--idle-exit") == 0 ? strtod(argv[2], NULL) : 0;
  struct sigaction action = {.sa_handler = stop}; /* no SA_RESTART: recv() returns EINTR */
  sigaction(SIGTERM, &action, NULL);
  sigaction(SIGINT, &action, NULL);

  int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
  if (fd < 0) {
    fprintf(stderr, "floor_reader: socket: %s\n", strerror(errno));
    return 1;
  }
  int on = 1, group_new = NFNLGRP_CONNTRACK_NEW, group_destroy = NFNLGRP_CONNTRACK_DESTROY;
  /* A signal that arrives between the test of `stopped` and recv() is seen within a second. */
  struct timeval timeout = {.tv_sec = 1};
  if (idle_exit > 0) {
    timeout.tv_sec = (time_t)idle_exit;
    timeout.tv_usec = (suseconds_t)((idle_exit - (double)timeout.tv_sec) * 1e6);
  }
  /* Before joining: bind() resets the groups, and a socket without a port id is taken for the kernel's own and skipped.
   */
  struct sockaddr_nl own = {.nl_family = AF_NETLINK};
  if (bind(fd, (struct sockaddr*)&own, sizeof own) < 0) {
    fprintf(stderr, "floor_reader: bind: %s\n", strerror(errno));
    return 1;
  }
  set(fd, SOL_SOCKET, SO_RCVBUFFORCE, &RECEIVE_BUFFER_BYTES, sizeof RECEIVE_BUFFER_BYTES, "SO_RCVBUFFORCE");
  set(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout, "SO_RCVTIMEO");
  set(fd, SOL_NETLINK, NETLINK_NO_ENOBUFS, &on, sizeof on, "NETLINK_NO_ENOBUFS");
  set(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group_new, sizeof group_new, "NETLINK_ADD_MEMBERSHIP");
  set(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group_destroy, sizeof group_destroy, "NETLINK_ADD_MEMBERSHIP");
  printf("{\"ready\":true}\n");
  fflush(stdout);

  static char buffer[8192];
  uint64_t received = 0;
  while (!stopped) {
    if (recv(fd, buffer, sizeof buffer, 0) > 0) {
      received++;
    } else if (errno == EAGAIN && idle_exit > 0) {
      break;
    }
  }
  /* What the kernel has queued by now was delivered in time: it is received, not lost. */
  while (recv(fd, buffer, sizeof buffer, MSG_DONTWAIT) > 0) received++;

  uint32_t memory[SK_MEMINFO_VARS] = {0};
  socklen_t length = sizeof memory;
  getsockopt(fd, SOL_SOCKET, SO_MEMINFO, memory, &length);
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  printf("{\"received\":%llu,\"dropped\":%u,\"cpu_seconds\":%.6f,\"max_rss_kib\":%ld}\n", (unsigned long long)received,
         memory[SK_MEMINFO_DROPS], seconds(usage.ru_utime) + seconds(usage.ru_stime), usage.ru_maxrss);
  return 0;
}
