/* The printers' pure parts: what is escaped and how, where the carets stand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/scan.h"
#include "report/escape.h"
#include "report/excerpt.h"
#include "report/report.h"
#include "report/utf8.h"
#include "report/width.h"

#include <stdlib.h>
#include <string.h>

/* The bytes of a literal, NULs included. */
#define TEXT(literal) ((pst_text){(literal), sizeof(literal) - 1})

static void assert_text(struct text *text, const char *expected)
{
    assert_false(text->failed);
    text_add_char(text, '\0');
    assert_string_equal(text->data, expected);
    text_free(text);
}

/* ---- JSON strings ---- */

static void assert_json(pst_text string, const char *expected)
{
    struct text text = {0};
    escape_json(&text, string);
    assert_text(&text, expected);
}

static void json_plain(void **state)
{
    (void)state;
    assert_json(TEXT(""), "\"\"");
    assert_json(TEXT("abc"), "\"abc\"");
    assert_json(TEXT("a name longer than one word of eight bytes"),
                "\"a name longer than one word of eight bytes\"");
    assert_json((pst_text){NULL, 0}, "null");
    assert_json(TEXT("é 日本 😀"), "\"é 日本 😀\"");
}

static void json_escapes(void **state)
{
    (void)state;
    assert_json(TEXT("a\"b\\c"), "\"a\\\"b\\\\c\"");
    assert_json(TEXT("\n\r\t\b\f"), "\"\\n\\r\\t\\u0008\\u000c\"");
    assert_json(TEXT("nul\0esc\033del\177"), "\"nul\\u0000esc\\u001bdel\\u007f\"");
    assert_json(TEXT("\302\233[2J"), "\"\\u009b[2J\"");
    assert_json(TEXT("\342\200\250\342\200\256\342\201\246"), "\"\\u2028\\u202e\\u2066\"");
    assert_json(TEXT("\363\240\200\201"), "\"\\udb40\\udc01\"");   /* U+E0001, a pair */
}

static void json_surrogates(void **state)
{
    (void)state;
    assert_json(TEXT("\355\240\200"), "\"\\ud800\"");
    assert_json(TEXT("x\355\277\277y"), "\"x\\udfffy\"");
}

static void json_wrong_bytes(void **state)
{
    (void)state;
    assert_json(TEXT("\200\377"), "\"\\udc80\\udcff\"");
    assert_json(TEXT("a\303"), "\"a\\udcc3\"");                                  /* cut */
    assert_json(TEXT("\300\200"), "\"\\udcc0\\udc80\"");                         /* overlong */
    assert_json(TEXT("\340\200\200"), "\"\\udce0\\udc80\\udc80\"");
    assert_json(TEXT("\364\220\200\200"), "\"\\udcf4\\udc90\\udc80\\udc80\"");   /* past U+10FFFF */
    assert_json(TEXT("\303("), "\"\\udcc3(\"");
}

/* Each byte at each place of a word: the fast path must see it. */
static void json_every_byte_everywhere(void **state)
{
    (void)state;
    for (unsigned byte = 0; byte < 0x80; byte++)
        for (size_t place = 0; place < 20; place++) {
            char bytes[20];
            memset(bytes, 'x', sizeof bytes);
            bytes[place] = (char)byte;
            bool plain = byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\';
            struct text text = {0};
            escape_json(&text, (pst_text){bytes, sizeof bytes});
            assert_int_equal(text.size == sizeof bytes + 2, plain);
            for (size_t i = 0; i < text.size; i++)
                assert_true(text.data[i] >= 0x20 && text.data[i] < 0x7f);
            text_free(&text);
        }
}

/* ---- text for a terminal ---- */

static void assert_escaped(pst_text string, enum escape_style style, const char *expected, size_t columns)
{
    struct text text = {0};
    assert_int_equal(escape_text(&text, string, style), columns);
    assert_text(&text, expected);
}

