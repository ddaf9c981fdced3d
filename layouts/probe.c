/*
 * Every struct of layouts/fields.def, from the headers of one CPython, for the compiler to describe in DWARF.
 * Compiled by layouts/generate; never run.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <frameobject.h>
#include <structmember.h>

#if PY_VERSION_HEX < 0x03000000
#include <code.h>
#include <longintrepr.h>
#elif PY_VERSION_HEX >= 0x03070000 && PY_VERSION_HEX < 0x03080000
#include "internal/mem.h"
#include "internal/ceval.h"
#include "internal/pystate.h"
#elif PY_VERSION_HEX >= 0x03080000
#define HAVE(header) __has_include(header)
#include "internal/pycore_pystate.h"
#include "internal/pycore_ceval.h"
#include "internal/pycore_code.h"
#include "internal/pycore_gil.h"
#if HAVE("internal/pycore_interp.h")
#include "internal/pycore_interp.h"
#endif
#if HAVE("internal/pycore_runtime.h")
#include "internal/pycore_runtime.h"
#endif
#if HAVE("internal/pycore_moduleobject.h")
#include "internal/pycore_moduleobject.h"
#endif
#if HAVE("internal/pycore_frame.h")
#include "internal/pycore_frame.h"
#endif
#if HAVE("internal/pycore_dict.h")
#include "internal/pycore_dict.h"
#endif
#if HAVE("internal/pycore_optimizer.h")
#include "internal/pycore_optimizer.h"
#endif
#if HAVE("internal/pycore_interpframe.h")
#include "internal/pycore_interpframe.h"
#endif
#if HAVE("internal/pycore_instruments.h")
#include "internal/pycore_instruments.h"
#endif
#endif

/* Structs that stand in no installed header. layouts/generate compares them with the DWARF of the
 * interpreter itself. */
#if PY_VERSION_HEX >= 0x03060000 && PY_VERSION_HEX < 0x030b0000
/* Objects/dict-common.h */
typedef struct {
    Py_hash_t me_hash;
    PyObject *me_key;
    PyObject *me_value;
} PyDictKeyEntry;
PyDictKeyEntry *unused_key_entry;

struct _dictkeysobject {
    Py_ssize_t dk_refcnt;
    Py_ssize_t dk_size;
    void *dk_lookup;
    Py_ssize_t dk_usable;
    Py_ssize_t dk_nentries;
    char dk_indices[];
};
#endif

#if PY_VERSION_HEX < 0x030a0000
/* Objects/moduleobject.c */
typedef struct {
    PyObject_HEAD
    PyObject *md_dict;
} PyModuleObject;
PyModuleObject *unused_module;
#endif

#if PY_VERSION_HEX >= 0x03060000
/* Objects/codeobject.c */
typedef struct {
    Py_ssize_t ce_size;
#if PY_VERSION_HEX < 0x03070000
    void **ce_extras;
#else
    void *ce_extras[1];
#endif
} _PyCodeObjectExtra;
_PyCodeObjectExtra *unused_code_extra;
#endif
