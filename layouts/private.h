/*
 * Structs of CPython's that stand in no installed header, as far as the last member that layouts/fields.def asks
 * for. Each names its file in CPython; where versions differ, what each of them has stands under its condition.
 *
 * Included by probe.c. layouts/generate compares them with the DWARF of the interpreters that have any, and of
 * their extension modules.
 */
#ifndef PYSTANDER_LAYOUTS_PRIVATE_H
#define PYSTANDER_LAYOUTS_PRIVATE_H

#define PY_IS_3 (PY_VERSION_HEX >= 0x03000000)

/* ---- Objects/ ---------------------------------------------------------------------------------------- */

#if PY_VERSION_HEX >= 0x03060000 && PY_VERSION_HEX < 0x030b0000
/* Objects/dict-common.h */
typedef struct {
    Py_hash_t me_hash;
    PyObject *me_key;
    PyObject *me_value;
} PyDictKeyEntry;

struct _dictkeysobject {
    Py_ssize_t dk_refcnt;
    Py_ssize_t dk_size;
    void *dk_lookup;
    Py_ssize_t dk_usable;
    Py_ssize_t dk_nentries;
    char dk_indices[];
};
#endif

#if !PY_IS_3
/* Objects/dictobject.c */
typedef struct {
    PyObject_HEAD
    PyDictObject *dv_dict;
} dictviewobject;
#endif

/* Objects/iterobject.c */
typedef struct {
    PyObject_HEAD
    PyObject *it_callable;
} calliterobject;

#if PY_VERSION_HEX < 0x030a0000
/* Objects/moduleobject.c */
typedef struct {
    PyObject_HEAD
    PyObject *md_dict;
#if PY_IS_3
    struct PyModuleDef *md_def;
    void *md_state;
    PyObject *md_weaklist;
    PyObject *md_name;
#endif
} PyModuleObject;
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
#endif

/* Objects/rangeobject.c */
typedef struct {
    PyObject_HEAD
#if PY_IS_3
    PyObject *start;
    PyObject *stop;
    PyObject *step;
    PyObject *length;
#else
    long start;
    long step;
    long len;
#endif
} rangeobject;

/* Objects/descrobject.c */
typedef struct {
    PyObject_HEAD
    PyWrapperDescrObject *descr;
    PyObject *self;
} wrapperobject;

#if PY_IS_3
typedef struct {
    PyObject_HEAD
    PyObject *mapping;
} mappingproxyobject;
#else
typedef struct {
    PyObject_HEAD
    PyObject *dict;
} proxyobject;
#endif

/* Objects/funcobject.c */
typedef struct {
    PyObject_HEAD
    PyObject *sm_callable;
} staticmethod;

typedef struct {
    PyObject_HEAD
    PyObject *cm_callable;
} classmethod;

/* Objects/typeobject.c */
typedef struct {
    PyObject_HEAD
    PyTypeObject *type;
    PyObject *obj;
    PyTypeObject *obj_type;
} superobject;

/* Objects/capsule.c */
typedef struct {
    PyObject_HEAD
    void *pointer;
    const char *name;
} PyCapsule;

#if PY_VERSION_HEX >= 0x03090000
/* Objects/genericaliasobject.c */
typedef struct {
    PyObject_HEAD
    PyObject *origin;
    PyObject *args;
    PyObject *parameters;
    PyObject *weakreflist;
#if PY_VERSION_HEX >= 0x030b0000
    bool starred;
#endif
} gaobject;
#endif

#if PY_VERSION_HEX >= 0x030a0000
/* Objects/unionobject.c */
typedef struct {
    PyObject_HEAD
    PyObject *args;
} unionobject;
#endif

#if PY_VERSION_HEX >= 0x030c0000
/* Objects/typevarobject.c */
typedef struct {
    PyObject_HEAD
    PyObject *name;
    PyObject *bound;
    PyObject *evaluate_bound;
    PyObject *constraints;
    PyObject *evaluate_constraints;
#if PY_VERSION_HEX >= 0x030d0000
    PyObject *default_value;
    PyObject *evaluate_default;
#endif
    bool covariant;
    bool contravariant;
    bool infer_variance;
} typevarobject;

typedef struct {
    PyObject_HEAD
    PyObject *name;
    PyObject *bound;
#if PY_VERSION_HEX >= 0x030d0000
    PyObject *default_value;
    PyObject *evaluate_default;
#endif
    bool covariant;
    bool contravariant;
    bool infer_variance;
} paramspecobject;

