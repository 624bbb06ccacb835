#include "drain_memory.h"

#include <fcntl.h>
#include <sys/mman.h>

#include "report.h"

namespace ctwatch {

void TestDrainMemory(Report& report) {
  DrainMemory memory;
  const auto empty = memory.Read();
  report.Equal("nothing was dropped", empty.new_drops + empty.destroy_drops, 0U);
  report.Equal("nothing was read", empty.drained_at_ns, std::uint64_t{0});
  report.True("blind entries are not known", !empty.blind);

  const std::uint64_t before = MonotonicNs();
  memory.WriteDrops(3, 0xffff'ffff);
  memory.WriteDrained();
  memory.WriteBlind(0);

  auto adopted = DrainMemory::Adopt(memory.descriptor());
  report.True("is taken over", adopted.has_value());
  if (!adopted) return;
  const auto contents = adopted->Read();
  report.Equal("drops of NEW", contents.new_drops, 3U);
  report.Equal("drops of DESTROY", contents.destroy_drops, 0xffff'ffffU);
  report.True("when it was read", contents.drained_at_ns >= before && contents.drained_at_ns <= MonotonicNs());
  report.Equal("no entry is blind", contents.blind.value_or(1), 0U);
  adopted->WriteDrops(4, 5);
  report.Equal("both see the same page", memory.Read().new_drops, 4U);
  report.True("it cannot shrink under the mapping", ftruncate(memory.descriptor(), 0) != 0);

  report.True("no descriptor", !DrainMemory::Adopt(-1));
  const FileDescriptor null(open("/dev/null", O_RDWR | O_CLOEXEC));
  report.True("another kind of file", !DrainMemory::Adopt(null.get()));
  const FileDescriptor loose(memfd_create("loose", MFD_CLOEXEC));
  report.True("a page that could shrink", ftruncate(loose.get(), 4096) == 0 && !DrainMemory::Adopt(loose.get()));
  const FileDescriptor other(memfd_create("other", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  report.True("a page of another layout", ftruncate(other.get(), 4096) == 0 &&
                                              fcntl(other.get(), F_ADD_SEALS, F_SEAL_SHRINK) == 0 &&
                                              !DrainMemory::Adopt(other.get()));
}

}  // namespace ctwatch
