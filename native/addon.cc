// Entry of the addon. Context-aware: loaded once per environment, nothing is shared between environments.

#include <napi.h>

#include "conntrack_socket.h"

namespace {

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  exports.Set("ConntrackSocket", ctwatch::ConntrackSocket::Define(env));
  return exports;
}

}  // namespace

NODE_API_MODULE(ctwatch, Init)
