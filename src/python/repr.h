/*
 * What repr() of the target's own version gives, appended to a text: of objects of every kind that decoders know
 * (repr_kinds.def), without running anything; of all others their class, address and attributes. A __repr__ written in
 * Python is not run, and not guessed at: those of the standard library that are known are done here in C.
 */
#ifndef PYSTANDER_PYTHON_REPR_H
#define PYSTANDER_PYTHON_REPR_H

#include "base/text.h"
#include "python/type.h"
#include "python/value.h"

/* Of one repr: tuples in tuples can multiply what they share. */
enum {
    REPR_MAX_CUT_SIZE = 32,       /* of " … +1,234" */
    REPR_MAX_SIZE = 64 << 20,     /* bytes, before what the last object adds */
    REPR_MAX_OBJECTS = 3 << 19,
    REPR_MAX_INT_BITS = 1200000,  /* 361,000 decimal digits; the time it takes grows with the square */
};

/* How much of a value is shown; what is cut is counted: "[0, 1, … +998]". */
struct repr_bounds {
    size_t depth;   /* containers in each other whose items are shown */
    size_t items;   /* of each container */
    size_t chars;   /* of a whole repr, from which on strings are cut and items left out: but only what is longer than
                     * saying that it was cut, and no name of ordinary length */
};

#define REPR_UNBOUNDED ((struct repr_bounds){SIZE_MAX, SIZE_MAX, SIZE_MAX})

/* An object that is being shown, and its type. */
struct instance {
    pst_addr address;
    struct type *type;
    bool is_open;              /* it is inside of itself */
};

/* One repr in the making. */
struct repr {
    const struct python *python;
    struct types *types;       /* NULL: of constants alone, what is none is an error */
    struct arena *arena;       /* for what is only read */
    struct text *text;
    struct repr_bounds bounds;
    size_t start;              /* of this repr in the text */
    size_t counted_size, char_count; /* of the text from there on: so many bytes are so many characters */
    size_t object_count;       /* so far */
    size_t depth;              /* of the objects in each other that are being shown … */
    pst_addr open[VALUE_MAX_DEPTH + 1]; /* … and these, the outermost first */
    pst_addr marked;           /* see repr_add_marked() */
    pst_error *error;          /* the first of those that spoiled a part of it; the caller's */
};

/* ---- repr.c ---------------------------------------------------------------------------------------------- */

/* The repr of a constant of code, unbounded. Of anything else: an error that names the type. Code objects become
 * "<code object NAME at 0x…, file "…", line N>". */
MUST_USE pst_error *repr_add(const struct python *python, struct arena *arena, pst_addr object, struct text *text);
/* The same of a value that was read already. */
MUST_USE pst_error *repr_add_value(const struct python *python, struct arena *arena, const struct value *value,
                                   struct text *text);

/* Begins a repr of any object at the end of `text`. */
void repr_start(struct repr *repr, struct types *types, struct arena *arena, struct repr_bounds bounds,
                struct text *text);
/* Adds an object: the whole, or a part of another. A part that can't be read is "<unreadable at 0x…>", and repr->error
 * says why. An error: a limit was reached, or there is no memory; the text ends there. */
MUST_USE pst_error *repr_add_object(struct repr *repr, pst_addr object);

/* ---- for those who add objects of one kind: repr_*.c ------------------------------------------------------ */

struct repr_kind;
/* As repr_add_object(), of an object that is to be shown as one of this kind. */
MUST_USE pst_error *repr_add_object_as(struct repr *repr, pst_addr object, const struct repr_kind *kind);

/* How objects whose __repr__ is that of one class are shown. */
struct repr_kind {
    const char *definer;       /* as in struct type */
    enum repr_origin origin;
    pst_error *(*add)(struct repr *repr, const struct instance *object);
    const char *cycle;         /* what stands for an object inside of itself, see repr_kinds.def */
};

/* Between the brackets of a container, before its item number `index`, behind which there are `left` more: adds the
 * comma. false: no more is to be shown, and that they were cut is said. */
bool repr_begin_item(struct repr *repr, uint64_t index, uint64_t left);
/* The same with another separator than a comma. */
bool repr_begin_part(struct repr *repr, uint64_t index, uint64_t left, const char *separator);
/* " … +1,234": so many were cut, of whatever it is. */
void repr_add_cut(struct repr *repr, uint64_t count);
/* Counts one object more. An error: a limit of one repr as a whole was reached, so that nothing is to be added any
 * more. */
