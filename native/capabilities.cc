#include "capabilities.h"

#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cstddef>

#include "operation_error.h"

namespace ctwatch {

std::vector<int> EffectiveCapabilities() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> sets{};
  if (syscall(SYS_capget, &header, sets.data()) != 0) {
    throw OperationError("capget", errno, "cannot read the capabilities of this thread");
  }
  std::vector<int> capabilities;
  for (std::size_t number = 0; number < sets.size() * 32; ++number) {
    if ((sets[number / 32].effective >> (number % 32) & 1) != 0) capabilities.push_back(static_cast<int>(number));
  }
  return capabilities;
}

}  // namespace ctwatch
