// The columns of one batch: names, types and memory order, the same as COLUMNS and PRESENT in src/model/batch.ts.
//
// A batch is one block of memory: for each column, `capacity` values in a row. Widest columns come first, so every
// column is aligned when the capacity is a multiple of eight. `CtRecord` is one row: its fields are generated from the
// same list, so parser, writer and layout cannot disagree. TypeScript compares the list with its own when the addon is
// loaded.

#ifndef CTWATCH_COLUMN_LAYOUT_H_
#define CTWATCH_COLUMN_LAYOUT_H_

#include <array>
#include <cstddef>
#include <cstdint>

namespace ctwatch {

// The types a column can have, by their names in TypeScript. An address is in network order; IPv4 uses the first four
// bytes.
namespace column_type {
using f64 = double;
using address = std::array<std::uint8_t, 16>;
using u32 = std::uint32_t;
using u16 = std::uint16_t;
using u8 = std::uint8_t;
}  // namespace column_type

// X(name, type), in memory order. What each column means is written in src/model/batch.ts.
#define CTWATCH_COLUMNS(X)        \
  X(startSeconds, f64)            \
  X(stopSeconds, f64)             \
  X(eventSeconds, f64)            \
  X(originalPackets, f64)         \
  X(originalBytes, f64)           \
  X(replyPackets, f64)            \
  X(replyBytes, f64)              \
  X(originalSource, address)      \
  X(originalDestination, address) \
  X(replySource, address)         \
  X(replyDestination, address)    \
  X(id, u32)                      \
  X(status, u32)                  \
  X(timeoutSeconds, u32)          \
  X(mark, u32)                    \
  X(portid, u32)                  \
  X(present, u32)                 \
  X(originalSourcePort, u16)      \
  X(originalDestinationPort, u16) \
  X(replySourcePort, u16)         \
  X(replyDestinationPort, u16)    \
  X(zone, u16)                    \
  X(family, u8)                   \
  X(protocol, u8)                 \
  X(tcpState, u8)

// X(name, bit): the bits of the `present` column, one for each attribute that a message may lack.
#define CTWATCH_PRESENT_BITS(X) \
  X(originalTuple, 0)           \
  X(replyTuple, 1)              \
  X(id, 2)                      \
  X(status, 3)                  \
  X(timeout, 4)                 \
  X(mark, 5)                    \
  X(zone, 6)                    \
  X(countersOriginal, 7)        \
  X(countersReply, 8)           \
  X(timestampStart, 9)          \
  X(timestampStop, 10)          \
  X(timestampEvent, 11)         \
  X(tcpState, 12)               \
  X(originalPorts, 13)          \
  X(replyPorts, 14)             \
  X(master, 15)

// One row. A field whose bit in `present` is clear is 0.
struct CtRecord {
#define CTWATCH_FIELD(name, type) column_type::type name{};
  CTWATCH_COLUMNS(CTWATCH_FIELD)
#undef CTWATCH_FIELD
};

namespace present {
#define CTWATCH_BIT(name, bit) inline constexpr std::uint32_t name = std::uint32_t{1} << (bit);
CTWATCH_PRESENT_BITS(CTWATCH_BIT)
#undef CTWATCH_BIT
}  // namespace present

struct ColumnDescription {
  const char* name;
  const char* type;
  std::size_t value_bytes;
};

inline constexpr auto kColumns = std::to_array<ColumnDescription>({
#define CTWATCH_DESCRIBE(name, type) {#name, #type, sizeof(column_type::type)},
    CTWATCH_COLUMNS(CTWATCH_DESCRIBE)
#undef CTWATCH_DESCRIBE
});

struct PresentBit {
  const char* name;
  std::uint32_t mask;
};

inline constexpr auto kPresentBits = std::to_array<PresentBit>({
#define CTWATCH_DESCRIBE(name, bit) {#name, present::name},
    CTWATCH_PRESENT_BITS(CTWATCH_DESCRIBE)
#undef CTWATCH_DESCRIBE
});

// Index of each column in `kColumns`.
enum class Column : std::size_t {
#define CTWATCH_INDEX(name, type) name,
  CTWATCH_COLUMNS(CTWATCH_INDEX)
#undef CTWATCH_INDEX
};

// Rows of a batch are a multiple of this, so that every column starts aligned.
inline constexpr std::size_t kCapacityStep = 8;

// Bytes a row takes in the columns before `index`: times the capacity, where that column starts.
constexpr std::size_t RowBytesBefore(std::size_t index) {
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < index; ++i) bytes += kColumns[i].value_bytes;
  return bytes;
}

// Bytes a row takes over all columns.
inline constexpr std::size_t kRowBytes = RowBytesBefore(kColumns.size());

}  // namespace ctwatch

#endif  // CTWATCH_COLUMN_LAYOUT_H_
