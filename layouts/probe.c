/*
 * Every struct of layouts/fields.def, from the headers of one CPython, for the compiler to describe in DWARF.
 * Compiled by layouts/generate; never run.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <datetime.h>
#include <frameobject.h>
#include <pythread.h>
#include <structmember.h>

#if PY_VERSION_HEX < 0x03000000
#include <code.h>
#include <longintrepr.h>
#elif PY_VERSION_HEX >= 0x03070000 && PY_VERSION_HEX < 0x03080000
#include "internal/context.h"
#include "internal/mem.h"
#include "internal/ceval.h"
#include "internal/pystate.h"
#elif PY_VERSION_HEX >= 0x03080000
#define HAVE(header) __has_include(header)
#include "internal/pycore_pystate.h"
#include "internal/pycore_ceval.h"
#include "internal/pycore_code.h"
#include "internal/pycore_context.h"
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
#if HAVE("internal/pycore_genobject.h")
#include "internal/pycore_genobject.h"
#endif
#if HAVE("internal/pycore_lock.h")
#include "internal/pycore_llist.h"
#include "internal/pycore_lock.h"
#include "internal/pycore_pythread.h"
#include "internal/pycore_semaphore.h"
#endif
#if HAVE("internal/pycore_instruments.h")
#include "internal/pycore_instruments.h"
#endif
#endif

#include "private.h"

/* The decoders read coroutines and asynchronous generators as generators. */
#if PY_VERSION_HEX >= 0x03060000
#define SAME(member)                                                                       \
    _Static_assert(offsetof(PyCoroObject, cr_##member) == offsetof(PyGenObject, gi_##member) &&    \
                   offsetof(PyAsyncGenObject, ag_##member) == offsetof(PyGenObject, gi_##member), #member)
SAME(name);
SAME(qualname);
#if PY_VERSION_HEX >= 0x030b0000
SAME(iframe);
SAME(frame_state);
#else
SAME(frame);
SAME(code);
#endif
#endif
