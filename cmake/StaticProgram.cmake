# pystander_link_statically(TARGET): one executable that needs no shared library and no dynamic loader.
#
# Loading five shared libraries and binding to them takes 0.3 ms of the 0.75 ms that an empty program linked
# with them runs, and all of a short run has a budget of 2.4 ms. It also makes the program one file that can be
# copied to where the hanging process is.
#
# What a static glibc cannot do (dlopen, iconv, names of users and hosts) the program does not use.
#
# static-pie and not static: it costs 13 microseconds, for addresses that a hostile target can't know beforehand.

include(CheckCSourceCompiles)

set(PYSTANDER_IS_STATIC OFF)
if(NOT PYSTANDER_STATIC STREQUAL "OFF" AND NOT PYSTANDER_SANITIZE)
    if(PYSTANDER_HAVE_ARCHIVES)
        set(CMAKE_REQUIRED_FLAGS -fPIE)
        set(CMAKE_REQUIRED_LINK_OPTIONS -static-pie)
        foreach(name IN LISTS dependencies)
            list(APPEND CMAKE_REQUIRED_INCLUDES ${${name}_INCLUDE_DIR})
            list(APPEND CMAKE_REQUIRED_LIBRARIES ${${name}_ARCHIVE})
        endforeach()
        if(XXHASH_ARCHIVE)
            list(APPEND CMAKE_REQUIRED_LIBRARIES ${XXHASH_ARCHIVE})
        endif()
        check_c_source_compiles("
            #include <libelf.h>
            #include <libdwarf.h>
            #include <zlib.h>
            #include <zstd.h>
            #include <lzma.h>
            #include <lz4frame.h>
            int main(void)
            {
                return (int)elf_version(EV_CURRENT) + !dwarf_finish + (int)ZSTD_versionNumber() + !zlibVersion() +
                       (int)lzma_version_number() + (int)LZ4F_getVersion();
            }" PYSTANDER_CAN_LINK_STATICALLY)
        unset(CMAKE_REQUIRED_FLAGS)
        unset(CMAKE_REQUIRED_LINK_OPTIONS)
        unset(CMAKE_REQUIRED_INCLUDES)
        unset(CMAKE_REQUIRED_LIBRARIES)
    endif()
    if(PYSTANDER_CAN_LINK_STATICALLY)
        set(PYSTANDER_IS_STATIC ON)
    elseif(PYSTANDER_STATIC STREQUAL "ON")
        message(FATAL_ERROR "PYSTANDER_STATIC=ON, but not all of the static libraries are there")
    endif()
endif()
message(STATUS "The program is linked statically: ${PYSTANDER_IS_STATIC}")

function(pystander_link_statically target)
    if(PYSTANDER_IS_STATIC)
        target_link_options(${target} PRIVATE -static-pie)
    endif()
endfunction()
