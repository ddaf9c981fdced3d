#include "use_core.h"

#include "pystander/pystander.h"
#include "python/walk.h"
#include "report/report.h"
#include "target/core.h"
#include "target/syscall.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { WORD = 8, MAX_OBJECT_WORDS = 1 << 15, MAX_DEPTH = 4 };

/* ---- time ------------------------------------------------------------------------------------------------- */

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static double begin(struct usage *usage, const char *command)
{
    snprintf(usage->command, sizeof usage->command, "%s", command);
    return now();
}

static void end(struct usage *usage, double seconds)
{
    if (seconds <= usage->seconds)
        return;
    usage->seconds = seconds;
    memcpy(usage->slowest, usage->command, sizeof usage->slowest);
}

/* ---- reports ---------------------------------------------------------------------------------------------- */

static bool write_nowhere(void *context, const char *data, size_t size)
{
    (void)data;
    *(size_t *)context += size;
    return true;
}

static void print(const struct report *report, void (*printer)(const struct report *, struct report_sink *))
{
    size_t size = 0;
    struct report_sink sink = {.write = write_nowhere, .context = &size};
    printer(report, &sink);
    report_finish(&sink);
}

static void print_stacks(pst_target *target, const pst_snapshot *snapshot)
{
    struct report report = {.target = target, .snapshot = snapshot, .kind = PST_TARGET_CORE, .with_locals = true,
                            .verbose = true};
    print(&report, report_stack_json);
    print(&report, report_stack_text);
    print(&report, report_info_json);
    print(&report, report_info_text);
}

static pst_error *print_code(pst_target *target, const pst_snapshot *snapshot, pst_code_which which, bool whole)
{
    const pst_code_options options = {
        .size = sizeof options, .which = which, .head_only = !whole, .with_instructions = whole};
    struct report_code code = {.which = which, .instructions = whole, .lines = whole};
    struct report report = {.target = target, .snapshot = snapshot, .kind = PST_TARGET_CORE, .code = &code};
    TRY(pst_code_search_open(target, snapshot, &options, &code.search));
    print(&report, whole ? report_code_json : report_code_text);
    pst_code_search_close(code.search);
    return code.failure;
}

static pst_error *export_all(pst_target *target, const pst_snapshot *snapshot)
{
    const pst_code_options options = {.size = sizeof options, .which = PST_CODE_ALL};
    pst_export *exported;
    const pst_export_file *file;
    TRY(pst_export_open(target, snapshot, &options, &exported));
    pst_error *error;
    do
        error = pst_export_next(exported, &file);
    while (!error && file);
    pst_export_close(exported);
    return error;
}

/* ---- commands --------------------------------------------------------------------------------------------- */

static void stack_again(int fd)
{
    char path[64];
    pst_target *target;
    pst_snapshot *snapshot;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    pst_error *error = pst_target_open_core(path, NULL, &target);
    if (!error) {
        error = pst_snapshot_take(target, NULL, &snapshot);
        if (!error) {
            print_stacks(target, snapshot);
            pst_snapshot_free(snapshot);
        }
        pst_target_close(target);
    }
    pst_error_free(error);
}

/* `again`: what was written is read. */
static void take_small_core(pst_target *target, bool all_code, bool again, struct usage *usage, double opened)
{
    const pst_core_options options = {.size = sizeof options, .all_code = all_code};
    pst_core *core;
    uint64_t size;
    double start = begin(usage, "snapshot");
    pst_error *error = pst_core_take(target, &options, &core);
    int fd = again ? memfd_create("small", MFD_CLOEXEC) : open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (!error) {
        print_stacks(target, pst_core_get_snapshot(core));
        error = pst_core_write(core, fd, &size);
        pst_core_free(core);
    }
    end(usage, now() - start + opened);
    start = begin(usage, "small core");
    if (again && !error)
        stack_again(fd);
    end(usage, now() - start);
    close(fd);
    pst_error_free(error);
}

