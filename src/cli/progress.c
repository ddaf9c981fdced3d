#include "cli/progress.h"

#include "report/escape.h"

#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum {
    FIRST_MS = 1000,    /* what is done by then needs no line */
    INTERVAL_MS = 200,
    FALLBACK_COLUMNS = 80,
    MB = 1000 * 1000,
};

static int64_t milliseconds_since(const struct timespec *then, const struct timespec *now)
{
    return (now->tv_sec - then->tv_sec) * 1000 + (now->tv_nsec - then->tv_nsec) / 1000000;
}

static size_t terminal_columns(void)
{
    struct winsize size;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : FALLBACK_COLUMNS;
}

/* Over what stands there, which may be longer. When standard error does not take it, that is no harm. */
static void put(struct progress *progress, struct text *line, size_t width)
{
    text_add_repeat(line, ' ', width < progress->width ? progress->width - width : 0);
    text_add_char(line, '\r');
    if (line->failed || write(STDERR_FILENO, line->data, line->size) < 0)
        width = 0;
    progress->width = width;
    text_free(line);
}

/* 1234567 as "1,234,567". */
static void add_grouped(struct text *text, uint64_t number)
{
    if (number >= 1000) {
        add_grouped(text, number / 1000);
        text_printf(text, ",%03u", (unsigned)(number % 1000));
    } else {
        text_add_unsigned(text, number);
    }
}

/* Returns the columns that it fills. */
static size_t write_line(struct text *line, const struct progress *progress, uint64_t done, uint64_t total,
                         bool with_path)
{
    bool is_input = strcmp(progress->path, "-") == 0;
    const char *path = is_input ? "standard input" : progress->path;
    size_t width = 0;
    /* Only of a regular file the size is known, and it needs this only if it is compressed. */
    text_add_string(line, total ? "pystander: decompressing" : "pystander: reading");
    if (with_path) {
        text_add_char(line, ' ');
        size_t start = line->size;
        width = escape_text(line, (pst_text){path, strlen(path)}, ESCAPE_NAME);
        width -= line->size - start;    /* the bytes counted below, that are no columns */
    }
    text_add_string(line, ": ");
    add_grouped(line, done / MB);
    text_add_string(line, " MB");
    if (total)
        text_printf(line, ", %u %%", (unsigned)(100 * (double)done / (double)total));
    return width + line->size;
}

static void show(void *context, uint64_t done, uint64_t total)
{
    struct progress *progress = context;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (milliseconds_since(&progress->started, &now) < FIRST_MS ||
        (progress->width && milliseconds_since(&progress->shown, &now) < INTERVAL_MS))
        return;
    progress->shown = now;
    struct text line = {0};
    size_t columns = terminal_columns(), width = write_line(&line, progress, done, total, true);
    if (width >= columns) {
        line.size = 0;
        width = write_line(&line, progress, done, total, false);
    }
    if (width < columns)
        put(progress, &line, width);
    else
        text_free(&line);
}

void progress_begin(struct progress *progress, const char *path, pst_target_options *options)
{
    *progress = (struct progress){.path = path};
    if (!isatty(STDERR_FILENO))
        return;
    clock_gettime(CLOCK_MONOTONIC, &progress->started);
    options->progress = show;
    options->progress_context = progress;
}

void progress_end(struct progress *progress)
{
    struct text line = {0};
    if (progress->width)
        put(progress, &line, 0);
}
