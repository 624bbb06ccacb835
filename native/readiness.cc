#include "readiness.h"

#include <uv.h>

#include <cstddef>
#include <utility>

#include "operation_error.h"

namespace ctwatch {
namespace {

void CheckUv(int status) {
  if (status < 0) throw OperationError("poll", -status, "the event loop cannot watch the netlink sockets");
}

}  // namespace

// JS thread. Both polls with what must live as long as the loop knows them.
class Readiness::Handles {
 public:
  explicit Handles(std::function<void()> on_readable) : on_readable_(std::move(on_readable)) {}

  void Open(const std::shared_ptr<Handles>& self, napi_env env, const std::array<int, 2>& descriptors) {
    uv_loop_t* loop = nullptr;
    if (napi_get_uv_event_loop(env, &loop) != napi_ok) CheckUv(UV_EINVAL);
    for (const int descriptor : descriptors) {
      uv_poll_t& poll = polls_[open_];
      CheckUv(uv_poll_init(loop, &poll, descriptor));
      poll.data = this;
      ++open_;
      self_ = self;
    }
    // An asynchronous hook: the environment waits until the handles are closed. After a synchronous one the loop of a
    // worker thread would be freed with the handles still in it.
    if (napi_add_async_cleanup_hook(env, &Handles::OnTeardown, this, &hook_) != napi_ok) CheckUv(UV_EINVAL);
  }

  void Arm() {
    for (uv_poll_t& poll : polls_) CheckUv(uv_poll_start(&poll, UV_READABLE, &Handles::OnPoll));
  }

  void Close() {
    if (std::exchange(closing_, true)) return;
    on_readable_ = nullptr;
    for (std::size_t i = 0, count = open_; i < count; ++i) {
      uv_close(reinterpret_cast<uv_handle_t*>(&polls_[i]), &Handles::OnClosed);
    }
  }

 private:
  // A status below 0 is a socket error: whoever drains next meets it.
  static void OnPoll(uv_poll_t* poll, int /*status*/, int /*events*/) {
    auto& handles = *static_cast<Handles*>(poll->data);
    for (uv_poll_t& each : handles.polls_) uv_poll_stop(&each);
    // A copy, since the callee may close us.
    const auto on_readable = handles.on_readable_;
    on_readable();
  }

  static void OnTeardown(napi_async_cleanup_hook_handle /*hook*/, void* handles) {
    static_cast<Handles*>(handles)->Close();
  }

  static void OnClosed(uv_handle_t* poll) {
    auto& handles = *static_cast<Handles*>(poll->data);
    if (--handles.open_ > 0) return;
    if (handles.hook_ != nullptr) napi_remove_async_cleanup_hook(handles.hook_);
    const auto last = std::move(handles.self_);  // destroys the handles unless their owner still refers to them
  }

  std::array<uv_poll_t, 2> polls_{};
  std::size_t open_ = 0;
  bool closing_ = false;
  napi_async_cleanup_hook_handle hook_ = nullptr;
  std::function<void()> on_readable_;
  // Set while the loop knows a handle.
  std::shared_ptr<Handles> self_;
};

Readiness::Readiness(napi_env env, const std::array<int, 2>& descriptors, std::function<void()> on_readable)
    : handles_(std::make_shared<Handles>(std::move(on_readable))) {
  try {
    handles_->Open(handles_, env, descriptors);
  } catch (...) {
    handles_->Close();
    throw;
  }
}

void Readiness::Arm() {
  handles_->Arm();
}

void Readiness::Close() {
  handles_->Close();
}

}  // namespace ctwatch
