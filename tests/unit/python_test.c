/*
 * The decoders on memory made of byte arrays: what sound objects give, and what lying ones do not.
 * The objects are those of a CPython 3.12 and of a 3.9, put together by the layout tables.
 */
#include "python/dict.h"
#include "python/object.h"
#include "python/walk.h"
#include "python/string.h"

#include "unit/fake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
    HEAP = 0x100000,
    HEAP_SIZE = 0x10000,
    STR_TYPE = 0x200000,
    CODE_TYPE = 0x201000,
    DICT_TYPE = 0x202000,
    INT_TYPE = 0x203000,
    BYTES_TYPE = 0x204000,
    TYPES_SIZE = 0x8000,
    NOWHERE = 0x900000,
};

struct world {
    struct fake fake;
    struct python python;
    struct pst_snapshot snapshot;
    struct walk walk;
};

/* ---- building --------------------------------------------------------------------------------------- */

static void put(struct world *world, pst_addr object, enum field field, uint64_t value)
{
    const struct place *place = &world->python.layout.places[field];
    assert_true(place->offset >= 0);
    pst_addr at = object + (pst_addr)place->offset;
    if (place->width) {
        uint64_t old = bytes_unsigned(fake_at(&world->fake, at, place->size), place->size);
        old &= ~((((uint64_t)1 << place->width) - 1) << place->bit);
        value = old | value << place->bit;
    }
    fake_put_unsigned(&world->fake, at, place->size, value);
}

static void put_type(struct world *world, pst_addr type, uint64_t flags)
{
    put(world, type, F(PyTypeObject_tp_flags), flags);
}

static void begin(struct world *world, int minor)
{
    bool found;
    *world = (struct world){0};
    assert_null(layout_load(3, minor, FLAVOUR_RELEASE, &world->python.layout, &found));
    assert_true(found);
    fake_map(&world->fake, HEAP, HEAP_SIZE);
    fake_map(&world->fake, STR_TYPE, TYPES_SIZE);
    world->python.target = fake_target(&world->fake);
    world->python.memory = world->python.target->memory;
    world->python.location.code_type = CODE_TYPE;
    world->python.version = (struct version){.major = 3, .minor = minor};
    world->walk = (struct walk){.python = &world->python, .snapshot = &world->snapshot};
    put_type(world, STR_TYPE, TPFLAGS_UNICODE_SUBCLASS);
    put_type(world, DICT_TYPE, TPFLAGS_DICT_SUBCLASS);
    put_type(world, INT_TYPE, TPFLAGS_LONG_SUBCLASS);
    put_type(world, BYTES_TYPE, TPFLAGS_BYTES_SUBCLASS);
}

static void end(struct world *world)
{
    code_table_free(&world->snapshot.codes);
    error_list_free(&world->snapshot.errors);
    arena_free(&world->snapshot.arena);
    arena_free(&world->snapshot.frames);
    walk_free(&world->walk);
    pst_target_close(world->python.target);
    fake_free(&world->fake);
}

/* A compact str of `count` characters of `kind` bytes. */
static void put_str(struct world *world, pst_addr object, unsigned kind, bool ascii, const void *characters,
                    size_t count)
{
    put(world, object, F(PyObject_ob_type), STR_TYPE);
    put(world, object, F(PyASCIIObject_length), count);
    put(world, object, F(PyASCIIObject_state_kind), kind);
    put(world, object, F(PyASCIIObject_state_compact), 1);
    put(world, object, F(PyASCIIObject_state_ascii), ascii);
    enum field size = ascii ? F(sizeof_PyASCIIObject) : F(sizeof_PyCompactUnicodeObject);
    fake_put(&world->fake, object + size_of(&world->python, size), characters, count * kind);
}

static void put_ascii(struct world *world, pst_addr object, const char *text)
{
    put_str(world, object, 1, true, text, strlen(text));
}

static void put_bytes(struct world *world, pst_addr object, const void *bytes, size_t size)
{
    put(world, object, F(PyObject_ob_type), BYTES_TYPE);
    put(world, object, F(PyVarObject_ob_size), size);
    fake_put(&world->fake, object + (pst_addr)world->python.layout.places[F(PyBytesObject_ob_sval)].offset, bytes,
             size);
}