static void terminal_escapes(void **state)
{
    (void)state;
    assert_escaped(TEXT("a\nb\tc\r"), ESCAPE_NAME, "a\\nb\\tc\\r", 9);
    assert_escaped(TEXT("\0\033[31m\177"), ESCAPE_NAME, "\\x00\\x1b[31m\\x7f", 16);
    assert_escaped(TEXT("\302\205\302\233"), ESCAPE_NAME, "\\x85\\x9b", 8);
    assert_escaped(TEXT("\342\200\250\342\200\251\342\200\256\342\201\251"), ESCAPE_NAME,
                   "\\u2028\\u2029\\u202e\\u2069", 24);
    assert_escaped(TEXT("\355\240\275\377"), ESCAPE_NAME, "\\ud83d\\xff", 10);
    assert_escaped(TEXT("\363\240\200\201"), ESCAPE_NAME, "\\U000e0001", 10);
}

static void terminal_styles(void **state)
{
    (void)state;
    assert_escaped(TEXT("a\\n\"b\""), ESCAPE_PLAIN, "a\\n\"b\"", 6);
    assert_escaped(TEXT("a\\n\"b\""), ESCAPE_NAME, "a\\\\n\"b\"", 7);
    assert_escaped(TEXT("a\\n\"b\""), ESCAPE_QUOTED, "a\\\\n\\\"b\\\"", 9);
}

static void terminal_shows_other_writing(void **state)
{
    (void)state;
    assert_escaped(TEXT("naïve"), ESCAPE_NAME, "naïve", 5);
    assert_escaped(TEXT("日本語"), ESCAPE_NAME, "日本語", 6);
    assert_escaped(TEXT("e\314\201"), ESCAPE_NAME, "e\314\201", 1);
}

static void widths(void **state)
{
    (void)state;
    assert_int_equal(width_of('a'), 1);
    assert_int_equal(width_of(0xe9), 1);
    assert_int_equal(width_of(0x301), 0);     /* combining acute */
    assert_int_equal(width_of(0x200d), 0);    /* zero-width joiner */
    assert_int_equal(width_of(0xfe0f), 0);    /* variation selector */
    assert_int_equal(width_of(0x1100), 2);    /* Hangul, leading */
    assert_int_equal(width_of(0x1160), 0);    /* Hangul, medial */
    assert_int_equal(width_of(0x3042), 2);
    assert_int_equal(width_of(0xac00), 2);
    assert_int_equal(width_of(0xff01), 2);    /* fullwidth */
    assert_int_equal(width_of(0xff71), 1);    /* halfwidth */
    assert_int_equal(width_of(0x1f600), 2);
    assert_int_equal(width_of(0x20000), 2);
    assert_int_equal(width_of(0x10ffff), 1);
}

/* ---- carets ---- */

static void assert_excerpt(pst_text line, int column, int end_column, const char *expected)
{
    struct text text = {0};
    pst_position position = {.line = 3, .end_line = 3, .column = column, .end_column = end_column};
    excerpt_add(&text, line, position, 0, "", "");
    assert_text(&text, expected);
}

static void carets_under_a_part(void **state)
{
    (void)state;
    assert_excerpt(TEXT("    return f(x)\n"), 11, 15, "return f(x)\n       ^^^^\n");
    assert_excerpt(TEXT("f(x) + 1"), 0, 4, "f(x) + 1\n^^^^\n");
}

static void carets_left_out(void **state)
{
    (void)state;
    assert_excerpt(TEXT("    f(x)  \n"), 4, 8, "f(x)\n");         /* the whole line */
    assert_excerpt(TEXT("    f(x)  \n"), 0, 10, "f(x)\n");        /* and more */
    assert_excerpt(TEXT("    f(x)\n"), -1, -1, "f(x)\n");         /* no columns */
    assert_excerpt(TEXT("  f(x)\n"), 50, 60, "f(x)\n");           /* another file's columns */
    assert_excerpt(TEXT("  f(x)\n"), 4, 3, "f(x)\n");             /* backwards */
    assert_excerpt(TEXT("   \n"), 1, 2, "");
    assert_excerpt(TEXT(""), 0, 0, "");
}

