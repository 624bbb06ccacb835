// Everything that is open in one network namespace: event streams, request sockets and what was learned on the way.

#ifndef CTWATCH_CONNTRACK_SESSION_H_
#define CTWATCH_CONNTRACK_SESSION_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "column_writer.h"
#include "ct_requests.h"
#include "drain_memory.h"
#include "event_stream.h"
#include "host_addresses.h"
#include "kept_sockets.h"
#include "netns_guard.h"
#include "owner_lookup.h"
#include "sysctls.h"

namespace ctwatch {

struct SessionOptions {
  // Asked for, for each event stream; the kernel doubles it.
  int receive_buffer_bytes;
  // Namespace file; absent: the namespace of the thread.
  std::optional<std::string> netns_path;
  // Whether events are subscribed to; without, only requests and the dump are of use.
  bool listen = true;
  // Whether the event sockets are to outlive this process: somebody gets copies of `kept_descriptors`.
  bool keep = false;
  // Those of an earlier process.
  std::optional<KeptDescriptors> kept;
};

// The event sockets are those of an earlier process.
struct Resumption {
  // Since that process had read all there was; absent when it is not known.
  std::optional<double> seconds;
  // Most entries that will send no DESTROY; absent when it is not known.
  std::optional<std::uint32_t> blind;
};

// What one drain read, then totals since opening.
struct DrainStatus {
  std::size_t new_rows;
  std::size_t destroy_rows;
  bool more;
  std::uint64_t lost_new;
  std::uint64_t lost_destroy;
  std::uint64_t malformed;
  std::uint64_t unknown_losses;
};

// JS thread. The requests and the dump are shared with the libuv workers that use them and stay open until these are
// done.
class ConntrackSession {
 public:
  // Opens everything, subscribes last. Throws OperationError; then nothing stays open.
  explicit ConntrackSession(const SessionOptions& options);

  // NEW events go to the first rows, three quarters at most, DESTROY events behind them: a flow that is born and dies
  // within one drain is seen in this order. Throws OperationError.
  DrainStatus Drain(const ColumnWriter& writer);

  // How many entries will send no DESTROY, for whoever takes the sockets over.
  void Remember(std::uint32_t blind);

  const std::optional<Resumption>& resumption() const { return resumption_; }
  // Why the sockets of an earlier process were not taken; empty: they were, or there were none.
  const std::string& refusal() const { return kept_.refusal; }
  // Borrowed; absent unless they are to be kept.
  std::optional<KeptDescriptors> kept_descriptors() const;

  // Of each event stream; both are granted the same.
  ReceiveBuffer receive_buffer() const { return new_.receive_buffer(); }
  const Sysctls& sysctls() const { return sysctls_; }
  int new_descriptor() const { return new_.descriptor(); }
  int destroy_descriptor() const { return destroy_.descriptor(); }
  std::shared_ptr<CtRequests> requests() const { return requests_; }
  std::shared_ptr<CtDump> dump() const { return dump_; }
  std::shared_ptr<HostAddresses> addresses() const { return addresses_; }
  std::shared_ptr<OwnerLookup> owners() const { return owners_; }

 private:
  // The guard keeps the thread in the namespace while the members are constructed.
  ConntrackSession(const SessionOptions& options, const NetnsGuard& guard);

  Sysctls sysctls_;
  // The sockets of it are moved on into the streams.
  KeptSockets kept_;
  std::optional<DrainMemory> memory_;
  std::optional<Resumption> resumption_;
  bool is_drained_ = false;
  EventStream new_;
  EventStream destroy_;
  std::shared_ptr<CtRequests> requests_;
  std::shared_ptr<CtDump> dump_;
  std::shared_ptr<HostAddresses> addresses_;
  std::shared_ptr<OwnerLookup> owners_;
};

}  // namespace ctwatch

#endif  // CTWATCH_CONNTRACK_SESSION_H_
