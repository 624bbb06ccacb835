#include "conntrack_session.h"

#include <linux/netfilter/nfnetlink.h>

#include "ct_parser.h"

namespace ctwatch {

ConntrackSession::ConntrackSession(const SessionOptions& options)
    : ConntrackSession(options, NetnsGuard(options.netns_path)) {}

ConntrackSession::ConntrackSession(const SessionOptions& options, const NetnsGuard&)
    : sysctls_(ReadSysctls()),
      new_(kEntryNew, options.receive_buffer_bytes),
      destroy_(kEntryDestroy, options.receive_buffer_bytes),
      requests_(std::make_shared<CtRequests>()),
      dump_(std::make_shared<CtDump>()),
      addresses_(std::make_shared<HostAddresses>()),
      owners_(std::make_shared<OwnerLookup>()) {
  if (!options.listen) return;
  // DESTROY first: whatever NEW shows, its DESTROY will be seen too. The other way round, a flow that ends in between
  // would be taken for a living one for ever.
  destroy_.Join(NFNLGRP_CONNTRACK_DESTROY);
  new_.Join(NFNLGRP_CONNTRACK_NEW);
}

DrainStatus ConntrackSession::Drain(const ColumnWriter& writer) {
  const std::size_t rows = writer.capacity();
  const auto created = new_.Drain(writer, 0, rows / 4 * 3);
  const auto destroyed = destroy_.Drain(writer, created.rows, rows);
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

}  // namespace ctwatch
