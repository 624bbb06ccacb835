# Release: what is shipped. Debug (`node-gyp build --debug`): the same sources under AddressSanitizer and UBSan, in
# build/Debug/ctwatch.node. Node.js itself is not instrumented, so the runtime is loaded first; what V8 keeps is no leak:
#   LD_PRELOAD=$(g++ -print-file-name=libasan.so) ASAN_OPTIONS=detect_leaks=0 node ...
{
  'targets': [
    {
      'target_name': 'ctwatch',
      'sources': [
        'native/addon.cc',
        'native/capabilities.cc',
        'native/cgroup_paths.cc',
        'native/column_writer.cc',
        'native/conntrack_session.cc',
        'native/conntrack_socket.cc',
        'native/ct_answers.cc',
        'native/ct_lookup.cc',
        'native/ct_parser.cc',
        'native/ct_requests.cc',
        'native/drain_memory.cc',
        'native/event_stream.cc',
        'native/host_addresses.cc',
        'native/js_error.cc',
        'native/kept_sockets.cc',
        'native/netlink_socket.cc',
        'native/netns_guard.cc',
        'native/old_runtime.cc',
        'native/owner_lookup.cc',
        'native/process_finder.cc',
        'native/readiness.cc',
        'native/service_notify.cc',
        'native/socket_diag.cc',
        'native/socket_lookup.cc',
        'native/sysctls.cc',
      ],
      'defines': [
        'NAPI_VERSION=8',
        'NAPI_CPP_EXCEPTIONS',
        # A result that arrives while its environment is torn down has nobody to be thrown at.
        'NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS',
      ],
      'cflags_cc!': ['-std=gnu++17', '-fno-exceptions', '-fno-rtti'],
      'cflags_cc': [
        '-std=c++20',
        '-fvisibility=hidden',
        '-Wall',
        '-Wextra',
        '-Wpedantic',
        '-Wshadow',
        '-Wconversion',
        '-Werror',
        # As system headers: their warnings are not ours to fix.
        '-isystem<!(node -p "require(\'path\').resolve(require(\'node-addon-api\').include_dir)")',
      ],
      'configurations': {
        'Release': {
          'cflags!': ['-O3'],
          'cflags': ['-O2'],
          'defines': ['NDEBUG'],
        },
        'Debug': {
          'cflags!': ['-O0'],
          'cflags': ['-O1', '-fno-omit-frame-pointer', '-fsanitize=address,undefined', '-fno-sanitize-recover=all'],
          'ldflags': ['-fsanitize=address,undefined'],
        },
      },
    },
  ],
}
