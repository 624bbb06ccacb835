// Symbols that the headers of a new compiler refer to and the C and C++ libraries of an older host do not have. Defined
// here, so that the addon loads wherever Node.js 20 does: glibc 2.28, libstdc++ of GCC 5. Everything else that it needs
// is as old; test/unit/addon-needs.test.ts reads that from the file. Linking libstdc++ statically would be worse: the
// archives of a distribution are built for its own glibc and bring needs of 2.34 and 2.35.

#include <new>

// glibc 2.32: whether shared_ptr may count without atomics. Node.js has threads.
extern "C" __attribute__((visibility("hidden"))) char __libc_single_threaded;
char __libc_single_threaded = 0;

// libstdc++ of GCC 11: std::allocator asked for more than the address space has.
namespace std {
void __throw_bad_array_new_length();
void __throw_bad_array_new_length() {
  throw bad_array_new_length();
}
}  // namespace std
