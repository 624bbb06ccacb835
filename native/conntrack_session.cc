#include "conntrack_session.h"

#include <linux/netfilter/nfnetlink.h>

#include "ct_parser.h"

namespace ctwatch {
namespace {

EventStream ToStream(std::uint16_t type, const SessionOptions& options, std::optional<NetlinkSocket>& kept,
                     std::optional<std::uint32_t> told_drops) {
  if (!kept) return EventStream(type, options.receive_buffer_bytes);
  return EventStream(type, options.receive_buffer_bytes, *std::move(kept), told_drops);
}

std::optional<std::uint32_t> ToldDrops(const KeptSockets& kept, std::uint32_t DrainMemory::Contents::*drops) {
  if (!kept.memory) return std::nullopt;
  return kept.memory->Read().*drops;
}

std::optional<Resumption> ToResumption(const KeptSockets& kept) {
  if (!kept.created) return std::nullopt;
  Resumption resumption;
  if (!kept.memory) return resumption;
  const DrainMemory::Contents contents = kept.memory->Read();
  if (contents.drained_at_ns != 0) {
    resumption.seconds = static_cast<double>(MonotonicNs() - contents.drained_at_ns) / 1e9;
  }
  resumption.blind = contents.blind;
  return resumption;
}

}  // namespace

ConntrackSession::ConntrackSession(const SessionOptions& options)
    : ConntrackSession(options, NetnsGuard(options.netns_path)) {}

ConntrackSession::ConntrackSession(const SessionOptions& options, const NetnsGuard&)
    : sysctls_(ReadSysctls()),
      kept_(options.kept ? KeptSockets::Adopt(*options.kept) : KeptSockets{}),
      resumption_(ToResumption(kept_)),
      new_(ToStream(kEntryNew, options, kept_.created, ToldDrops(kept_, &DrainMemory::Contents::new_drops))),
      destroy_(
          ToStream(kEntryDestroy, options, kept_.destroyed, ToldDrops(kept_, &DrainMemory::Contents::destroy_drops))),
      requests_(std::make_shared<CtRequests>()),
      dump_(std::make_shared<CtDump>()),
      addresses_(std::make_shared<HostAddresses>()),
      owners_(std::make_shared<OwnerLookup>()) {
  if (kept_.memory) {
    memory_.emplace(*std::move(kept_.memory));
  } else if (options.keep) {
    memory_.emplace();
  }
  if (!options.listen || resumption_) return;
  // DESTROY first: whatever NEW shows, its DESTROY will be seen too. The other way round, a flow that ends in between
  // would be taken for a living one for ever.
  destroy_.Join(NFNLGRP_CONNTRACK_DESTROY);
  new_.Join(NFNLGRP_CONNTRACK_NEW);
}

DrainStatus ConntrackSession::Drain(const ColumnWriter& writer) {
  const std::size_t rows = writer.capacity();
  const auto created = new_.Drain(writer, 0, rows / 4 * 3);
  const auto destroyed = destroy_.Drain(writer, created.rows, rows);
  is_drained_ = !created.more && !destroyed.more;
  if (memory_) {
    memory_->WriteDrops(new_.drops(), destroy_.drops());
    if (is_drained_) memory_->WriteDrained();
  }
  return {
      .new_rows = created.rows,
      .destroy_rows = destroyed.rows,
      .more = created.more || destroyed.more,
      .lost_new = new_.lost(),
      .lost_destroy = destroy_.lost(),
      .malformed = new_.malformed() + destroy_.malformed() + dump_->malformed(),
      .unknown_losses = new_.unknown_losses() + destroy_.unknown_losses(),
  };
}

// A tick of a quiet host drains nothing, since nothing is there.
void ConntrackSession::Remember(std::uint32_t blind) {
  if (!memory_) return;
  memory_->WriteBlind(blind);
  if (is_drained_) memory_->WriteDrained();
}

std::optional<KeptDescriptors> ConntrackSession::kept_descriptors() const {
  if (!memory_) return std::nullopt;
  return KeptDescriptors{new_.descriptor(), destroy_.descriptor(), memory_->descriptor()};
}

}  // namespace ctwatch
