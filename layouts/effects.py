"""Stack effects and control flow of opcodes, for layouts/generate-opcodes.

dis.stack_effect() tells most of it. What is by hand here it can't say: where control goes on, in 2.7 anything at all,
and the blocks of versions to 3.8, whose clean-up code runs with one value on the stack or with six, where the compiler
only needs to know the most. tests/oracle/depths.py holds all of it against what the interpreters do.
"""
import re

# The terms that an effect may have beside its constant: src/python/effects.def.
TERMS = {
    "n": lambda n: n,
    "bit0": lambda n: n & 1,
    "bit2": lambda n: n >> 2 & 1,
    "bits": lambda n: bin(n & 15).count("1"),
    "three": lambda n: n == 3,
    "bytes": lambda n: (n & 255) + (n >> 8),
    "pairs": lambda n: (n & 255) + 2 * (n >> 8),
}
FACTORS = {"-": -1, "-2": -2, "+": 1}


def fit(arguments, values):
    """The effect that gives these values for these arguments, as a text; None: there is none."""
    if len(set(values)) == 1:
        return str(values[0])
    for name, term in TERMS.items():
        for factor, number in FACTORS.items():
            constants = {value - number * term(argument) for argument, value in zip(arguments, values)}
            if len(constants) == 1:
                return f"{constants.pop()}{factor}{name}"
    return None


# ---- where control goes: src/python/flows.def --------------------------------------------------------------

FLOWS = {
    "jump": "JUMP_FORWARD JUMP_ABSOLUTE JUMP_BACKWARD JUMP_BACKWARD_NO_INTERRUPT",
    "end": "RETURN_VALUE RETURN_CONST RAISE_VARARGS RERAISE INTERPRETER_EXIT STOP_CODE",
}
FLOWS_TO_3_7 = {
    "return": "RETURN_VALUE", "break": "BREAK_LOOP", "continue": "CONTINUE_LOOP", "loop": "SETUP_LOOP",
    "except": "SETUP_EXCEPT",
}
FLOWS_TO_3_8 = {
    "finally": "SETUP_FINALLY", "with": "SETUP_WITH SETUP_ASYNC_WITH", "pop-block": "POP_BLOCK",
    "pop-handler": "POP_EXCEPT END_ASYNC_FOR", "end-finally": "END_FINALLY", "pop-finally": "POP_FINALLY",
    "exit": "WITH_CLEANUP WITH_CLEANUP_START", "exit-done": "WITH_CLEANUP_FINISH",
}
# Names that sound as if control did not go on, and do.
GOES_ON = re.compile(r"RETURN_GENERATOR|JUMP_IF_")
SOUNDS_LIKE_END = re.compile(r"RETURN_|RERAISE|RAISE_|JUMP_|BREAK_|CONTINUE_")


def find_flow(name, minor):
    """What an instruction does to control; "-": it goes on, or may jump as well. None: its name says otherwise."""
    tables = [FLOWS_TO_3_7] * (minor < (3, 8)) + [FLOWS_TO_3_8] * (minor < (3, 9)) + [FLOWS]
    for table in tables:
        for flow, names in table.items():
            if name in names.split():
                return flow
    return None if SOUNDS_LIKE_END.match(name) and not GOES_ON.match(name) else "-"


# ---- by hand -----------------------------------------------------------------------------------------------

# The first version, the last one, and of an opcode: its effect when control goes on, and when it jumps. An exception
# pushes six values, in 2.7 three.
BY_HAND = [
    ((2, 7), (3, 7), {"FOR_ITER": ("1", "-1"), "JUMP_IF_TRUE_OR_POP": ("-1", "0"), "JUMP_IF_FALSE_OR_POP": ("-1", "0"),
                      "NOP": ("0",), "EXTENDED_ARG": ("0",), "SETUP_LOOP": ("0", "0")}),
    ((2, 7), (2, 7), {"SETUP_EXCEPT": ("0", "3"), "SETUP_FINALLY": ("0", "3"), "SETUP_WITH": ("1", "3"),
                      "WITH_CLEANUP": ("-1",)}),
    ((3, 6), (3, 7), {"SETUP_EXCEPT": ("0", "6"), "SETUP_FINALLY": ("0", "6"), "SETUP_WITH": ("1", "6"),
                      "SETUP_ASYNC_WITH": ("0", "5"), "POP_EXCEPT": ("-3",)}),
    # What they do if no exception is on its way.
    ((3, 6), (3, 8), {"WITH_CLEANUP_START": ("1",), "WITH_CLEANUP_FINISH": ("-2",)}),
    ((2, 7), (3, 8), {"END_FINALLY": ("-1",)}),
    ((3, 8), (3, 8), {"BEGIN_FINALLY": ("1",), "POP_FINALLY": ("-1",)}),
    # What a generator is sent first is there when it goes on, not from the start.
    ((3, 11), (3, 12), {"RETURN_GENERATOR": ("1",)}),
    # PRECALL leaves the arguments to CALL.
    ((3, 11), (3, 11), {"PRECALL": ("0",), "CALL": ("-1-n",)}),
]

