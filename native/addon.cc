// Entry of the addon. Context-aware: loaded once per environment, nothing is shared between environments.
//
//   notifyService(address: string, state: string, descriptors: number[]): void

#include <napi.h>

#include <string>
#include <vector>

#include "conntrack_socket.h"
#include "js_error.h"
#include "service_notify.h"

namespace {

// JS thread. Wrong arguments are TypeErrors.
Napi::Value Notify(const Napi::CallbackInfo& info) {
  if (!info[0].IsString() || !info[1].IsString() || !info[2].IsArray()) {
    throw Napi::TypeError::New(info.Env(), "an address, a state and descriptors are expected");
  }
  const auto array = info[2].As<Napi::Array>();
  std::vector<int> descriptors;
  for (std::uint32_t i = 0; i < array.Length(); ++i) descriptors.push_back(array.Get(i).ToNumber().Int32Value());
  try {
    ctwatch::NotifyService(info[0].As<Napi::String>(), info[1].As<Napi::String>(), descriptors);
  } catch (const ctwatch::OperationError& error) {
    throw ctwatch::ToJsError(info.Env(), error);
  }
  return info.Env().Undefined();
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  exports.Set("ConntrackSocket", ctwatch::ConntrackSocket::Define(env));
  exports.Set("notifyService", Napi::Function::New(env, Notify, "notifyService"));
  return exports;
}

}  // namespace

NODE_API_MODULE(ctwatch, Init)
