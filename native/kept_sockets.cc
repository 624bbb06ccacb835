#include "kept_sockets.h"

#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

#include "operation_error.h"

namespace ctwatch {

KeptSockets KeptSockets::Adopt(const KeptDescriptors& descriptors) {
  KeptSockets kept;
  try {
    NetlinkSocket created = NetlinkSocket::Adopt(descriptors.created, NETLINK_NETFILTER, NFNLGRP_CONNTRACK_NEW);
    kept.destroyed = NetlinkSocket::Adopt(descriptors.destroyed, NETLINK_NETFILTER, NFNLGRP_CONNTRACK_DESTROY);
    kept.created = std::move(created);
    kept.memory = DrainMemory::Adopt(descriptors.memory);
  } catch (const OperationError& error) {
    kept.refusal = error.what();
  }
  return kept;
}

}  // namespace ctwatch
