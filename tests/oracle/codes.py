#!/usr/bin/env python3
"""Compares `pystander code --json` with what Python says of its code objects, every field of every one.

    codes.py --tool build/release/pystander
    codes.py --tool PATH --interpreter 'pyenv-3.1*' --variant plain,warm --mode live,core

fixtures/programs/codes.py imports the whole standard library with each interpreter and writes down what Python says
of every code object that it can reach; its variants specialise and instrument them. Each is looked at

    live       as a process that waits
    core       from the kernel's core of it, after SIGABRT

Code objects that the tool finds beyond those (of frozen modules that nobody imported, say) are looked at by the program
itself, afterwards, at the addresses that the tool gave. `running` is another program, with generators and coroutines
that are suspended, and `code --running`.

The last line counts runs (an interpreter, a variant, a mode). Exit status 1: a run failed, none was compared, or an
interpreter of PYSTANDER_REQUIRE_INTERPRETERS is missing.
"""
import argparse
import functools
import json
import os
import resource
import signal
import subprocess
import sys
import time

from code_target import SHOWN, Chosen, Differences, Target, Totals, add_options, read_codes
from process import Failure, FilePattern

# The first version of each variant; `running` is a program of its own.
VARIANTS = {"plain": (2, 7), "warm": (3, 11), "settrace": (3, 12), "monitoring": (3, 12), "running": (2, 7)}
MODES = ("live", "core")
# What the waiting program runs is specialised as it runs: after it was written down.
STILL_MOVING = {"write_adaptive", "wait", "answer", "main", "<listcomp>"}
PROGRAM = "codes.py"


class CodesTarget(Target):
    """One that answers questions: see fixtures/programs/codes.py."""

    def __init__(self, interpreter, variant, programs):
        super().__init__(interpreter, programs, "running_codes.py" if variant == "running" else PROGRAM, variant)

    def describe(self, addresses):
        """{address: what the program says of the object there, None if it is no code object}."""
        self.process.stdin.write(" ".join(addresses).encode() + b"\n")
        self.process.stdin.flush()
        answers = []
        for line in iter(self.process.stdout.readline, b"\n"):
            if not line:
                raise Failure("the target died (%r) of what the tool found at %s" % (
                    self.process.wait(), addresses[len(answers)]))
            answers.append(json.loads(line))
        return dict(zip(addresses, answers))

    def write_adaptive(self):
        """Anew: answering questions has changed bytecode."""
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()
        if self.process.stdout.readline() != b"\n":
            raise Failure("the target did not write its bytecode again")


# ---- comparing ----------------------------------------------------------------------------------------------

def read_truth(folder):
    """{address: line}, and of 3.11+ {address: hex of the bytecode as it is in memory}."""
    with open(os.path.join(folder, "truth"), "rb") as file:
        truth = {line[13:line.index(b'"', 13)].decode(): line for line in file}
    adaptive = {}
    if os.path.exists(os.path.join(folder, "adaptive")):
        with open(os.path.join(folder, "adaptive")) as file:
            adaptive = {hex(int(address, 16)): units for address, units in (line.split() for line in file)}
    return truth, adaptive


