#include "host_addresses.h"

#include <linux/if_addr.h>
#include <linux/rtnetlink.h>

#include <cerrno>
#include <chrono>
#include <span>

#include "ct_answers.h"
#include "operation_error.h"

namespace ctwatch {
namespace {

constexpr char kOperation[] = "host-addresses";

struct AddressRequest {
  nlmsghdr header{};
  ifaddrmsg family{};
};
static_assert(sizeof(AddressRequest) == 24);

}  // namespace

std::vector<std::string> HostAddresses::Read() {
  const std::lock_guard lock(mutex_);
  AddressRequest request;
  request.header.nlmsg_type = RTM_GETADDR;
  request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  socket_.Send(std::as_writable_bytes(std::span(&request, 1)));
  const auto deadline = std::chrono::steady_clock::now() + kRequestTimeout;
  std::vector<std::string> addresses;
  for (;;) {
    const auto message = socket_.Next(deadline);
    if (!message) throw OperationError(kOperation, ETIMEDOUT, "the kernel did not tell its addresses");
    if (message->type == NLMSG_DONE) return addresses;
    if (message->type == NLMSG_ERROR) {
      throw OperationError(kOperation, ParseError(*message).error_number, "the kernel refused to tell its addresses");
    }
    if (message->type != RTM_NEWADDR) continue;
    if (auto address = ParseHostAddress(message->payload)) addresses.push_back(std::move(*address));
  }
}

}  // namespace ctwatch