MUST_USE pst_error *repr_check_limits(struct repr *repr);
/* How many characters there may be yet. */
size_t repr_get_left(struct repr *repr);
/* Of so many characters, as many as there is `room` for: or all, if saying how many were cut takes no fewer. */
uint64_t repr_choose_shown(uint64_t count, uint64_t room);
/* How many are shown of a string of `count` characters. */
uint64_t repr_get_shown(struct repr *repr, uint64_t count);
/* A constant of a code object is shown whole, or not at all. */
static inline bool repr_is_strict(const struct repr *repr)
{
    return !repr->types;
}
/* After an error where the next item of a container should be, the first of `left`: a limit of this container's own
 * ends it alone, and they are said to be cut. Else it is passed on. */
MUST_USE pst_error *repr_end_items(struct repr *repr, const char *separator, uint64_t left, pst_error *error);
/* Cuts the number that was added from `start` on to `left` characters. */
void repr_cut_number(struct repr *repr, size_t start, size_t left);
/* Ends a part of the text, from `start` on, that shows an object: if it could not be read, "<unreadable at 0x…>" takes
 * its place and the error is kept. An error: as that of repr_add_object(). */
MUST_USE pst_error *repr_end_part(struct repr *repr, pst_addr object, size_t start, pst_error *error);
/* The items of an array of `count` objects, without brackets. */
MUST_USE pst_error *repr_add_array(struct repr *repr, pst_addr array, uint64_t count);
/* A str, int … of a type whose value is read as one of `kind`. */
MUST_USE pst_error *repr_add_scalar(struct repr *repr, pst_addr object, enum value_kind kind);
/* The same of one that was read; of a kind before VALUE_TUPLE. */
MUST_USE pst_error *repr_add_scalar_value(struct repr *repr, const struct value *value);
/* Text of the target's, without quotes: a name. It is cut only if it is long. */
void repr_add_text(struct repr *repr, pst_text text);
/* The same of type_add_name()'s. */
void repr_add_type_name(struct repr *repr, const struct type *type);
/* The same of a str object; an error if it is none. */
MUST_USE pst_error *repr_add_name(struct repr *repr, pst_addr str);
/* The repr of a str that nobody made yet; in 2.7 of a str, which is bytes. */
void repr_add_quoted(struct repr *repr, pst_text text);
/* The same of a member of a struct, a str. 2.7 shows at most so many bytes ("%.100s"), and none behind a NUL. */
MUST_USE pst_error *repr_add_name_field(struct repr *repr, pst_addr object, enum field field, size_t most_2);
/* What str() makes of an object: of a str or an int of just these types; of others it is their repr. */
MUST_USE pst_error *repr_add_str_of(struct repr *repr, pst_addr object);
/* The name of an object's type, behind the last dot that there may be in it: _PyType_Name(). */
void repr_add_last_name(struct repr *repr, const struct instance *object);
/* The name of a type written in C, which it gave to all of its subclasses, too, before they had their own in 3.7. */
void repr_add_class_name(struct repr *repr, const struct instance *object, const char *name);
/* The tp_name of an object's type (type_read_tp_name()). */
MUST_USE pst_error *repr_add_tp_name(struct repr *repr, const struct instance *object);
/* "module.Class", as "%T" gives it since 3.13: without "__main__". */
void repr_add_full_name(struct repr *repr, const struct type *type);
/* The attribute of an object, in one of its slots or its dict; *value is 0: it has none, or such a property. */
MUST_USE pst_error *repr_get_attribute(struct repr *repr, const struct instance *object, const char *name,
                                       pst_addr *value);
/* Whether instances of a class have a function of that module as their method. */
MUST_USE pst_error *repr_has_method_of(struct repr *repr, const struct type *type, const char *name, const char *module,
                                       bool *yes);
/* A variable of the module that an object's __repr__, written in Python, is of; *value is 0: there is none. */
MUST_USE pst_error *repr_get_global(struct repr *repr, const struct instance *object, const char *name,
                                    pst_addr *value);
/* Whether an attribute of an object is true, as Python sees it: None, a number, a string; anything else is. */
MUST_USE pst_error *repr_is_true(struct repr *repr, pst_addr object, bool *yes);
/* " at 0x…" */
void repr_add_address(struct repr *repr, pst_addr address);
/* As repr_add_object(), of an object that Python marks as being shown before it is: if what it then calls looks out for
 * such marks, the object is taken for one inside of itself. */
MUST_USE pst_error *repr_add_marked(struct repr *repr, pst_addr object);
/* As repr_add_object(), of an object that is not counted as one deeper: as parts that are always just numbers. */
MUST_USE pst_error *repr_add_inside(struct repr *repr, pst_addr object);
/* The member of an object's struct, an object: as repr_add_object(). A null pointer is "<NULL>". */
MUST_USE pst_error *repr_add_field(struct repr *repr, pst_addr object, enum field field);

/* ---- repr_number.c: pure functions ----------------------------------------------------------------------- */