/* A code object of four code units, on line 7. */
static void put_code(struct world *world, pst_addr code)
{
    static const uint8_t one_entry[] = {0x80 | 13 << 3 | 3, 0};
    put(world, code, F(PyObject_ob_type), CODE_TYPE);
    put(world, code, F(PyVarObject_ob_size), 4);
    put(world, code, F(PyCodeObject_co_firstlineno), 7);
    put(world, code, F(PyCodeObject_co_name), code + 0x200);
    put(world, code, F(PyCodeObject_co_qualname), code + 0x200);
    put(world, code, F(PyCodeObject_co_filename), code + 0x280);
    put(world, code, F(PyCodeObject_co_linetable), code + 0x300);
    put_ascii(world, code + 0x200, "f");
    put_ascii(world, code + 0x280, "/a.py");
    put_bytes(world, code + 0x300, one_entry, sizeof one_entry);
}

static void put_frame(struct world *world, pst_addr frame, pst_addr code, pst_addr previous)
{
    put(world, frame, F(_PyInterpreterFrame_f_code), code);
    put(world, frame, F(_PyInterpreterFrame_previous), previous);
    put(world, frame, F(_PyInterpreterFrame_prev_instr),
        code + (pst_addr)world->python.layout.places[F(PyCodeObject_co_code_adaptive)].offset + 2);
}

/* The runtime as it is now: what was read before may have been changed since. */
static const struct python *fresh(struct world *world)
{
    memory_refresh(world->python.memory);
    return &world->python;
}

/* ---- expecting -------------------------------------------------------------------------------------- */

static void expect_error(pst_error *error, pst_error_code code, const char *part)
{
    assert_non_null(error);
    assert_int_equal(pst_error_get_code(error), code);
    if (!strstr(pst_error_get_message(error), part))
        fail_msg("no \"%s\" in: %s", part, pst_error_get_message(error));
    pst_error_free(error);
}

static void expect_text(struct world *world, pst_addr object, const char *expected, size_t size)
{
    pst_text text;
    assert_null(string_read(fresh(world), &world->snapshot.arena, object, &text));
    assert_int_equal(text.size, size);
    assert_memory_equal(text.data, expected, size);
}

/* ---- strings ---------------------------------------------------------------------------------------- */

static void test_strings(void **state)
{
    (void)state;
    struct world world;
    begin(&world, 12);
    static const uint16_t two[] = {0x4e2d, 0xd800, 'x'};
    static const uint32_t four[] = {0x1f40d, 0xdfff, 0};
    put_ascii(&world, HEAP, "plain");
    put_str(&world, HEAP + 0x100, 1, false, "caf\xe9", 4);
    put_str(&world, HEAP + 0x200, 2, false, two, 3);
    put_str(&world, HEAP + 0x300, 4, false, four, 3);
    put_ascii(&world, HEAP + 0x400, "");
    put_bytes(&world, HEAP + 0x500, "a\xff\xc3\xa9", 4);
    expect_text(&world, HEAP, "plain", 5);
    expect_text(&world, HEAP + 0x100, "caf\xc3\xa9", 5);
    expect_text(&world, HEAP + 0x200, "\xe4\xb8\xad\xed\xa0\x80x", 7);
    expect_text(&world, HEAP + 0x300, "\xf0\x9f\x90\x8d\xed\xbf\xbf\0", 8);
    expect_text(&world, HEAP + 0x400, "", 0);
    expect_text(&world, HEAP + 0x500, "a\xed\xb3\xbf\xc3\xa9", 6);
    end(&world);
}

