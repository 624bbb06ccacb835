#include "column_writer.h"

#include <algorithm>

#include "message_bytes.h"
#include "record_check.h"
#include "report.h"

namespace ctwatch {
namespace {

// A record whose every field has another value, so that two columns in each other's place show.
CtRecord MakeDistinct(std::uint8_t seed) {
  CtRecord record;
  std::uint8_t next = seed;
#define CTWATCH_FILL(name, type) std::memset(&record.name, ++next, sizeof(record.name));
  CTWATCH_COLUMNS(CTWATCH_FILL)
#undef CTWATCH_FILL
  return record;
}

}  // namespace

void TestColumnWriter(Report& report) {
  constexpr std::size_t kCapacity = 16;
  report.Equal("bytes of a row", kRowBytes, 157U);
  report.Equal("columns", kColumns.size(), 25U);
  for (std::size_t i = 0; i < kColumns.size(); ++i) {
    const std::size_t alignment = std::min<std::size_t>(kColumns[i].value_bytes, 8);
    report.Equal(std::string("aligned at the smallest capacity: ") + kColumns[i].name,
                 kCapacityStep * RowBytesBefore(i) % alignment, 0U);
  }

  Block batch(kCapacity * kRowBytes, std::byte{0xee});
  const ColumnWriter writer(batch, kCapacity);
  for (const std::size_t row : {0, 7, 15}) {
    const CtRecord record = MakeDistinct(static_cast<std::uint8_t>(row));
    writer.Write(row, record);
    report.True("row " + std::to_string(row) + " reads back", Equal(ReadRow(batch, kCapacity, row), record));
    report.True("... by the writer too", Equal(writer.Read(row), record));
  }
  const auto written = std::count_if(batch.begin(), batch.end(), [](std::byte b) { return b != std::byte{0xee}; });
  report.Equal("nothing else is written", static_cast<std::size_t>(written), 3 * kRowBytes);

  writer.Write(7, CtRecord{});
  report.True("a reused row loses all it held", Equal(ReadRow(batch, kCapacity, 7), CtRecord{}));
  report.True("its neighbours stay", Equal(ReadRow(batch, kCapacity, 0), MakeDistinct(0)));

  report.Equal("first byte of the second column", std::to_integer<int>(batch[kCapacity * 8]), 2);
  report.Equal("last byte of the batch", std::to_integer<int>(batch.back()), 15 + 25);
}

}  // namespace ctwatch
