// One piece of work on a libuv worker, with a promise for its result.

#ifndef CTWATCH_PROMISE_TASK_H_
#define CTWATCH_PROMISE_TASK_H_

#include <napi.h>

#include <optional>
#include <type_traits>
#include <utility>

#include "js_error.h"

namespace ctwatch {

// `Work` runs on a libuv worker and returns the result or throws OperationError; `Convert` turns the result into a
// JavaScript value on the JS thread. What either captured is released on the JS thread.
template <typename Work, typename Convert>
class PromiseTask final : public Napi::AsyncWorker {
 public:
  // JS thread.
  static Napi::Promise Start(Napi::Env env, Work work, Convert convert) {
    // The base class deletes the task when it has completed.
    auto* task = new PromiseTask(env, std::move(work), std::move(convert));
    const Napi::Promise promise = task->deferred_.Promise();
    task->Queue();
    return promise;
  }

 private:
  PromiseTask(Napi::Env env, Work work, Convert convert)
      : AsyncWorker(env, "ctwatch.request"),
        deferred_(Napi::Promise::Deferred::New(env)),
        work_(std::move(work)),
        convert_(std::move(convert)) {}

  // libuv worker.
  void Execute() override {
    try {
      result_.emplace(work_());
    } catch (const OperationError& error) {
      error_.emplace(error);
      SetError(error.what());
    }
  }

  // JS thread.
  void OnOK() override { deferred_.Resolve(convert_(Env(), *result_)); }
  void OnError(const Napi::Error& unexpected) override {
    deferred_.Reject((error_ ? ToJsError(Env(), *error_) : unexpected).Value());
  }

  Napi::Promise::Deferred deferred_;
  Work work_;
  Convert convert_;
  std::optional<std::invoke_result_t<Work>> result_;
  std::optional<OperationError> error_;
};

template <typename Work, typename Convert>
Napi::Promise RunOnWorker(Napi::Env env, Work work, Convert convert) {
  return PromiseTask<Work, Convert>::Start(env, std::move(work), std::move(convert));
}

}  // namespace ctwatch

#endif  // CTWATCH_PROMISE_TASK_H_
