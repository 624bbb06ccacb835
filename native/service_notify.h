// What a service tells its manager: one datagram, as sd_notify(3) sends it, without its library.

#ifndef CTWATCH_SERVICE_NOTIFY_H_
#define CTWATCH_SERVICE_NOTIFY_H_

#include <span>
#include <string>

namespace ctwatch {

// Descriptors that one datagram may carry.
inline constexpr std::size_t kNotifyDescriptorsMax = 8;

// Any thread; waits at most a second for a manager that does not read. `address` is the value of NOTIFY_SOCKET: a path,
// or a name in the abstract namespace after an '@'. `state` holds lines such as "READY=1". The descriptors stay the
// caller's; the manager gets copies. Throws OperationError "notify".
void NotifyService(const std::string& address, const std::string& state, std::span<const int> descriptors);

}  // namespace ctwatch

#endif  // CTWATCH_SERVICE_NOTIFY_H_