static void test_lying_strings(void **state)
{
    (void)state;
    struct world world;
    pst_text text;
    begin(&world, 12);
    struct arena *arena = &world.snapshot.arena;

    put_ascii(&world, HEAP, "x");
    put(&world, HEAP, F(PyASCIIObject_length), UINT64_MAX);
    expect_error(string_read(fresh(&world), arena, HEAP, &text), PST_ERROR_CORRUPT, "impossible length");
    put(&world, HEAP, F(PyASCIIObject_length), 32 << 20);
    expect_error(string_read(fresh(&world), arena, HEAP, &text), PST_ERROR_READ, "cannot read 1 byte");
    assert_true(arena->total < 1 << 20);
    assert_null(text.data);

    put_str(&world, HEAP + 0x100, 3, false, "abc", 1);
    expect_error(string_read(fresh(&world), arena, HEAP + 0x100, &text), PST_ERROR_CORRUPT, "impossible kind 3");

    static const uint32_t high[] = {0x110000};
    put_str(&world, HEAP + 0x200, 4, false, high, 1);
    expect_error(string_read(fresh(&world), arena, HEAP + 0x200, &text), PST_ERROR_CORRUPT, "impossible character");

    put(&world, HEAP + 0x300, F(PyObject_ob_type), DICT_TYPE);
    expect_error(string_read(fresh(&world), arena, HEAP + 0x300, &text), PST_ERROR_CORRUPT, "is no string");

    put(&world, HEAP + 0x400, F(PyObject_ob_type), NOWHERE);
    expect_error(string_read(fresh(&world), arena, HEAP + 0x400, &text), PST_ERROR_READ, "PyTypeObject.tp_flags");

    expect_error(string_read(fresh(&world), arena, NOWHERE, &text), PST_ERROR_READ, "PyObject.ob_type");

    /* As long as memory allows, no further. */
    put_ascii(&world, HEAP + HEAP_SIZE - 0x80, "tail");
    put(&world, HEAP + HEAP_SIZE - 0x80, F(PyASCIIObject_length), 0x1000);
    expect_error(string_read(fresh(&world), arena, HEAP + HEAP_SIZE - 0x80, &text), PST_ERROR_READ, "cannot read");
    end(&world);
}

/* ---- ints and dicts --------------------------------------------------------------------------------- */

static void put_int(struct world *world, pst_addr object, uint64_t tag, uint32_t low, uint32_t high)
{
    put(world, object, F(PyObject_ob_type), INT_TYPE);
    put(world, object, F(PyLongObject_long_value_lv_tag), tag);
    pst_addr digits = object + (pst_addr)world->python.layout.places[F(PyLongObject_long_value_ob_digit)].offset;
    fake_put_unsigned(&world->fake, digits, 4, low);
    fake_put_unsigned(&world->fake, digits + 4, 4, high);
}

static void test_ints(void **state)
{
    (void)state;
    struct world world;
    uint64_t value;
    begin(&world, 12);
    put_int(&world, HEAP, 2 << 3, 5, 1);
    assert_null(object_get_int(fresh(&world), HEAP, &value));
    assert_true(value == (UINT64_C(1) << 30) + 5);
    put_int(&world, HEAP, 1 << 3 | 2, 7, 0);
    assert_null(object_get_int(fresh(&world), HEAP, &value));
    assert_true(value == (uint64_t)-7);
    put_int(&world, HEAP, 1, 0, 0);
    assert_null(object_get_int(fresh(&world), HEAP, &value));
    assert_true(value == 0);
    put_int(&world, HEAP, UINT64_MAX, 1, 1);
    expect_error(object_get_int(fresh(&world), HEAP, &value), PST_ERROR_CORRUPT, "does not fit");
    put(&world, HEAP, F(PyObject_ob_type), STR_TYPE);
    expect_error(object_get_int(fresh(&world), HEAP, &value), PST_ERROR_CORRUPT, "is no int");
    end(&world);
}

/* A dict with one str key. */
static void put_dict(struct world *world, pst_addr dict, pst_addr key, pst_addr value)
{
    pst_addr keys = dict + 0x80;
    put(world, dict, F(PyObject_ob_type), DICT_TYPE);
    put(world, dict, F(PyDictObject_ma_keys), keys);
    put(world, keys, F(PyDictKeysObject_dk_log2_index_bytes), 3);
    put(world, keys, F(PyDictKeysObject_dk_kind), 1);
    put(world, keys, F(PyDictKeysObject_dk_nentries), 1);
    pst_addr entries = keys + (pst_addr)world->python.layout.places[F(PyDictKeysObject_dk_indices)].offset + 8;
    put(world, entries, F(PyDictUnicodeEntry_me_key), key);
    put(world, entries, F(PyDictUnicodeEntry_me_value), value);
}

