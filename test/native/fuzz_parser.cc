// libFuzzer target: arbitrary bytes as a received buffer, through every pure part: messages, records, rows, lookups,
// answers. Ends by a sanitizer's report, or here when a record breaks its promise. Seeds: test/native/corpus, real
// messages.

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <vector>

#include "column_writer.h"
#include "ct_answers.h"
#include "ct_lookup.h"
#include "ct_parser.h"
#include "record_check.h"
#include "socket_diag.h"

namespace {

using namespace ctwatch;

void FuzzRecord(const NetlinkMessage& message, std::uint16_t type, std::size_t row) {
  static std::array<std::byte, kCapacityStep * kRowBytes> batch;
  const ColumnWriter writer(batch, kCapacityStep);
  CtRecord record;
  if (!ParseRecord(message, type, record)) return;
  if (!IsConsistent(record)) std::abort();
  // What was read can be asked for: a request that is a message of its own and about this flow.
  std::vector<std::byte> request;
  AppendLookup(record, 1, request);
  const auto asked = MessageReader(request).Next();
  if (!asked || asked->payload.size() + sizeof(nlmsghdr) != request.size()) std::abort();
  if (!IsSameFlow(record, record) || !IsSameFlow(OnlyTuples(record), record)) std::abort();
  writer.Write(row, record);
  if (!Equal(ReadRow(batch, kCapacityStep, row), record)) std::abort();
}

void FuzzSocket(Bytes payload) {
  for (const std::uint8_t protocol : {std::uint8_t{6}, std::uint8_t{17}}) {
    const auto socket = ParseSocket(payload, protocol);
    // Who asks for a socket by what it tells of itself must find it.
    if (socket && MatchSocket(*socket, socket->pair) == SocketMatch::kNone) std::abort();
  }
  ParseRouteIsLocal(payload);
  if (payload.size() >= kFlowBytes) MakeSocketRequest(ParseFlowEnds(payload).original);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  MessageReader reader(std::as_bytes(std::span(data, size)));
  CpuStats sum;
  std::size_t row = 0;
  while (const auto message = reader.Next()) {
    FuzzRecord(*message, kEntryNew, row);
    FuzzRecord(*message, kEntryDestroy, row);
    row = (row + 1) % kCapacityStep;
    ParseTableStats(message->payload);
    AddCpuStats(message->payload, sum);
    ParseTimeouts(message->payload, 11);
    ParseHostAddress(message->payload);
    ParseError(*message);
    FuzzSocket(message->payload);
  }
  return 0;
}
