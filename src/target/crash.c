/*
 * A process that the kernel is about to end, held while its core goes into the pipe of a program that core_pattern
 * names (core(5)).
 *
 * Of the core only the head is read: the ELF header, the program headers and the notes, which say why it died. A pipe
 * takes no more than 64 KiB: as long as nobody reads on, the kernel waits in the midst of writing and the process is
 * there, each of its threads stopped for good. So its memory is read where it is, its files through /proc, and nothing
 * depends on what the core would hold (coredump_filter, MADV_DONTDUMP), nor on its size.
 */
#include "target/core.h"
#include "target/process.h"

#include "base/bytes.h"
#include "target/notes.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    /* The kernel writes at most 65,535 program headers before the notes, and 4 to 13 KB of these for each thread. It is
     * held twice, and once more in a small core. */
    CRASH_MAX_HEAD_SIZE = 64 << 20,
    FIRST_CAPACITY = 64 << 10,
};

/* Why the memory of a process that is gone can't be read. */
static const char gone[] = "the process is gone";

/* ---- the head -------------------------------------------------------------------------------------- */

/* Where the notes are. */
struct notes {
    uint64_t offset, size;
};

/* The kernel writes the PT_NOTE first. false: this is no core of the kernel's. */
static bool find_notes(const uint8_t *head, size_t size, struct notes *notes)
{
    if (size < sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr))
        return false;
    const uint8_t *header = head + sizeof(Elf64_Ehdr);
    if (bytes_unsigned(head + offsetof(Elf64_Ehdr, e_phoff), 8) != sizeof(Elf64_Ehdr) ||
        bytes_unsigned(header + offsetof(Elf64_Phdr, p_type), 4) != PT_NOTE)
        return false;
    notes->offset = bytes_unsigned(header + offsetof(Elf64_Phdr, p_offset), 8);
    notes->size = bytes_unsigned(header + offsetof(Elf64_Phdr, p_filesz), 8);
    return notes->offset >= sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr) && notes->offset % 4 == 0 &&
           notes->offset < CRASH_MAX_HEAD_SIZE && notes->size < CRASH_MAX_HEAD_SIZE - notes->offset;
}

/* The bytes of a stream so far. */
struct stream {
    int fd;
    uint8_t *bytes;
    size_t size, capacity;
};

/* Until there are `size` bytes of it, or it ends. */
static pst_error *read_up_to(struct stream *stream, size_t size)
{
    while (stream->size < size) {
        if (stream->size == stream->capacity) { /* never more than twice what has come */
            size_t capacity = stream->capacity ? 2 * stream->capacity : FIRST_CAPACITY;
            uint8_t *bytes = realloc(stream->bytes, capacity);
            if (!bytes)
                return error_no_memory();
            stream->bytes = bytes;
            stream->capacity = capacity;
        }
        size_t room = stream->capacity - stream->size, missing = size - stream->size;
        ssize_t got = read(stream->fd, stream->bytes + stream->size, missing < room ? missing : room);
        if (got > 0)
            stream->size += (size_t)got;
        else if (got == 0)
            return error_new(PST_ERROR_NOT_CORE, "the core ends after %zu bytes, within its head", stream->size);
        else if (errno != EINTR)
            return error_system(PST_ERROR_SYSTEM, errno, "the core can't be read from its pipe");
    }
    return NULL;
}

static pst_error *read_head(struct stream *stream)
{
    struct notes notes;
    TRY(read_up_to(stream, sizeof(Elf64_Ehdr)));
    if (memcmp(stream->bytes, ELFMAG, SELFMAG) != 0)
        return error_hint(error_new(PST_ERROR_NOT_CORE, "what comes through the pipe is no ELF core"),
                          "only the kernel can use this: core_pattern names this program");
    TRY(read_up_to(stream, sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr)));
    if (!find_notes(stream->bytes, stream->size, &notes))
        return error_new(PST_ERROR_NOT_CORE, "the core does not begin with its notes, as those of the kernel do");
    return read_up_to(stream, notes.offset + notes.size);
}

pst_error *pst_crash_read_head(int fd, uint8_t **head, size_t *size)
{
    struct stream stream = { .fd = fd };
    pst_error *error = read_head(&stream);
    *head = stream.bytes;
    *size = stream.size;
    return error;
}

/* ---- what the notes say ---------------------------------------------------------------------------- */

/* They lie between the ELF header and the notes: how what died was mapped, which tells why it died. */
static pst_error *take_loads(struct core *core, const uint8_t *head, size_t end)
{
    size_t count = (end - sizeof(Elf64_Ehdr)) / sizeof(Elf64_Phdr);
    core->loads = calloc(count, sizeof *core->loads);
    if (!core->loads)
        return error_no_memory();
    for (size_t i = 0; i < count; i++) {
        const Elf64_Phdr header = core_parse_header(head + sizeof(Elf64_Ehdr) + i * sizeof(Elf64_Phdr));
        if (header.p_type == PT_LOAD)
            core_add_load(core, &header);
    }
    return NULL;
}

