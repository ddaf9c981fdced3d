/* Lines of the target's source files. The public function is pst_target_get_source_line(). */
#ifndef PYSTANDER_TARGET_SOURCE_H
#define PYSTANDER_TARGET_SOURCE_H

struct source_cache;

/* NULL is passed over. */
void source_cache_free(struct source_cache *cache);

#endif
