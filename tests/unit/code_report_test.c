/* The printers of code objects: exact output of code objects made up here, which a search of our own finds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "python/code_object.h"
#include "python/walk.h"
#include "report/json_tables.h"
#include "report/report.h"
#include "target/target.h"

#include <elf.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT(literal) ((pst_text){(literal), sizeof(literal) - 1})
#define COUNT(array) (sizeof(array) / sizeof *(array))

/* ---- a search in place of the library's ---- */

struct pst_code_search {
    const struct pst_code *codes;
    size_t count, next;
    bool fails;          /* behind the last */
    struct error_list errors;
};

pst_error *pst_code_search_open(pst_target *target, const pst_snapshot *snapshot, const pst_code_options *options,
                                pst_code_search **search)
{
    (void)target, (void)snapshot, (void)options, (void)search;
    return error_new(PST_ERROR_USAGE, "not here");
}

pst_error *pst_code_search_next(pst_code_search *search, const pst_code **code)
{
    *code = search->next < search->count ? &search->codes[search->next++] : NULL;
    return !*code && search->fails ? error_new(PST_ERROR_READ, "it failed") : NULL;
}

const pst_error *pst_code_search_get_errors(const pst_code_search *search)
{
    return search->errors.first;
}

uint64_t pst_code_search_get_scanned_size(const pst_code_search *search)
{
    return search->count * 1025;
}

void pst_code_search_close(pst_code_search *search)
{
    (void)search;
}

/* ---- a sink ---- */

struct collected {
    struct text text;
    size_t writes, most_writes;   /* 0: any number */
};

static bool collect(void *context, const char *data, size_t size)
{
    struct collected *collected = context;
    collected->writes++;
    text_add(&collected->text, data, size);
    return collected->writes != collected->most_writes;
}

static void assert_collected(struct report_sink *sink, struct collected *collected, const char *expected)
{
    assert_true(report_finish(sink));
    text_add_char(&collected->text, '\0');
    assert_false(collected->text.failed);
    assert_string_equal(collected->text.data, expected);
    text_free(&collected->text);
}

#define SINK(collected) {.write = collect, .context = &(collected)}

/* ---- bytes and tables of numbers ---- */

static void assert_bytes(pst_bytes bytes, const char *expected)
{
    struct collected collected = {0};
    struct report_sink sink = SINK(collected);
    json_add_bytes(&sink, bytes);
    assert_collected(&sink, &collected, expected);
}

static void bytes_as_hex(void **state)
{
    (void)state;
    enum { SIZE = 3 * (1 << 12) + 5 };   /* more than one piece, and a bit */
    static uint8_t bytes[SIZE];
    static char expected[2 * SIZE + 3] = "\"";
    for (size_t i = 0; i < SIZE; i++) {
        bytes[i] = (uint8_t)(i * 7 + i / 256);
        snprintf(expected + 1 + 2 * i, 3, "%02x", bytes[i]);
    }
    strcat(expected, "\"");
    assert_bytes((pst_bytes){bytes, SIZE}, expected);
    assert_bytes((pst_bytes){bytes, 0}, "\"\"");
    assert_bytes((pst_bytes){NULL, 0}, "null");
    assert_bytes((pst_bytes){NULL, 12}, "null");
    for (unsigned byte = 0; byte < 256; byte++) {
        uint8_t one = (uint8_t)byte;
        snprintf(expected, sizeof expected, "\"%02x\"", byte);
        assert_bytes((pst_bytes){&one, 1}, expected);
    }
}

static const int numbers[] = {-1, 0, 1, 9, 10, 11, 99, 100, 101, 999, 1000, 9999, 10000, 99999, 100000, 999999,
                              1000000, 12345678, 123456789, 1000000000, INT_MAX - 1, INT_MAX, INT_MIN};

static size_t print_number(char *to, int number)
{
    return (size_t)(number < 0 ? sprintf(to, "null") : sprintf(to, "%d", number));
}

