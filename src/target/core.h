/*
 * An ELF core: what core.c and core_*.c share.
 *
 * Nothing here is proportional to the size of the core: headers and notes are read when it is opened, pages
 * when they are asked for. It is never mapped: a file that shrinks would kill this process. What is compressed or
 * comes out of a pipe is made such a file first: core_spool.c.
 */
#ifndef PYSTANDER_TARGET_CORE_H
#define PYSTANDER_TARGET_CORE_H

#include "base/text.h"
#include "target/elf_head.h"
#include "target/target.h"

#include <elf.h>

enum {
    CORE_MAX_NOTES_SIZE = 1 << 28,  /* of all; 4 to 13 KB for each thread */
    CORE_MAX_NOTE_SIZE = 1 << 25,   /* of one; the kernel's largest, NT_FILE, is cut at 16 MB or before */
    CORE_MAX_HELD_NOTES = 96 << 20, /* bytes, of those that go into another core */
    CORE_MAX_BAD_NOTES = 1000,      /* that don't have what they should */
    CORE_MAX_SECTIONS = 1 << 20,    /* gcore writes one for each mapping; libelf has some 200 bytes for each */
    CORE_MAX_NOTE_HEADERS = 16,     /* PT_NOTEs; all known writers make one */
    CORE_MAX_AUXV_SIZE = TARGET_MAX_AUXV_SIZE,
    CORE_MAX_OPEN_FILES = 512,      /* mapped files that are held open */
    CORE_MAX_SEARCHES = 1 << 13,    /* mapped files that are looked for, in several places each */
};

#define CORE_NO_IMAGE ((size_t)-1)

/* A PT_LOAD. */
struct core_load {
    pst_addr start, end;
    uint64_t offset;  /* of its first byte in the core */
    uint64_t size;    /* how many of its bytes are in the core */
    uint32_t flags;   /* PF_R … */
};

/* An entry of NT_FILE. */
struct core_mapping {
    pst_addr start, end;
    uint64_t file_offset;
    size_t name;      /* where the path starts in target->segment_names */
    bool deleted;
    size_t image;     /* in core->images */
};

/* Where the bytes of a segment, or of a part of it, are. They are in order of address, and cover every segment. */
struct core_part {
    pst_addr start, end;
    size_t segment;   /* in target->segments */
    uint64_t offset;  /* as in core_load */
    uint64_t size;
    size_t image;     /* the file that can serve the rest; CORE_NO_IMAGE: none */
};

enum core_image_state {
    CORE_IMAGE_UNTRIED,
    CORE_IMAGE_USED,   /* the same build: its pages serve */
    CORE_IMAGE_REFUSED,
};

/* A mapped file. */
struct core_image {
    const char *path;     /* in target->segment_names */
    bool has_base;
    pst_addr base;        /* where its offset 0 is mapped */
    enum core_image_state state;
    int fd;               /* -1: not open */
    char *why;            /* refused: why its pages can't be read; NULL: out of memory */
    bool is_wrong;        /* refused: a file is there, and not the right one */
    struct elf_head *head; /* of the file that is used */
};

/* A PT_NOTE's part of the file, as far as it is there and was looked at. */
struct core_notes {
    uint64_t offset, size;
};

struct core {
    struct pst_target *target;
    int fd;
    uint64_t file_size;
    const char *compression; /* "gzip"; NULL: none */
    int root;             /* the directory under which the files are found: the sysroot, or / */
    struct core_part *parts;
    size_t part_count;
    struct core_image *images;
    size_t image_count;
    size_t open_count;
    size_t search_count;  /* images whose file was looked for */
    size_t compared_count; /* words, see core_match.c */
    size_t main_image;    /* the executable's, CORE_NO_IMAGE: not known */

    /* While it is being opened. */
    struct core_load *loads;
    size_t load_count;
    struct core_mapping *mappings;
    size_t mapping_count;
    uint8_t auxv[CORE_MAX_AUXV_SIZE];
    size_t auxv_size;
    char *short_arguments; /* NT_PRPSINFO's: the first 79 bytes of the command line, blanks between */
    size_t thread_capacity;
    size_t tls_thread;    /* which thread the notes are about now: index + 1, 0: none yet */
    size_t notes_size;    /* of the notes read so far */
    size_t bad_note_count; /* so far, of CORE_MAX_BAD_NOTES */
    struct core_notes notes[CORE_MAX_NOTE_HEADERS]; /* where they are in the file */
    uint8_t *head_notes;  /* of a process that crashed (crash.c), which has no file */
    size_t head_notes_size;
    size_t notes_count;
    bool has_own_origin;  /* it is a small core of pystander's: see target/notes.h */
    bool begins_as_kernels; /* a thread, then the process */
    char *cut_why, *cut_hint; /* why not all of it could be decompressed or read; NULL: it could */
    bool has_siginfo;
    bool has_registers;   /* of the first thread: */
    pst_addr stack_pointer, instruction;
    bool has_threads, has_process;  /* their first note was seen */
    char leader_name[17];
};

/* ---- core.c ------------------------------------------------------------------------------------------ */

/* Looks at the first sizeof(Elf64_Ehdr) bytes of a core and fills target->machine. */
MUST_USE pst_error *core_check_header(struct pst_target *target, const char *path, const uint8_t *header);
/* A PT_LOAD, for which there must be room in core->loads. */
void core_add_load(struct core *core, const Elf64_Phdr *header);
/* A program header out of a core's bytes; what nobody asks for stays zero. */
Elf64_Phdr core_parse_header(const uint8_t *bytes);
/* For target->operations. */
void core_close(struct pst_target *target);

