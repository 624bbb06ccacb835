#include "js_error.h"

#include <uv.h>

#include <array>

namespace ctwatch {

Napi::Error ToJsError(Napi::Env env, const OperationError& error) {
  // The names of libuv: the same on every libc.
  std::array<char, 64> name{};
  uv_err_name_r(-error.code().value(), name.data(), name.size());
  const auto js_error = Napi::Error::New(env, error.what());
  js_error.Set("operation", error.operation());
  js_error.Set("errno", name.data());
  return js_error;
}

}  // namespace ctwatch