class Comparison(Differences):
    """Of one run. The tool's codes come one by one, so that memory does not grow with them."""

    def __init__(self, truth, adaptive, others=None):
        super().__init__()
        self.truth, self.adaptive, self.others = truth, adaptive, others or {}
        self.missing = set(truth)
        self.extra = {}         # those without a truth yet

    def add(self, line):
        found = json.loads(line)
        address = found["address"]
        self.codes += 1
        if address in self.missing:
            self.missing.discard(address)
            self.compare(found, json.loads(self.truth[address]))
        elif address in self.truth or address in self.extra:
            self.differ("%s: listed twice" % address)
        elif address in self.others:
            self.compare(found, self.others[address])
        else:
            self.extra[address] = found

    def compare(self, found, truth):
        where = "%s %s in %s" % (truth["address"], truth["co_name"], truth["co_filename"])
        if found["errors"]:
            self.differ("%s: %r" % (where, found["errors"][:3]))
        for key, value in truth.items():
            self.fields += 1
            if key not in found or found[key] != value or type(found[key]) is not type(value):
                self.differ("%s: %s is %s, not %s" % (where, key, json.dumps(found.get(key))[:900],
                                                      json.dumps(value)[:900]))
        units = self.adaptive.get(truth["address"])
        moves = truth["co_name"] in STILL_MOVING and truth["co_filename"].endswith(PROGRAM)
        if units is not None and not moves:
            self.fields += 1
            if found["adaptive"] != units:
                self.differ("%s: adaptive is %s, not %s" % (where, found["adaptive"][:900], units[:900]))
        for key in () if "positions" in truth else ("positions", "exceptiontable", "exceptions", "adaptive"):
            self.fields += 1
            if found.get(key) not in (None, []):
                self.differ("%s: %s is there" % (where, key))

    def check_extra(self, target):
        """What the program itself says of code objects that it did not know of."""
        addresses = sorted(self.extra)
        for start in range(0, len(addresses), 200):
            part = addresses[start:start + 200]
            try:
                answers = target.describe(part)
            except Failure as failure:
                raise Failure("%s: %s" % (failure, [json.dumps(self.extra[address])[:1500] for address in part
                                                    if address in str(failure)]))
            for address, truth in answers.items():
                self.others[address] = truth
                if truth is None:
                    self.differ("%s: no code object" % address)
                else:
                    self.compare(self.extra[address], truth)
        self.extra = {}

    def finish(self):
        for address in sorted(self.missing)[:SHOWN]:
            truth = json.loads(self.truth[address])
            self.differ("%s: not found: %s in %s" % (address, truth["co_name"], truth["co_filename"]))
        self.differences += max(0, len(self.missing) - SHOWN)
        for address, found in sorted(self.extra.items())[:SHOWN]:
            self.differ("%s: %s in %s is not in the process" % (address, found["co_name"], found["co_filename"]))


# ---- runs ---------------------------------------------------------------------------------------------------

def run_modes(variant, options, totals, interpreter, programs):
    name = "%s %s" % (interpreter.id, variant)
    command = [options.tool, "code", "--json", "--running" if variant == "running" else "--all"]
    target = None
    try:
        target = CodesTarget(interpreter, variant, programs)
        target.wait_ready()
        truth, adaptive = read_truth(target.folder)
        others = {}
        if "live" in options.modes:
            started = time.monotonic()
            comparison = Comparison(truth, adaptive)
            read_codes([*command, str(target.pid)], comparison)
            comparison.check_extra(target)
            others = comparison.others
            comparison.finish()
            totals.add(name + " live", comparison, time.monotonic() - started)
        if "core" in options.modes and "core" in options.impossible:
            totals.skip(name + " core", options.impossible["core"])
        elif "core" in options.modes:
            comparison = Comparison(truth, adaptive, others)
            if "live" not in options.modes:
                read_codes([*command, str(target.pid)], comparison)
                comparison.check_extra(target)
                comparison = Comparison(truth, adaptive, comparison.others)
            if variant != "running":
                target.write_adaptive()
                comparison.adaptive = read_truth(target.folder)[1]
            started = time.monotonic()
            core = target.kernel_core()
            sysroot = ["--sysroot", interpreter.root] if interpreter.root else []
            read_codes([*command, *sysroot, core], comparison)
            comparison.finish()
            totals.add(name + " core", comparison, time.monotonic() - started)
    except (Failure, OSError, ValueError, KeyError, subprocess.SubprocessError) as error:
        totals.fail(name, "%s: %s" % (type(error).__name__, error))
    finally:
        if target:
            target.kill()


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser)
    parser.add_argument("--variant", default=",".join(VARIANTS), metavar="VARIANT,...")
    parser.add_argument("--mode", default=",".join(MODES), metavar="MODE,...")
    options = parser.parse_args()
    options.variants, options.modes = options.variant.split(","), options.mode.split(",")
    for chosen, known in (options.variants, VARIANTS), (options.modes, MODES):
        if set(chosen) - set(known):
            parser.error("there are only: %s" % ", ".join(known))
    return options


def main():
    options = parse_arguments()
    chosen, totals, pattern = Chosen(options), Totals(), FilePattern()
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
    options.impossible = {} if hard else {"core": "the hard limit of core files is 0"}
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(1))
    try:
        if "core" in options.modes:
            pattern.open()
            if pattern.reason:
                options.impossible["core"] = pattern.reason
        chosen.run(lambda interpreter: [functools.partial(run_modes, variant) for variant in options.variants
                                        if interpreter.version_info >= VARIANTS[variant]], options, totals)
    finally:
        pattern.close()
    return chosen.finish(totals)


if __name__ == "__main__":
    sys.exit(main())