static void test_dicts(void **state)
{
    (void)state;
    struct world world;
    pst_addr value;
    begin(&world, 12);
    put_ascii(&world, HEAP + 0x800, "_name");
    put_dict(&world, HEAP, HEAP + 0x800, 0x1234);
    assert_null(dict_get(fresh(&world), HEAP, "_name", NULL, &value));
    assert_true(value == 0x1234);
    assert_null(dict_get(fresh(&world), HEAP, "name", NULL, &value));
    assert_true(value == 0);

    put(&world, HEAP + 0x80, F(PyDictKeysObject_dk_nentries), UINT64_MAX);
    expect_error(dict_get(fresh(&world), HEAP, "_name", NULL, &value), PST_ERROR_CORRUPT, "claims");
    put(&world, HEAP + 0x80, F(PyDictKeysObject_dk_log2_index_bytes), 200);
    expect_error(dict_get(fresh(&world), HEAP, "_name", NULL, &value), PST_ERROR_CORRUPT, "2^200");
    put(&world, HEAP, F(PyDictObject_ma_keys), NOWHERE);
    expect_error(dict_get(fresh(&world), HEAP, "_name", NULL, &value), PST_ERROR_READ, "PyDictKeysObject");
    expect_error(dict_get(fresh(&world), HEAP + 0x800, "_name", NULL, &value), PST_ERROR_CORRUPT, "is no dict");
    end(&world);
}

/* ---- frames ----------------------------------------------------------------------------------------- */

enum { THREAD = HEAP, CFRAME = HEAP + 0x800, CODE = HEAP + 0x1000, FRAMES = HEAP + 0x2000, FRAME_STEP = 0x100,
       ENTRY_FRAME = HEAP + 0x1f00 };

static pst_addr frame_at(size_t index)
{
    return FRAMES + index * FRAME_STEP;
}

/* A thread with `count` frames of one code object, and the interpreter's own below them. */
static void put_thread(struct world *world, size_t count)
{
    put_code(world, CODE);
    put(world, THREAD, F(PyThreadState_cframe), CFRAME);
    put(world, CFRAME, F(_PyCFrame_current_frame), frame_at(0));
    for (size_t i = 0; i < count; i++)
        put_frame(world, frame_at(i), CODE, i + 1 < count ? frame_at(i + 1) : ENTRY_FRAME);
    put_frame(world, ENTRY_FRAME, CODE, 0);
    put(world, ENTRY_FRAME, F(_PyInterpreterFrame_owner), 3);
}

static void walk_thread(struct world *world, struct pst_thread *thread)
{
    *thread = (struct pst_thread){.address = THREAD};
    fresh(world);
    frames_walk(&world->walk, thread);
}

static void free_thread(struct pst_thread *thread)
{
    for (size_t i = 0; i < thread->frame_count; i++)
        pst_error_free(thread->frames[i].error);
    error_list_free(&thread->errors);
}

static void test_frames(void **state)
{
    (void)state;
    struct world world;
    struct pst_thread thread;
    begin(&world, 12);
    put_thread(&world, 3);
    walk_thread(&world, &thread);
    assert_int_equal(thread.frame_count, 3);
    assert_null(thread.errors.first);
    for (size_t i = 0; i < 3; i++) {
        assert_null(pst_frame_get_errors(&thread.frames[i]));
        assert_int_equal(thread.frames[i].lasti, 2);
        assert_string_equal(thread.frames[i].code->name.data, "f");
    }
    assert_ptr_equal(thread.frames[0].code, thread.frames[2].code);
    free_thread(&thread);

    world.walk.max_frames = 2;
    walk_thread(&world, &thread);
    assert_int_equal(thread.frame_count, 2);
    assert_true(thread.truncated);
    free_thread(&thread);
    end(&world);
}

/* Whatever frame a chain comes back to: it ends, and says why. */
static void test_circle_of_frames(void **state)
{
    (void)state;
    for (size_t back = 0; back < 20; back++) {
        struct world world;
        struct pst_thread thread;
        begin(&world, 12);
        put_thread(&world, 20);
        put(&world, frame_at(19), F(_PyInterpreterFrame_previous), frame_at(back));
        walk_thread(&world, &thread);
        assert_true(thread.truncated);
        assert_true(thread.frame_count >= 20 && thread.frame_count < 100);
        assert_non_null(strstr(pst_error_get_message(thread.errors.first), "circle"));
        free_thread(&thread);
        end(&world);
    }
}

