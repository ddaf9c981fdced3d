#!/usr/bin/env python3
"""Compares `pystander code --dis` with what the dis module of each interpreter says: the text of every code object,
that of its specialised form, each field of each instruction, and the arrow where a thread is.

    instructions.py --tool build/release/pystander
    instructions.py --tool PATH --interpreter 'pyenv-3.1*'

fixtures/programs/disassembled.py writes it down. dis ends there: counters of specialisation, which it does not show,
are left out of the text, and checked against the code unit that they stand in.

The last line counts interpreters. Exit status 1: one differed, none was compared, or one of
PYSTANDER_REQUIRE_INTERPRETERS is missing.
"""
import argparse
import json
import os
import re
import subprocess
import sys
import time

from code_target import TOOL_TIMEOUT, Chosen, Differences, Target, Totals, add_options, read_codes
from process import Failure

# fixtures/programs/disassembled.py: FIELDS
FIELDS = ["offset", "opcode", "opname", "arg", "argrepr", "starts_line", "line", "end_line", "column", "end_column",
          "jump_target", "is_jump_target", "label", "cache_size"]
TITLE = re.compile(r"(0x[0-9a-f]+) ")
COUNTER = re.compile(r"  ; counter \d+(, backoff \d+)?$", re.M)
# At least so many must not have moved.
MIN_ADAPTIVE = 0.9


# ---- the text -----------------------------------------------------------------------------------------------

def read_blocks(text):
    """{address: what stands below its title}"""
    blocks, lines = {}, []
    for line in text.rstrip("\n").split("\n")[:-1]:   # the last line counts them
        match = TITLE.match(line)
        if match:
            lines = blocks[match.group(1)] = []
        elif line.startswith("Copy "):  # of the bytecode, which dis knows nothing of
            lines = []
        else:
            lines.append(line)
    return {address: "\n".join(lines).strip("\n") for address, lines in blocks.items()}


def is_printable(text):
    return all(character.isprintable() or character == "\n" for character in text)


class TextComparison(Differences):
    """Of one run with `--dis`. `key`: of what was written down; `moved`: the addresses that it holds for no more."""

    def __init__(self, version, key, moved=()):
        super().__init__()
        self.version, self.key, self.moved = version, key, moved

    def compare(self, blocks, truth):
        for address in truth.keys() - self.moved:
            self.codes += 1
            self.fields += 1
            expected, found = truth[address][self.key].strip("\n"), blocks.get(address)
            if found is None:
                self.differ("%s: not found" % address)
            elif is_printable(expected) and self.plain(found) != self.plain(expected):
                self.differ("%s: %s" % (address, first_difference(self.plain(found), self.plain(expected))))

    def plain(self, text):
        """Code objects that were not running when they were looked at are now, some."""
        text = COUNTER.sub("", text).replace("-->", "   ")
        # 3.11's own finds no labels where a specialised jump goes to.
        return text.replace(">>", "  ") if self.key == "adaptive" and self.version == (3, 11) else text


class ArrowComparison(TextComparison):
    """Of running code."""

    def plain(self, text):
        """3.11's own has no arrow where f_lasti is in a cache."""
        return text.replace("-->", "   ") if self.version == (3, 11) else text

    def compare(self, blocks, truth):
        super().compare(blocks, truth)
        for address in truth:
            if blocks.get(address, "-->").count("-->") != 1:
                self.differ("%s: not one arrow: %s" % (address, blocks[address]))


def first_difference(found, expected):
    pairs = list(zip(found.split("\n") + ["(no more lines)"], expected.split("\n") + ["(no more lines)"]))
    number = next((number for number, (one, other) in enumerate(pairs) if one != other), None)
    return "line %d is %r, not %r" % (number, *pairs[number]) if number is not None else "other line ends"


def run_text(tool, pid, *options):
    done = subprocess.run([tool, "code", "--dis", *options, str(pid)], stdin=subprocess.DEVNULL, capture_output=True,
                          timeout=TOOL_TIMEOUT)
    if done.returncode or done.stderr:
        raise Failure("exit status %d: %s" % (done.returncode, done.stderr.decode("utf-8", "replace")[-500:]))
    return read_blocks(done.stdout.decode("utf-8"))


# ---- the instructions ---------------------------------------------------------------------------------------