static void lines_as_arrays(void **state)
{
    (void)state;
    struct collected collected = {0};
    struct report_sink sink = SINK(collected);
    enum { LINES = 5000 };
    static pst_line_range lines[LINES];
    char *expected = malloc(LINES * 64), *to = expected;
    assert_non_null(expected);
    for (size_t i = 0; i < LINES; i++) {
        lines[i] = (pst_line_range){(int)i, (int)i * 3, numbers[i % COUNT(numbers)]};
        to += sprintf(to, "%c[%d,%d,", i ? ',' : '[', lines[i].start, lines[i].end);
        to += print_number(to, lines[i].line);
        *to++ = ']';
    }
    strcpy(to, "]");
    json_add_lines(&sink, lines, LINES);
    assert_collected(&sink, &collected, expected);
    free(expected);
    json_add_lines(&sink, lines, 0);
    json_add_lines(&sink, NULL, 0);
    assert_collected(&sink, &collected, "[]null");
}

/* Every number at every place, in runs of every length up to some; more than one piece. */
static void positions_as_arrays(void **state)
{
    (void)state;
    struct collected collected = {0};
    struct report_sink sink = SINK(collected);
    enum { POSITIONS = 20000 };
    static pst_position positions[POSITIONS];
    char *expected = malloc(POSITIONS * 64), *to = expected;
    assert_non_null(expected);
    uint32_t random = 1;
    for (size_t i = 0; i < POSITIONS; i++) {
        random = random * 1664525 + 1013904223;
        positions[i] = i ? positions[i - 1] : (pst_position){1, 2, 3, 4};
        int number = numbers[(random >> 8) % COUNT(numbers)];
        switch (i ? random >> 28 : 15) {
        case 0: positions[i].line = number; break;
        case 1: positions[i].end_line = number; break;
        case 2: positions[i].column = number; break;
        case 3: positions[i].end_column = number; break;
        case 4: positions[i] = (pst_position){INT_MAX, INT_MAX, INT_MAX, INT_MAX}; break;
        }
        const int fields[] = {positions[i].line, positions[i].end_line, positions[i].column, positions[i].end_column};
        to += sprintf(to, i ? "," : "[");
        for (size_t j = 0; j < COUNT(fields); j++) {
            *to++ = j ? ',' : '[';
            to += print_number(to, fields[j]);
        }
        *to++ = ']';
    }
    strcpy(to, "]");
    json_add_positions(&sink, positions, POSITIONS);
    assert_collected(&sink, &collected, expected);
    free(expected);
    json_add_positions(&sink, positions, 0);
    json_add_positions(&sink, NULL, 0);
    json_add_positions(&sink, positions, 1);
    assert_collected(&sink, &collected, "[]null[[1,2,3,4]]");
}

/* A reader that goes away ends it: nothing more is written, however much there would be. */
static void reader_goes_away(void **state)
{
    (void)state;
    struct collected collected = {.most_writes = 2};
    struct report_sink sink = SINK(collected);
    static uint8_t bytes[1 << 20];
    json_add_bytes(&sink, (pst_bytes){bytes, sizeof bytes});
    assert_int_equal(collected.writes, 2);
    assert_false(report_finish(&sink));
    assert_int_equal(collected.writes, 2);
    assert_in_range(collected.text.size, 2 * REPORT_PIECE_SIZE, 2 * REPORT_PIECE_SIZE + (1 << 14));
    text_free(&collected.text);
}

/* ---- code objects ---- */

static const uint8_t bytecode[] = {0x97, 0, 0x64, 1, 0x53, 0}, adaptive[] = {0x97, 0, 0x64, 1, 0x53, 1};
static const uint8_t linetable[] = {0x80, 0x00, 0xd8}, exceptiontable[] = {0x82, 0x01, 0x02, 0x03};
static const pst_text names[] = {{"print", 5}, {"\033[31m", 5}, {NULL, 0}};
static const pst_constant constants[] = {{{"'a\"\\n'", 6}, 0}, {{NULL, 0}, 0x1234}, {{NULL, 0}, 0}};
static const pst_line_range lines[] = {{0, 2, 12}, {2, 6, -1}};
static const pst_position positions[] = {{12, 12, 0, 4}, {12, 13, 4, 2}, {-1, -1, -1, -1}};
static const pst_exception_range exceptions[] = {{2, 4, 4, 1, true}};
static const pst_code_extra extras[] = {{0, 0x10, 0x20, "free"}, {3, 0x11, 0, NULL}, {4, 0x12, 0x30, NULL}};
static const char *const flags[] = {"OPTIMIZED", "GENERATOR", NULL};

