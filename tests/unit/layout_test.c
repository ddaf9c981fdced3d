/* Layout tables and their text form; what a target says of its own layout. */
#include "base/bytes.h"
#include "layout/crosscheck.h"
#include "layout/derive.h"
#include "unit/fake.h"

#include <elf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const pst_addr runtime = 0x10000, code_type = 0x20000, members = 0x30000, names = 0x40000;

static void no_error(pst_error *error)
{
    if (error)
        print_error("%s\n", pst_error_get_message(error));
    assert_null(error);
}

/* There is an error, and its message has `text` in it. Frees it. */
static void error_says(pst_error *error, const char *text)
{
    assert_non_null(error);
    if (!strstr(pst_error_get_message(error), text))
        print_error("'%s' is not in: %s\n", text, pst_error_get_message(error));
    assert_non_null(strstr(pst_error_get_message(error), text));
    pst_error_free(error);
}

static struct layout load(int major, int minor, enum flavour flavour)
{
    struct layout layout;
    bool found = false;
    no_error(layout_load(major, minor, flavour, &layout, &found));
    assert_true(found);
    return layout;
}

static int offset_of(const struct layout *layout, enum field field)
{
    return layout->places[field].offset;
}

/* ---- built-in tables -------------------------------------------------------------------------------- */

static void every_table_parses(void **state)
{
    (void)state;
    assert_true(layout_table_count() >= 11);
    for (size_t i = 0; i < layout_table_count(); i++) {
        int major, minor, columns = 0;
        size_t size;
        const char *text = layout_table_get(i, &major, &minor, &size);
        for (unsigned flavour = 0; flavour < FLAVOUR_COUNT; flavour++) {
            struct layout fast, strict;
            bool found;
            no_error(layout_load(major, minor, flavour, &fast, &found));
            if (!found)
                continue;
            columns++;
            no_error(layout_parse(text, size, "table", flavour, &strict));
            assert_memory_equal(&fast, &strict, sizeof fast);
            assert_true(layout_has(&fast, FIELD_PyCodeObject_co_name));
            assert_true(layout_has(&fast, FIELD_PyThreadState_interp));
        }
        assert_in_range(columns, 2, FLAVOUR_COUNT);
    }
}

static void known_offsets(void **state)
{
    (void)state;
    struct layout layout = load(2, 7, FLAVOUR_RELEASE);
    assert_string_equal(layout.name, "2.7");
    assert_int_equal(offset_of(&layout, FIELD_PyStringObject_ob_sval), 36);
    assert_false(layout_has(&layout, FIELD_PyASCIIObject_length));
    layout = load(3, 6, FLAVOUR_DEBUG);
    assert_int_equal(offset_of(&layout, FIELD_PyObject_ob_type), 24);
    layout = load(3, 12, FLAVOUR_RELEASE);
    assert_int_equal(offset_of(&layout, FIELD_PyTupleObject_ob_item), 24);
    layout = load(3, 13, FLAVOUR_RELEASE);
    assert_int_equal(offset_of(&layout, FIELD_PyCodeObject_co_flags), 48);
    assert_int_equal(layout.places[FIELD_PyCodeObject_co_flags].size, 4);
    layout = load(3, 13, FLAVOUR_FREE_THREADED);
    assert_string_equal(layout.name, "3.13 free-threaded");
    assert_int_equal(offset_of(&layout, FIELD_PyCodeObject_co_flags), 64);
    struct place kind = layout.places[FIELD_PyASCIIObject_state_kind];
    assert_int_equal(kind.width, 3);
    assert_true(kind.bit + kind.width <= 8 * kind.size);
}

static struct layout load_build(int minor, int micro, uint16_t machine)
{
    struct layout_build build = {.major = 3, .minor = minor, .micro = micro, .machine = machine};
    struct layout layout;
    bool found = false;
    no_error(layout_load_build(&build, &layout, &found));
    assert_true(found);
    return layout;
}

