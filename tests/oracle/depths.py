#!/usr/bin/env python3
"""Compares the depths of value stacks, as the library finds them out from bytecode, with those of CPython's own frames.

    depths.py --tool build/release/tests/value_stacks
    depths.py --tool PATH --interpreter 'pyenv-3.1*'

    frames     fixtures/programs/depths.py has noted how deep the stacks of its frames were: before instructions, in
               calls, of suspended generators
    library    every code object of the standard library: the greatest depth is co_stacksize or, where the compiler
               allows for more than is needed, less; what is returned is there; from 3.9 on no two ways disagree

The last line counts runs. Exit status 1: one differed, none was compared, or one of
PYSTANDER_REQUIRE_INTERPRETERS is missing.
"""
import argparse
import collections
import os
import subprocess
import sys
import time

from code_target import TOOL_TIMEOUT, Chosen, Differences, Target, Totals, add_options
from process import Failure

# Of all code objects: how many may need less than co_stacksize, how many instructions may be reached by nothing. To
# 3.9 compilers leave code that nothing leads to, and put constants together when the stack was measured; 2.7's and
# 3.6's count all that may lie on it at once, 3.13's one more for some.
MOST_UNDER = {(2, 7): 0.04, (3, 6): 0.2, (3, 7): 0.02, (3, 8): 0.03, (3, 9): 0.02, (3, 13): 0.05}
SHOWN = 5           # of them
MOST_UNREACHED = 0.03
MOST_UNREACHED_FROM_3_10 = 0.0001


def run_tool(tool, what, pid, text=""):
    done = subprocess.run([tool, what, str(pid)], input=text.encode(), capture_output=True, timeout=TOOL_TIMEOUT)
    if done.returncode or done.stderr:
        raise Failure("exit status %d: %s" % (done.returncode, done.stderr.decode("utf-8", "replace")[-500:]))
    return done.stdout.decode("utf-8", "replace").splitlines()


# ---- frames -------------------------------------------------------------------------------------------------

class Record:
    """A line of the truth."""

    def __init__(self, line):
        self.line = line
        self.kind, self.address, offset, depth, blocks = line.split()
        self.offset, self.depth, self.blocks = int(offset), int(depth), int(blocks)


class Answer:
    """A line of the tool's."""

    def __init__(self, line):
        self.line = line
        offset, self.name, *choices = line.split()
        self.offset = int(offset)
        self.choices = [tuple(map(int, choice.split("/"))) for choice in choices]


def questions_of(record, version):
    """Which instructions' depths tell the one of the record: its own; to 3.10, a generator that is suspended in
    YIELD_FROM is shown at the instruction before that."""
    yield record.offset
    if record.kind == "yield" and version < (3, 11):
        yield record.offset + 2


def fits(record, answers, version):
    """What a generator is sent when it goes on is not on its stack yet."""
    answer, missing = answers[0], 0
    if record.kind == "yield":
        missing = 1
        if len(answers) > 1 and answers[1].name == "YIELD_FROM" and answer.name != "YIELD_VALUE":
            answer = answers[1]
    depths = {depth - missing for depth, blocks, _, _ in answer.choices if version >= (3, 9) or blocks == record.blocks}
    return record.depth in depths if version < (3, 9) else depths == {record.depth}


def compare_frames(tool, target, version):
    comparison = Differences()
    with open(os.path.join(target.folder, "truth")) as file:
        records = [Record(line) for line in file]
    questions = [(record, offset) for record in records for offset in questions_of(record, version)]
    questions.sort(key=lambda question: question[0].address)
    lines = run_tool(tool, "at", target.pid,
                     "".join("%s %d\n" % (record.address, offset) for record, offset in questions))
    answers = collections.defaultdict(list)
    for (record, _), line in zip(questions, lines):
        answers[record].append(Answer(line))
    comparison.codes = len({record.address for record in records})
    for record in records:
        comparison.fields += 1
        if len(answers[record]) == 0 or not fits(record, answers[record], version):
            comparison.differ("%s: %s" % (record.line.strip(), " | ".join(one.line for one in answers[record])))
    for kind in ["before", "call", "yield"] + ["saved"] * (version >= (3, 14)):
        if not any(record.kind == kind for record in records):
            comparison.differ("nothing of the kind %r" % kind)
    return comparison


# ---- the library --------------------------------------------------------------------------------------------

def compare_library(tool, target, version):
    comparison = Differences()
    unreached = nanoseconds = 0
    under = []
    for line in run_tool(tool, "all", target.pid):
        address, *numbers, name = line.split(" ", 8)
        stacksize, greatest, instructions, unknown, several, poor_returns, elapsed = map(int, numbers)
        comparison.codes += 1
        comparison.fields += instructions
        unreached, nanoseconds = unreached + unknown, nanoseconds + elapsed
        if greatest < stacksize:
            under.append("%s (%d of %d)" % (name, greatest, stacksize))
        if greatest > stacksize or poor_returns or " error: " in name or (several and version >= (3, 9)):
            comparison.differ(line)
    print("      %d need less than co_stacksize, %d of %d instructions are reached by nothing, %.0f ns for each" % (
        len(under), unreached, comparison.fields, nanoseconds / (comparison.fields or 1)))
    print("      less: %s%s" % (", ".join(under[:SHOWN]), ", ..." if len(under) > SHOWN else ""))
    if len(under) > max(SHOWN, MOST_UNDER.get(version, 0) * comparison.codes):
        comparison.differ("%d of %d need less than co_stacksize" % (len(under), comparison.codes))
    if unreached > (MOST_UNREACHED_FROM_3_10 if version >= (3, 10) else MOST_UNREACHED) * comparison.fields:
        comparison.differ("%d of %d instructions are reached by nothing" % (unreached, comparison.fields))
    return comparison


# ---- interpreters -------------------------------------------------------------------------------------------

def run(tool, totals, interpreter, programs):
    if not interpreter.has_ctypes:
        totals.skip(interpreter.id, "it has no ctypes")
        return
    target = None
    try:
        target = Target(interpreter, programs, "depths.py")
        target.wait_ready()
        for what, compare in ("frames", compare_frames), ("library", compare_library):
            started = time.monotonic()
            totals.add("%s %s" % (interpreter.id, what), compare(tool, target, interpreter.version_info),
                       time.monotonic() - started)
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