static void use_snapshot(pst_target *target, const pst_snapshot *snapshot, unsigned uses, struct usage *usage,
                         double opened)
{
    double start = begin(usage, "code");
    if (uses & USE_CODE)
        pst_error_free(print_code(target, snapshot, PST_CODE_RUNNING, true));
    end(usage, now() - start + opened);
    start = begin(usage, "code --all");
    if (uses & USE_CODE_LIST)
        pst_error_free(print_code(target, snapshot, PST_CODE_ALL, false));
    end(usage, now() - start + opened);
    start = begin(usage, "export");
    if (uses & USE_EXPORT)
        pst_error_free(export_all(target, snapshot));
    end(usage, now() - start + opened);
}

void use_core(const char *path, unsigned uses, struct usage *usage)
{
    const pst_snapshot_options options = {.size = sizeof options, .with_hooks = true, .with_locals = true};
    pst_target *target;
    pst_snapshot *snapshot = NULL;
    double start = begin(usage, "open");
    pst_error *error = pst_target_open_core(path, NULL, &target);
    double opened = now() - start;
    end(usage, opened);
    if (error) {
        pst_error_free(error);
        return;
    }
    usage->opened++;
    if (uses & (USE_STACK | USE_CODE | USE_CODE_LIST | USE_EXPORT)) {
        start = begin(usage, "stack");
        syscall_read(target);
        error = pst_snapshot_take(target, &options, &snapshot);
        if (!error)
            print_stacks(target, snapshot);
        opened += now() - start;
        end(usage, opened);
        usage->taken += !error;
        pst_error_free(error);
    }
    if (snapshot)
        use_snapshot(target, snapshot, uses, usage, opened);
    if (snapshot)
        pst_snapshot_free(snapshot);
    if (uses & (USE_SNAPSHOT | USE_SNAPSHOT_ALL))
        take_small_core(target, uses & USE_SNAPSHOT_ALL, uses & USE_STACK, usage, opened);
    pst_target_close(target);
}

/* Of a process that is gone, and of one that is held: any will do, for its memory is not looked at. */
static void open_crash(pid_t pid, const uint8_t *head, size_t size)
{
    pst_target *target;
    pst_signal signal;
    struct text notes = {0};
    pst_error *error = pst_target_open_crash(pid, head, size, NULL, &target);
    if (!error) {
        pst_target_get_signal(target, &signal);
        pst_crash_is_held(target);
        error = target->operations->write_notes(target, &notes);
        pst_target_close(target);
    }
    text_free(&notes);
    pst_error_free(error);
}

void use_head(int fd, struct usage *usage)
{
    uint8_t *head;
    size_t size;
    int pipe_ends[2];
    if (lseek(fd, 0, SEEK_SET) < 0 || pipe(pipe_ends) < 0)
        return;
    pid_t held = fork();
    if (held == 0) {
        char byte;
        close(pipe_ends[1]);
        _exit(read(pipe_ends[0], &byte, 1) != 0);
    }
    double start = begin(usage, "handle");
    pst_error *error = pst_crash_read_head(fd, &head, &size);
    /* The error does not matter: whatever came may be given on. */
    open_crash(held, head, size);
    close(pipe_ends[1]);
    close(pipe_ends[0]);
    waitpid(held, NULL, 0);
    open_crash(held, head, size);
    end(usage, now() - start);
    free(head);
    pst_error_free(error);
}

/* ---- places ----------------------------------------------------------------------------------------------- */

struct finder {
    struct seed *seed;
    const struct pst_target *target;
};

static bool find_offset(const struct pst_target *target, pst_addr address, uint64_t *offset)
{
    const struct core_part *part = core_find_part(target->core, address);
    if (!part || address - part->start >= part->size)
        return false;
    *offset = part->offset + (address - part->start);
    return *offset + WORD <= target->core->file_size;
}

static uint64_t word_at(const struct seed *seed, uint64_t offset)
{
    uint64_t word;
    memcpy(&word, seed->bytes + offset, WORD);
    return word;
}

static void add_page(void *context, const struct memory_page *page)
{
    struct finder *finder = context;
    for (unsigned at = page->valid_start; at + WORD <= page->valid_end; at += WORD) {
        uint64_t offset, led;
        if (!find_offset(finder->target, page->address + at, &offset))
            continue;
        uint64_t word = word_at(finder->seed, offset);
        if (word)
            places_add(&finder->seed->read, offset);
        if (find_offset(finder->target, word, &led))
            places_add(&finder->seed->pointers, offset);
    }
}