static void carets_under_wide_characters(void **state)
{
    (void)state;
    assert_excerpt(TEXT("x = 日本(1)"), 4, 10, "x = 日本(1)\n    ^^^^\n");
    assert_excerpt(TEXT("日本 + f()"), 9, 12, "日本 + f()\n       ^^^\n");
    assert_excerpt(TEXT("'😀' + g()"), 9, 12, "'😀' + g()\n       ^^^\n");
    assert_excerpt(TEXT("e\314\201 + g()"), 6, 9, "e\314\201 + g()\n    ^^^\n");
    assert_excerpt(TEXT("é + g()"), 5, 8, "é + g()\n    ^^^\n");
}

static void carets_after_tabs(void **state)
{
    (void)state;
    assert_excerpt(TEXT("\t\tf(\tx)"), 4, 6, "f(      x)\n  ^^^^^^^\n");
    assert_excerpt(TEXT("\ta,\tb()"), 4, 7, "a,      b()\n        ^^^\n");
}

static void carets_after_escapes(void **state)
{
    (void)state;
    assert_excerpt(TEXT("'\033' + f()"), 6, 9, "'\\x1b' + f()\n         ^^^\n");
}

static void carets_of_a_call_over_lines(void **state)
{
    (void)state;
    struct text text = {0};
    pst_position position = {.line = 3, .end_line = 5, .column = 4, .end_column = 1};
    excerpt_add(&text, TEXT("x = f(1,  # no\n"), position, 2, "<", ">");
    assert_text(&text, "  x = f(1,  # no\n      <^^^^^^^^^^>\n");
}

/* A line of a megabyte is cut, and the part that is marked stays in it. */
static void long_lines_are_cut(void **state)
{
    (void)state;
    size_t size = 1 << 20;
    char *line = malloc(size);
    assert_non_null(line);
    memset(line, 'x', size);
    memcpy(line + 500000, "MARK", 4);
    struct text text = {0};
    pst_position position = {.line = 1, .end_line = 1, .column = 500000, .end_column = 500004};
    excerpt_add(&text, (pst_text){line, size}, position, 4, "", "");
    assert_true(text.size < 3 * EXCERPT_WIDTH_MAX);
    text_add_char(&text, '\0');
    char *mark = strstr(text.data, "MARK"), *end = strchr(text.data, '\n');
    assert_true(mark && mark < end);
    /* The ellipsis is three bytes in one column. */
    assert_int_equal(strspn(end + 1, " "), mark - text.data - 2);
    assert_int_equal(strspn(strchr(end, '^'), "^"), 4);
    text_free(&text);
    free(line);
}

/* Any columns over any bytes: nothing is read past the line, and the carets stay below it. */
static void carets_of_nonsense(void **state)
{
    (void)state;
    static const char bytes[] = "\t\303\251\355\240\200\377\033 x\360\237\230\200\314\201";
    for (size_t size = 0; size < sizeof bytes; size++)
        for (int column = -2; column < 25; column++)
            for (int end = -2; end < 25; end++) {
                struct text text = {0};
                char *copy = malloc(size + !size);   /* exactly as large, for the sanitizer */
                assert_non_null(copy);
                memcpy(copy, bytes, size);
                excerpt_add(&text, (pst_text){copy, size}, (pst_position){1, 1, column, end}, 0, "", "");
                assert_false(text.failed);
                free(copy);
                text_free(&text);
            }
}

/* ---- the sink ---- */

struct pieces {
    size_t count, size;
    size_t fail_at;
};

static bool take_piece(void *context, const char *data, size_t size)
{
    (void)data;
    struct pieces *pieces = context;
    pieces->count++;
    pieces->size += size;
    return pieces->count != pieces->fail_at;
}