static const struct pst_code full = {
    .address = 0x7f00,
    .numbers = {.argcount = 3, .posonlyargcount = 1, .kwonlyargcount = 2, .nlocals = 6, .stacksize = 7, .flags = 0x21,
                .firstlineno = 12},
    .name = {"f\n", 2},
    .qualname = {"C.f\n", 4},
    .filename = {"/srv/\302\205.py", 10},
    .table = {.bytes = linetable, .size = sizeof linetable, .code_size = 6},
    .lists = {{names, 3}, {names, 1}, {names, 0}, {NULL, 0}},
    .constants = constants,
    .constant_count = COUNT(constants),
    .bytecode = {bytecode, sizeof bytecode},
    .adaptive = {adaptive, sizeof adaptive},
    .exceptiontable = {exceptiontable, sizeof exceptiontable},
    .lines = lines,
    .line_count = COUNT(lines),
    .positions = positions,
    .position_count = COUNT(positions),
    .exceptions = exceptions,
    .exception_count = COUNT(exceptions),
    .extras = extras,
    .extra_count = COUNT(extras),
    .flag_names = flags,
};

struct fixture {
    struct pst_code codes[2];
    struct pst_code_search search;
    struct report_code of_code;
    struct pst_target target;
    struct pst_snapshot snapshot;
    struct code running;
    struct pst_frame frames[8];
    struct pst_thread threads[5];
    struct report report;
};

/* One code object with everything, and one of which nothing could be read. */
static void set_up(struct fixture *fixture)
{
    *fixture = (struct fixture){
        .codes = {full, {.address = 0x7f10, .numbers = {-1, -1, -1, -1, -1, -1, -1}}},
        .search = {.codes = fixture->codes, .count = 2},
        .of_code = {.search = &fixture->search, .which = PST_CODE_ALL},
        .snapshot = {.python = {.hexversion = 0x030c01f0, .version = "3.12.1", .runtime = 0x1000}},
        .target = {.kind = PST_TARGET_PROCESS, .pid = 4711, .machine = EM_AARCH64},
        .report = {.target = &fixture->target, .snapshot = &fixture->snapshot, .code = &fixture->of_code},
    };
    error_list_add(&fixture->codes[1].errors, error_new(PST_ERROR_READ, "it is gone"));
}

static void tear_down(struct fixture *fixture)
{
    error_list_free(&fixture->codes[1].errors);
    error_list_free(&fixture->search.errors);
    pst_error_free(fixture->of_code.failure);
}

static void assert_report(struct fixture *fixture, void print(const struct report *, struct report_sink *),
                          const char *expected)
{
    struct collected collected = {0};
    struct report_sink sink = SINK(collected);
    print(&fixture->report, &sink);
    assert_collected(&sink, &collected, expected);
}

#define TEXT_HEAD "Process 4711\nPython 3.12.1\n"

#define JSON_HEAD                                                                                              \
    "{\"schema\": \"pystander.code/1\",\n"                                                                     \
    "\"target\": {\"kind\": \"process\", \"pid\": 4711, \"path\": null, \"executable\": null, "                \
    "\"arguments\": null, \"arch\": \"aarch64\", \"signal\": null, \"uid\": null, \"gid\": null, "             \
    "\"ppid\": null, \"started\": null, \"written\": null, \"writer\": null},\n"                               \
    "\"python\": {\"version\": \"3.12.1\", \"hexversion\": 51118576, \"free_threaded\": false, "               \
    "\"debug_build\": false, \"runtime_address\": \"0x1000\", \"layout\": []},\n"

#define JSON_FULL                                                                                              \
    "{\"address\": \"0x7f00\", \"co_name\": \"f\\n\", \"co_qualname\": \"C.f\\n\", "                           \
    "\"co_filename\": \"/srv/\\u0085.py\", \"co_firstlineno\": 12, \"co_argcount\": 3, "                       \
    "\"co_posonlyargcount\": 1, \"co_kwonlyargcount\": 2, \"co_nlocals\": 6, \"co_stacksize\": 7, "            \
    "\"co_flags\": 33, \"flags\": [\"OPTIMIZED\", \"GENERATOR\"], "                                            \
    "\"co_names\": [\"print\", \"\\u001b[31m\", null], \"co_varnames\": [\"print\"], \"co_freevars\": [], "    \
    "\"co_cellvars\": null, \"co_consts\": [\"'a\\\"\\\\n'\", {\"code\": \"0x1234\"}, null], "                 \
    "\"co_code\": \"970064015300\", \"adaptive\": \"970064015301\", \"linetable\": \"8000d8\", "               \
    "\"lines\": [[0,2,12],[2,6,null]], "                                                                       \
    "\"positions\": [[12,12,0,4],[12,13,4,2],[null,null,null,null]], \"exceptiontable\": \"82010203\", "       \
    "\"exceptions\": [{\"start\": 2, \"end\": 4, \"target\": 4, \"depth\": 1, \"lasti\": true}], "             \
    "\"extra\": [{\"index\": 0, \"value\": \"0x10\", \"freefunc\": \"free\", \"freefunc_address\": \"0x20\"}, " \
    "{\"index\": 3, \"value\": \"0x11\", \"freefunc\": null, \"freefunc_address\": null}, "                    \
    "{\"index\": 4, \"value\": \"0x12\", \"freefunc\": \"0x30\", \"freefunc_address\": \"0x30\"}]"

