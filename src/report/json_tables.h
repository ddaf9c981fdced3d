/* Bytes and tables of small numbers as JSON: most of what there is to print of a code object. */
#ifndef PYSTANDER_REPORT_JSON_TABLES_H
#define PYSTANDER_REPORT_JSON_TABLES_H

#include "report/report.h"

/* A string of hexadecimal digits; null: data == NULL. */
void json_add_bytes(struct report_sink *sink, pst_bytes bytes);

/* These: null if there is no array, else an array of arrays of integers, where a negative line or column is null. */
void json_add_lines(struct report_sink *sink, const pst_line_range *lines, size_t count);
void json_add_positions(struct report_sink *sink, const pst_position *positions, size_t count);

#endif
