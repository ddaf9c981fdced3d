/* The dynamic loader's list of what it loaded: struct r_debug and struct link_map of glibc's and musl's <link.h>, on
 * any 64-bit machine. */
#ifndef PYSTANDER_TARGET_LINK_MAP_H
#define PYSTANDER_TARGET_LINK_MAP_H

enum { R_MAP_OFF = 8, R_DEBUG_SIZE = 40 };
enum { L_ADDR_OFF = 0, L_NAME_OFF = 8, L_LD_OFF = 16, L_NEXT_OFF = 24, LINK_MAP_SIZE = 40 };

#endif