def decode_counter(version, adaptive, cache):
    """Include/internal/pycore_backoff.h; 3.11's specialised instructions count misses, and don't back off."""
    if version == (3, 11) and not adaptive.endswith("_ADAPTIVE") and "_ADAPTIVE" not in adaptive:
        return cache, None
    bits = 3 if version >= (3, 15) else 4
    return cache >> bits, cache & ((1 << bits) - 1)


class InstructionComparison(Differences):
    """Of one run with `--dis --json`."""

    def __init__(self, version, truth):
        super().__init__()
        self.version, self.truth = version, truth
        self.missing = set(truth)

    def add(self, line):
        found = json.loads(line)
        entry = self.truth.get(found["address"])
        if entry is None:
            return      # made since, or found by nobody but the tool
        self.codes += 1
        self.missing.discard(found["address"])
        where = "%s %s" % (found["address"], found["co_name"])
        if found["errors"]:
            self.differ("%s: %r" % (where, found["errors"][:3]))
        instructions = found["instructions"]
        if len(instructions) != len(entry["instructions"]):
            self.differ("%s: %d instructions, not %d" % (where, len(instructions), len(entry["instructions"])))
        for one, expected in zip(instructions, entry["instructions"]):
            self.compare(where, found, one, expected)

    def compare(self, where, code, one, expected):
        self.fields += len(FIELDS)
        for name, value in zip(FIELDS, expected):
            if one[name] != value or type(one[name]) is not type(value):
                self.differ("%s: %s of the instruction at %s is %r, not %r" % (where, name, one["offset"], one[name],
                                                                               value))
        if one["counter"] is None:
            return
        self.fields += 1
        units = bytes.fromhex(code["adaptive"])
        cache = int.from_bytes(units[one["offset"] + 2:one["offset"] + 4], "little")
        expected = cache, *decode_counter(self.version, one["adaptive"], cache)
        if (one["cache"], one["counter"], one["backoff"]) != expected:
            self.differ("%s: the counter at %s is %r, not %r" % (
                where, one["offset"], (one["cache"], one["counter"], one["backoff"]), expected))

    def finish(self):
        for address in sorted(self.missing):
            self.differ("%s: not found" % address)


# ---- runs ---------------------------------------------------------------------------------------------------

def read_truth(path):
    with open(path) as file:
        return {entry["address"]: entry for entry in map(json.loads, file)}


def run_comparisons(tool, target, version):
    """(what, comparison) of each kind."""
    truth = read_truth(os.path.join(target.folder, "truth"))
    plain = TextComparison(version, "text")
    plain.compare(run_text(tool, target.pid, "--all"), truth)
    yield "text", plain
    running = ArrowComparison(version, "text")
    running.compare(run_text(tool, target.pid, "--running"), read_truth(os.path.join(target.folder, "running")))
    yield "running", running
    if version >= (3, 11):
        with open(os.path.join(target.folder, "moved")) as file:
            moved = set(file.read().split())
        adaptive = TextComparison(version, "adaptive", moved)
        adaptive.compare(run_text(tool, target.pid, "--all", "--adaptive"), truth)
        if adaptive.codes < MIN_ADAPTIVE * len(truth):
            adaptive.differ("only %d of %d were compared" % (adaptive.codes, len(truth)))
        yield "adaptive", adaptive
    if version >= (3, 6):
        fields = InstructionComparison(version, truth)
        read_codes([tool, "code", "--all", "--dis", "--json", str(target.pid)], fields)
        fields.finish()
        yield "instructions", fields


def run(tool, totals, interpreter, programs):
    target, started = None, time.monotonic()
    try:
        target = Target(interpreter, programs, "disassembled.py")
        target.wait_ready()
        for what, comparison in run_comparisons(tool, target, interpreter.version_info):
            totals.add("%s %s" % (interpreter.id, what), comparison, time.monotonic() - started)
            started = time.monotonic()
    except (Failure, OSError, ValueError, KeyError, subprocess.SubprocessError) as error:
        totals.fail(interpreter.id, "%s: %s" % (type(error).__name__, error))
    finally:
        if target:
            target.kill()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser)
    options = parser.parse_args()
    chosen, totals = Chosen(options), Totals()
    chosen.run(lambda interpreter: [run], options.tool, totals)
    return chosen.finish(totals)


if __name__ == "__main__":
    sys.exit(main())
