/*
 * What a target itself says of its structs, against the layout: _Py_DebugOffsets at the start of _PyRuntime
 * (3.13+) and the code type's tp_members (every version).
 *
 * It is untrusted input: each statement is checked before it counts. One that differs from the layout wins
 * for its field (place.source becomes LAYOUT_DEBUG_OFFSETS or LAYOUT_TYPE_MEMBERS) and is told in `differences`.
 */
#ifndef PYSTANDER_LAYOUT_CROSSCHECK_H
#define PYSTANDER_LAYOUT_CROSSCHECK_H

#include "layout/layout.h"
#include "target/memory.h"

enum {
    CROSSCHECK_MAX_MEMBERS = 40,      /* entries of tp_members; 3.15 has 14 */
    CROSSCHECK_MAX_NAME = 32,         /* bytes of a member's name with its NUL */
};

/* Bytes of _Py_DebugOffsets in this version; 0: it has none, or its order is not known here. */
size_t debug_offsets_size(int major, int minor);

/* One read, of _Py_DebugOffsets at `runtime`. *stated is how many fields
 * it states; 0 when this version has none, and then nothing is read.
 * An error says that the bytes are no _Py_DebugOffsets of the layout's version and kind; the layout is
 * untouched. A statement that can't be (beyond its struct, not aligned) is told in `differences` and changes
 * nothing. */
MUST_USE pst_error *crosscheck_debug_offsets(struct memory *memory, pst_addr runtime, struct layout *layout,
                                             size_t *stated, struct error_list *differences);

/* Two reads and one for each member's name, of the type object at `code_type` (PyCode_Type). Where the names
 * can't be read, the order of the layout's version counts. *stated is 0 when the type has no tp_members. */
MUST_USE pst_error *crosscheck_code_members(struct memory *memory, pst_addr code_type, struct layout *layout,
                                            size_t *stated, struct error_list *differences);

#endif
