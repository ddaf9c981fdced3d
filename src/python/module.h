/* The modules in sys.modules, by the files that their code comes from. */
#ifndef PYSTANDER_PYTHON_MODULE_H
#define PYSTANDER_PYTHON_MODULE_H

#include "base/lookup.h"
#include "python/field.h"

enum { MODULES_MAX = 1 << 18 };   /* of all interpreters; the largest programs have some ten thousand */

struct module {
    pst_text name;     /* its key in sys.modules; of __main__, if it was run by `-m`, its __spec__'s */
    pst_text file;     /* __file__, that of the source; data == NULL: none */
    bool is_package;   /* it has a __path__ */
    bool is_own_name;  /* the key is its __name__ too */
    bool is_main;
    bool is_exported;  /* there is a file of it */
    pst_addr dict;
};

struct modules {
    struct module *items;           /* by file; the arena's */
    struct module **by_name;
    size_t count, capacity;
    struct arena arena;
};

/* Adds those of one interpreter. What could not be read of a module is added to `errors`. */
MUST_USE pst_error *modules_add(struct modules *modules, const struct python *python, pst_addr interpreter,
                                struct error_list *errors);
/* After the last modules_add(). */
MUST_USE pst_error *modules_sort(struct modules *modules);
/* The one whose code says that it is from this file; NULL: none that is known. */
struct module *modules_find(const struct modules *modules, pst_text filename);
/* The one of this name; NULL: none. */
struct module *modules_find_name(const struct modules *modules, pst_text name);
/* The code objects of the functions in a module's own dict, to be asked for by their addresses. */
MUST_USE pst_error *module_find_functions(const struct python *python, const struct module *module,
                                          struct lookup *functions);
void modules_free(struct modules *modules);

#endif