typedef struct {
    PyObject_HEAD
    PyObject *name;
#if PY_VERSION_HEX >= 0x030f0000
    PyObject *bound;
    PyObject *default_value;
    PyObject *evaluate_default;
    bool covariant;
    bool contravariant;
    bool infer_variance;
#endif
} typevartupleobject;

typedef struct {
    PyObject_HEAD
    PyObject *name;
#if PY_VERSION_HEX >= 0x030f0000
    PyObject *qualname;
#endif
} typealiasobject;

typedef struct {
    PyObject_HEAD
    PyObject *__origin__;
} paramspecattrobject;
#endif

#if PY_VERSION_HEX >= 0x030f0000
/* Objects/sentinelobject.c */
typedef struct {
    PyObject_HEAD
    PyObject *name;
    PyObject *module;
    PyObject *repr;
} sentinelobject;

/* Include/internal/pycore_lazyimportobject.h */
typedef struct {
    PyObject_HEAD
    PyObject *lz_builtins;
    PyObject *lz_from;
    PyObject *lz_attr;
} PyLazyImportObject;
#endif

#if PY_IS_3
/* Objects/odictobject.c */
typedef struct _odictnode {
    PyObject *key;
    Py_hash_t hash;
    struct _odictnode *next;
    struct _odictnode *prev;
} _ODictNode;

struct _odictobject {
    PyDictObject od_dict;
    _ODictNode *od_first;
    _ODictNode *od_last;
};

/* Objects/namespaceobject.c */
typedef struct {
    PyObject_HEAD
    PyObject *ns_dict;
} _PyNamespaceObject;
#endif

/* ---- locks ------------------------------------------------------------------------------------------- */

/* Modules/_threadmodule.c (2.7: threadmodule.c) */
typedef struct {
    PyObject_HEAD
#if PY_VERSION_HEX >= 0x030d0100
    PyMutex lock;
#else
    PyThread_type_lock lock_lock;
    PyObject *in_weakreflist;
#if PY_IS_3
    char locked;
#endif
#endif
} lockobject;

#if PY_IS_3
typedef struct {
    PyObject_HEAD
#if PY_VERSION_HEX >= 0x030e0000
    _PyRecursiveMutex lock;
#else
    PyThread_type_lock rlock_lock;
#if PY_VERSION_HEX >= 0x030d0000
    PyThread_ident_t rlock_owner;
#else
    unsigned long rlock_owner; /* a long in 3.6 */
#endif
    unsigned long rlock_count;
#endif
} rlockobject;
#endif

#if PY_VERSION_HEX >= 0x030d0000
typedef struct {
    struct llist_node node;
    struct llist_node shutdown_node;
    PyThread_ident_t ident;
    PyThread_handle_t os_handle;
    int has_os_handle;
    int state;
    PyMutex mutex;
    PyEvent thread_is_exiting;
} ThreadHandle;

typedef struct {
    PyObject_HEAD
    ThreadHandle *handle;
} PyThreadHandleObject;

/* Python/parking_lot.c */
struct wait_entry {
    void *park_arg;
    uintptr_t addr;
    _PySemaphore sema;
};
#endif

/* Modules/_queuemodule.c */
#if PY_VERSION_HEX >= 0x030d0000
typedef struct {
    Py_ssize_t put_idx;
    Py_ssize_t get_idx;
    PyObject **items;
    Py_ssize_t items_cap;
    Py_ssize_t num_items;
} RingBuf;

typedef struct {
    PyObject_HEAD
    bool has_threads_waiting;
    RingBuf buf;
} simplequeueobject;
#elif PY_VERSION_HEX >= 0x03070000
typedef struct {
    PyObject_HEAD
    PyThread_type_lock lock;
    int locked;
    PyObject *lst;
    Py_ssize_t lst_pos;
} simplequeueobject;
#endif

/* ---- Modules/ ---------------------------------------------------------------------------------------- */

/* Modules/_collectionsmodule.c */
typedef struct BLOCK block;
#if PY_IS_3
struct BLOCK {
    block *leftlink;
    PyObject *data[64];
    block *rightlink;
};
#elif PY_VERSION_HEX >= 0x02070600
struct BLOCK {
    PyObject *data[62];
    block *rightlink;
    block *leftlink;
};
#else
struct BLOCK {
    block *leftlink;
    block *rightlink;
    PyObject *data[62];
};
#endif

