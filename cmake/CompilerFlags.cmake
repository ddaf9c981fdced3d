# How everything is compiled: `pystander_flags`.

# -g costs nothing at run time, and a crash report of ours should name its line.
set(CMAKE_C_FLAGS_RELEASE "-O2 -g")
set(CMAKE_C_FLAGS_DEBUG "-O0 -g")

add_library(pystander_flags INTERFACE)
target_compile_definitions(pystander_flags INTERFACE _GNU_SOURCE _FILE_OFFSET_BITS=64)
target_compile_options(pystander_flags INTERFACE
    -Wall -Wextra -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wwrite-strings
    -fno-strict-aliasing
    # What is not used is not linked: of the archives, too, the program takes what it needs alone.
    -ffunction-sections -fdata-sections
    # Neither the program nor its messages name the folder where it was built.
    -ffile-prefix-map=${PROJECT_SOURCE_DIR}/=
    -ffile-prefix-map=${PROJECT_BINARY_DIR}=.)
if(PYSTANDER_WERROR)
    target_compile_options(pystander_flags INTERFACE -Werror)
endif()
target_link_options(pystander_flags INTERFACE -Wl,--gc-sections -Wl,-z,relro -Wl,-z,now -Wl,--as-needed)

if(PYSTANDER_SANITIZE)
    set(CMAKE_C_FLAGS_RELEASE "-O1 -g")
    target_compile_options(pystander_flags INTERFACE
        -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
    target_link_options(pystander_flags INTERFACE -fsanitize=address,undefined)
elseif(CMAKE_BUILD_TYPE STREQUAL "Release")
    # What is read is an adversary's.
    target_compile_options(pystander_flags INTERFACE -fstack-protector-strong -fstack-clash-protection
        -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
endif()