static void micro_versions_and_machines(void **state)
{
    (void)state;
    const enum field gil = FIELD__PyRuntimeState_ceval_gil_locked,
                     current = FIELD__PyRuntimeState_gilstate_tstate_current;
    struct layout base = load(3, 7, FLAVOUR_RELEASE), early = load_build(7, 3, EM_X86_64),
                  late = load_build(7, 4, EM_X86_64), unknown = load_build(7, -1, EM_X86_64),
                  arm = load_build(7, 4, EM_AARCH64), early_arm = load_build(7, 3, EM_AARCH64);
    assert_int_equal(offset_of(&base, gil), 1280);
    assert_int_equal(offset_of(&early, gil), 1192);
    assert_int_equal(offset_of(&late, gil), 1280);
    assert_int_equal(offset_of(&unknown, gil), 1280);
    assert_int_equal(offset_of(&early, current), 1392);
    assert_int_equal(offset_of(&arm, current), 1496);
    assert_int_equal(offset_of(&early_arm, current), 1408);
    assert_int_equal(offset_of(&early_arm, FIELD_PyCodeObject_co_name), offset_of(&base, FIELD_PyCodeObject_co_name));
}

static void absent_tables(void **state)
{
    (void)state;
    struct layout layout;
    bool found = true;
    no_error(layout_load(3, 5, FLAVOUR_RELEASE, &layout, &found));
    assert_false(found);
    no_error(layout_load(3, 12, FLAVOUR_FREE_THREADED, &layout, &found));
    assert_false(found);
}

/* ---- the text form ---------------------------------------------------------------------------------- */

static pst_error *parse(const char *text, enum flavour flavour, struct layout *layout)
{
    return layout_parse(text, strlen(text), "my.layout", flavour, layout);
}

static void text_form(void **state)
{
    (void)state;
    struct layout layout;
    const char *text = "# a comment\nversion 3.99\ncolumn release  from here\ncolumn debug from there\n\n"
                       "PyObject.ob_type 8 8 24\n"
                       "PyASCIIObject.state.kind 4 32.2+3 33.0+3:1\n"
                       "PyThreadState.state 4 40 -\n"
                       "PyCodeObject.co_code_adaptive - 200 208:8\n"
                       "sizeof(PyObject) - 16 32";
    no_error(parse(text, FLAVOUR_RELEASE, &layout));
    assert_int_equal(layout.minor, 99);
    assert_string_equal(layout.name, "3.99");
    assert_int_equal(offset_of(&layout, FIELD_PyObject_ob_type), 8);
    assert_int_equal(offset_of(&layout, FIELD_PyThreadState_state), 40);
    assert_int_equal(layout.places[FIELD_PyCodeObject_co_code_adaptive].size, 0);
    assert_false(layout_has(&layout, FIELD_PyObject_ob_refcnt));
    no_error(parse(text, FLAVOUR_DEBUG, &layout));
    const struct place *kind = &layout.places[FIELD_PyASCIIObject_state_kind];
    assert_int_equal(kind->offset, 33);
    assert_int_equal(kind->size, 1);
    assert_int_equal(kind->bit, 0);
    assert_int_equal(kind->width, 3);
    assert_false(layout_has(&layout, FIELD_PyThreadState_state));
    assert_int_equal(layout.places[FIELD_PyCodeObject_co_code_adaptive].size, 8);
    assert_int_equal(offset_of(&layout, FIELD_sizeof_PyObject), 32);
}

