#include "python/module.h"

#include "python/attribute.h"
#include "python/c_name.h"
#include "python/object.h"
#include "python/string.h"
#include "python/walk.h"

#include <stdlib.h>
#include <string.h>

/* ---- texts --------------------------------------------------------------------------------------------- */

static int compare_texts(pst_text a, pst_text b)
{
    size_t common = a.size < b.size ? a.size : b.size;
    int order = common ? memcmp(a.data, b.data, common) : 0;
    return order ? order : (a.size > b.size) - (a.size < b.size);
}

static bool ends_with(pst_text text, const char *end)
{
    size_t size = strlen(end);
    return text.size > size && memcmp(text.data + text.size - size, end, size) == 0;
}

/* ---- reading ------------------------------------------------------------------------------------------- */

/* A str in a module's dict; data == NULL: there is none, or it is something else. */
static pst_error *read_text(const struct python *python, struct arena *arena, pst_addr dict, const char *name,
                            pst_text *text)
{
    pst_addr object, type;
    uint64_t flags;
    *text = (pst_text){0};
    TRY(dict_get(python, dict, name, NULL, &object));
    if (!object)
        return NULL;
    TRY(object_get_type(python, object, &type));
    TRY(type_get_flags(python, type, &flags));
    if (!(flags & (python_is_2(python) ? TPFLAGS_BYTES_SUBCLASS : TPFLAGS_UNICODE_SUBCLASS)))
        return NULL;
    return string_read(python, arena, object, text);
}

/* `python -m name`: __main__.__spec__.name. */
static pst_error *read_main_name(const struct python *python, struct arena *arena, struct module *module)
{
    pst_addr spec, type, name = 0;
    struct attributes attributes;
    TRY(dict_get(python, module->dict, "__spec__", NULL, &spec));
    if (!spec)
        return NULL;
    TRY(object_get_type(python, spec, &type));
    TRY(attributes_find(python, spec, type, &attributes));
    if (attributes.dict || attributes.values)
        TRY(attribute_get(python, spec, "name", NULL, &name));
    return name ? string_read(python, arena, name, &module->name) : NULL;
}

static pst_error *read_module(struct modules *modules, const struct python *python, pst_addr key, pst_addr object,
                              struct module *module)
{
    struct arena *arena = &modules->arena;
    pst_addr type, path;
    struct attributes attributes;
    pst_text own_name;
    *module = (struct module){0};
    TRY(object_get_type(python, object, &type));
    TRY(attributes_find(python, object, type, &attributes));
    if (!attributes.dict) /* None in 2.7; or whatever a program put there */
        return NULL;
    module->dict = attributes.dict;
    TRY(string_read(python, arena, key, &module->name));
    TRY(read_text(python, arena, module->dict, "__name__", &own_name));
    TRY(read_text(python, arena, module->dict, "__file__", &module->file));
    TRY(dict_get(python, module->dict, "__path__", NULL, &path));
    module->is_package = path != 0;
    module->is_own_name = own_name.data && compare_texts(own_name, module->name) == 0;
    module->is_main = text_is(module->name, "__main__");
    if (module->file.data && (ends_with(module->file, ".pyc") || ends_with(module->file, ".pyo")))
        module->file.size--; /* code objects name the source */
    return module->is_main && !python_is_2(python) ? read_main_name(python, arena, module) : NULL;
}

static pst_error *add_module(struct modules *modules, const struct module *module)
{
    if (modules->count == MODULES_MAX)
        return error_new(PST_ERROR_LIMIT, "there are more than %d modules", MODULES_MAX);
    if (modules->count == modules->capacity) {
        size_t capacity = modules->capacity ? modules->capacity * 2 : 256;
        struct module *items = realloc(modules->items, capacity * sizeof *items);
        if (!items)
            return error_no_memory();
        modules->items = items;
        modules->capacity = capacity;
    }
    modules->items[modules->count++] = *module;
    return NULL;
}

