/* As that version's dis._unpack_opargs() does it. */
#include "python/step.h"

enum {
    CODE_UNIT_SIZE = 2,
    MAX_ARGUMENT_BITS = 40, /* no interpreter takes in more than three EXTENDED_ARGs */
};

static int version_of(const struct opcodes *opcodes)
{
    return opcodes->major * 100 + opcodes->minor;
}

/* To 3.11 any opcode from HAVE_ARGUMENT on has one, even if there is no such opcode. */
static bool has_argument(const struct opcodes *opcodes, uint8_t opcode)
{
    const struct opcode *known = &opcodes->opcodes[opcode];
    return known->name ? known->operand != OPERAND_NONE
                       : version_of(opcodes) < 312 && opcode >= opcodes->have_argument;
}

/* 3.11+: an oparg is an int of C's, and wraps as one. */
static int64_t extend(const struct opcodes *opcodes, int64_t arg)
{
    if (version_of(opcodes) >= 311)
        return (int32_t)((uint64_t)arg << 8);
    return version_of(opcodes) < 300 ? arg << 16 : arg << 8;
}

static void read_argument(struct step_reader *reader, struct step *step)
{
    const uint8_t *at = reader->bytes.data + step->offset + 1;
    int64_t low = at[0];
    step->arg = version_of(reader->opcodes) < 300 ? low + (at[1] << 8) + reader->extended : low | reader->extended;
    reader->extended = step->opcode == reader->opcodes->extended_arg ? extend(reader->opcodes, step->arg) : 0;
}

bool step_next(struct step_reader *reader, struct step *step)
{
    const struct opcodes *opcodes = reader->opcodes;
    if (reader->is_cut || reader->offset >= reader->bytes.size)
        return false;
    *step = (struct step){.offset = reader->offset, .opcode = reader->bytes.data[reader->offset],
                          .size = CODE_UNIT_SIZE};
    step->has_arg = has_argument(opcodes, step->opcode);
    if (version_of(opcodes) < 300)
        step->size = step->has_arg ? 3 : 1;
    else
        step->size += (size_t)opcodes->opcodes[step->opcode].cache_count * CODE_UNIT_SIZE;
    reader->is_cut = step->size > reader->bytes.size - step->offset;
    if (reader->is_cut)
        return false;
    if (step->has_arg)
        read_argument(reader, step);
    else if (version_of(opcodes) >= 310)
        reader->extended = 0;
    reader->is_cut = reader->extended >= 0 && reader->extended >> MAX_ARGUMENT_BITS;
    if (reader->is_cut)
        return false;
    reader->offset += step->size;
    return true;
}

bool step_is_jump(const struct opcodes *opcodes, const struct step *step)
{
    uint8_t operand = opcodes->opcodes[step->opcode].operand;
    return step->has_arg && (operand == OPERAND_JUMP_ABSOLUTE || operand == OPERAND_JUMP_FORWARD ||
                             operand == OPERAND_JUMP_BACKWARD || operand == OPERAND_JUMP_BACKWARD_FROM);
}

int64_t step_find_target(const struct opcodes *opcodes, const struct step *step, int64_t arg)
{
    int64_t unit = version_of(opcodes) >= 310 ? CODE_UNIT_SIZE : 1;
    int64_t next = (int64_t)(step->offset + step->size);
    switch (opcodes->opcodes[step->opcode].operand) {
    case OPERAND_JUMP_ABSOLUTE: return arg * unit;
    case OPERAND_JUMP_FORWARD: return next + arg * unit;
    default: return next - arg * unit;
    }
}