/* As repr(float): the shortest text that makes the same number. */
void repr_add_double(double number, struct text *text);
void repr_add_complex(double real, double imaginary, struct text *text);
/* As 2.7's str(): 12 digits. */
void repr_add_short_double(double number, struct text *text);
void repr_add_short_complex(double real, double imaginary, struct text *text);
/* How many steps repr_add_int() takes, some nanoseconds each. */
uint64_t repr_count_int_steps(const struct value *value);
/* An int of any size, `value` being one; without 2.7's L. Its digits are below 2^digit_bits. */
MUST_USE pst_error *repr_add_int(const struct value *value, struct text *text);

/* ---- repr_text.c: pure functions ------------------------------------------------------------------------- */

/* A str of Python 3.`minor`; minor < 0: 2.7's unicode. */
void repr_add_str(pst_text str, int minor, struct text *text);
/* bytes; with `prefix` "": 2.7's str. */
void repr_add_bytes(pst_bytes bytes, const char *prefix, struct text *text);

/* ---- repr_buffer.c --------------------------------------------------------------------------------------- */

/* A number as C has it; LONG: unsigned, and a long of 2.7. FLOAT: 2, 4 or 8 bytes; COMPLEX: two of 4 or 8. */
enum element_kind { ELEMENT_SIGNED, ELEMENT_UNSIGNED, ELEMENT_LONG, ELEMENT_FLOAT, ELEMENT_COMPLEX };

struct element {
    enum element_kind kind;
    unsigned size;    /* bytes; of ints 1 to 8 */
};

/* That at `address`. */
MUST_USE pst_error *repr_add_element(struct repr *repr, pst_addr address, struct element element);

/* ---- repr_record.c --------------------------------------------------------------------------------------- */

/* Whether the __repr__ of this type, whose origin is known, is one that collections.namedtuple() makes. */
bool repr_is_namedtuple(const struct types *types, const struct type *type);
/* Whether it is that of struct sequences. */
bool repr_is_struct_sequence(struct types *types, const struct type *type);

/* ---- repr_io.c ------------------------------------------------------------------------------------------- */

/* What a file has as its name. */
struct repr_stream_name {
    pst_addr object;           /* 0: none, or: */
    bool is_descriptor;        /* of a socket's file */
    int descriptor;
    bool is_unknown;           /* a property says it, or __getattr__() */
};

/* The attribute `name` of an object, which streams ask of what is inside of them; its type need not be filled in. */
MUST_USE pst_error *repr_find_stream_name(struct repr *repr, const struct instance *object,
                                          struct repr_stream_name *name);

/* ---- repr_computed.c ------------------------------------------------------------------------------------- */

/* Whether a class before the one that an object's __repr__ comes from has a property by that name, or the like: which
 * comes before what the object itself has, and nobody can know what it says. */
MUST_USE pst_error *repr_is_computed(struct repr *repr, const struct instance *object, const char *name,
                                     bool *result);

/* ---- repr_kinds.c ---------------------------------------------------------------------------------------- */

/* How objects whose __repr__ is that of this class are shown; if none is known, as those that no decoder knows. */
const struct repr_kind *repr_kind_named(enum repr_origin origin, pst_text definer);
/* How objects of this type are shown: repr_kinds.def says. */
const struct repr_kind *repr_kind_of(struct types *types, struct type *type);
/* The type as it were with the __repr__ of the nearest base whose objects hold more than attributes, as lists do: it
 * shows what those of this type hold. *contents is NULL: there is no such base. */
MUST_USE pst_error *repr_get_contents(struct types *types, struct type *type, struct type **contents);

/* Each adds an object of the kind that its name says; see repr_kinds.def. */
#define KIND(origin, definer, function, cycle)                                                                 \
    MUST_USE pst_error *repr_add_##function(struct repr *repr, const struct instance *object);
#define ALIAS(origin, definer, function, cycle)
#include "python/repr_kinds.def"
#undef KIND
#undef ALIAS
MUST_USE pst_error *repr_add_namedtuple(struct repr *repr, const struct instance *object);
MUST_USE pst_error *repr_add_struct_sequence(struct repr *repr, const struct instance *object);
/* repr_flag.c: to 3.10, one whose value is that of no one member. */
MUST_USE pst_error *repr_add_composite_flag(struct repr *repr, const struct instance *object, pst_addr value);
/* What stands for one of repr_add_attributes() inside of itself. */
MUST_USE pst_error *repr_add_cycle_of_attributes(struct repr *repr, const struct instance *object);
/* "<module.Class object at 0x…>", as object's own __repr__ has it. */
MUST_USE pst_error *repr_add_plain(struct repr *repr, const struct instance *object);
/* 2.7: "module.Class" of a class that is no type. */
MUST_USE pst_error *repr_add_old_class_name(struct repr *repr, pst_addr class);

#endif
