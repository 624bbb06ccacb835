#include "js_error.h"

#include <uv.h>

#include <array>

namespace ctwatch {

Napi::Error ToJsError(Napi::Env env, const OperationError& error) {
  // libuv has the names; glibc's strerrorname_np would need glibc 2.32.
  std::array<char, 64> name{};
  uv_err_name_r(-error.code().value(), name.data(), name.size());
  const auto js_error = Napi::Error::New(env, error.what());
  js_error.Set("operation", error.operation());
  js_error.Set("errno", name.data());
  return js_error;
}

}  // namespace ctwatch
