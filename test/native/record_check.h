// What holds for every record and every row, whatever the input was. Shared by tests and fuzzer.

#ifndef CTWATCH_TEST_RECORD_CHECK_H_
#define CTWATCH_TEST_RECORD_CHECK_H_

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <span>

#include "column_layout.h"

namespace ctwatch {

// A usable record has an original tuple, and 0 in each field whose bit is clear.
inline bool IsConsistent(const CtRecord& r) {
  const auto absent = [&](std::uint32_t bit, auto... fields) {
    return (r.present & bit) != 0 || ((fields == decltype(fields){}) && ...);
  };
  return (r.present & present::originalTuple) != 0 && (r.family == 2 || r.family == 10) &&
         absent(present::replyTuple, r.replySource, r.replyDestination) && absent(present::id, r.id) &&
         absent(present::status, r.status) && absent(present::timeout, r.timeoutSeconds) &&
         absent(present::mark, r.mark) && absent(present::zone, r.zone) &&
         absent(present::countersOriginal, r.originalPackets, r.originalBytes) &&
         absent(present::countersReply, r.replyPackets, r.replyBytes) &&
         absent(present::timestampStart, r.startSeconds) && absent(present::timestampStop, r.stopSeconds) &&
         absent(present::timestampEvent, r.eventSeconds) && absent(present::tcpState, r.tcpState) &&
         absent(present::originalPorts, r.originalSourcePort, r.originalDestinationPort) &&
         absent(present::replyPorts, r.replySourcePort, r.replyDestinationPort);
}

// Reads a row back the way TypeScript does: column by column, offsets from the capacity.
inline CtRecord ReadRow(std::span<const std::byte> batch, std::size_t capacity, std::size_t row) {
  CtRecord record;
  std::size_t offset = 0;
#define CTWATCH_LOAD(name, type)                                                                                 \
  std::memcpy(&record.name, batch.data() + offset + row * sizeof(column_type::type), sizeof(column_type::type)); \
  offset += capacity * sizeof(column_type::type);
  CTWATCH_COLUMNS(CTWATCH_LOAD)
#undef CTWATCH_LOAD
  return record;
}

inline bool Equal(const CtRecord& a, const CtRecord& b) {
  bool equal = true;
#define CTWATCH_COMPARE(name, type) equal = equal && std::memcmp(&a.name, &b.name, sizeof(a.name)) == 0;
  CTWATCH_COLUMNS(CTWATCH_COMPARE)
#undef CTWATCH_COMPARE
  return equal;
}

}  // namespace ctwatch

#endif  // CTWATCH_TEST_RECORD_CHECK_H_
