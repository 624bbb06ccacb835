// The one exported class. Converts and validates; everything else is done by ConntrackSession.
//
//   class ConntrackSocket {
//     static readonly layout: readonly [name: string, type: 'f64' | 'address' | 'u32' | 'u16' | 'u8'][];
//     static readonly presentBits: Record<string, number>;
//     static effectiveCapabilities(): number[];
//
//     // `listen: false` subscribes to no events. `keep`: the event sockets are to outlive this process. `kept`: those
//     of
//     // an earlier one, which are duplicated; `memory` may be -1.
//     constructor(options: {
//       recvBufferBytes: number; netnsPath?: string; listen?: boolean;
//       keep?: boolean; kept?: { new: number; destroy: number; memory: number };
//     });
//     // `recvBufferBytes`: granted to each event socket as the kernel accounts it, twice what was asked for.
//     readonly info: {
//       recvBufferBytes: number;
//       recvBufferForced: boolean;
//       sysctls: { buckets?: number; events?: number; acct?: number; timestamp?: number };
//       // Borrowed: for whoever is to keep copies.
//       kept?: { new: number; destroy: number; memory: number };
//       // The event sockets are those of an earlier process, or why not.
//       resumed?: { seconds?: number; blind?: number };
//       refusal?: string;
//     };
//     drain(buffer: ArrayBuffer, rows: number, status: Float64Array): void;
//     // For whoever takes the sockets over: entries that will send no DESTROY.
//     remember(blind: number): void;
//     onReadable(callback: () => void): void;
//     arm(): void;
//     stats(): Promise<{ table: { count: number; max?: number }; counters: Record<string, number> }>;
//     protocolTimeouts(): Promise<{ tcp?: number[]; udp?: number[]; icmp?: number }>;
//     addresses(): Promise<string[]>;
//     lookup(buffer: ArrayBuffer, rows: number, flows: number): Promise<[found: number, gone: number]>;
//     // With `nothing` no entry is listed, and the kernel collects expired ones all the same.
//     dumpStart(nothing: boolean): Promise<void>;
//     dumpRead(buffer: ArrayBuffer, rows: number): Promise<number>;
//     owners(question: OwnerQuestion): Promise<OwnerAnswer>;  // both in src/kernel/addon.ts
//     close(): void;
//   }
//
// Failures of the system are Errors with `operation` and a symbolic `errno`, thrown or as rejections; after `close`
// that is EBADF. Wrong arguments are TypeErrors and RangeErrors.
//
// `status`, seven numbers: NEW rows, DESTROY rows, 1 if there may be more; then totals: NEW and DESTROY events lost in
// the kernel, messages that were malformed, losses of unknown size.
//
// `lookup` asks for the flows whose tuples are in the first rows and puts the answers in their place: entries that were
// found, then the tuples of those that are gone.
//
// `dumpRead` and `lookup` fill the buffer on another thread: until the promise settles the buffer must not be
// transferred, read or written.

#ifndef CTWATCH_CONNTRACK_SOCKET_H_
#define CTWATCH_CONNTRACK_SOCKET_H_

#include <napi.h>

#include <memory>
#include <optional>

#include "conntrack_session.h"
#include "readiness.h"

namespace ctwatch {

// JS thread, as all its methods. Any number of sockets, in any number of environments.
class ConntrackSocket final : public Napi::ObjectWrap<ConntrackSocket> {
 public:
  static Napi::Function Define(Napi::Env env);

  // Needs CAP_NET_ADMIN in the namespace, and CAP_SYS_ADMIN for another namespace than the thread's.
  explicit ConntrackSocket(const Napi::CallbackInfo& info);

 private:
  static Napi::Value ListCapabilities(const Napi::CallbackInfo& info);
  Napi::Value Info(const Napi::CallbackInfo& info);
  Napi::Value Drain(const Napi::CallbackInfo& info);
  Napi::Value Remember(const Napi::CallbackInfo& info);
  Napi::Value OnReadable(const Napi::CallbackInfo& info);
  Napi::Value Arm(const Napi::CallbackInfo& info);
  Napi::Value ReadStats(const Napi::CallbackInfo& info);
  Napi::Value ReadProtocolTimeouts(const Napi::CallbackInfo& info);
  Napi::Value ReadAddresses(const Napi::CallbackInfo& info);
  Napi::Value Lookup(const Napi::CallbackInfo& info);
  Napi::Value StartDump(const Napi::CallbackInfo& info);
  Napi::Value ReadDump(const Napi::CallbackInfo& info);
  Napi::Value FindOwners(const Napi::CallbackInfo& info);
  Napi::Value Close(const Napi::CallbackInfo& info);

  // Calls a method and turns its OperationError into a JavaScript error: thrown, or as a rejection.
  template <auto kMethod>
  Napi::Value Call(const Napi::CallbackInfo& info);
  template <auto kMethod>
  Napi::Value CallAsync(const Napi::CallbackInfo& info);

  // Throws EBADF once closed.
  ConntrackSession& Session();
  void NotifyReadable();
  // While armed the object keeps itself from being collected.
  void SetArmed(bool armed);

  // Closing destroys both; the polls before the sockets they watch.
  std::optional<ConntrackSession> session_;
  std::optional<Readiness> readiness_;
  Napi::FunctionReference on_readable_;
  bool armed_ = false;
};

}  // namespace ctwatch

#endif  // CTWATCH_CONNTRACK_SOCKET_H_