static void test_broken_frames(void **state)
{
    (void)state;
    struct world world;
    struct pst_thread thread;
    begin(&world, 12);
    put_thread(&world, 5);
    put(&world, frame_at(1), F(_PyInterpreterFrame_f_code), DICT_TYPE);
    put(&world, frame_at(2), F(_PyInterpreterFrame_prev_instr), CODE + 0x180);
    put(&world, frame_at(3), F(_PyInterpreterFrame_owner), 3);
    put(&world, frame_at(4), F(_PyInterpreterFrame_previous), NOWHERE);
    walk_thread(&world, &thread);
    /* The frame that is no Python call is left out, the broken ones stand there with their errors. */
    assert_int_equal(thread.frame_count, 4);
    assert_null(thread.frames[0].error);
    assert_non_null(strstr(pst_error_get_message(thread.frames[1].error), "is no code object"));
    assert_non_null(strstr(pst_error_get_message(thread.frames[2].error), "f_lasti"));
    assert_non_null(thread.frames[2].code);
    assert_null(thread.frames[3].error);
    assert_true(thread.truncated);
    assert_non_null(strstr(pst_error_get_message(thread.errors.first), "0x9000"));
    free_thread(&thread);
    end(&world);
}

/* A target that knows of none, in whose memory there is none either. */
static void test_no_threads(void **state)
{
    (void)state;
    struct world world;
    begin(&world, 12);
    assert_null(threads_join_target(&world.walk));
    assert_int_equal(world.snapshot.thread_count, 0);
    free(world.snapshot.threads);
    end(&world);
}

/* The limits are those of all threads together, which may share their frames. */
static void test_limits_of_frames(void **state)
{
    (void)state;
    struct world world;
    struct pst_thread thread;
    begin(&world, 12);
    put_thread(&world, 5);
    world.walk.frame_count = SNAPSHOT_MAX_FRAMES - 3;
    walk_thread(&world, &thread);
    assert_int_equal(thread.frame_count, 3);
    assert_true(thread.truncated);
    assert_non_null(strstr(pst_error_get_message(thread.errors.first), "frames in all"));
    free_thread(&thread);

    world.walk.frame_count = 0;
    world.walk.error_count = SNAPSHOT_MAX_ERRORS - 2;
    for (size_t i = 0; i < 5; i++)
        put(&world, frame_at(i), F(_PyInterpreterFrame_f_code), NOWHERE);
    walk_thread(&world, &thread);
    assert_int_equal(thread.frame_count, 2);
    assert_true(thread.truncated);
    assert_null(thread.errors.first);
    assert_non_null(strstr(pst_error_get_message(world.snapshot.errors.first), "errors in all"));
    free_thread(&thread);
    end(&world);
}

/* A core that has room for few frames: what gives more shares them among threads. */
static void test_limits_of_small_core(void **state)
{
    (void)state;
    struct world world;
    struct pst_thread thread;
    pst_text text;
    begin(&world, 12);
    put_thread(&world, 5);
    world.python.target->content_size = 100 * SNAPSHOT_FRAME_SIZE;
    world.walk.frame_count = SNAPSHOT_MIN_FRAMES + 100 - 3;
    walk_thread(&world, &thread);
    assert_int_equal(thread.frame_count, 3);
    assert_non_null(strstr(pst_error_get_message(thread.errors.first), "for which the core has no room"));
    free_thread(&thread);

    /* Nor for more strings than it has bytes. */
    put_str(&world, HEAP, 1, true, "abc", 3);
    assert_null(string_read(fresh(&world), &world.snapshot.arena, HEAP, &text));
    assert_non_null(arena_alloc(&world.snapshot.arena, STRING_MIN_TOTAL + 101 * SNAPSHOT_FRAME_SIZE));
    expect_error(string_read(fresh(&world), &world.snapshot.arena, HEAP, &text), PST_ERROR_LIMIT, "is left out");
    end(&world);
}

/* f_lasti of a code object whose size is not known is still an int. */
static void test_huge_lasti(void **state)
{
    (void)state;
    struct world world;
    struct pst_thread thread;
    begin(&world, 12);
    put_thread(&world, 1);
    put(&world, CODE, F(PyVarObject_ob_size), UINT64_MAX);
    put(&world, frame_at(0), F(_PyInterpreterFrame_prev_instr), CODE + ((uint64_t)1 << 40));
    walk_thread(&world, &thread);
    assert_false(thread.frames[0].has_lasti);
    assert_non_null(strstr(pst_error_get_message(thread.frames[0].error), "f_lasti"));
    free_thread(&thread);
    end(&world);
}