pst_error *modules_add(struct modules *modules, const struct python *python, pst_addr interpreter,
                       struct error_list *errors)
{
    struct dict_reader reader;
    struct module module;
    pst_addr dict, key, object;
    TRY(interpreter_get_modules(python, interpreter, &dict));
    if (!dict)
        return NULL;
    TRY(dict_start(python, dict, &reader));
    for (;;) {
        TRY(dict_next(&reader, &key, &object));
        if (!key)
            return NULL;
        pst_error *error = read_module(modules, python, key, object, &module);
        if (!error && module.name.data)
            TRY(add_module(modules, &module));
        error_list_add(errors, error_in(error, "the module at 0x%llx", (unsigned long long)object));
    }
}

/* ---- asking -------------------------------------------------------------------------------------------- */

/* Of several names for one file the first is its own (os.path is posixpath), and __main__ the last. */
static int get_rank(const struct module *module)
{
    return module->is_main ? 2 : module->is_own_name ? 0 : 1;
}

static int compare_modules(const void *a, const void *b)
{
    const struct module *one = a, *other = b;
    int order = compare_texts(one->file, other->file);
    return order ? order : get_rank(one) - get_rank(other);
}

static int compare_names(const void *a, const void *b)
{
    const struct module *const *one = a, *const *other = b;
    int order = compare_texts((*one)->name, (*other)->name);
    return order ? order : get_rank(*one) - get_rank(*other);
}

pst_error *modules_sort(struct modules *modules)
{
    modules->by_name = malloc((modules->count + 1) * sizeof *modules->by_name);
    if (!modules->by_name)
        return error_no_memory();
    if (!modules->count)
        return NULL;
    qsort(modules->items, modules->count, sizeof *modules->items, compare_modules);
    for (size_t i = 0; i < modules->count; i++)
        modules->by_name[i] = &modules->items[i];
    qsort(modules->by_name, modules->count, sizeof *modules->by_name, compare_names);
    return NULL;
}

static struct module *find_by_file(const struct modules *modules, pst_text file)
{
    size_t low = 0, high = modules->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare_texts(modules->items[middle].file, file) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low < modules->count && compare_texts(modules->items[low].file, file) == 0 ? &modules->items[low] : NULL;
}

struct module *modules_find_name(const struct modules *modules, pst_text name)
{
    size_t low = 0, high = modules->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare_texts(modules->by_name[middle]->name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low < modules->count && compare_texts(modules->by_name[low]->name, name) == 0 ? modules->by_name[low] : NULL;
}

struct module *modules_find(const struct modules *modules, pst_text filename)
{
    static const char frozen[] = "<frozen ";
    size_t start = sizeof frozen - 1;
    if (!filename.data || !filename.size)
        return NULL;
    struct module *module = find_by_file(modules, filename);
    if (module || filename.size <= start + 1 || memcmp(filename.data, frozen, start) != 0 ||
        filename.data[filename.size - 1] != '>')
        return module;
    return modules_find_name(modules, (pst_text){filename.data + start, filename.size - start - 1});
}

/* ---- functions ----------------------------------------------------------------------------------------- */

/* 0: it is no function. `type` is that of functions, once one was seen. */
static pst_error *read_function(const struct python *python, pst_addr object, pst_addr *function_type, pst_addr *code)
{
    pst_addr type;
    char name[16];
    *code = 0;
    TRY(object_get_type(python, object, &type));
    if (!*function_type) {
        TRY(type_get_name(python, type, name, sizeof name));
        if (strcmp(name, "function") == 0)
            *function_type = type;
    }
    return type == *function_type ? field_address(python, object, F(PyFunctionObject_func_code), code) : NULL;
}

pst_error *module_find_functions(const struct python *python, const struct module *module, struct lookup *functions)
{
    struct dict_reader reader;
    pst_addr key, object, code, function_type = 0;
    TRY(dict_start(python, module->dict, &reader));
    if (reader.count > DICT_MAX_ENTRIES || !lookup_start(functions, (size_t)reader.count))
        return error_no_memory();
    for (;;) {
        TRY(dict_next(&reader, &key, &object));
        if (!key)
            break;
        TRY(read_function(python, object, &function_type, &code));
        if (code)
            lookup_add(functions, code, 0, 0);
    }
    lookup_sort(functions);
    return NULL;
}

void modules_free(struct modules *modules)
{
    arena_free(&modules->arena);
    free(modules->items);
    free(modules->by_name);
    *modules = (struct modules){0};
}
