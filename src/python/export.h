/* Code objects, put in order to be exported: export.c finds them, export_file.c makes the files. */
#ifndef PYSTANDER_PYTHON_EXPORT_H
#define PYSTANDER_PYTHON_EXPORT_H

#include "python/module.h"
#include "python/pyc.h"

enum {
    EXPORT_MAX_CODES = 1 << 22,   /* the largest programs have some million */
    EXPORT_MAX_NAME = 1000,       /* bytes of the name of a function that is defined */
    EXPORT_MAX_ATTEMPTS = 8,      /* at a code object of a live target that does not make sense */
    EXPORT_MAX_CODE_WORK = 1 << 24, /* reads for one code object, as the search has it */
};

/* A code object that was found. */
struct export_code {
    pst_addr address;
    pst_text filename;
    pst_text name;             /* data == NULL: a function can't have it */
    int64_t firstlineno;
    size_t first_inner, inner_count; /* of those nested in it, in pst_export.inner */
    bool is_nested;            /* in another that was found */
    bool is_body;              /* a module's own */
    bool is_function;          /* one that could be defined in a module by its name */
    bool is_written;
};

/* The outermost code objects of one file: roots[first] and those after it. */
struct export_group {
    pst_export_kind kind;
    size_t first, count;
};

struct pst_export {
    struct pst_target *target;
    const struct python *python;
    const struct opcodes *opcodes;
    uint8_t magic[PYC_MAGIC_SIZE];
    struct arena texts;
    struct export_code *codes;   /* by address */
    size_t code_count, code_capacity;
    pst_addr *inner;
    size_t inner_count, inner_capacity;
    size_t *roots;               /* into `codes`, by group, then by line */
    size_t root_count;
    struct export_group *groups;
    size_t group_count, next_group;
    const struct module **packages;   /* those without code objects that others are in */
    size_t package_count, next_package;
    struct modules modules;
    uint64_t scanned_size;
    uint64_t work;               /* reads so far */
    struct error_list errors;
    /* Of the file that was made last. */
    pst_export_file file;
    struct text bytes;
    struct marshal marshal;
    struct error_list file_errors;
};

/* The one at `address`, or NULL. */
struct export_code *export_find_code(const struct pst_export *exported, pst_addr address);
/* How much may be read for one code object; 0: the whole took all that it may. */
uint64_t export_get_work(const struct pst_export *exported);

/* ---- export_file.c ------------------------------------------------------------------------------------- */

/* Makes exported->file of a group. */
MUST_USE pst_error *export_make_file(struct pst_export *exported, const struct export_group *group);
MUST_USE pst_error *export_make_package(struct pst_export *exported, const struct module *package);
void export_clear_file(struct pst_export *exported);

#endif