/* The words of an object, and of those that they lead to. */
static void add_object(struct finder *finder, pst_addr address, unsigned word_count, unsigned depth)
{
    struct places *objects = &finder->seed->objects;
    uint64_t offset, unused;
    for (unsigned i = 0; i < word_count && objects->count < MAX_OBJECT_WORDS; i++) {
        if (!find_offset(finder->target, address + i * WORD, &offset))
            return;
        places_add(objects, offset);
        uint64_t word = word_at(finder->seed, offset);
        if (depth && word % WORD == 0 && find_offset(finder->target, word, &unused))
            add_object(finder, word, 16, depth - 1);
    }
}

static void add_snapshot(struct finder *finder, const pst_snapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->interpreter_count; i++)
        add_object(finder, snapshot->interpreters[i].address, 128, 0);
    add_object(finder, snapshot->python.runtime, 64, 0);
    for (size_t i = 0; i < snapshot->thread_count; i++) {
        const struct pst_thread *thread = &snapshot->threads[i];
        if (thread->address)
            add_object(finder, thread->address, 64, 2);
        for (size_t j = 0; j < thread->frame_count; j++)
            if (thread->frames[j].code)
                add_object(finder, thread->frames[j].code->address, 32, 3);
    }
}

static uint64_t address_of(const struct seed *seed, uint64_t offset)
{
    const struct core_part *parts = seed->loads;
    for (size_t i = 0; i < seed->load_count; i++)
        if (offset >= parts[i].offset && offset - parts[i].offset < parts[i].size)
            return parts[i].start + (offset - parts[i].offset);
    return 0;
}

static void take_parts(struct seed *seed, const struct core *core)
{
    struct core_part *parts = calloc(core->part_count + 1, sizeof *parts);
    seed->addresses = calloc(3 * core->part_count + 1, sizeof *seed->addresses);
    if (!parts || !seed->addresses)
        return;
    memcpy(parts, core->parts, core->part_count * sizeof *parts);
    seed->loads = parts;
    seed->load_count = core->part_count;
    seed->address_of = address_of;
    for (size_t i = 0; i < core->part_count; i++) {
        seed->addresses[seed->address_count++] = parts[i].start;
        seed->addresses[seed->address_count++] = parts[i].end - WORD;
        seed->addresses[seed->address_count++] = parts[i].end;
    }
}

static void find_headers(struct seed *seed)
{
    Elf64_Ehdr header;
    memcpy(&header, seed->bytes, sizeof header);
    seed->headers = header.e_phoff;
    seed->header_count = header.e_phnum;
    for (size_t i = 0; i < header.e_phnum; i++) {
        Elf64_Phdr program;
        memcpy(&program, seed->bytes + header.e_phoff + i * sizeof program, sizeof program);
        if (program.p_type != PT_NOTE || seed->notes_size)
            continue;
        seed->notes = program.p_offset;
        seed->notes_size = program.p_filesz;
    }
}

bool use_find_places(const char *path, struct seed *seed)
{
    const pst_snapshot_options options = {.size = sizeof options, .with_hooks = true, .with_locals = true};
    pst_target *target;
    pst_snapshot *snapshot;
    struct finder finder = {.seed = seed};
    pst_error *error = pst_target_open_core(path, NULL, &target);
    if (error) {
        printf("%s: %s\n", path, pst_error_get_message(error));
        pst_error_free(error);
        return false;
    }
    seed->is_compressed = target->core->compression != NULL;
    error = pst_snapshot_take(target, &options, &snapshot);
    if (error) {
        printf("%s: %s\n", path, pst_error_get_message(error));
    } else if (!seed->is_compressed) {
        finder.target = target;
        find_headers(seed);
        take_parts(seed, target->core);
        memory_visit(target->memory, add_page, &finder);
        add_snapshot(&finder, snapshot);
        pst_error *code = print_code(target, snapshot, PST_CODE_RUNNING, true);
        pst_error_free(code);
    }
    bool sound = !error && !pst_snapshot_is_partial(snapshot);
    if (!error)
        pst_snapshot_free(snapshot);
    pst_target_close(target);
    pst_error_free(error);
    return sound;
}
