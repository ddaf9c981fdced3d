/*
 * Puts the tables into the library as they stand (the build defines LAYOUTS_DIR, and makes this file depend
 * on them). Global names, for link-time optimisation may part this assembly from the array below.
 */
#include "layout/embed.h"

#define MICROS(major, minor, first, last)

#define VERSION(major, minor)                                                                                  \
    __asm__(".pushsection .rodata\n"                                                                           \
            ".global layout_text_" #major "_" #minor "\n"                                                      \
            ".hidden layout_text_" #major "_" #minor "\n"                                                      \
            "layout_text_" #major "_" #minor ":\n"                                                             \
            ".incbin \"" LAYOUTS_DIR "/" #major "." #minor ".layout\"\n"                                       \
            ".global layout_end_" #major "_" #minor "\n"                                                       \
            ".hidden layout_end_" #major "_" #minor "\n"                                                       \
            "layout_end_" #major "_" #minor ":\n"                                                              \
            ".byte 0\n"                                                                                        \
            ".popsection\n");                                                                                  \
    extern const char layout_text_##major##_##minor[] __attribute__((visibility("hidden")));                   \
    extern const char layout_end_##major##_##minor[] __attribute__((visibility("hidden")));
#include "../../layouts/versions.def"
#undef VERSION

const struct embedded_table embedded_tables[] = {
#define VERSION(major, minor) {major, minor, layout_text_##major##_##minor, layout_end_##major##_##minor},
#include "../../layouts/versions.def"
#undef VERSION
};

const size_t embedded_table_count = sizeof embedded_tables / sizeof *embedded_tables;
