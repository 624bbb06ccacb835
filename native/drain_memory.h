// What the reader of the event sockets must not forget when it is restarted: how far it has come with them.
//
// A page of anonymous memory (memfd) that goes with the sockets into the service manager's file descriptor store. It is
// written as it changes, so that whoever takes the sockets over knows it however this process ended. Nothing reaches a
// disk.

#ifndef CTWATCH_DRAIN_MEMORY_H_
#define CTWATCH_DRAIN_MEMORY_H_

#include <cstdint>
#include <optional>

#include "file_descriptor.h"

namespace ctwatch {

// JS thread, one process at a time.
class DrainMemory {
 public:
  struct Contents {
    // SK_MEMINFO_DROPS of each socket that was told as a loss.
    std::uint32_t new_drops = 0;
    std::uint32_t destroy_drops = 0;
    // CLOCK_MONOTONIC of the last time that nothing was left unread, nanoseconds; 0 before the first.
    std::uint64_t drained_at_ns = 0;
    // Most entries that will send no DESTROY; absent until it is known.
    std::optional<std::uint32_t> blind;
  };

  // Empty. Throws OperationError "memory".
  DrainMemory();
  // That of an earlier process; nothing when the descriptor is none of ours, of another layout, or could shrink under
  // us. Borrows the descriptor.
  static std::optional<DrainMemory> Adopt(int descriptor);

  DrainMemory(DrainMemory&& other) noexcept;
  DrainMemory& operator=(DrainMemory&& other) noexcept;
  DrainMemory(const DrainMemory&) = delete;
  DrainMemory& operator=(const DrainMemory&) = delete;
  ~DrainMemory();

  Contents Read() const;
  void WriteDrops(std::uint32_t new_drops, std::uint32_t destroy_drops);
  // Nothing is left unread now.
  void WriteDrained();
  void WriteBlind(std::uint32_t entries);

  // Borrowed.
  int descriptor() const { return fd_.get(); }

 private:
  struct Page;

  DrainMemory(FileDescriptor fd, Page* page);

  FileDescriptor fd_;
  Page* page_;
};

// CLOCK_MONOTONIC, nanoseconds.
std::uint64_t MonotonicNs();

}  // namespace ctwatch

#endif  // CTWATCH_DRAIN_MEMORY_H_
