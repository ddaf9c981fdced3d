/*
 * Mutants of cores by the thousand, in this process: no crash, no sanitizer's complaint, no leak, and for each command
 * no more than MAX_SECONDS of processor time and MAX_MEMORY bytes in all.
 *
 *     build/asan/tests/core_mutants --mutants 1000 CORE…     each of these cores' first thousand mutants
 *     build/asan/tests/core_mutants --first 17 --mutants 1 CORE    the one with the number 17
 *     build/asan/tests/core_mutants --as-it-is CORE          the core itself, as a mutant that was kept
 *     build/asan/tests/core_mutants --write DIR CORE         writes them there, and does nothing with them
 *
 * A child does a batch of them, so that what ends one does not end all; what it was at is in memory that both share.
 */
#include "measure.h"
#include "use_core.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zstd.h>

/* What the release build keeps; the sanitizers make it slower and its objects larger. */
enum {
    MAX_SECONDS = 2,
    SANITIZED_SECONDS = 20,
    MAX_MEMORY = 256 << 20,
    MAX_WAIT = 300,          /* seconds of anybody's time for one mutant */
    BATCH = 50,
    MAX_JOBS = 16,
    MAX_FAILURES = 5,
};

/* What a child says. */
struct shared {
    uint64_t number;
    char lies[512];
    char failure[256];
    struct usage usage;
    uint64_t slowest, largest;
    struct measure measure;
    uint64_t done;
};

struct options {
    uint64_t run, first, count;
    unsigned jobs;
    const char *keep;
    bool as_it_is, write;
};

static struct shared *shared;    /* of this child */

const char *__asan_default_options(void);
const char *__ubsan_default_options(void);

const char *__asan_default_options(void)
{
    return "exitcode=99:detect_leaks=1:allocator_may_return_null=1:handle_abort=1:malloc_context_size=4:"
           "quarantine_size_mb=1:thread_local_quarantine_size_kb=64"; /* what costs most of its time */
}

const char *__ubsan_default_options(void)
{
    return "halt_on_error=1:exitcode=99:print_stacktrace=1";
}

static unsigned max_seconds(void)
{
    return measure_is_sanitized() ? SANITIZED_SECONDS : MAX_SECONDS;
}

/* ---- one mutant ------------------------------------------------------------------------------------------- */

static unsigned choose_uses(uint64_t number)
{
    unsigned uses = number % 2 ? USE_SNAPSHOT : USE_STACK;
    uses |= number % 4 == 0 ? USE_CODE : 0;
    uses |= number % 16 == 2 ? USE_CODE_LIST : 0;
    uses |= number % 32 == 3 ? USE_SNAPSHOT_ALL : 0;
    uses |= number % 32 == 6 ? USE_EXPORT : 0;
    uses |= number % 16 == 5 ? USE_STACK : 0;     /* both: the small core is read again */
    uses |= number % 8 == 1 ? USE_HEAD : 0;
    return uses;
}

/* Every so often it comes compressed. */
static int compress(const struct mutant *mutant)
{
    size_t room = ZSTD_compressBound(mutant->size);
    void *bytes = malloc(room);
    size_t size = bytes ? ZSTD_compress(bytes, room, mutant->bytes, mutant->size, 1) : 0;
    int fd = memfd_create("compressed", MFD_CLOEXEC);
    if (!bytes || ZSTD_isError(size) || write(fd, bytes, size) != (ssize_t)size)
        size = 0;
    free(bytes);
    return size ? fd : (close(fd), -1);
}

static void use_once(int fd, const struct seed *seed, unsigned uses)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    use_core(path, uses, &shared->usage);
    if (uses & USE_HEAD && !seed->is_compressed)
        use_head(fd, &shared->usage);
}

/* What is kept for good at the first time is no leak. */
static size_t count_kept(int fd, const struct seed *seed, unsigned uses, size_t before)
{
    size_t kept = measure_get().now - before;
    if (!kept)
        return 0;
    before = measure_get().now;
    use_once(fd, seed, uses);
    return measure_get().now - before;
}

