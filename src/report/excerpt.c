#include "report/excerpt.h"

#include "report/escape.h"

#define TAB_SIZE 8

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\f' || c == '\r' || c == '\n' || c == '\v';
}

/* Offsets into a line's bytes, and the columns of a terminal where they come to stand. */
struct span {
    size_t from, to;           /* bytes */
    size_t left, right;        /* columns */
};

/* Adds the character at *offset, whose first column is `column`; tabs are spaces up to the next stop, so that
 * the carets stand right whatever the terminal's own stops. Returns its width. */
static unsigned add_point(struct text *text, pst_text line, size_t *offset, size_t column)
{
    unsigned width;
    if (line.data[*offset] == '\t') {
        width = TAB_SIZE - column % TAB_SIZE;
        if (text)
            text_add_repeat(text, ' ', width);
        ++*offset;
        return width;
    }
    *offset += escape_point(text, line.data + *offset, line.size - *offset, ESCAPE_PLAIN, &width);
    return width;
}

/* Fills in the columns of `marked` and `shown`. */
static void measure(pst_text line, struct span *shown, struct span *marked)
{
    size_t column = 0;
    marked->left = marked->right = 0;
    for (size_t i = shown->from; i < shown->to;) {
        size_t start = i;
        unsigned width = add_point(NULL, line, &i, column);
        if (start <= marked->from)
            marked->left = column;
        column += width;
        if (start < marked->to)
            marked->right = column;
    }
    shown->left = 0;
    shown->right = column;
    if (marked->right <= marked->left)   /* a combining character alone */
        marked->right = marked->left + 1;
}

static size_t clamp(int offset, size_t from, size_t to)
{
    if (offset < 0 || (size_t)offset < from)
        return from;
    return (size_t)offset > to ? to : (size_t)offset;
}

/* The part of a wide line that is shown: `window` in columns, around the carets. */
static struct span choose_window(const struct span *shown, const struct span *marked, bool is_marked)
{
    struct span window = {.left = 0, .right = shown->right};
    if (shown->right <= EXCERPT_WIDTH_MAX)
        return window;
    if (is_marked && marked->right > EXCERPT_WIDTH_MAX)
        window.left = marked->left > EXCERPT_WIDTH_MAX / 4 ? marked->left - EXCERPT_WIDTH_MAX / 4 : 0;
    if (window.right - window.left > EXCERPT_WIDTH_MAX)
        window.right = window.left + EXCERPT_WIDTH_MAX;
    return window;
}

/* Moves the window's left edge to where a character begins. Returns the columns that are printed. */
static size_t add_window(struct text *text, pst_text line, const struct span *shown, struct span *window)
{
    size_t column = 0;
    size_t first = SIZE_MAX;
    for (size_t i = shown->from; i < shown->to && column < window->right;) {
        bool inside = column >= window->left;
        if (inside && first == SIZE_MAX)
            first = column;
        column += add_point(inside ? text : NULL, line, &i, column);
    }
    window->left = first == SIZE_MAX ? column : first;
    return column - window->left;
}

void excerpt_add(struct text *text, pst_text line, pst_position position, size_t indent, const char *before,
                 const char *after)
{
    struct span shown = {.from = 0, .to = line.size};
    while (shown.from < shown.to && is_blank(line.data[shown.from]))
        shown.from++;
    while (shown.to > shown.from && is_blank(line.data[shown.to - 1]))
        shown.to--;
    if (shown.from == shown.to)
        return;

    struct span marked = {.from = clamp(position.column, shown.from, shown.to), .to = shown.to};
    if (position.end_line <= position.line && position.end_column >= 0)
        marked.to = clamp(position.end_column, shown.from, shown.to);
    /* Carets under the whole line would say nothing. */
    bool is_marked = position.column >= 0 && marked.from < marked.to &&
                     (marked.from > shown.from || marked.to < shown.to);
    measure(line, &shown, &marked);

    struct span window = choose_window(&shown, &marked, is_marked);
    bool cut_left = window.left > 0, cut_right = window.right < shown.right;
    text_add_repeat(text, ' ', indent);
    if (cut_left)
        text_add_string(text, "…");
    size_t width = add_window(text, line, &shown, &window);
    if (cut_right)
        text_add_string(text, "…");
    text_add_char(text, '\n');
    if (!is_marked)
        return;

    size_t left = marked.left > window.left ? marked.left - window.left : 0;
    size_t right = marked.right > window.left ? marked.right - window.left : 0;
    if (right > width)
        right = width;
    if (right <= left)
        return;
    text_add_repeat(text, ' ', indent + left + (cut_left ? 1 : 0));
    text_add_string(text, before);
    text_add_repeat(text, '^', right - left);
    text_add_string(text, after);
    text_add_char(text, '\n');
}