#define NO_COPIES ", \"copies\": null"

#define JSON_GONE                                                                                              \
    "{\"address\": \"0x7f10\", \"co_name\": null, \"co_qualname\": null, \"co_filename\": null, "              \
    "\"co_firstlineno\": null, \"co_argcount\": null, \"co_posonlyargcount\": null, "                          \
    "\"co_kwonlyargcount\": null, \"co_nlocals\": null, \"co_stacksize\": null, \"co_flags\": null, "          \
    "\"flags\": [], \"co_names\": null, \"co_varnames\": null, \"co_freevars\": null, \"co_cellvars\": null, " \
    "\"co_consts\": null, \"co_code\": null, \"adaptive\": null, \"linetable\": null, \"lines\": null, "       \
    "\"positions\": null, \"exceptiontable\": null, \"exceptions\": null, \"extra\": [], \"copies\": null, " \
    "\"errors\": [{\"where\": \"\", \"message\": \"it is gone\", \"kind\": \"read\", \"address\": null, "      \
    "\"hint\": null}]}"

static void json_of_codes(void **state)
{
    (void)state;
    struct fixture fixture;
    set_up(&fixture);
    assert_report(&fixture, report_code_json,
                  JSON_HEAD "\"codes\": [\n" JSON_FULL NO_COPIES ", \"errors\": []},\n" JSON_GONE "],\n"
                            "\"scanned_size\": 2050,\n\"pause_ns\": 0,\n\"errors\": []}\n");
    assert_int_equal(fixture.of_code.count, 2);
    assert_int_equal(fixture.of_code.failed_count, 1);
    tear_down(&fixture);
}

/* Without an error -1 is what the field says: only an attribute of a code object that was made so is negative. */
static void json_of_minus_one(void **state)
{
    (void)state;
    struct fixture fixture;
    struct collected collected = {0};
    struct report_sink sink = SINK(collected);
    set_up(&fixture);
    fixture.codes[0].numbers.firstlineno = -1;
    report_code_json(&fixture.report, &sink);
    assert_true(report_finish(&sink));
    text_add_char(&collected.text, '\0');
    assert_non_null(strstr(collected.text.data, "\"co_firstlineno\": -1, "));
    text_free(&collected.text);
    tear_down(&fixture);
}

static void json_of_instructions(void **state)
{
    (void)state;
    static const pst_instruction instructions[] = {
        {.offset = 0, .opcode = 151, .name = "RESUME", .adaptive = "RESUME", .has_arg = true, .jump_target = -1,
         .starts_line = true, .position = {12, 12, 0, 4}, .counter = -1, .backoff = -1},
        {.offset = 2, .opcode = 7, .name = "<7>", .has_arg = false, .argrepr = {"\"x\"", 3}, .jump_target = 0,
         .is_jump_target = true, .label = 2, .position = {-1, -1, -1, -1}, .cache_size = 2, .counter = 3, .backoff = 4,
         .cache = 52},
    };
    struct fixture fixture;
    set_up(&fixture);
    fixture.search.count = 1;
    fixture.of_code.instructions = true;
    fixture.codes[0].instructions = instructions;
    fixture.codes[0].instruction_count = COUNT(instructions);
    assert_report(&fixture, report_code_json,
                  JSON_HEAD "\"codes\": [\n" JSON_FULL NO_COPIES ", \"instructions\": ["
                  "{\"offset\": 0, \"opcode\": 151, \"opname\": \"RESUME\", \"arg\": 0, \"argrepr\": \"\", "
                  "\"starts_line\": true, \"line\": 12, \"end_line\": 12, \"column\": 0, \"end_column\": 4, "
                  "\"jump_target\": null, \"is_jump_target\": false, \"label\": null, \"cache_size\": 0, "
                  "\"adaptive\": \"RESUME\", \"counter\": null, \"backoff\": null, \"cache\": null}, "
                  "{\"offset\": 2, \"opcode\": 7, \"opname\": \"<7>\", \"arg\": null, \"argrepr\": \"\\\"x\\\"\", "
                  "\"starts_line\": false, \"line\": null, \"end_line\": null, \"column\": null, "
                  "\"end_column\": null, \"jump_target\": 0, \"is_jump_target\": true, \"label\": 2, "
                  "\"cache_size\": 2, \"adaptive\": null, \"counter\": 3, \"backoff\": 4, \"cache\": 52}]"
                  ", \"errors\": []}],\n\"scanned_size\": 1025,\n\"pause_ns\": 0,\n\"errors\": []}\n");
    tear_down(&fixture);
}