static void use(const struct mutant *mutant, const struct seed *seed, unsigned uses, bool compressed)
{
    int fd = compressed ? compress(mutant) : mutant->fd;
    struct measure before = measure_get();
    double slowest = shared->usage.seconds;
    shared->usage.seconds = 0;
    measure_reset();
    use_once(fd, seed, uses);
    struct measure after = measure_get();
    const size_t taken = after.peak - before.now, kept = count_kept(fd, seed, uses, before.now);
    if (compressed)
        close(fd);

    if (shared->usage.seconds > max_seconds())
        snprintf(shared->failure, sizeof shared->failure, "%s took %.2f s", shared->usage.slowest,
                 shared->usage.seconds);
    else if (taken > MAX_MEMORY)
        snprintf(shared->failure, sizeof shared->failure, "took %zu MiB, %zu MiB at once", taken >> 20,
                 after.largest >> 20);
    else if (kept)
        snprintf(shared->failure, sizeof shared->failure, "kept %zd bytes", (ssize_t)kept);
    if (shared->usage.seconds > slowest)
        shared->slowest = shared->number;
    else
        shared->usage.seconds = slowest;
    if (taken > shared->measure.peak) {
        shared->largest = shared->number;
        shared->measure.peak = taken;
    }
    if (after.largest > shared->measure.largest)
        shared->measure.largest = after.largest;
}

static void on_timer(int number)
{
    static const char text[] = "did not end in time\n";
    ssize_t unused = write(STDERR_FILENO, text, sizeof text - 1);
    (void)unused;
    _exit(number == SIGPROF ? 4 : 5);
}

/* All that a mutant may do takes several times as long as one command. */
static void set_timers(void)
{
    const struct itimerval timer = {.it_value.tv_sec = 8 * max_seconds()};
    setitimer(ITIMER_PROF, &timer, NULL);
    alarm(MAX_WAIT);
}

static void run_batch(const struct seed *seed, const struct options *options, uint64_t first, uint64_t count)
{
    struct mutant mutant;
    signal(SIGPROF, on_timer);
    signal(SIGALRM, on_timer);
    if (!mutant_open(&mutant, seed))
        _exit(6);
    for (uint64_t number = first; number < first + count; number++) {
        shared->number = number;
        shared->lies[0] = '\0';
        if (!options->as_it_is)
            mutant_forge(&mutant, seed, options->run, number);
        memcpy(shared->lies, mutant.lies, sizeof shared->lies);
        set_timers();
        unsigned uses = options->as_it_is ? ~0U : choose_uses(number);
        use(&mutant, seed, uses, !seed->is_compressed && !options->as_it_is && number % 16 == 8);
        if (shared->failure[0])
            _exit(3);
        mutant_restore(&mutant, seed);
        shared->done++;
    }
    mutant_close(&mutant, seed);
    exit(0); /* where leaks are looked for */
}

/* ---- failures --------------------------------------------------------------------------------------------- */

/* Made anew, into a file, in which what is not there is a hole. */
static bool keep(const struct seed *seed, const struct options *options, uint64_t number, char *path, size_t path_size)
{
    static const uint8_t zeros[4096];
    struct mutant mutant;
    snprintf(path, path_size, "%s/mutant-%s-%llu-%llu", options->keep, seed->name, (unsigned long long)options->run,
             (unsigned long long)number);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || !mutant_open(&mutant, seed))
        return false;
    mutant_forge(&mutant, seed, options->run, number);
    bool written = ftruncate(fd, (off_t)mutant.size) == 0;
    for (size_t at = 0, size; written && at < mutant.size; at += size) {
        size = mutant.size - at < sizeof zeros ? mutant.size - at : sizeof zeros;
        written = memcmp(mutant.bytes + at, zeros, size) == 0 ||
                  pwrite(fd, mutant.bytes + at, size, (off_t)at) == (ssize_t)size;
    }
    mutant_close(&mutant, seed);
    return close(fd) == 0 && written;
}

