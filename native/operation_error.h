// The one error of the native side: what was being done, why it failed, in numbers and in words.

#ifndef CTWATCH_OPERATION_ERROR_H_
#define CTWATCH_OPERATION_ERROR_H_

#include <cerrno>
#include <string>
#include <system_error>
#include <utility>

namespace ctwatch {

// Any thread. `what()` is "<description>: <text of the errno>", `code().value()` the errno.
class OperationError : public std::system_error {
 public:
  OperationError(std::string operation, int error_number, const std::string& description)
      : std::system_error(error_number, std::generic_category(), description), operation_(std::move(operation)) {}

  // A short name that programs match on, e.g. "add-membership".
  const std::string& operation() const { return operation_; }

 private:
  std::string operation_;
};

}  // namespace ctwatch

#endif  // CTWATCH_OPERATION_ERROR_H_
