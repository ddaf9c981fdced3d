"""Runs in the interpreter that a core is of, and says what is wrong with bytecode that was read from it.

One JSON object a line in: "code" (hex), "consts", "names", "cells", "frees" and "fast" (how many there are); one array
of strings a line out. Nothing of the bytecode is run.
"""
import binascii
import dis
import json
import opcode
import sys

caches = getattr(opcode, "_inline_cache_entries", {})
wide = sys.version_info >= (3, 6)


def cache_count(op):
    if isinstance(caches, list):
        return caches[op] if op < len(caches) else 0
    return caches.get(dis.opname[op], 0)


def takes_argument(op):
    return op in dis.hasarg if hasattr(dis, "hasarg") else op >= dis.HAVE_ARGUMENT


def name_index(name, arg):
    shift = 0
    if sys.version_info >= (3, 11):
        shift = name == "LOAD_GLOBAL"
    if sys.version_info >= (3, 12):
        shift = {"LOAD_GLOBAL": 1, "LOAD_ATTR": 1, "LOAD_SUPER_ATTR": 2}.get(name, 0)
    if sys.version_info >= (3, 15) and name == "IMPORT_NAME":
        shift = 2
    return arg >> shift


def jump_target(op, arg, following):
    name = dis.opname[op]
    size = 2 if sys.version_info >= (3, 10) else 1
    if op in dis.hasjabs:
        return arg * size
    return following + 2 * cache_count(op) + (-arg if "JUMP_BACKWARD" in name else arg) * size


def check_argument(op, arg, following, sizes):
    name = dis.opname[op]
    if op in dis.hasconst and arg >= sizes["consts"]:
        return "constant %d of %d" % (arg, sizes["consts"])
    if op in dis.hasname and name_index(name, arg) >= sizes["names"]:
        return "name %d of %d" % (name_index(name, arg), sizes["names"])
    if op in dis.haslocal:
        locals_ = (arg >> 4, arg & 15) if name.count("_FAST") > 1 else (arg,)
        if max(locals_) >= sizes["fast"]:
            return "local %d of %d" % (max(locals_), sizes["fast"])
    if op in dis.hasfree:
        count = sizes["fast"] if sys.version_info >= (3, 11) else sizes["cells"] + sizes["frees"]
        if arg >= count:
            return "cell %d of %d" % (arg, count)
    if op in dis.hasjrel or op in dis.hasjabs:
        target = jump_target(op, arg, following)
        if not 0 <= target < sizes["size"]:
            return "a jump to %d of %d" % (target, sizes["size"])
    return None


def walk(code, sizes):
    problems, offset, extended = [], 0, 0
    if wide and len(code) % 2:
        return ["an odd size"]
    while offset < len(code):
        op, start = code[offset], offset
        name, has_argument = dis.opname[op], takes_argument(op)
        arg = 0
        offset += 1
        if wide:
            arg = code[offset]
            offset += 1
        elif has_argument:
            if offset + 2 > len(code):
                return problems + ["%d: cut off" % start]
            arg = code[offset] | code[offset + 1] << 8
            offset += 2
        if name.startswith("<") or name.startswith("INSTRUMENTED_") or name in ("CACHE", "ENTER_EXECUTOR"):
            problems.append("%d: opcode %d, %s" % (start, op, name))
        if has_argument:
            arg |= extended
            extended = arg << (8 if wide else 16) if name == "EXTENDED_ARG" else 0
            problem = None if name == "EXTENDED_ARG" else check_argument(op, arg, offset, sizes)
            if problem:
                problems.append("%d: %s: %s" % (start, name, problem))
        else:
            extended = 0
        cache = code[offset:offset + 2 * cache_count(op)]
        if any(cache):
            problems.append("%d: %s: its cache is not empty" % (start, name))
        offset += len(cache)
    return problems


while True:
    line = sys.stdin.readline()
    if not line:
        break
    question = json.loads(line)
    code = bytearray(binascii.unhexlify(question["code"].encode()))
    question["size"] = len(code)
    sys.stdout.write(json.dumps(walk(code, question)) + "\n")
    sys.stdout.flush()