static unsigned write_all(const struct seed *seed, const struct options *options)
{
    char path[4096];
    for (uint64_t number = options->first; number < options->first + options->count; number++)
        if (!keep(seed, options, number, path, sizeof path)) {
            printf("%s: %s\n", path, strerror(errno));
            return 1;
        }
    return 0;
}

static void report(const struct seed *seed, const struct options *options, const struct shared *child, int status)
{
    char how[64];
    if (WIFSIGNALED(status))
        snprintf(how, sizeof how, "killed by signal %d", WTERMSIG(status));
    else
        snprintf(how, sizeof how, "exit code %d", WEXITSTATUS(status));
    printf("FAILED: %s, run %llu, mutant %llu: %s (%s, at %s)\n  lies: %s\n", seed->name,
           (unsigned long long)options->run, (unsigned long long)child->number,
           child->failure[0] ? child->failure : "ended", how, child->usage.command,
           child->lies);
    char path[4096];
    if (!options->as_it_is && keep(seed, options, child->number, path, sizeof path))
        printf("  kept: %s; again: core_mutants --as-it-is %s\n", path, path);
    else if (!options->as_it_is)
        printf("  it can't be kept: %s: %s\n", path, strerror(errno));
    fflush(stdout);
}

/* ---- batches ---------------------------------------------------------------------------------------------- */

struct job {
    pid_t pid;
    uint64_t end;            /* of its batch */
    struct shared *shared;
};

static void start_job(struct job *job, const struct seed *seed, const struct options *options, uint64_t first,
                      uint64_t end)
{
    job->end = end;
    job->shared->failure[0] = '\0';
    fflush(stdout);
    job->pid = fork();
    if (job->pid == 0) {
        shared = job->shared;
        run_batch(seed, options, first, end - first);
    }
}

static struct job *wait_for_job(struct job *jobs, unsigned count, int *status)
{
    pid_t pid = wait(status);
    for (unsigned i = 0; i < count; i++)
        if (pid > 0 && jobs[i].pid == pid) {
            jobs[i].pid = 0;
            return &jobs[i];
        }
    return NULL;
}

static void sum_up(const struct seed *seed, const struct job *jobs, unsigned count)
{
    const struct shared *slow = jobs[0].shared, *large = jobs[0].shared;
    uint64_t done = 0, largest = 0;
    unsigned opened = 0, taken = 0;
    for (unsigned i = 0; i < count; i++) {
        const struct shared *child = jobs[i].shared;
        done += child->done;
        opened += child->usage.opened;
        taken += child->usage.taken;
        slow = child->usage.seconds > slow->usage.seconds ? child : slow;
        large = child->measure.peak > large->measure.peak ? child : large;
        largest = child->measure.largest > largest ? child->measure.largest : largest;
    }
    printf("%s: %llu mutants, %u opened, %u with stacks; slowest %.2f s (%s, %llu), largest %zu MiB (%llu), %llu MiB "
           "at once\n", seed->name, (unsigned long long)done, opened, taken, slow->usage.seconds, slow->usage.slowest,
           (unsigned long long)slow->slowest, large->measure.peak >> 20, (unsigned long long)large->largest,
           (unsigned long long)(largest >> 20));
    fflush(stdout);
}

