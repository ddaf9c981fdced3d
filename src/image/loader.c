#include "image/loader.h"

#include "base/bytes.h"
#include "image/dynamic.h"
#include "target/link_map.h"

#include <elf.h>
#include <string.h>

static bool read_bytes(struct pst_target *target, pst_addr address, uint8_t *bytes, size_t size)
{
    pst_error *error = memory_read(target->memory, address, bytes, size);
    pst_error_free(error);
    return !error;
}

/* Reads a dynamic section up to its DT_NULL; *debug is its DT_DEBUG, 0: it has none. */
static void touch_dynamic(struct pst_target *target, pst_addr dynamic, pst_addr *debug)
{
    uint8_t entry[sizeof(Elf64_Dyn)];
    *debug = 0;
    for (size_t at = 0; at < LOADER_MAX_DYNAMIC_SIZE && read_bytes(target, dynamic + at, entry, sizeof entry);
         at += sizeof entry) {
        uint64_t tag = bytes_unsigned(entry, 8);
        if (tag == DT_NULL)
            return;
        if (tag == DT_DEBUG)
            *debug = bytes_unsigned(entry + 8, 8);
    }
}

static void touch_name(struct pst_target *target, pst_addr name)
{
    uint8_t piece[64];
    for (size_t at = 0; name && at < LOADER_MAX_NAME && read_bytes(target, name + at, piece, sizeof piece);
         at += sizeof piece)
        if (memchr(piece, '\0', sizeof piece))
            return;
}

static void touch_objects(struct pst_target *target, pst_addr object)
{
    uint8_t map[LINK_MAP_SIZE];
    pst_addr debug;
    for (size_t i = 0; i < LOADER_MAX_OBJECTS && object && read_bytes(target, object, map, sizeof map); i++) {
        touch_name(target, bytes_unsigned(map + L_NAME_OFF, 8));
        touch_dynamic(target, bytes_unsigned(map + L_LD_OFF, 8), &debug);
        object = bytes_unsigned(map + L_NEXT_OFF, 8);
    }
}

void loader_touch(struct pst_target *target, pst_addr headers, uint64_t header_count)
{
    pst_addr bias = 0, dynamic = 0, debug = 0;
    uint8_t header[sizeof(Elf64_Phdr)], state[R_DEBUG_SIZE];
    for (uint64_t i = 0; i < header_count && i < IMAGE_MAX_PROGRAM_HEADERS; i++) {
        if (!read_bytes(target, headers + i * sizeof header, header, sizeof header))
            return;
        uint64_t type = bytes_unsigned(header + offsetof(Elf64_Phdr, p_type), 4);
        uint64_t address = bytes_unsigned(header + offsetof(Elf64_Phdr, p_vaddr), 8);
        if (type == PT_PHDR)
            bias = headers - address;
        if (type == PT_DYNAMIC)
            dynamic = address;
    }
    if (dynamic)
        touch_dynamic(target, dynamic + bias, &debug);
    if (debug && read_bytes(target, debug, state, sizeof state))
        touch_objects(target, bytes_unsigned(state + R_MAP_OFF, 8));
}