/* ---- core_read_notes.c ------------------------------------------------------------------------------- */

/* Notes that are in memory. */
MUST_USE pst_error *core_take_notes(struct core *core, const uint8_t *notes, size_t size);
/* The notes of one PT_NOTE, in the core's file. */
MUST_USE pst_error *core_read_notes(struct core *core, uint64_t offset, uint64_t size);

/* ---- core_notes.c ------------------------------------------------------------------------------------ */

/* One note. What it says goes into core->target and into core. */
MUST_USE pst_error *core_take_note(struct core *core, const char *name, size_t name_size, uint32_t type,
                                   const uint8_t *bytes, size_t size);
/* After the last note. */
void core_finish_notes(struct core *core);

/* ---- core_own_notes.c -------------------------------------------------------------------------------- */

/* A note named NOTE_PYSTANDER. */
void core_take_own_note(struct core *core, uint32_t type, const uint8_t *bytes, size_t size);
/* The notes of a small core of this one: its own. */
pst_error *core_write_notes(struct pst_target *target, struct text *notes);
size_t core_read_auxv(const struct pst_target *target, uint8_t *bytes, size_t size);

/* ---- core_signal.c ----------------------------------------------------------------------------------- */

void core_take_siginfo(struct core *core, const uint8_t *bytes, size_t size);
/* After the last note, of which core_notes.c has made out the writer. */
void core_finish_signal(struct core *core);
/* Puts into words what is where it happened; after core_make_segments(). */
MUST_USE pst_error *core_find_places(struct core *core);

/* ---- core_segments.c --------------------------------------------------------------------------------- */

/* Makes target->segments, core->parts and core->images of the loads and mappings. */
MUST_USE pst_error *core_make_segments(struct core *core);
/* The first part that ends after `address`; core->part_count: none. */
size_t core_find_part_at_or_after(const struct core *core, pst_addr address);
/* The part that has `address`; NULL: none. */
const struct core_part *core_find_part(const struct core *core, pst_addr address);
/* The file that is mapped there, an index into core->images; CORE_NO_IMAGE: none. */
size_t core_image_of(const struct core *core, const struct segment *segment);

/* ---- core_loaded.c ------------------------------------------------------------------------------------ */

/* Fills core->mappings and target->segment_names from what is in the core's memory; target->segments are of the loads
 * alone then. */
MUST_USE pst_error *core_find_loaded(struct core *core);

/* ---- core_arguments.c -------------------------------------------------------------------------------- */

/* The value of an entry of the auxiliary vector (AT_PHDR …); false: it has none. */
bool core_find_auxv(const struct core *core, uint64_t type, uint64_t *value);
/* Fills target->executable and core->main_image. */
MUST_USE pst_error *core_find_executable(struct core *core);
/* Fills target->arguments. */
MUST_USE pst_error *core_read_arguments(struct core *core);

/* ---- core_memory.c ----------------------------------------------------------------------------------- */

/* Bytes that are in the core itself, past the page cache; how many could be read. */
size_t core_read(const struct core *core, pst_addr address, void *bytes, size_t size);
struct memory_source core_memory_source(struct core *core);

/* ---- core_match.c ------------------------------------------------------------------------------------ */

enum {
    CORE_MATCH_MIN_WORDS = 24,      /* that agree; the smallest programs have about thirty */
    CORE_MATCH_MAX_WORDS = 1 << 24, /* looked at in all images: CPython has some 25,000 */
};

/* How what is in the core compares with what the file foretells, in words. Neither of both: it can't be told. */
struct core_match {
    size_t same, different;
    bool is_same, is_other;
    bool is_elsewhere;    /* the file's parts are not mapped as it says */
};

/* Of an image whose ELF header the core lacks; `head` is the file's. */
void core_match_data(struct core *core, const struct core_image *image, const struct elf_bytes *file,
                     const struct elf_head *head, struct core_match *match);

/* ---- core_place.c ------------------------------------------------------------------------------------ */

/* Opens what may be the image's file: in the `place`th place, counted from 0. *fd is -1 and errno set (0: it is no
 * regular file) if there is none; `path` (PATH_MAX bytes) says where it was looked for. false: there are no more. */
bool core_open_place(const struct core *core, const struct core_image *image, size_t place, char *path, int *fd);
/* A regular file below the folder `root`. -1 and errno, likewise. */
int core_open_in_root(int root, const char *path);

/* ---- core_image.c ------------------------------------------------------------------------------------ */

/* Where an image begins in a core. */
struct core_loaded {
    const struct core *core;
    pst_addr base;
};

/* For an elf_bytes, with a core_loaded as its context: of what is in the core. */
size_t core_read_loaded(void *context, uint64_t offset, void *bytes, size_t size);
/* Likewise of a file, whose descriptor (an int) is the context. */
size_t core_read_file(void *context, uint64_t offset, void *bytes, size_t size);
bool core_image_read_head(const struct core *core, const struct core_image *image, struct elf_head *head);

/* Finds the image's file and makes sure that it is the same build, once. */
enum core_image_state core_image_prepare(struct core *core, struct core_image *image);
/* The executable that the user named: a wrong one is said at once. */
void core_try_wanted_executable(struct core *core);
void core_images_free(struct core *core);
pst_error *core_open_file(struct pst_target *target, const char *path, const struct segment *segment, int *fd);

#endif