/* How many failed. */
static unsigned fuzz(const struct seed *seed, const struct options *options)
{
    struct job jobs[MAX_JOBS] = {0};
    uint64_t next = options->first, end = options->first + options->count;
    unsigned running = 0, failures = 0;
    for (unsigned i = 0; i < options->jobs; i++) {
        jobs[i].shared = mmap(NULL, sizeof *jobs[i].shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (jobs[i].shared == MAP_FAILED)
            exit(6);
    }
    while (running || (next < end && failures < MAX_FAILURES)) {
        for (unsigned i = 0; i < options->jobs && next < end && failures < MAX_FAILURES; i++) {
            if (jobs[i].pid)
                continue;
            uint64_t stop = next + BATCH < end ? next + BATCH : end;
            start_job(&jobs[i], seed, options, next, stop);
            running++;
            next = stop;
        }
        int status;
        struct job *job = wait_for_job(jobs, options->jobs, &status);
        if (!job)
            continue;
        running--;
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
            continue;
        failures++;
        report(seed, options, job->shared, status);
        if (job->shared->number + 1 < job->end && failures < MAX_FAILURES) {
            start_job(job, seed, options, job->shared->number + 1, job->end);
            running++;
        }
    }
    sum_up(seed, jobs, options->jobs);
    for (unsigned i = 0; i < options->jobs; i++)
        munmap(jobs[i].shared, sizeof *jobs[i].shared);
    return failures;
}

/* ---- all -------------------------------------------------------------------------------------------------- */

static bool load(const char *path, struct seed *seed)
{
    struct stat status;
    const char *slash = strrchr(path, '/');
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    *seed = (struct seed){.name = slash ? slash + 1 : path};
    if (fd < 0 || fstat(fd, &status) < 0)
        return false;
    seed->size = (size_t)status.st_size;
    seed->bytes = mmap(NULL, seed->size + 1, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    return seed->bytes != MAP_FAILED;
}

static void unload(struct seed *seed)
{
    munmap(seed->bytes, seed->size + 1);
    free(seed->objects.items);
    free(seed->pointers.items);
    free(seed->read.items);
    free(seed->addresses);
    free(seed->loads);
}

static struct options parse(int count, char **arguments)
{
    static const struct option names[] = {
        {"mutants", required_argument, NULL, 'm'}, {"first", required_argument, NULL, 'f'},
        {"run", required_argument, NULL, 'r'},     {"jobs", required_argument, NULL, 'j'},
        {"keep", required_argument, NULL, 'k'},    {"as-it-is", no_argument, NULL, 'a'},
        {"write", required_argument, NULL, 'w'},
        {0},
    };
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    struct options options = {
        .run = 1, .count = 100, .keep = ".",
        .jobs = processors > 1 && processors < MAX_JOBS ? (unsigned)processors : 2,
    };
    for (int option; (option = getopt_long(count, arguments, "", names, NULL)) != -1;) {
        switch (option) {
        case 'm': options.count = strtoull(optarg, NULL, 10); break;
        case 'f': options.first = strtoull(optarg, NULL, 10); break;
        case 'r': options.run = strtoull(optarg, NULL, 10); break;
        case 'j': options.jobs = (unsigned)strtoul(optarg, NULL, 10); break;
        case 'w': options.write = true; /* fall through */
        case 'k': options.keep = optarg; break;
        case 'a': options.as_it_is = true; options.count = 1; break;
        default: exit(64);
        }
    }
    if (optind == count || options.jobs < 1 || options.jobs > MAX_JOBS) {
        fprintf(stderr, "core_mutants [--mutants N] [--first N] [--run N] [--jobs N] [--keep DIR]\n"
                        "             [--as-it-is | --write DIR] CORE…\n");
        exit(64);
    }
    return options;
}

int main(int count, char **arguments)
{
    measure_start();
    const struct options options = parse(count, arguments);
    const struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    unsigned failures = 0;
    for (int i = optind; i < count && failures < MAX_FAILURES; i++) {
        struct seed seed;
        if (!load(arguments[i], &seed)) {
            printf("%s: %s\n", arguments[i], strerror(errno));
            return 2;
        }
        if (!options.as_it_is && !use_find_places(arguments[i], &seed)) {
            printf("%s: this is no sound core\n", arguments[i]);
            return 2;
        }
        failures += options.write ? write_all(&seed, &options) : fuzz(&seed, &options);
        unload(&seed);
    }
    return failures ? 1 : 0;
}