static pst_error *take_head(struct core *core, const uint8_t *head, size_t size)
{
    struct notes notes;
    if (size < sizeof(Elf64_Ehdr) || memcmp(head, ELFMAG, SELFMAG) != 0 || !find_notes(head, size, &notes) ||
        notes.offset > size)
        return error_new(PST_ERROR_NOT_CORE, "this is not the head of a core of the kernel's");
    TRY(core_check_header(core->target, "the core", head));
    if (notes.size > size - notes.offset)
        notes.size = size - notes.offset;
    core->head_notes = malloc(notes.size + 1);
    if (!core->head_notes)
        return error_no_memory();
    core->head_notes_size = notes.size & ~(uint64_t)3; /* a note that is cut off would displace what follows it */
    memcpy(core->head_notes, head + notes.offset, notes.size);
    TRY(core_take_notes(core, head + notes.offset, notes.size));
    return take_loads(core, head, notes.offset);
}

/* ---- threads --------------------------------------------------------------------------------------- */

static int compare_inner_tids(const void *one, const void *other)
{
    const struct target_thread *a = *(struct target_thread *const *)one, *b = *(struct target_thread *const *)other;
    return (a->inner_tid > b->inner_tid) - (a->inner_tid < b->inner_tid);
}

static struct target_thread *find_inner(struct target_thread *const *sorted, size_t count, pid_t tid)
{
    const struct target_thread key = { .inner_tid = tid }, *key_pointer = &key;
    struct target_thread *const *found =
        bsearch(&key_pointer, sorted, count, sizeof(struct target_thread *), compare_inner_tids);
    return found ? *found : NULL;
}

/* The notes know the threads' registers, and which one died, by the numbers of the process's own PID namespace; /proc
 * knows their names, and both numbers. The order is that of the notes. */
static pst_error *join_threads(struct target_thread *noted, size_t noted_count, struct target_thread *listed,
                               size_t listed_count)
{
    struct target_thread **sorted = calloc(listed_count + 1, sizeof(struct target_thread *));
    if (!sorted)
        return error_no_memory();
    for (size_t i = 0; i < listed_count; i++)
        sorted[i] = &listed[i];
    qsort(sorted, listed_count, sizeof(struct target_thread *), compare_inner_tids);
    for (size_t i = 0; i < noted_count; i++) {
        const struct target_thread *found = find_inner(sorted, listed_count, noted[i].inner_tid);
        if (!found)
            continue;
        noted[i].tid = found->tid;
        noted[i].has_name = found->has_name;
        memcpy(noted[i].name, found->name, sizeof noted[i].name);
    }
    free(sorted);
    return NULL;
}

static pst_error *find_threads(struct process *process)
{
    struct pst_target *target = process->target;
    struct target_thread *noted = target->threads;
    size_t noted_count = target->thread_count;
    target->threads = NULL;
    target->thread_count = 0;
    pst_error *error = process_list_threads(process);
    if (!error)
        error = join_threads(noted, noted_count, target->threads, target->thread_count);
    free(target->threads);
    target->threads = noted;
    target->thread_count = noted_count;
    if (noted_count > 0 && target->signal.tid == noted[0].inner_tid)
        target->signal.tid = noted[0].tid;
    return error;
}

/* ---- the process ----------------------------------------------------------------------------------- */

static void crash_close(struct pst_target *target)
{
    core_close(target);
    if (target->process)
        process_close(target);
}

/* The kernel's own, with the threads' registers; and by which numbers this machine knows the threads. */
static pst_error *write_notes(struct pst_target *target, struct text *notes)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    text_add(notes, target->core->head_notes, target->core->head_notes_size);
    notes_add_threads(notes, target);
    notes_add_origin(notes, target, (int64_t)now.tv_sec * 1000000000 + now.tv_nsec, false);
    return NULL;
}

static const struct target_operations held_operations = {
    .close = crash_close,
    .open_file = process_open_file,
    .read_auxv = core_read_auxv,
    .write_notes = write_notes,
};

static const struct target_operations gone_operations = {
    .close = crash_close,
    .open_file = core_open_file,
    .read_auxv = core_read_auxv,
    .write_notes = write_notes,
};

/* The number may be another's by now, if the process was killed meanwhile. The auxiliary vector tells each program that
 * was executed from every other: it has the addresses that were chosen at random for it. */