typedef struct {
#if PY_IS_3
    PyObject_VAR_HEAD
#else
    PyObject_HEAD
#endif
    block *leftblock;
    block *rightblock;
    Py_ssize_t leftindex;
    Py_ssize_t rightindex;
#if !PY_IS_3
    Py_ssize_t len;
#endif
#if PY_VERSION_HEX >= 0x02070600
    size_t state; /* 2.7: a long */
#endif
    Py_ssize_t maxlen;
} dequeobject;

typedef struct {
    PyDictObject dict;
    PyObject *default_factory;
} defdictobject;

/* Modules/arraymodule.c */
struct arraydescr {
#if PY_VERSION_HEX >= 0x030f0000
    char typecode[3];
#elif PY_IS_3
    char typecode;
#else
    int typecode;
#endif
    int itemsize;
};

typedef struct {
    PyObject_VAR_HEAD
    char *ob_item;
    Py_ssize_t allocated;
    struct arraydescr *ob_descr;
} arrayobject;

/* Modules/itertoolsmodule.c */
typedef struct {
    PyObject_HEAD
    Py_ssize_t cnt;
    PyObject *long_cnt;
    PyObject *long_step;
} countobject;

typedef struct {
    PyObject_HEAD
    PyObject *element;
    Py_ssize_t cnt;
} repeatobject;

/* Modules/_functoolsmodule.c */
typedef struct {
    PyObject_HEAD
    PyObject *fn;
    PyObject *args;
    PyObject *kw;
} partialobject;

#if PY_IS_3
/* Modules/_datetimemodule.c */
typedef struct {
    PyObject_HEAD
    PyObject *offset;
    PyObject *name;
} PyDateTime_TimeZone;

/* Modules/_decimal/libmpdec/mpdecimal.h, where CONFIG_64 is defined */
typedef struct mpd_t {
    uint8_t flags;
    int64_t exp;
    int64_t digits;
    int64_t len;
    int64_t alloc;
    uint64_t *data;
} mpd_t;

/* Modules/_decimal/_decimal.c */
typedef struct {
    PyObject_HEAD
    Py_hash_t hash;
    mpd_t dec;
} PyDecObject;
#endif

#if PY_VERSION_HEX >= 0x03090000
/* Modules/_zoneinfo.c */
typedef struct {
    PyDateTime_TZInfo base;
    PyObject *key;
    PyObject *file_repr;
} PyZoneInfo_ZoneInfo;
#endif

/* Modules/_sre/sre.h (to 3.10: Modules/sre.h) */
typedef struct {
    PyObject_VAR_HEAD
    Py_ssize_t groups;
    PyObject *groupindex;
    PyObject *indexgroup;
    PyObject *pattern;
    int flags;
} PatternObject;

typedef struct {
    PyObject_VAR_HEAD
    PyObject *string;
    PyObject *regs;
    PatternObject *pattern;
    Py_ssize_t pos;
    Py_ssize_t endpos;
    Py_ssize_t lastindex;
    Py_ssize_t groups;
    Py_ssize_t mark[1];
} MatchObject;

/* Modules/socketmodule.h */
typedef struct {
    PyObject_HEAD
    int sock_fd;
    int sock_family;
    int sock_type;
    int sock_proto;
    PyObject *(*errorhandler)(void);
#if PY_IS_3
    int64_t sock_timeout; /* _PyTime_t, PyTime_t */
#else
    double sock_timeout;
#endif
} PySocketSockObject;

/* Modules/_io/fileio.c */
typedef struct {
    PyObject_HEAD
    int fd;
#if PY_IS_3
    unsigned int created : 1;
#endif
    unsigned int readable : 1;
    unsigned int writable : 1;
#if PY_VERSION_HEX >= 0x02070600
    unsigned int appending : 1;
#endif
    signed int seekable : 2;
#if PY_VERSION_HEX >= 0x030f0000
    unsigned int truncate : 1;
#endif
    unsigned int closefd : 1;
} fileio;

/* Modules/_io/bufferedio.c */
typedef struct {
    PyObject_HEAD
    PyObject *raw;
    int ok;
    int detached;
    int readable;
    int writable;
#if PY_IS_3
    char finalizing;
#endif
    int fast_closed_checks;
    off_t abs_pos;
    char *buffer;
    off_t pos;
    off_t raw_pos;
    off_t read_end;
    off_t write_pos;
    off_t write_end;
    PyThread_type_lock lock;
    volatile unsigned long owner;
} buffered;

/* Modules/_io/textio.c */
typedef struct {
    PyObject_HEAD
    int ok;
    int detached;
    Py_ssize_t chunk_size;
    PyObject *buffer;
    PyObject *encoding;
} textio;

#endif
