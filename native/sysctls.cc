#include "sysctls.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <string>

#include "file_descriptor.h"

namespace ctwatch {
namespace {

std::optional<std::uint32_t> ReadSysctl(const std::string& name) {
  const FileDescriptor file(open(("/proc/sys/net/netfilter/nf_conntrack_" + name).c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid()) return std::nullopt;
  std::array<char, 32> text;
  const ssize_t length = read(file.get(), text.data(), text.size());
  std::uint32_t value = 0;
  if (length <= 0 || std::from_chars(text.data(), text.data() + length, value).ec != std::errc{}) return std::nullopt;
  return value;
}

}  // namespace

Sysctls ReadSysctls() {
  return {ReadSysctl("buckets"), ReadSysctl("events"), ReadSysctl("acct"), ReadSysctl("timestamp")};
}

}  // namespace ctwatch
