# The libraries that pystander stands on:
#     pystander_headers    their headers
#     pystander_shared     those, and the shared libraries
#     pystander_archives   those, and the static libraries where all of them are there (PYSTANDER_HAVE_ARCHIVES)
# Found by header and library name and not by pkg-config, which Debian 12 has no libdwarf.pc for.

# pystander_find(NAME header library [where the header may be])
function(pystander_find name header library)
    find_path(${name}_INCLUDE_DIR ${header} PATH_SUFFIXES ${ARGN})
    find_library(${name}_LIBRARY ${library})
    find_library(${name}_ARCHIVE lib${library}.a)
    mark_as_advanced(${name}_INCLUDE_DIR ${name}_LIBRARY ${name}_ARCHIVE)
    if(NOT ${name}_INCLUDE_DIR OR NOT ${name}_LIBRARY)
        message(FATAL_ERROR "${header} or lib${library} is not there. "
                "On Debian and Ubuntu: apt-get install libelf-dev libdwarf-dev zlib1g-dev libzstd-dev "
                "liblzma-dev liblz4-dev")
    endif()
endfunction()

# In the order that archives need: libdwarf uses libelf (Debian 12), both use zlib and zstd.
set(dependencies LIBDWARF LIBELF ZLIB ZSTD LZMA LZ4)
# <libdwarf.h>, <dwarf.h>: Debian has them in libdwarf/, upstream in a folder with its major version.
pystander_find(LIBDWARF libdwarf.h dwarf libdwarf libdwarf-2 libdwarf-1 libdwarf-0)
pystander_find(LIBELF libelf.h elf)
pystander_find(ZLIB zlib.h z)
pystander_find(ZSTD zstd.h zstd)
pystander_find(LZMA lzma.h lzma)
pystander_find(LZ4 lz4frame.h lz4)
# Debian's liblz4.a has no xxhash of its own from 1.10 on; liblz4-dev brings this one along there.
find_library(XXHASH_ARCHIVE libxxhash.a)
mark_as_advanced(XXHASH_ARCHIVE)

add_library(pystander_headers INTERFACE)
add_library(pystander_shared INTERFACE)
add_library(pystander_archives INTERFACE)
target_link_libraries(pystander_shared INTERFACE pystander_headers)
target_link_libraries(pystander_archives INTERFACE pystander_headers)

set(PYSTANDER_HAVE_ARCHIVES ON)
foreach(name IN LISTS dependencies)
    # SYSTEM: their headers are not held to our warnings. The default folder must not be named again.
    if(NOT ${name}_INCLUDE_DIR STREQUAL "/usr/include")
        target_include_directories(pystander_headers SYSTEM INTERFACE ${${name}_INCLUDE_DIR})
    endif()
    target_link_libraries(pystander_shared INTERFACE ${${name}_LIBRARY})
    if(NOT ${name}_ARCHIVE)
        set(PYSTANDER_HAVE_ARCHIVES OFF)
    endif()
endforeach()
foreach(name IN LISTS dependencies)
    if(PYSTANDER_HAVE_ARCHIVES)
        target_link_libraries(pystander_archives INTERFACE ${${name}_ARCHIVE})
    else()
        target_link_libraries(pystander_archives INTERFACE ${${name}_LIBRARY})
    endif()
endforeach()
if(PYSTANDER_HAVE_ARCHIVES AND XXHASH_ARCHIVE)
    target_link_libraries(pystander_archives INTERFACE ${XXHASH_ARCHIVE})
endif()
