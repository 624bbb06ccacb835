#include "column_writer.h"

#include <cassert>
#include <cstring>

namespace ctwatch {

ColumnWriter::ColumnWriter(std::span<std::byte> batch, std::size_t capacity) : columns_{}, capacity_(capacity) {
  assert(capacity % kCapacityStep == 0 && batch.size() / kRowBytes >= capacity);
  for (std::size_t i = 0; i < columns_.size(); ++i) columns_[i] = batch.data() + capacity * RowBytesBefore(i);
}

void ColumnWriter::Write(std::size_t row, const CtRecord& record) const {
  assert(row < capacity_);
// memcpy of a constant size is one store, and the batch holds no C++ objects that an assignment could name.
#define CTWATCH_STORE(name, type)                                                                               \
  std::memcpy(columns_[static_cast<std::size_t>(Column::name)] + row * sizeof(column_type::type), &record.name, \
              sizeof(column_type::type));
  CTWATCH_COLUMNS(CTWATCH_STORE)
#undef CTWATCH_STORE
}

CtRecord ColumnWriter::Read(std::size_t row) const {
  assert(row < capacity_);
  CtRecord record;
#define CTWATCH_LOAD(name, type)                                                                                \
  std::memcpy(&record.name, columns_[static_cast<std::size_t>(Column::name)] + row * sizeof(column_type::type), \
              sizeof(column_type::type));
  CTWATCH_COLUMNS(CTWATCH_LOAD)
#undef CTWATCH_LOAD
  return record;
}

}  // namespace ctwatch