/* Of a free-threaded build. */
static void json_of_copies(void **state)
{
    (void)state;
    const pst_instruction instructions[] = {{.offset = 2, .opcode = 100, .name = "LOAD_CONST", .adaptive = "LOAD_X",
                                             .counter = 3, .backoff = 4, .cache = 52}};
    pst_code_copy copies[] = {{1, {adaptive, sizeof adaptive}, NULL}, {3, {bytecode, 2}, instructions}};
    struct fixture fixture;
    set_up(&fixture);
    fixture.search.count = 1;
    fixture.codes[0].copies = copies;
    fixture.codes[0].copy_count = COUNT(copies);
    fixture.codes[0].instruction_count = COUNT(instructions);
    assert_report(&fixture, report_code_json,
                  JSON_HEAD "\"codes\": [\n" JSON_FULL ", \"copies\": [{\"index\": 1, \"adaptive\": \"970064015301\"}, "
                  "{\"index\": 3, \"adaptive\": \"9700\", \"instructions\": [{\"offset\": 2, \"adaptive\": \"LOAD_X\", "
                  "\"counter\": 3, \"backoff\": 4, \"cache\": 52}]}]"
                  ", \"errors\": []}],\n\"scanned_size\": 1025,\n\"pause_ns\": 0,\n\"errors\": []}\n");
    tear_down(&fixture);
}

#define JSON_ERROR(message, kind)                                                                              \
    "{\"where\": \"\", \"message\": \"" message "\", \"kind\": \"" kind "\", \"address\": null, \"hint\": null}"

/* What the search learns comes behind the code objects, in the same "errors" as what was known before. */
static void json_of_errors(void **state)
{
    (void)state;
    struct fixture fixture;
    const struct report_problem problem = {.code = PST_ERROR_OPEN, .message = "a problem"};
    set_up(&fixture);
    fixture.search.count = 0;
    fixture.search.fails = true;
    error_list_add(&fixture.search.errors, error_new(PST_ERROR_LIMIT, "too much"));
    fixture.report.problems = &problem;
    fixture.report.problem_count = 1;
    assert_report(&fixture, report_code_json,
                  JSON_HEAD "\"codes\": [],\n\"scanned_size\": 0,\n\"pause_ns\": 0,\n\"errors\": ["
                  JSON_ERROR("a problem", "open") ", " JSON_ERROR("too much", "limit") ", "
                  JSON_ERROR("it failed", "read") "]}\n");
    assert_non_null(fixture.of_code.failure);
    tear_down(&fixture);
}