static void wrong_text(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"", "no fields"},
        {"version 3.13\ncolumn release\n", "no fields"},
        {"column release\nPyObject.ob_type 8 8\n", "my.layout:2: no \"version"},
        {"version 3.x\n", "my.layout:1: not a version: 3.x"},
        {"version 3.13 b\n", "too much on the line"},
        {"version 3.13\nversion 3.13\n", "my.layout:2: a second version"},
        {"version 3.13\ncolumn fast\n", "my.layout:2: not a flavour: fast"},
        {"version 3.13\ncolumn debug\nPyObject.ob_type 8 8\n", "no such column: release"},
        {"version 3.13\ncolumn release\ncolumn release\n", "a second column"},
        {"version 3.13\ncolumn release\nPyObject.ob_typo 8 8\n", "my.layout:3: unknown field: PyObject.ob_typo"},
        {"version 3.13\ncolumn release\nPyObject.ob_type 8 8\nPyObject.ob_type 8 8\n", "my.layout:4: a second line"},
        {"version 3.13\ncolumn release\nPyObject.ob_type 8 16777217\n", "not a place: 16777217"},
        {"version 3.13\ncolumn release\nPyObject.ob_type 8 99999999999999999999\n", "not a place"},
        {"version 3.13\ncolumn release\nPyObject.ob_type 3 8\n", "a size is"},
        {"version 3.13\ncolumn release\nPyObject.ob_type 8 -8\n", "not a place"},
        {"version 3.13\ncolumn release\nPyObject.ob_type 8 8x\n", "not a place"},
        {"version 3.13\ncolumn release\nPyObject.ob_type 8\n", "fewer places"},
        {"version 3.13\ncolumn release\nPyObject.ob_type 8 8 8\n", "too much on the line: 8"},
        {"version 3.13\ncolumn release\nPyObject.ob_type 1 8.6+3\n", "not a place"},
        {"version 3.13\ncolumn release\nPyObject.ob_type 8 8\nwhen sparc\n", "my.layout:4: not a condition"},
        {"version 3.13\ncolumn release\nPyObject.ob_type 8 8\nwhen micro 1\n", "not a range"},
        {"version 3.13\ncolumn release\nwhen aarch64\n", "a section above the fields"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct layout layout;
        error_says(parse(cases[i].text, FLAVOUR_RELEASE, &layout), cases[i].message);
    }
    struct layout layout;
    error_says(parse("version 3.1\ncolumn release\ncolumn debug\nPyObject.ob_type 8 8 8\n", FLAVOUR_COUNT, &layout),
               "just one column");
}

/* Every prefix and many a damaged copy of a table: an error or none, but no crash. */
static void damaged_text(void **state)
{
    (void)state;
    int major, minor;
    size_t size;
    const char *text = layout_table_get(2, &major, &minor, &size);
    char *copy = malloc(size);
    assert_non_null(copy);
    for (size_t i = 0; i < size; i += 7) {
        struct layout layout;
        memcpy(copy, text, size);
        pst_error_free(layout_parse(copy, i, "cut", FLAVOUR_RELEASE, &layout));
        copy[i] = (char)(i * 37);
        pst_error_free(layout_parse(copy, size, "damaged", FLAVOUR_RELEASE, &layout));
    }
    free(copy);
}

static void written_text_parses(void **state)
{
    (void)state;
    for (size_t i = 0; i < layout_table_count(); i++) {
        int major, minor;
        size_t size;
        layout_table_get(i, &major, &minor, &size);
        struct layout layout = load(major, minor, FLAVOUR_DEBUG), again;
        struct text text = {0};
        layout_write(&layout, "a test", &text);
        assert_false(text.failed);
        no_error(layout_parse(text.data, text.size, "written", FLAVOUR_COUNT, &again));
        assert_memory_equal(&layout, &again, sizeof layout);
        text_free(&text);
    }
}

/* ---- _Py_DebugOffsets ------------------------------------------------------------------------------- */

/* The words of debug_offsets.def, with the values that agree with `layout`. */
enum { MAX_WORDS = 200 };

