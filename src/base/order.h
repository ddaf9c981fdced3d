/* For qsort(). */
#ifndef PYSTANDER_BASE_ORDER_H
#define PYSTANDER_BASE_ORDER_H

#include "pystander/pystander.h"

/* Of two pst_addr. */
static inline int order_addresses(const void *one, const void *other)
{
    pst_addr left = *(const pst_addr *)one, right = *(const pst_addr *)other;
    return (left > right) - (left < right);
}

#endif