static void sink_writes_large_pieces(void **state)
{
    (void)state;
    struct pieces pieces = {0};
    struct report_sink sink = {.write = take_piece, .context = &pieces};
    for (size_t i = 0; i < 10 * REPORT_PIECE_SIZE / 16; i++) {
        text_add_string(&sink.text, "sixteen bytes..\n");
        assert_true(report_checkpoint(&sink));
    }
    assert_true(report_finish(&sink));
    assert_int_equal(pieces.size, 10 * REPORT_PIECE_SIZE);
    assert_int_equal(pieces.count, 10);
}

static void sink_stops_when_told(void **state)
{
    (void)state;
    struct pieces pieces = {.fail_at = 1};
    struct report_sink sink = {.write = take_piece, .context = &pieces};
    text_add_repeat(&sink.text, 'x', REPORT_PIECE_SIZE);
    assert_false(report_checkpoint(&sink));
    assert_false(report_checkpoint(&sink));
    assert_false(report_finish(&sink));
    assert_int_equal(pieces.count, 1);
}

/* ---- the command line ---- */

static void option_guesses(void **state)
{
    (void)state;
    static const struct argp_option options[] = {
        {"json", 1, NULL, 0, "", 0},
        {"no-pause", 2, NULL, 0, "", 0},
        {"native", 3, NULL, OPTION_HIDDEN, "", 0},
        {0},
    };
    struct scan scan = {.tables = {options}};
    assert_string_equal(scan_guess_option(&scan, "jsno"), "json");
    assert_string_equal(scan_guess_option(&scan, "js"), "json");
    assert_string_equal(scan_guess_option(&scan, "nopause=1"), "no-pause");
    assert_null(scan_guess_option(&scan, "natve"));
    assert_null(scan_guess_option(&scan, "frobnicate"));
    assert_int_equal(scan_distance("stack", "stack"), 0);
    assert_int_equal(scan_distance("stack", "stak"), 1);
    assert_int_equal(scan_distance("stack", "tsack"), 2);
    assert_int_equal(scan_distance("stack", ""), 3);
}

static void scan_finds_operands(void **state)
{
    (void)state;
    static const struct argp_option options[] = {
        {"json", 1, NULL, 0, "", 0},
        {"output", 'o', "FILE", 0, "", 0},
        {"verbose", 'v', NULL, 0, "", 0},
        {0},
    };
    char *argv[] = {(char *)"x", (char *)"-vo", (char *)"a", (char *)"--output", (char *)"b", (char *)"--output=c",
                    (char *)"-od", (char *)"-", (char *)"--", (char *)"-v", NULL};
    struct scan scan = {.argc = 10, .argv = argv, .next = 1, .tables = {options}};
    for (int i = 0; i < 4; i++)
        assert_int_equal(scan_step(&scan), SCAN_OPTION);
    assert_int_equal(scan_step(&scan), SCAN_OPERAND);
    assert_int_equal(scan.index, 7);
    assert_int_equal(scan_step(&scan), SCAN_OPERAND);
    assert_int_equal(scan.index, 9);
    assert_int_equal(scan_step(&scan), SCAN_END);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_plain),
        cmocka_unit_test(json_escapes),
        cmocka_unit_test(json_surrogates),
        cmocka_unit_test(json_wrong_bytes),
        cmocka_unit_test(json_every_byte_everywhere),
        cmocka_unit_test(terminal_escapes),
        cmocka_unit_test(terminal_styles),
        cmocka_unit_test(terminal_shows_other_writing),
        cmocka_unit_test(widths),
        cmocka_unit_test(carets_under_a_part),
        cmocka_unit_test(carets_left_out),
        cmocka_unit_test(carets_under_wide_characters),
        cmocka_unit_test(carets_after_tabs),
        cmocka_unit_test(carets_after_escapes),
        cmocka_unit_test(carets_of_a_call_over_lines),
        cmocka_unit_test(long_lines_are_cut),
        cmocka_unit_test(carets_of_nonsense),
        cmocka_unit_test(sink_writes_large_pieces),
        cmocka_unit_test(sink_stops_when_told),
        cmocka_unit_test(option_guesses),
        cmocka_unit_test(scan_finds_operands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