static size_t agreeing_words(const struct layout *layout, uint64_t *words)
{
    size_t count = 0;
#define PUT(since, value)                                                                                      \
    if (layout->minor >= (since))                                                                              \
        words[count++] = (uint64_t)(value);
#define PLACE(field) (offset_of(layout, FIELD_##field) < 0 ? 0 : offset_of(layout, FIELD_##field))
#define STRUCT(since, size)                                                                                    \
    PUT(since, (FIELD_##size) == FIELD_COUNT ? LAYOUT_MAX_OFFSET : layout->places[(FIELD_##size) % FIELD_COUNT].offset)
#define OFFSET(since, field) PUT(since, PLACE(field))
#define BITS(since, first, last) PUT(since, PLACE(first))
#define OTHER(since) PUT(since, 0)
#include "layout/debug_offsets.def"
    return count;
}

struct case_of_offsets {
    struct fake fake;
    struct layout layout, before;
    struct error_list differences;
    size_t stated;
};

static void put_offsets(struct case_of_offsets *test, int minor, enum flavour flavour)
{
    uint64_t words[MAX_WORDS];
    bool free_threaded = flavour == FLAVOUR_FREE_THREADED;
    *test = (struct case_of_offsets){.layout = load(3, minor, flavour)};
    test->before = test->layout;
    size_t count = agreeing_words(&test->layout, words);
    fake_map(&test->fake, runtime, 24 + 8 * count);
    fake_put(&test->fake, runtime, "xdebugpy", 8);
    fake_put_unsigned(&test->fake, runtime + 8, 8, 0x030002f0u | (unsigned)minor << 16);
    fake_put_unsigned(&test->fake, runtime + 16, 8, free_threaded);
    for (size_t i = 0; i < count; i++)
        fake_put_unsigned(&test->fake, runtime + 24 + 8 * i, 8, words[i]);
    assert_int_equal(24 + 8 * count, debug_offsets_size(3, minor));
}

static pst_error *run_offsets(struct case_of_offsets *test)
{
    struct memory *memory = fake_memory(&test->fake);
    pst_error *error = crosscheck_debug_offsets(memory, runtime, &test->layout, &test->stated, &test->differences);
    memory_close(memory);
    return error;
}

static void end_offsets(struct case_of_offsets *test)
{
    error_list_free(&test->differences);
    fake_free(&test->fake);
}

static void debug_offsets_sizes(void **state)
{
    (void)state;
    assert_int_equal(debug_offsets_size(3, 12), 0);
    assert_int_equal(debug_offsets_size(3, 13), 584);
    assert_int_equal(debug_offsets_size(3, 14), 760);
    assert_int_equal(debug_offsets_size(3, 15), 888);
    assert_int_equal(debug_offsets_size(3, 16), 0);
}

static void debug_offsets_agree(void **state)
{
    (void)state;
    for (int minor = 13; minor <= 15; minor++) {
        for (unsigned flavour = 0; flavour <= FLAVOUR_FREE_THREADED; flavour += FLAVOUR_FREE_THREADED) {
            struct case_of_offsets test;
            put_offsets(&test, minor, flavour);
            no_error(run_offsets(&test));
            assert_true(test.stated > 40);
            assert_int_equal(test.differences.count, 0);
            assert_memory_equal(&test.layout, &test.before, sizeof test.before);
            end_offsets(&test);
        }
    }
}

/* The word that states PyCodeObject.co_filename, and the size before it. */
static pst_addr find_word(struct case_of_offsets *test, enum field field)
{
    uint64_t wanted = (uint64_t)offset_of(&test->layout, field);
    for (size_t i = 0;; i++) {
        uint8_t *word = fake_at(&test->fake, runtime + 24 + 8 * i, 16);
        if (bytes_unsigned(word, 8) == (uint64_t)offset_of(&test->layout, FIELD_sizeof_PyCodeObject) &&
            bytes_unsigned(word + 8, 8) == wanted)
            return runtime + 24 + 8 * (i + 1);
    }
}

static void debug_offsets_differ(void **state)
{
    (void)state;
    struct case_of_offsets test;
    put_offsets(&test, 14, FLAVOUR_RELEASE);
    pst_addr word = find_word(&test, FIELD_PyCodeObject_co_filename);
    fake_put_unsigned(&test.fake, word, 8, 16);
    no_error(run_offsets(&test));
    assert_int_equal(offset_of(&test.layout, FIELD_PyCodeObject_co_filename), 16);
    assert_int_equal(test.layout.places[FIELD_PyCodeObject_co_filename].source, LAYOUT_DEBUG_OFFSETS);
    assert_int_equal(test.differences.count, 1);
    assert_non_null(strstr(pst_error_get_message(test.differences.first), "PyCodeObject.co_filename"));
    end_offsets(&test);

    static const uint64_t impossible[] = {1, 12, 0xffff, 1ull << 32, UINT64_MAX, UINT64_MAX - 7};
    for (size_t i = 0; i < sizeof impossible / sizeof *impossible; i++) {
        put_offsets(&test, 13, FLAVOUR_RELEASE);
        fake_put_unsigned(&test.fake, find_word(&test, FIELD_PyCodeObject_co_filename), 8, impossible[i]);
        no_error(run_offsets(&test));
        assert_int_equal(test.differences.count, 1);
        assert_memory_equal(&test.layout, &test.before, sizeof test.before);
        end_offsets(&test);
    }
}

static void debug_offsets_of_another(void **state)
{
    (void)state;
    static const struct {
        unsigned at;
        uint64_t value;
        const char *message;
    } cases[] = {
        {0, 0, "cookie"},
        {8, 0x030e00f0, "version 0x30e00f0"},
        {8, 0x1030d00f0, "version"},
        {16, 1, "free-threaded"},
        {16, 2, "free-threaded"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct case_of_offsets test;
        put_offsets(&test, 13, FLAVOUR_RELEASE);
        fake_put_unsigned(&test.fake, runtime + cases[i].at, 8, cases[i].value);
        error_says(run_offsets(&test), cases[i].message);
        assert_memory_equal(&test.layout, &test.before, sizeof test.before);
        end_offsets(&test);
    }
}

static void debug_offsets_unreadable(void **state)
{
    (void)state;
    struct case_of_offsets test;
    put_offsets(&test, 13, FLAVOUR_RELEASE);
    test.fake.fail_at = 1;
    struct memory *memory = fake_memory(&test.fake);
    test.fake.fail_at = 1;
    pst_error *error = crosscheck_debug_offsets(memory, runtime, &test.layout, &test.stated, &test.differences);
    assert_non_null(error);
    assert_string_equal(pst_error_get_where(error), "_Py_DebugOffsets");
    pst_error_free(error);
    assert_int_equal(test.stated, 0);
    memory_close(memory);
    end_offsets(&test);
}

/* ---- PyCode_Type.tp_members ------------------------------------------------------------------------- */

static const char *const member_names[] = {
    "co_argcount", "co_posonlyargcount", "co_kwonlyargcount", "co_stacksize", "co_flags", "co_nlocals", "co_consts",
    "co_names", "co_filename", "co_name", "co_qualname", "co_firstlineno", "co_linetable", "co_exceptiontable",
};
static const enum field member_fields[] = {
    FIELD_PyCodeObject_co_argcount, FIELD_PyCodeObject_co_posonlyargcount, FIELD_PyCodeObject_co_kwonlyargcount,
    FIELD_PyCodeObject_co_stacksize, FIELD_PyCodeObject_co_flags, FIELD_PyCodeObject_co_nlocals,
    FIELD_PyCodeObject_co_consts, FIELD_PyCodeObject_co_names, FIELD_PyCodeObject_co_filename,
    FIELD_PyCodeObject_co_name, FIELD_PyCodeObject_co_qualname, FIELD_PyCodeObject_co_firstlineno,
    FIELD_PyCodeObject_co_linetable, FIELD_PyCodeObject_co_exceptiontable,
};
enum { MEMBER_COUNT = sizeof member_names / sizeof *member_names, ENTRY_SIZE = 40, FLAGS = 4 };

static void put_members(struct case_of_offsets *test, bool with_names)
{
    *test = (struct case_of_offsets){.layout = load(3, 12, FLAVOUR_RELEASE)};
    test->before = test->layout;
    fake_map(&test->fake, code_type, 512);
    fake_map(&test->fake, members, ENTRY_SIZE * (MEMBER_COUNT + 1));
    fake_put_unsigned(&test->fake, code_type + (pst_addr)offset_of(&test->layout, FIELD_PyTypeObject_tp_members), 8,
                      members);
    if (with_names)
        fake_map(&test->fake, names, 64 * MEMBER_COUNT);
    for (size_t i = 0; i < MEMBER_COUNT; i++) {
        const struct place *place = &test->layout.places[member_fields[i]];
        fake_put_unsigned(&test->fake, members + ENTRY_SIZE * i, 8, names + 64 * i);
        fake_put_unsigned(&test->fake, members + ENTRY_SIZE * i + 8, 4, place->size == 4 ? 1 : 6);
        fake_put_unsigned(&test->fake, members + ENTRY_SIZE * i + 16, 8, (uint64_t)place->offset);
        if (with_names)
            fake_put(&test->fake, names + 64 * i, member_names[i], strlen(member_names[i]) + 1);
    }
}

static pst_error *run_members(struct case_of_offsets *test)
{
    struct memory *memory = fake_memory(&test->fake);
    pst_error *error = crosscheck_code_members(memory, code_type, &test->layout, &test->stated, &test->differences);
    memory_close(memory);
    return error;
}

static void members_agree(void **state)
{
    (void)state;
    for (int with_names = 0; with_names < 2; with_names++) {
        struct case_of_offsets test;
        put_members(&test, with_names);
        no_error(run_members(&test));
        assert_int_equal(test.stated, MEMBER_COUNT);
        assert_int_equal(test.differences.count, 0);
        assert_memory_equal(&test.layout, &test.before, sizeof test.before);
        end_offsets(&test);
    }
}

static void members_differ(void **state)
{
    (void)state;
    struct case_of_offsets test;
    put_members(&test, true);
    fake_put_unsigned(&test.fake, members + ENTRY_SIZE * FLAGS + 16, 8, 64);
    no_error(run_members(&test));
    assert_int_equal(offset_of(&test.layout, FIELD_PyCodeObject_co_flags), 64);
    assert_int_equal(test.layout.places[FIELD_PyCodeObject_co_flags].source, LAYOUT_TYPE_MEMBERS);
    assert_int_equal(test.differences.count, 1);
    end_offsets(&test);

    /* an int that is said to be an object; an offset outside of the struct */
    put_members(&test, true);
    fake_put_unsigned(&test.fake, members + ENTRY_SIZE * FLAGS + 8, 4, 6);
    fake_put_unsigned(&test.fake, members + ENTRY_SIZE * (FLAGS + 1) + 16, 8, 1 << 20);
    no_error(run_members(&test));
    assert_int_equal(test.differences.count, 2);
    assert_memory_equal(&test.layout, &test.before, sizeof test.before);
    end_offsets(&test);
}

/* A list without an end; a wild pointer; names that are not ours. */
static void members_hostile(void **state)
{
    (void)state;
    struct case_of_offsets test;
    put_members(&test, false);
    fake_map(&test.fake, 0x50000, 0x10000);
    memset(fake_at(&test.fake, 0x50000, 0x10000), 0x41, 0x10000);
    pst_addr place = code_type + (pst_addr)offset_of(&test.layout, FIELD_PyTypeObject_tp_members);
    fake_put_unsigned(&test.fake, place, 8, 0x50000);
    no_error(run_members(&test));
    assert_memory_equal(&test.layout, &test.before, sizeof test.before);
    fake_put_unsigned(&test.fake, place, 8, 0xfffffffffffffff0);
    error_says(run_members(&test), "");
    fake_put_unsigned(&test.fake, place, 8, 0);
    no_error(run_members(&test));
    assert_int_equal(test.stated, 0);
    end_offsets(&test);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_table_parses),
        cmocka_unit_test(known_offsets),
        cmocka_unit_test(micro_versions_and_machines),
        cmocka_unit_test(absent_tables),
        cmocka_unit_test(text_form),
        cmocka_unit_test(wrong_text),
        cmocka_unit_test(damaged_text),
        cmocka_unit_test(written_text_parses),
        cmocka_unit_test(debug_offsets_sizes),
        cmocka_unit_test(debug_offsets_agree),
        cmocka_unit_test(debug_offsets_differ),
        cmocka_unit_test(debug_offsets_of_another),
        cmocka_unit_test(debug_offsets_unreadable),
        cmocka_unit_test(members_agree),
        cmocka_unit_test(members_differ),
        cmocka_unit_test(members_hostile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
