/* What str() of the target's own version gives, of objects where that is not their repr. */
#ifndef PYSTANDER_PYTHON_STR_H
#define PYSTANDER_PYTHON_STR_H

#include "python/repr.h"

/*
 * Appends it, of any object but an exception (see exception.h). No __str__ is run; those of builtins, and some of the
 * standard library, are known. Of an object that has another one, it is the repr, and *is_str becomes false.
 */
MUST_USE pst_error *str_add(struct repr *repr, pst_addr object, bool *is_str);

/* ---- repr_datetime.c --------------------------------------------------------------------------------------- */

MUST_USE pst_error *str_add_date(struct repr *repr, const struct instance *object);
/* *there is false: a time zone that Python code has to be asked for; nothing was added. */
MUST_USE pst_error *str_add_time(struct repr *repr, const struct instance *object, bool *there);
MUST_USE pst_error *str_add_datetime(struct repr *repr, const struct instance *object, bool *there);
MUST_USE pst_error *str_add_timedelta(struct repr *repr, const struct instance *object);
MUST_USE pst_error *str_add_timezone(struct repr *repr, const struct instance *object);

/* ---- repr_path.c ------------------------------------------------------------------------------------------- */

/* *there is false: a path that is just being made, or is not as it should be. */
MUST_USE pst_error *str_add_path(struct repr *repr, const struct instance *object, bool *there);

#endif
