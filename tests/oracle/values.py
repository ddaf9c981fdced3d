#!/usr/bin/env python3
"""Compares `pystander stack --locals` with what Python says of thousands of values, within several bounds.

    values.py --tool build/release/pystander --messages build/release/tests/exception_messages
    values.py --tool PATH --interpreter 'pyenv-3.1*' --mode live,core --only datetime

fixtures/programs/values.py makes the values (zoo/) on each interpreter, keeps them in the variables of frames, and says
what is to be printed of each: its repr(), where bounds and classes of its own allow that; and what str() says of
exceptions (exception_messages.c). Looked at

    live       as a process that waits
    core       from the kernel's core of it, after SIGABRT

The last line counts runs (an interpreter and a mode). Exit status 1: a run failed, none was compared, or an interpreter
of PYSTANDER_REQUIRE_INTERPRETERS is missing.
"""
import argparse
import json
import os
import re
import resource
import subprocess
import sys
import time

from code_target import Chosen, Differences, Target, Totals, add_options
from compare_details import cut_name
from process import Failure, FilePattern

MODES = ("live", "core")
TOOL_TIMEOUT = 120
MESSAGE_CHARS = (0, 60)
MESSAGE_REST = 400       # of a message that is cut: what is not cut, and what says how much was


class Comparison(Differences):
    """Of one run."""

    def __init__(self, truth, only):
        super().__init__()
        self.truth, self.only = truth, only

    def add(self, report, number):
        """What was printed within the bounds of this number."""
        frames = {frame["name"]: frame for thread in report["threads"] for frame in thread["frames"]}
        for error in report["errors"]:
            self.differ("%(where)s: %(message)s" % error)
        for name, expected in self.truth["frames"].items():
            if name not in frames:
                self.differ("%s: no such frame" % name)
                continue
            found = {variable["name"]: variable for variable in frames[name]["locals"]}
            for variable, truth in expected.items():
                if self.only.search(variable):
                    self.compare(variable, found.get(variable), truth, number)

    def compare(self, name, found, truth, number):
        self.codes += number == 0
        self.fields += 3
        bounds = self.truth["bounds"][number]
        if found is None:
            self.differ("%s: not there" % name)
            return
        if found["errors"]:
            self.differ("%s %s: %s" % (name, bounds, found["errors"]))
        if found["type"] != cut_name(truth["type"]):
            self.differ("%s: type is %r, not %r" % (name, found["type"], truth["type"]))
        expected = truth["reprs"][number]
        if found["repr"] != expected:
            self.differ("%s %s:\n          %s\n      not %s" % (name, bounds, *parting(str(found["repr"]), expected)))


    # ---- what str() says of exceptions --------------------------------------------------------------------

    def add_messages(self, lines, chars):
        """chars is 0: the whole of each is there; otherwise of those that are not longer."""
        found = {}
        for line in lines:
            name, digits, error = line.split("\t")
            found[name] = bytes.fromhex(digits).decode("utf-8", "surrogatepass"), error
        for frame in self.truth["frames"].values():
            for name, truth in frame.items():
                if "message" in truth and self.only.search(name):
                    self.compare_message(name, found.get(name, (None, "")), truth["message"], chars)

    def compare_message(self, name, found, expected, chars):
        self.fields += 1
        text, error = found
        if text is None or error:
            self.differ("%s: message %r: %s" % (name, text, error))
        elif chars and len(expected) > chars:
            if len(text) > chars * 2 + MESSAGE_REST:
                self.differ("%s: a message of %d characters" % (name, len(text)))
        elif not is_same(text, expected):
            self.differ("%s, message:\n          %s\n      not %s" % (name, *parting(text, expected)))


def is_same(text, expected):
    """Characters that the target could not write are told by their place."""
    return len(text) == len(expected) and all(a == b or b == "\ufffd" for a, b in zip(text, expected))


def parting(found, expected):
    """The two texts, from shortly before where they begin to differ."""
    common = len(os.path.commonprefix([found, expected]))
    start = max(0, common - 40)
    return [("…" if start else "") + text[start:common + 100] for text in (found, expected)]


def options_of(bounds):
    return [word for option, bound in zip(("depth", "items", "chars"), bounds)
            for word in ("--value-" + option, str(bound or 0))]


def look(options, target, bounds):
    command = [options.tool, "stack", "--json", "--locals", "--no-source", *options_of(bounds), *target]
    done = subprocess.run(command, capture_output=True, timeout=TOOL_TIMEOUT)
    if done.returncode not in (0, 1):
        raise Failure("exit status %d: %s" % (done.returncode, done.stderr.decode("utf-8", "replace")[-500:]))
    return json.loads(done.stdout)


def read_messages(program, target, chars):
    """`target` is as the tool's: [--sysroot ROOT] PID or CORE."""
    command = [program, str(chars), target[-1], *target[1:-1]]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TOOL_TIMEOUT)
    if done.returncode:
        raise Failure("exit status %d: %s" % (done.returncode, done.stderr[-500:]))
    return done.stdout.splitlines()


def run_mode(options, totals, name, truth, target):
    started = time.monotonic()
    comparison = Comparison(truth, options.only)
    for number, bounds in enumerate(truth["bounds"]):
        comparison.add(look(options, target, bounds), number)
    for chars in MESSAGE_CHARS if options.messages else ():
        comparison.add_messages(read_messages(options.messages, target, chars), chars)
    totals.add(name, comparison, time.monotonic() - started)


def run(options, totals, interpreter, programs):
    target = None
    try:
        target = Target(interpreter, programs, "values.py")
        target.wait_ready()
        with open(os.path.join(target.folder, "truth.json")) as file:
            truth = json.load(file)
        if "live" in options.modes:
            run_mode(options, totals, interpreter.id + " live", truth, [str(target.pid)])
        if "core" in options.modes and "core" in options.impossible:
            totals.skip(interpreter.id + " core", options.impossible["core"])
        elif "core" in options.modes:
            sysroot = ["--sysroot", interpreter.root] if interpreter.root else []
            run_mode(options, totals, interpreter.id + " core", truth, [*sysroot, target.kernel_core()])
    except (Failure, OSError, ValueError, KeyError, subprocess.SubprocessError) as error:
        totals.fail(interpreter.id, "%s: %s" % (type(error).__name__, error))
    finally:
        if target:
            target.kill()


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser)
    parser.add_argument("--mode", default=",".join(MODES), metavar="MODE,...")
    parser.add_argument("--messages", type=os.path.abspath, metavar="PROGRAM", help="exception_messages")
    parser.add_argument("--only", default="", type=re.compile, metavar="REGEX", help="of the values' names")
    options = parser.parse_args()
    options.modes = options.mode.split(",")
    if set(options.modes) - set(MODES):
        parser.error("there are only: %s" % ", ".join(MODES))
    return options


def main():
    options = parse_arguments()
    chosen, totals, pattern = Chosen(options), Totals("values"), FilePattern()
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
    options.impossible = {} if hard else {"core": "the hard limit of core files is 0"}
    try:
        if "core" in options.modes:
            pattern.open()
            if pattern.reason:
                options.impossible["core"] = pattern.reason
        chosen.run(lambda interpreter: [run], options, totals)
    finally:
        pattern.close()
    return chosen.finish(totals)


if __name__ == "__main__":
    sys.exit(main())