/* A thread that could not be read counts where its code objects were looked for, and only there. */
static void errors_of_threads(void **state)
{
    (void)state;
    struct fixture fixture;
    set_up(&fixture);
    fixture.search.count = 0;
    fixture.snapshot.threads = fixture.threads;
    fixture.snapshot.thread_count = 1;
    fixture.threads[0] = (struct pst_thread){.tid = 4711, .frames = fixture.frames, .frame_count = 2};
    fixture.frames[0].code = fixture.frames[1].code = &fixture.running;
    error_list_add(&fixture.threads[0].errors, error_new(PST_ERROR_READ, "a thread"));
    error_list_add(&fixture.running.errors, error_new(PST_ERROR_READ, "a frame"));
    assert_report(&fixture, report_code_json, JSON_HEAD
                  "\"codes\": [],\n\"scanned_size\": 0,\n\"pause_ns\": 0,\n\"errors\": []}\n");
    fixture.of_code.which = PST_CODE_RUNNING;
    assert_report(&fixture, report_code_json, JSON_HEAD
                  "\"codes\": [],\n\"scanned_size\": 0,\n\"pause_ns\": 0,\n\"errors\": ["
                  JSON_ERROR("a thread", "read") ", " JSON_ERROR("a frame", "read") "]}\n");
    assert_report(&fixture, report_code_text, TEXT_HEAD "\nNo code objects\n! a thread\n! a frame\n");
    error_list_free(&fixture.threads[0].errors);
    error_list_free(&fixture.running.errors);
    tear_down(&fixture);
}

static void nothing_to_search(void **state)
{
    (void)state;
    const struct report_problem problem = {.code = PST_ERROR_OPEN, .message = "no"};
    struct fixture fixture;
    set_up(&fixture);
    fixture.report = (struct report){.pid = 4711, .problems = &problem, .problem_count = 1, .code = &fixture.of_code};
    fixture.of_code.search = NULL;
    assert_report(&fixture, report_code_json,
                  "{\"schema\": \"pystander.code/1\",\n"
                  "\"target\": {\"kind\": \"process\", \"pid\": 4711, \"path\": null, \"executable\": null, "
                  "\"arguments\": null, \"arch\": null, \"signal\": null, \"uid\": null, \"gid\": null, "
                  "\"ppid\": null, \"started\": null, \"written\": null, \"writer\": null},\n"
                  "\"python\": null,\n\"codes\": [],\n"
                  "\"scanned_size\": null,\n\"pause_ns\": null,\n\"errors\": [" JSON_ERROR("no", "open") "]}\n");
    tear_down(&fixture);
}

/* ---- text ---- */

#define TITLE "0x7f00 /srv/\\x85.py:12 C.f\\n (6 bytes, generator)"
#define GONE "0x7f10 ?:-1 ? (0 bytes)\n  ! it is gone\n"

static void text_of_codes(void **state)
{
    (void)state;
    struct fixture fixture;
    set_up(&fixture);
    assert_report(&fixture, report_code_text,
                  TEXT_HEAD "\n" TITLE "\n" GONE "\n2 code objects; searched 3 KiB of memory\n");
    tear_down(&fixture);
}

/* Threads that run it, a recursion once; a generator that no thread runs is suspended. */
static void text_of_running(void **state)
{
    (void)state;
    struct fixture fixture;
    static const int lastis[] = {4, 2, 2, 2, 0, 0, 0, 0};
    set_up(&fixture);
    fixture.of_code.which = PST_CODE_RUNNING;
    fixture.running.address = full.address;
    fixture.snapshot.threads = fixture.threads;
    fixture.snapshot.thread_count = 5;
    for (size_t i = 0; i < COUNT(lastis); i++)
        fixture.frames[i] = (struct pst_frame){.code = &fixture.running, .has_lasti = true, .lasti = lastis[i],
                                               .position = {20 + lastis[i], -1, -1, -1}};
    fixture.threads[0] = (struct pst_thread){.tid = 1, .frames = fixture.frames, .frame_count = 4};
    for (size_t i = 1; i < 5; i++)
        fixture.threads[i] = (struct pst_thread){.tid = (pid_t)i * 10, .frames = &fixture.frames[3 + i],
                                                 .frame_count = 1};
    fixture.threads[1].tid = 0;
    fixture.frames[4].position.line = -1;
    assert_report(&fixture, report_code_text,
                  TEXT_HEAD "\n" TITLE ": thread 1 at line 24, thread 1 at line 22, thread ? and 3 more\n"
                  "0x7f10 ?:-1 ? (0 bytes): suspended\n  ! it is gone\n"
                  "\n2 code objects; searched 3 KiB of memory\n");
    tear_down(&fixture);
}