# Python/compile.c, opcode_stack_effect(), where it is right.
EFFECTS_2_7 = {
    "-4": "STORE_SLICE+3",
    "-3": "STORE_SLICE+1 STORE_SLICE+2 DELETE_SLICE+3 STORE_SUBSCR EXEC_STMT",
    "-2": "MAP_ADD SLICE+3 STORE_SLICE+0 DELETE_SLICE+1 DELETE_SLICE+2 STORE_MAP DELETE_SUBSCR PRINT_ITEM_TO "
          "BUILD_CLASS STORE_ATTR",
    "-1": "POP_TOP SET_ADD LIST_APPEND BINARY_POWER BINARY_MULTIPLY BINARY_DIVIDE BINARY_MODULO BINARY_ADD "
          "BINARY_SUBTRACT BINARY_SUBSCR BINARY_FLOOR_DIVIDE BINARY_TRUE_DIVIDE INPLACE_FLOOR_DIVIDE "
          "INPLACE_TRUE_DIVIDE SLICE+1 SLICE+2 DELETE_SLICE+0 INPLACE_ADD INPLACE_SUBTRACT INPLACE_MULTIPLY "
          "INPLACE_DIVIDE INPLACE_MODULO BINARY_LSHIFT BINARY_RSHIFT BINARY_AND BINARY_XOR BINARY_OR INPLACE_POWER "
          "PRINT_EXPR PRINT_ITEM PRINT_NEWLINE_TO INPLACE_LSHIFT INPLACE_RSHIFT INPLACE_AND INPLACE_XOR INPLACE_OR "
          "RETURN_VALUE IMPORT_STAR STORE_NAME DELETE_ATTR STORE_GLOBAL COMPARE_OP IMPORT_NAME POP_JUMP_IF_FALSE "
          "POP_JUMP_IF_TRUE STORE_FAST STORE_DEREF",
    "0": "STOP_CODE ROT_TWO ROT_THREE ROT_FOUR UNARY_POSITIVE UNARY_NEGATIVE UNARY_NOT UNARY_CONVERT UNARY_INVERT "
         "SLICE+0 GET_ITER PRINT_NEWLINE BREAK_LOOP YIELD_VALUE POP_BLOCK DELETE_NAME DELETE_GLOBAL LOAD_ATTR "
         "JUMP_FORWARD JUMP_ABSOLUTE CONTINUE_LOOP DELETE_FAST",
    "1": "DUP_TOP LOAD_LOCALS LOAD_CONST LOAD_NAME BUILD_MAP IMPORT_FROM LOAD_GLOBAL LOAD_FAST LOAD_CLOSURE LOAD_DEREF",
    "0+n": "DUP_TOPX",
    "-1+n": "UNPACK_SEQUENCE",
    "1-n": "BUILD_TUPLE BUILD_LIST BUILD_SET",
    "0-n": "RAISE_VARARGS MAKE_FUNCTION",
    "-1-n": "MAKE_CLOSURE",
    "-1-three": "BUILD_SLICE",
    "0-pairs": "CALL_FUNCTION",
    "-1-pairs": "CALL_FUNCTION_VAR CALL_FUNCTION_KW",
    "-2-pairs": "CALL_FUNCTION_VAR_KW",
}


def find_by_hand(name, minor):
    for first, last, effects in BY_HAND:
        if first <= minor <= last and name in effects:
            return effects[name]
    if minor == (2, 7):
        for effect, names in EFFECTS_2_7.items():
            if name in names.split():
                return (effect,)
    return None


# ---- both --------------------------------------------------------------------------------------------------


def find_effects(name, answer, is_jump):
    """The effect if control goes on and the one if it jumps, as texts; None: no term is known that fits."""
    minor = tuple(map(int, answer["version"].split(".")[:2]))
    by_hand = find_by_hand(name, minor)
    if by_hand:
        return by_hand[0], by_hand[-1]
    told = answer["effects"].get(name, [[0]])   # INSTRUMENTED_LINE and the like stand for any other
    if not told or None in told:
        return None
    arguments = answer["effect_arguments"][:len(told[0])]
    effects = [fit(arguments, values) for values in told]
    if None in effects or (effects[0] != effects[-1] and not is_jump):
        return None
    return effects[0], effects[-1]
