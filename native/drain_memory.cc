#include "drain_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <utility>

#include "operation_error.h"

namespace ctwatch {

// Of the same layout in every process that writes `kLayout`.
struct DrainMemory::Page {
  std::uint64_t layout;
  std::uint32_t new_drops;
  std::uint32_t destroy_drops;
  std::uint64_t drained_at_ns;
  std::uint32_t blind;
  std::uint32_t is_blind_known;
};

namespace {

// "ctwatch" and a number, raised when the page changes.
constexpr std::uint64_t kLayout = 0x6374'7761'7463'6801;

constexpr std::size_t kBytes = 4096;
// Whoever else holds the descriptor cannot take the page away from under the mapping.
constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

void* Map(int fd) {
  void* memory = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  return memory == MAP_FAILED ? nullptr : memory;
}

}  // namespace

DrainMemory::DrainMemory() : fd_(memfd_create("ctwatch", MFD_CLOEXEC | MFD_ALLOW_SEALING)), page_(nullptr) {
  if (fd_.valid() && ftruncate(fd_.get(), kBytes) == 0 && fcntl(fd_.get(), F_ADD_SEALS, kSeals) == 0) {
    page_ = static_cast<Page*>(Map(fd_.get()));
  }
  if (page_ == nullptr) throw OperationError("memory", errno, "cannot make the memory that survives a restart");
  page_->layout = kLayout;
}

DrainMemory::DrainMemory(FileDescriptor fd, Page* page) : fd_(std::move(fd)), page_(page) {}

DrainMemory::DrainMemory(DrainMemory&& other) noexcept
    : fd_(std::move(other.fd_)), page_(std::exchange(other.page_, nullptr)) {}

DrainMemory& DrainMemory::operator=(DrainMemory&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(page_, other.page_);
  return *this;
}

DrainMemory::~DrainMemory() {
  if (page_ != nullptr) munmap(page_, kBytes);
}

std::optional<DrainMemory> DrainMemory::Adopt(int descriptor) {
  // Only anonymous memory has seals.
  const int seals = fcntl(descriptor, F_GET_SEALS);
  if (seals < 0 || (seals & F_SEAL_SHRINK) == 0 || lseek(descriptor, 0, SEEK_END) != kBytes) return std::nullopt;
  FileDescriptor fd(fcntl(descriptor, F_DUPFD_CLOEXEC, 0));
  void* memory = fd.valid() ? Map(fd.get()) : nullptr;
  if (memory == nullptr) return std::nullopt;
  DrainMemory adopted(std::move(fd), static_cast<Page*>(memory));
  if (adopted.page_->layout != kLayout) return std::nullopt;
  return adopted;
}

DrainMemory::Contents DrainMemory::Read() const {
  return {
      .new_drops = page_->new_drops,
      .destroy_drops = page_->destroy_drops,
      .drained_at_ns = page_->drained_at_ns,
      .blind = page_->is_blind_known != 0 ? std::optional(page_->blind) : std::nullopt,
  };
}

void DrainMemory::WriteDrops(std::uint32_t new_drops, std::uint32_t destroy_drops) {
  page_->new_drops = new_drops;
  page_->destroy_drops = destroy_drops;
}

void DrainMemory::WriteDrained() {
  page_->drained_at_ns = MonotonicNs();
}

void DrainMemory::WriteBlind(std::uint32_t entries) {
  page_->blind = entries;
  page_->is_blind_known = 1;
}

std::uint64_t MonotonicNs() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
}

}  // namespace ctwatch
