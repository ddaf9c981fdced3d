/* What the tests on cores share: a folder with a core and an image in it, and what is expected of them. */
#ifndef PYSTANDER_TESTS_CORE_FIXTURE_H
#define PYSTANDER_TESTS_CORE_FIXTURE_H

#include "core_file.h"
#include "target/core.h"

enum { PAGE = 4096 }; /* of the machine that the cores are of */

extern const pst_addr data_address, image_address;
extern char folder[64], core_path[128], image_path[128];

/* Set up and torn down around each test. */
int make_folder(void **state);
int remove_folder(void **state);

struct pst_target *open_with(const pst_target_options *options);
/* Writes the core and opens it. */
struct pst_target *open_core(struct core_file *core);

void expect_no_errors(const struct pst_target *target);
/* The only error, and a part of what it says. */
void expect_one_error(const struct pst_target *target, const char *part);
void expect_byte(struct pst_target *target, pst_addr address, uint8_t expected);
void expect_unreadable(struct pst_target *target, pst_addr address, const char *why);
/* pst_target_open_core() fails; `hint` may be NULL. */
void expect_refused(const char *path, pst_error_code code, const char *message, const char *hint);

/* What the kernel writes first of a process with one thread. */
struct core_file begin_kernel_core(int signal, int code, uint64_t address);
/* Adds an image as the kernel's default filter leaves it, the first page alone; and a heap at data_address. */
void add_image(struct core_file *core, const char *build_id, const char *path);
void write_image(const char *path, const char *build_id);

#endif
