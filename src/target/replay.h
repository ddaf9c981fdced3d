/*
 * A target as a small core of it will be: a core whose memory is the origin's, without any of its files. Whatever a
 * command reads of it goes into a page store; so a core made of these pages gives that command all it asks for.
 */
#ifndef PYSTANDER_TARGET_REPLAY_H
#define PYSTANDER_TARGET_REPLAY_H

#include "target/page_store.h"
#include "target/target.h"

struct replay_options {
    const struct target_symbol *symbols; /* what its notes will tell; borrowed as long as *target is there */
    size_t symbol_count;
    bool with_files;    /* the origin's files serve, for what can't be told without them */
    bool search_store;  /* what searches memory finds only what is in the store by now: of an origin that changes, what
                         * was set aside may differ from what a search of the origin saw */
};

/* `origin` and `store` must outlive *target; pages that the store has are not read anew. On success *target is closed
 * by pst_target_close(), and only then all that was read is in the store. */
MUST_USE pst_error *replay_open(struct pst_target *origin, struct page_store *store,
                                const struct replay_options *options, struct pst_target **target);

#endif
