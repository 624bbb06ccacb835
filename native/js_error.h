// OperationError as a JavaScript error.

#ifndef CTWATCH_JS_ERROR_H_
#define CTWATCH_JS_ERROR_H_

#include <napi.h>

#include "operation_error.h"

namespace ctwatch {

// JS thread. An Error with the properties `operation` ("add-membership") and `errno`, symbolic ("EPERM").
Napi::Error ToJsError(Napi::Env env, const OperationError& error);

}  // namespace ctwatch

#endif  // CTWATCH_JS_ERROR_H_
