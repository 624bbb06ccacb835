// Tells, once each time it is armed, that one of two sockets has become readable.
//
// One-shot, because waiting costs more than reading: while events come in, the descriptors are drained on a timer and
// not polled at all; a wake-up per event takes twice the CPU.

#ifndef CTWATCH_READINESS_H_
#define CTWATCH_READINESS_H_

#include <node_api.h>

#include <array>
#include <functional>
#include <memory>

namespace ctwatch {

// JS thread. Polls on the event loop of the environment, and keeps the loop alive while armed. The loop needs its
// handles until it has closed them, also when the environment is torn down first, so they own themselves from `Close`
// to then.
class Readiness {
 public:
  // Borrows the descriptors until `Close`. Throws OperationError "poll".
  Readiness(napi_env env, const std::array<int, 2>& descriptors, std::function<void()> on_readable);
  Readiness(const Readiness&) = delete;
  Readiness& operator=(const Readiness&) = delete;
  ~Readiness() { Close(); }

  // Calls `on_readable` once when a socket is, or already was, readable. Throws OperationError "poll".
  void Arm();

  // After it `on_readable` is not called again and the descriptors may be closed. Idempotent.
  void Close();

 private:
  class Handles;
  std::shared_ptr<Handles> handles_;
};

}  // namespace ctwatch

#endif  // CTWATCH_READINESS_H_
