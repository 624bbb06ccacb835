// The effective capabilities of the calling thread.

#ifndef CTWATCH_CAPABILITIES_H_
#define CTWATCH_CAPABILITIES_H_

#include <vector>

namespace ctwatch {

// Any thread; capabilities are per thread. CAP_* numbers, ascending. Throws OperationError "capget".
std::vector<int> EffectiveCapabilities();

}  // namespace ctwatch

#endif  // CTWATCH_CAPABILITIES_H_
