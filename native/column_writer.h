// Writes records into the columns of a batch, and reads them back. Pure: no syscalls, no JavaScript.

#ifndef CTWATCH_COLUMN_WRITER_H_
#define CTWATCH_COLUMN_WRITER_H_

#include <array>
#include <cstddef>
#include <span>

#include "column_layout.h"

namespace ctwatch {

// Any thread, one at a time. Borrows the batch: the memory must stay valid and unshared while the writer is used.
class ColumnWriter {
 public:
  // `batch` holds at least `capacity * kRowBytes` bytes; `capacity` is a multiple of `kCapacityStep`.
  ColumnWriter(std::span<std::byte> batch, std::size_t capacity);

  // Writes every column of the row, absent fields as 0: batches are reused. `row` is below the capacity.
  void Write(std::size_t row, const CtRecord& record) const;

  // The row as it was written, also by JavaScript.
  CtRecord Read(std::size_t row) const;

  std::size_t capacity() const { return capacity_; }

 private:
  std::array<std::byte*, kColumns.size()> columns_;
  std::size_t capacity_;
};

}  // namespace ctwatch

#endif  // CTWATCH_COLUMN_WRITER_H_