static pst_error *check_identity(const struct process *process)
{
    const struct core *core = process->target->core;
    uint8_t auxv[TARGET_MAX_AUXV_SIZE];
    size_t size = core->auxv_size ? process_read_auxv(process->target, auxv, sizeof auxv) : 0;
    if (core->auxv_size == size && memcmp(core->auxv, auxv, size) == 0)
        return NULL;
    return error_new(PST_ERROR_OPEN, "process %d is not the one that crashed, which is gone", process->target->pid);
}

/* All that needs rights is opened now: whoever parses what a process made up is better off without them. The memory
 * file is of this process or of none, whoever gets its number next. */
static pst_error *hold_files(struct process *process)
{
    process->memory_file = openat(process->memory_directory, "mem", O_RDONLY | O_CLOEXEC);
    if (process->memory_file < 0)
        return error_system(PST_ERROR_OPEN, errno, "the memory of process %d can't be opened", process->target->pid);
    process->pagemap = openat(process->memory_directory, "pagemap", O_RDONLY | O_CLOEXEC);
    if (proc_read_link(process->memory_directory, "cwd", &process->folder) == ENOMEM)
        return error_no_memory();
    process_hold_root(process);
    return NULL;
}

/* What the process says of its memory and files takes the place of what the notes said. */
static pst_error *open_held(struct pst_target *target, pid_t pid)
{
    struct segment *segments = target->segments;
    size_t segment_count = target->segment_count;
    char *names = target->segment_names;
    target->segments = NULL;
    target->segment_count = 0;
    target->segment_names = NULL;
    pst_error *error = process_attach(target, pid);
    if (!error)
        error = check_identity(target->process);
    if (!error)
        error = hold_files(target->process);
    if (!error)
        error = find_threads(target->process);
    if (!error) {
        free(segments);
        free(names);
        target->operations = &held_operations;
        return NULL;
    }
    /* As it was before. */
    if (target->process)
        process_close(target);
    memory_close(target->memory);
    free(target->segments);
    free(target->segment_names);
    free(target->executable);
    free(target->arguments);
    target->memory = NULL;
    target->executable = target->arguments = NULL;
    target->arguments_size = 0;
    target->segments = segments;
    target->segment_count = segment_count;
    target->segment_names = names;
    target->operations = &gone_operations;
    return error;
}

static void read_nothing(void *context, struct memory_page *const *pages, size_t count)
{
    (void)context;
    for (size_t i = 0; i < count; i++)
        pages[i]->why = gone;
}

/* What there is without the process: the signal, the threads' numbers, the names of the mapped files. */
static pst_error *open_gone(struct pst_target *target, pst_error *why)
{
    struct core *core = target->core;
    error_list_add(&target->errors,
                   error_hint(why, "only what the kernel says of it is known: it was killed meanwhile, or its core was "
                                   "so small that the kernel did not have to wait (see kernel.core_pipe_limit in "
                                   "core(5))"));
    TRY(memory_open((struct memory_source){ .read_pages = read_nothing }, &target->memory));
    TRY(core_find_executable(core));
    return core_read_arguments(core);
}

static pst_error *crash_open(struct pst_target *target, pid_t pid, const uint8_t *head, size_t size)
{
    struct core *core = calloc(1, sizeof *core);
    if (!core)
        return error_no_memory();
    core->target = target;
    core->fd = core->root = -1;
    target->core = core;
    target->operations = &gone_operations;
    target->no_pause = false; /* it stands still */
    TRY(take_head(core, head, size));
    core_finish_notes(core);
    TRY(core_make_segments(core));
    TRY(core_find_places(core));
    uint16_t machine = target->machine;
    pst_error *error = open_held(target, pid);
    target->machine = machine;
    target->pid = pid;
    if (error && pst_error_get_code(error) == PST_ERROR_MEMORY)
        return error;
    if (error)
        return open_gone(target, error);
    core_images_free(core); /* whose names were the segments' */
    core->images = NULL;
    core->image_count = 0;
    return NULL;
}

pst_error *pst_target_open_crash(pid_t pid, const uint8_t *head, size_t size, const pst_target_options *options,
                                 pst_target **result)
{
    struct pst_target *target;
    *result = NULL;
    if (pid <= 0 || pid == getpid())
        return error_new(PST_ERROR_USAGE, "%d is no process id of one that crashed", pid);
    TRY(target_new(PST_TARGET_CORE, options, &target));
    pst_error *error = crash_open(target, pid, head, size);
    if (error) {
        pst_target_close(target);
        return error;
    }
    *result = target;
    return NULL;
}

bool pst_crash_is_held(const pst_target *target)
{
    struct stat status;
    char byte;
    /* Read, not looked up: the descriptors outlive the process. */
    if (!target->process || fstatat(target->process->directory, "stat", &status, 0) != 0)
        return false;
    for (size_t i = 0; i < target->segment_count; i++)
        if (target->segments[i].readable &&
            pread(target->process->memory_file, &byte, 1, (off_t)target->segments[i].start) == 1)
            return true;
    return false;
}
