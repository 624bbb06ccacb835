// The addresses of a network namespace, over rtnetlink: by them the direction of a flow is told.
//
// Not told: broadcast addresses, and ranges that are local by a route alone (AnyIP).

#ifndef CTWATCH_HOST_ADDRESSES_H_
#define CTWATCH_HOST_ADDRESSES_H_

#include <linux/netlink.h>

#include <mutex>
#include <string>
#include <vector>

#include "ct_requests.h"

namespace ctwatch {

// libuv worker, several at once: requests wait for each other. Opened in the namespace of the constructing thread.
class HostAddresses {
 public:
  // Needs no privilege. Throws OperationError "host-addresses".
  std::vector<std::string> Read();

 private:
  std::mutex mutex_;
  RequestSocket socket_{NETLINK_ROUTE};
};

}  // namespace ctwatch

#endif  // CTWATCH_HOST_ADDRESSES_H_
