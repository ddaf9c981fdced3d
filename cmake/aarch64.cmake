# A toolchain file: builds for aarch64 with Debian's cross compiler (gcc-aarch64-linux-gnu) and the libraries in the
# folder that tests/interpreters/arm64-root makes; runs what it built with qemu-aarch64 (qemu-user).
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)

if(DEFINED ENV{XDG_CACHE_HOME})
    set(cache $ENV{XDG_CACHE_HOME})
else()
    set(cache $ENV{HOME}/.cache)
endif()
set(CMAKE_SYSROOT ${cache}/pystander/arm64/bookworm)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)
# Without -L, with which it looks for every path in that folder first; so the tests, which are linked with shared
# libraries, are told where these are.
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64)
set(PYSTANDER_TEST_LINK_OPTIONS -Wl,--dynamic-linker=${CMAKE_SYSROOT}/usr/lib/ld-linux-aarch64.so.1
    -Wl,-rpath,${CMAKE_SYSROOT}/usr/lib/aarch64-linux-gnu:${CMAKE_SYSROOT}/usr/lib)

set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
