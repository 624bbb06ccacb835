#include "conntrack_socket.h"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "capabilities.h"
#include "column_layout.h"
#include "js_error.h"
#include "owner_lookup.h"
#include "promise_task.h"

namespace ctwatch {
namespace {

// The kernel doubles what is asked for and keeps it in an int.
constexpr double kReceiveBufferBytesMax = 1 << 30;

constexpr double kDescriptorMax = 0x7fff'ffff;
constexpr double kEntriesMax = 0xffff'ffff;

constexpr std::size_t kStatusLength = 7;

double RequireInteger(Napi::Value value, double min, double max, const char* name) {
  const double number = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : NAN;
  if (number >= min && number <= max && std::floor(number) == number) return number;
  throw Napi::RangeError::New(value.Env(), std::string(name) + " is not an integer in range");
}

std::optional<KeptDescriptors> ToKept(const Napi::Value& value) {
  if (value.IsUndefined()) return std::nullopt;
  if (!value.IsObject()) throw Napi::TypeError::New(value.Env(), "kept is not an object");
  const auto kept = value.As<Napi::Object>();
  const auto descriptor = [&kept](const char* name) {
    return static_cast<int>(RequireInteger(kept.Get(name), -1, kDescriptorMax, name));
  };
  return KeptDescriptors{descriptor("new"), descriptor("destroy"), descriptor("memory")};
}

SessionOptions ToOptions(const Napi::CallbackInfo& info) {
  if (!info[0].IsObject()) throw Napi::TypeError::New(info.Env(), "options is not an object");
  const auto options = info[0].As<Napi::Object>();
  const Napi::Value path = options.Get("netnsPath");
  if (!path.IsUndefined() && !path.IsString()) throw Napi::TypeError::New(info.Env(), "netnsPath is not a string");
  const Napi::Value listen = options.Get("listen");
  if (!listen.IsUndefined() && !listen.IsBoolean()) throw Napi::TypeError::New(info.Env(), "listen is not a boolean");
  return {
      .receive_buffer_bytes = static_cast<int>(
          RequireInteger(options.Get("recvBufferBytes"), 1, kReceiveBufferBytesMax, "recvBufferBytes")),
      .netns_path = path.IsString() ? std::optional(path.As<Napi::String>().Utf8Value()) : std::nullopt,
      .listen = listen.IsUndefined() || listen.As<Napi::Boolean>().Value(),
      .keep = options.Get("keep").ToBoolean().Value(),
      .kept = ToKept(options.Get("kept")),
  };
}

Napi::Value ToJs(Napi::Env env, const KeptDescriptors& kept) {
  auto object = Napi::Object::New(env);
  object.Set("new", kept.created);
  object.Set("destroy", kept.destroyed);
  object.Set("memory", kept.memory);
  return object;
}

// Borrows the memory of the ArrayBuffer.
ColumnWriter ToWriter(const Napi::Value& buffer, const Napi::Value& rows) {
  if (!buffer.IsArrayBuffer()) throw Napi::TypeError::New(buffer.Env(), "buffer is not an ArrayBuffer");
  auto memory = buffer.As<Napi::ArrayBuffer>();
  const std::span bytes(static_cast<std::byte*>(memory.Data()), memory.ByteLength());
  const auto capacity = static_cast<std::size_t>(
      RequireInteger(rows, kCapacityStep, static_cast<double>(bytes.size() / kRowBytes), "rows (of the buffer)"));
  if (capacity % kCapacityStep != 0) throw Napi::RangeError::New(buffer.Env(), "rows is not a multiple of eight");
  return ColumnWriter(bytes, capacity);
}

void SetIfPresent(Napi::Object object, const char* name, const std::optional<std::uint32_t>& value) {
  if (value) object.Set(name, *value);
}

void SetIfPresent(Napi::Object object, const char* name, const std::optional<std::vector<std::uint32_t>>& values) {
  if (!values) return;
  auto array = Napi::Array::New(object.Env(), values->size());
  for (std::uint32_t i = 0; i < values->size(); ++i) array.Set(i, (*values)[i]);
  object.Set(name, array);
}

Napi::Value ToJs(Napi::Env env, const TableStats& stats) {
  auto object = Napi::Object::New(env);
  object.Set("count", stats.count);
  SetIfPresent(object, "max", stats.max);
  return object;
}

Napi::Value ToJs(Napi::Env env, const CpuStats& stats) {
  auto object = Napi::Object::New(env);
#define CTWATCH_SET(name, number) object.Set(#name, stats.name);
  CTWATCH_CPU_COUNTERS(CTWATCH_SET)
#undef CTWATCH_SET
  return object;
}

Napi::Value ToJs(Napi::Env env, const ProtocolTimeouts& timeouts) {
  auto object = Napi::Object::New(env);
  SetIfPresent(object, "tcp", timeouts.tcp);
  SetIfPresent(object, "udp", timeouts.udp);
  if (timeouts.icmp) object.Set("icmp", timeouts.icmp->front());
  return object;
}

Napi::Value DescribeLayout(Napi::Env env) {
  auto layout = Napi::Array::New(env, kColumns.size());
  for (std::uint32_t i = 0; i < kColumns.size(); ++i) {
    auto column = Napi::Array::New(env, 2);
    column.Set(0U, kColumns[i].name);
    column.Set(1U, kColumns[i].type);
    layout.Set(i, column);
  }
  return layout;
}

Napi::Value DescribePresentBits(Napi::Env env) {
  auto bits = Napi::Object::New(env);
  for (const PresentBit& bit : kPresentBits) bits.Set(bit.name, bit.mask);
  return bits;
}

}  // namespace

Napi::Function ConntrackSocket::Define(Napi::Env env) {
  using Self = ConntrackSocket;
  return DefineClass(env, "ConntrackSocket",
                     {
                         StaticValue("layout", DescribeLayout(env), napi_enumerable),
                         StaticValue("presentBits", DescribePresentBits(env), napi_enumerable),
                         StaticMethod<&Self::ListCapabilities>("effectiveCapabilities"),
                         InstanceAccessor<&Self::Call<&Self::Info>>("info"),
                         InstanceMethod<&Self::Call<&Self::Drain>>("drain"),
                         InstanceMethod<&Self::Call<&Self::Remember>>("remember"),
                         InstanceMethod<&Self::Call<&Self::OnReadable>>("onReadable"),
                         InstanceMethod<&Self::Call<&Self::Arm>>("arm"),
                         InstanceMethod<&Self::CallAsync<&Self::ReadStats>>("stats"),
                         InstanceMethod<&Self::CallAsync<&Self::ReadProtocolTimeouts>>("protocolTimeouts"),
                         InstanceMethod<&Self::CallAsync<&Self::ReadAddresses>>("addresses"),
                         InstanceMethod<&Self::CallAsync<&Self::Lookup>>("lookup"),
                         InstanceMethod<&Self::CallAsync<&Self::StartDump>>("dumpStart"),
                         InstanceMethod<&Self::CallAsync<&Self::ReadDump>>("dumpRead"),
                         InstanceMethod<&Self::CallAsync<&Self::FindOwners>>("owners"),
                         InstanceMethod<&Self::Call<&Self::Close>>("close"),
                     });
}

ConntrackSocket::ConntrackSocket(const Napi::CallbackInfo& info) : ObjectWrap(info) {
  const SessionOptions options = ToOptions(info);
  try {
    session_.emplace(options);
    readiness_.emplace(info.Env(), std::array{session_->new_descriptor(), session_->destroy_descriptor()},
                       [this] { NotifyReadable(); });
  } catch (const OperationError& error) {
    throw ToJsError(info.Env(), error);
  }
}

template <auto kMethod>
Napi::Value ConntrackSocket::Call(const Napi::CallbackInfo& info) {
  try {
    return (this->*kMethod)(info);
  } catch (const OperationError& error) {
    throw ToJsError(info.Env(), error);
  }
}

template <auto kMethod>
Napi::Value ConntrackSocket::CallAsync(const Napi::CallbackInfo& info) {
  try {
    return (this->*kMethod)(info);
  } catch (const OperationError& error) {
    const auto deferred = Napi::Promise::Deferred::New(info.Env());
    deferred.Reject(ToJsError(info.Env(), error).Value());
    return deferred.Promise();
  }
}

ConntrackSession& ConntrackSocket::Session() {
  if (!session_) throw OperationError("use-socket", EBADF, "the conntrack socket is closed");
  return *session_;
}

Napi::Value ConntrackSocket::ListCapabilities(const Napi::CallbackInfo& info) {
  try {
    const std::vector<int> capabilities = EffectiveCapabilities();
    auto array = Napi::Array::New(info.Env(), capabilities.size());
    for (std::uint32_t i = 0; i < capabilities.size(); ++i) array.Set(i, capabilities[i]);
    return array;
  } catch (const OperationError& error) {
    throw ToJsError(info.Env(), error);
  }
}

Napi::Value ConntrackSocket::Info(const Napi::CallbackInfo& info) {
  const ConntrackSession& session = Session();
  auto sysctls = Napi::Object::New(info.Env());
  SetIfPresent(sysctls, "buckets", session.sysctls().buckets);
  SetIfPresent(sysctls, "events", session.sysctls().events);
  SetIfPresent(sysctls, "acct", session.sysctls().acct);
  SetIfPresent(sysctls, "timestamp", session.sysctls().timestamp);
  auto object = Napi::Object::New(info.Env());
  object.Set("recvBufferBytes", session.receive_buffer().bytes);
  object.Set("recvBufferForced", session.receive_buffer().forced);
  object.Set("sysctls", sysctls);
  if (const auto kept = session.kept_descriptors()) object.Set("kept", ToJs(info.Env(), *kept));
  if (!session.refusal().empty()) object.Set("refusal", session.refusal());
  if (const auto& resumption = session.resumption()) {
    auto resumed = Napi::Object::New(info.Env());
    if (resumption->seconds) resumed.Set("seconds", *resumption->seconds);
    SetIfPresent(resumed, "blind", resumption->blind);
    object.Set("resumed", resumed);
  }
  return object;
}

Napi::Value ConntrackSocket::Remember(const Napi::CallbackInfo& info) {
  Session().Remember(static_cast<std::uint32_t>(RequireInteger(info[0], 0, kEntriesMax, "blind")));
  return info.Env().Undefined();
}

Napi::Value ConntrackSocket::Drain(const Napi::CallbackInfo& info) {
  const ColumnWriter writer = ToWriter(info[0], info[1]);
  if (!info[2].IsTypedArray() || info[2].As<Napi::TypedArray>().TypedArrayType() != napi_float64_array ||
      info[2].As<Napi::TypedArray>().ElementLength() < kStatusLength) {
    throw Napi::TypeError::New(info.Env(), "status is not a Float64Array of seven numbers");
  }
  const DrainStatus status = Session().Drain(writer);
  double* out = info[2].As<Napi::Float64Array>().Data();
  *out++ = static_cast<double>(status.new_rows);
  *out++ = static_cast<double>(status.destroy_rows);
  *out++ = status.more ? 1 : 0;
  *out++ = static_cast<double>(status.lost_new);
  *out++ = static_cast<double>(status.lost_destroy);
  *out++ = static_cast<double>(status.malformed);
  *out++ = static_cast<double>(status.unknown_losses);
  return info.Env().Undefined();
}

Napi::Value ConntrackSocket::OnReadable(const Napi::CallbackInfo& info) {
  if (!info[0].IsFunction()) throw Napi::TypeError::New(info.Env(), "callback is not a function");
  Session();
  on_readable_ = Napi::Persistent(info[0].As<Napi::Function>());
  return info.Env().Undefined();
}

Napi::Value ConntrackSocket::Arm(const Napi::CallbackInfo& info) {
  Session();
  readiness_->Arm();
  SetArmed(true);
  return info.Env().Undefined();
}

void ConntrackSocket::SetArmed(bool armed) {
  if (std::exchange(armed_, armed) == armed) return;
  if (armed) {
    Ref();
  } else {
    Unref();
  }
}

// From the event loop: there is no JavaScript below us on the stack.
void ConntrackSocket::NotifyReadable() {
  const Napi::Env env = Env();
  const Napi::HandleScope scope(env);
  const Napi::Object self = Value();
  SetArmed(false);
  if (on_readable_.IsEmpty()) return;
  try {
    on_readable_.MakeCallback(self, std::initializer_list<napi_value>{});
  } catch (const Napi::Error& error) {
    napi_fatal_exception(env, error.Value());  // 'uncaughtException', as for any other callback
  }
}

// Both in one task: on a quiet host a wake-up is what a request costs.
Napi::Value ConntrackSocket::ReadStats(const Napi::CallbackInfo& info) {
  return RunOnWorker(
      info.Env(),
      [requests = Session().requests()] { return std::pair(requests->ReadTableStats(), requests->ReadCpuStats()); },
      [](Napi::Env env, const std::pair<TableStats, CpuStats>& stats) {
        auto object = Napi::Object::New(env);
        object.Set("table", ToJs(env, stats.first));
        object.Set("counters", ToJs(env, stats.second));
        return object;
      });
}

Napi::Value ConntrackSocket::ReadProtocolTimeouts(const Napi::CallbackInfo& info) {
  return RunOnWorker(
      info.Env(), [requests = Session().requests()] { return requests->ReadProtocolTimeouts(); },
      [](Napi::Env env, const ProtocolTimeouts& timeouts) { return ToJs(env, timeouts); });
}

Napi::Value ConntrackSocket::ReadAddresses(const Napi::CallbackInfo& info) {
  return RunOnWorker(
      info.Env(), [addresses = Session().addresses()] { return addresses->Read(); },
      [](Napi::Env env, const std::vector<std::string>& addresses) {
        auto array = Napi::Array::New(env, addresses.size());
        for (std::uint32_t i = 0; i < addresses.size(); ++i) array.Set(i, addresses[i]);
        return array;
      });
}

Napi::Value ConntrackSocket::Lookup(const Napi::CallbackInfo& info) {
  const ColumnWriter rows = ToWriter(info[0], info[1]);
  const auto flows =
      static_cast<std::size_t>(RequireInteger(info[2], 0, static_cast<double>(rows.capacity()), "flows (of the rows)"));
  // The reference keeps the memory that the worker fills.
  return RunOnWorker(
      info.Env(), [requests = Session().requests(), rows, flows] { return requests->Lookup(rows, flows); },
      [buffer = Napi::Persistent(info[0].As<Napi::ArrayBuffer>())](Napi::Env env, const LookupResult& result) {
        auto counts = Napi::Array::New(env, 2);
        counts.Set(0U, static_cast<double>(result.found));
        counts.Set(1U, static_cast<double>(result.gone));
        return counts;
      });
}

Napi::Value ConntrackSocket::StartDump(const Napi::CallbackInfo& info) {
  if (!info[0].IsBoolean()) throw Napi::TypeError::New(info.Env(), "nothing is not a boolean");
  const auto filter = info[0].As<Napi::Boolean>().Value() ? CtDump::Filter::kNothing : CtDump::Filter::kAll;
  return RunOnWorker(
      info.Env(),
      [dump = Session().dump(), filter] {
        dump->Start(filter);
        return std::monostate{};
      },
      [](Napi::Env env, std::monostate) { return env.Undefined(); });
}

Napi::Value ConntrackSocket::ReadDump(const Napi::CallbackInfo& info) {
  const ColumnWriter writer = ToWriter(info[0], info[1]);
  // The reference keeps the memory that the worker fills.
  return RunOnWorker(
      info.Env(), [dump = Session().dump(), writer] { return dump->Read(writer, writer.capacity()); },
      [buffer = Napi::Persistent(info[0].As<Napi::ArrayBuffer>())](Napi::Env env, std::size_t rows) {
        return Napi::Number::New(env, static_cast<double>(rows));
      });
}

Napi::Value ConntrackSocket::FindOwners(const Napi::CallbackInfo& info) {
  return RunOnWorker(
      info.Env(), [owners = Session().owners(), question = ToOwnerQuestion(info[0])] { return owners->Ask(question); },
      [](Napi::Env env, const OwnerAnswer& answer) { return ToJs(env, answer); });
}

Napi::Value ConntrackSocket::Close(const Napi::CallbackInfo& info) {
  readiness_.reset();
  session_.reset();
  on_readable_.Reset();
  SetArmed(false);
  return info.Env().Undefined();
}

}  // namespace ctwatch