static void text_of_lines(void **state)
{
    (void)state;
    struct fixture fixture;
    set_up(&fixture);
    fixture.of_code.lines = true;
    assert_report(&fixture, report_code_text,
                  TEXT_HEAD "\n" TITLE "\n  lines\n"
                  "         0-2        line 12, columns 0-4\n"
                  "         2-4        line 12, column 4 to line 13, column 2\n"
                  "         4-6        no line\n"
                  "\n" GONE "  lines               ?\n"
                  "\n2 code objects; searched 3 KiB of memory\n");
    tear_down(&fixture);
    set_up(&fixture);   /* before 3.11 */
    fixture.of_code.lines = true;
    fixture.search.count = 1;
    fixture.codes[0].positions = NULL;
    assert_report(&fixture, report_code_text,
                  TEXT_HEAD "\n" TITLE "\n  lines\n"
                  "         0-2        line 12\n"
                  "         2-6        no line\n"
                  "\n1 code object; searched 2 KiB of memory\n");
    tear_down(&fixture);
}

static void text_of_every_field(void **state)
{
    (void)state;
    struct fixture fixture;
    set_up(&fixture);
    fixture.report.verbose = true;
    fixture.search.count = 1;
    assert_report(&fixture, report_code_text,
                  "Process 4711\nPython 3.12.1, aarch64\nruntime at 0x1000\n"
                  "\n" TITLE "\n"
                  "  co_name             f\\n\n"
                  "  co_qualname         C.f\\n\n"
                  "  co_filename         /srv/\\x85.py\n"
                  "  co_firstlineno      12\n"
                  "  co_argcount         3\n"
                  "  co_posonlyargcount  1\n"
                  "  co_kwonlyargcount   2\n"
                  "  co_nlocals          6\n"
                  "  co_stacksize        7\n"
                  "  co_flags            0x21: OPTIMIZED, GENERATOR\n"
                  "  co_names            print, \\x1b[31m, ?\n"
                  "  co_varnames         print\n"
                  "  co_freevars         -\n"
                  "  co_cellvars         ?\n"
                  "  co_consts           0: 'a\"\\n'\n"
                  "                      1: code object at 0x1234\n"
                  "                      2: ?\n"
                  "  co_extra            0: 0x10, freed by free\n"
                  "                      3: 0x11\n"
                  "                      4: 0x12, freed by 0x30\n"
                  "  co_code             6 bytes\n"
                  "         0  9700 6401 5300\n"
                  "  adaptive            6 bytes\n"
                  "         0  9700 6401 5301\n"
                  "  co_linetable        3 bytes\n"
                  "         0  8000 d8\n"
                  "  co_exceptiontable   4 bytes\n"
                  "         0  8201 0203\n"
                  "  exceptions          2-4: to 4, depth 1, lasti\n"
                  "  lines\n"
                  "         0-2        line 12, columns 0-4\n"
                  "         2-4        line 12, column 4 to line 13, column 2\n"
                  "         4-6        no line\n"
                  "\n1 code object; searched 2 KiB of memory\n");
    tear_down(&fixture);
}

/* What is executed, before 3.11, is co_code. */
static void text_of_adaptive(void **state)
{
    (void)state;
    struct fixture fixture;
    set_up(&fixture);
    fixture.report.adaptive = true;
    fixture.search.count = 1;
    assert_report(&fixture, report_code_text,
                  TEXT_HEAD "\n" TITLE "\n  adaptive            6 bytes\n         0  9700 6401 5301\n"
                  "\n1 code object; searched 2 KiB of memory\n");
    fixture.search.next = fixture.of_code.count = 0;
    fixture.snapshot.python.hexversion = 0x030a0000;
    assert_report(&fixture, report_code_text,
                  TEXT_HEAD "\n" TITLE "\n  co_code             6 bytes\n         0  9700 6401 5300\n"
                  "\n1 code object; searched 2 KiB of memory\n");
    tear_down(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_as_hex),
        cmocka_unit_test(lines_as_arrays),
        cmocka_unit_test(positions_as_arrays),
        cmocka_unit_test(reader_goes_away),
        cmocka_unit_test(json_of_codes),
        cmocka_unit_test(json_of_minus_one),
        cmocka_unit_test(json_of_instructions),
        cmocka_unit_test(json_of_copies),
        cmocka_unit_test(json_of_errors),
        cmocka_unit_test(errors_of_threads),
        cmocka_unit_test(nothing_to_search),
        cmocka_unit_test(text_of_codes),
        cmocka_unit_test(text_of_running),
        cmocka_unit_test(text_of_lines),
        cmocka_unit_test(text_of_every_field),
        cmocka_unit_test(text_of_adaptive),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