/* A generator that is just about to yield has lost its caller. */
static void test_cut_frames(void **state)
{
    (void)state;
    struct world world;
    struct pst_thread thread;
    begin(&world, 12);
    put_thread(&world, 3);
    put(&world, frame_at(1), F(_PyInterpreterFrame_previous), 0);
    walk_thread(&world, &thread);
    assert_int_equal(thread.frame_count, 2);
    assert_true(thread.truncated);
    assert_non_null(strstr(pst_error_get_message(thread.errors.first), "outer frames are missing"));
    free_thread(&thread);
    end(&world);
}

/* One unreadable member spoils that member alone. */
static void test_broken_code(void **state)
{
    (void)state;
    struct world world;
    struct pst_thread thread;
    begin(&world, 12);
    put_thread(&world, 1);
    put(&world, CODE, F(PyCodeObject_co_filename), NOWHERE);
    walk_thread(&world, &thread);
    const struct pst_frame *frame = &thread.frames[0];
    assert_null(thread.errors.first);
    assert_null(frame->code->filename.data);
    assert_string_equal(frame->code->name.data, "f");
    assert_string_equal(pst_error_get_where(pst_frame_get_errors(frame)), "PyCodeObject.co_filename");
    free_thread(&thread);
    end(&world);
}

/* 3.14+: f_executable is tagged; a tagged int is no object. */
static void test_tagged_references(void **state)
{
    (void)state;
    struct world world;
    struct pst_thread thread;
    begin(&world, 14);
    put_code(&world, CODE);
    put(&world, THREAD, F(PyThreadState_current_frame), frame_at(0));
    for (size_t i = 0; i < 2; i++) {
        put(&world, frame_at(i), F(_PyInterpreterFrame_previous), i ? 0 : frame_at(1));
        put(&world, frame_at(i), F(_PyInterpreterFrame_f_executable), i ? 0x1003 : CODE | 1);
        put(&world, frame_at(i), F(_PyInterpreterFrame_instr_ptr),
            CODE + (pst_addr)world.python.layout.places[F(PyCodeObject_co_code_adaptive)].offset);
    }
    walk_thread(&world, &thread);
    assert_int_equal(thread.frame_count, 2);
    assert_null(thread.frames[0].error);
    assert_int_equal(thread.frames[0].lasti, 0);
    assert_non_null(strstr(pst_error_get_message(thread.frames[1].error), "tagged int"));
    free_thread(&thread);
    end(&world);
}

/* ---- lists of threads ------------------------------------------------------------------------------- */

static void test_circle_of_threads(void **state)
{
    (void)state;
    struct world world;
    begin(&world, 12);
    const struct pst_interpreter interpreter = {.address = HEAP + 0x8000};
    pst_addr first = HEAP + 0xc000, second = HEAP + 0xd000;
    put(&world, interpreter.address, F(PyInterpreterState_threads_head), first);
    put(&world, first, F(PyThreadState_next), second);
    put(&world, second, F(PyThreadState_next), first);
    fresh(&world);
    threads_walk(&world.walk, &interpreter);
    assert_true(world.snapshot.thread_count >= 2 && world.snapshot.thread_count < 10);
    assert_non_null(strstr(pst_error_get_message(world.snapshot.errors.first), "circle"));
    for (size_t i = 0; i < world.snapshot.thread_count; i++)
        free_thread(&world.snapshot.threads[i]);
    free(world.snapshot.threads);
    active_threads_free(world.walk.active);
    end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_strings),
        cmocka_unit_test(test_lying_strings),
        cmocka_unit_test(test_ints),
        cmocka_unit_test(test_dicts),
        cmocka_unit_test(test_frames),
        cmocka_unit_test(test_circle_of_frames),
        cmocka_unit_test(test_broken_frames),
        cmocka_unit_test(test_no_threads),
        cmocka_unit_test(test_limits_of_frames),
        cmocka_unit_test(test_limits_of_small_core),
        cmocka_unit_test(test_huge_lasti),
        cmocka_unit_test(test_cut_frames),
        cmocka_unit_test(test_broken_code),
        cmocka_unit_test(test_tagged_references),
        cmocka_unit_test(test_circle_of_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
