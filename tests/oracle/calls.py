#!/usr/bin/env python3
"""Compares what the library finds that threads have called, and with which arguments, with what a program says that it
called (fixtures/programs/blocked.py), by the objects' addresses.

    calls.py --tool build/release/tests/value_stacks
    calls.py --tool PATH --interpreter 'pyenv-3.1*' --mode live

Each program is looked at as a process that waits, and in the kernel's core of it, which must say the same. The last
line counts runs. Exit status 1: one differed, none was compared, or one of PYSTANDER_REQUIRE_INTERPRETERS is missing.
"""
import argparse
import json
import os
import resource
import signal
import struct
import subprocess
import sys
import time

from code_target import TOOL_TIMEOUT, Chosen, Differences, Target, Totals, add_options
from process import Failure, FilePattern

FILLED = 16         # arguments, at most
HEAD = 16           # bytes of a PyObject of the builds here
SETTLE_TIMEOUT = 60
LOOK_INTERVAL = 0.2


class Memory:
    """Of the target: what a builtin's name is, and of what it is a method."""

    def __init__(self, pid, version):
        self.file = open("/proc/%d/mem" % pid, "rb", buffering=0)
        # PyASCIIObject, PyStringObject
        self.string_head = 40 if version >= (3, 12) else 48 if version >= (3,) else 36

    def word(self, address):
        self.file.seek(address)
        return struct.unpack("<Q", self.file.read(8))[0]

    def text(self, address):
        self.file.seek(address)
        return self.file.read(64).split(b"\0")[0].decode()

    def string(self, address):
        return self.text(address + self.string_head) if address else None

    def type_name(self, address):
        return self.text(self.word(self.word(address + 8) + HEAD + 8))

    def builtin(self, address):
        """(name, self) of a method, bound or not, or of a function; (None, 0) of anything else."""
        kind = self.type_name(address)
        if kind in ("builtin_function_or_method", "builtin_method"):   # PyCFunctionObject: m_ml, m_self
            return self.text(self.word(self.word(address + HEAD))), self.word(address + HEAD + 8)
        if kind == "method_descriptor":             # PyMethodDescrObject: d_type, d_name, d_qualname, d_method
            return self.text(self.word(self.word(address + HEAD + 24))), 0
        if kind in ("instancemethod", "method"):    # PyMethodObject: im_func, im_self
            return None, self.word(address + HEAD + 8)
        return None, 0


# ---- comparing ----------------------------------------------------------------------------------------------

def expected_kind(truth, version):
    """What the interpreter makes of it."""
    if truth["kind"] == "enter":
        return "call" if version >= (3, 14) else "enter"
    if truth["kind"] == "exit":
        if version < (3, 9):
            return "none"
        return "call" if truth["arguments"] else "exit"
    return truth["kind"]


def differences(truth, found, memory, version):
    """What is not as it should be."""
    kind = expected_kind(truth, version)
    if found["kind"] != kind:
        yield "kind is %r, not %r" % (found["kind"], kind)
        return
    if kind == "none":
        return
    name, owner = memory.builtin(found["callee"]) if found["callee"] else (None, 0)
    if kind == "enter":
        name = "__enter__" if name in ("__exit__", None) else name
    if truth["name"] and kind != "enter" and name != truth["name"]:
        yield "the callee is %r" % name
    if truth["callee"] and found["callee"] != truth["callee"]:
        yield "the callee is %#x" % found["callee"]
    if truth["self"] not in (0, truth.get("any")) and (found["self"] or owner) != truth["self"]:
        yield "self is %#x" % (found["self"] or owner)
    expected = [[None, one] for one in truth["arguments"]] + truth["keywords"]
    arguments = [[memory.string(key), one] for key, one in found["arguments"]]
    if truth["kind"] == "exit" and (3, 11) <= version < (3, 14):
        arguments.insert(0, [None, found["self"]])  # __exit__ is called with the first None as if that were its self
    if kind == "call" and truth["kind"] != "enter" and arguments != expected[:FILLED]:
        yield "the arguments are %r of %d, not %r" % (arguments, found["count"], expected)
    for key in "star", "double_star":
        if truth[key] != truth.get("any") and found[key] != truth[key]:
            yield "%s is %#x" % (key, found[key])
        if truth[key] and not found[key]:
            yield "%s is not there" % key


def look(pid):
    """{thread: how often it was scheduled}"""
    result = {}
    for task in os.listdir("/proc/%d/task" % pid):
        with open("/proc/%d/task/%s/status" % (pid, task)) as file:
            result[task] = [line for line in file if line.startswith(("State", "voluntary", "nonvoluntary"))]
    return result


def settle(pid):
    """Until nothing moves any more."""
    deadline, before = time.monotonic() + SETTLE_TIMEOUT, None
    while before != (now := look(pid)):
        if time.monotonic() > deadline:
            raise Failure("the target does not come to rest")
        before = now
        time.sleep(LOOK_INTERVAL)


def find_calls(tool, *arguments):
    """{(ident of the thread, number of the frame): what the tool says of it}"""
    done = subprocess.run([tool, "calls", *arguments], capture_output=True, timeout=TOOL_TIMEOUT)
    if done.returncode or done.stderr:
        raise Failure("exit status %d: %s" % (done.returncode, done.stderr.decode("utf-8", "replace")[-500:]))
    sites = [json.loads(line) for line in done.stdout.decode().splitlines()]
    return {(site["ident"], site["frame"]): site for site in sites}


def compare(found, target, version):
    comparison, memory = Differences(), Memory(target.pid, version)
    with open(os.path.join(target.folder, "truth")) as file:
        for line in file:
            truth = json.loads(line)
            comparison.codes += 1
            comparison.fields += 4 + len(truth["arguments"]) + 2 * len(truth["keywords"])
            site = found.get((truth["ident"], truth["frame"]))
            for difference in differences(truth, site, memory, version) if site else ["there is no such frame"]:
                comparison.differ("%s: %s: %r" % (truth["case"], difference, site))
    return comparison


def compare_core(found, in_core):
    comparison = Differences()
    for key in sorted(found.keys() | in_core.keys()):
        comparison.codes += 1
        comparison.fields += len(found.get(key, ()))
        if found.get(key) != in_core.get(key):
            comparison.differ("%r, not %r" % (in_core.get(key), found.get(key)))
    return comparison


def run(options, totals, interpreter, programs):
    target, started = None, time.monotonic()
    try:
        target = Target(interpreter, programs, "blocked.py")
        target.wait_ready()
        settle(target.pid)
        found = find_calls(options.tool, str(target.pid))
        totals.add(interpreter.id, compare(found, target, interpreter.version_info), time.monotonic() - started)
        if "core" in options.modes:
            started = time.monotonic()
            in_core = find_calls(options.tool, target.kernel_core(), *filter(None, [interpreter.root]))
            totals.add(interpreter.id + " core", compare_core(found, in_core), time.monotonic() - started)
    except (Failure, OSError, ValueError, KeyError, subprocess.SubprocessError) as error:
        totals.fail(interpreter.id, "%s: %s" % (type(error).__name__, error))
    finally:
        if target:
            target.kill()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser)
    parser.add_argument("--mode", default="live,core", metavar="MODE,...")
    options = parser.parse_args()
    options.modes = options.mode.split(",")
    chosen, totals, pattern = Chosen(options), Totals(), FilePattern()
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(1))
    try:
        pattern.open()
        reason = pattern.reason or (None if hard else "the hard limit of core files is 0")
        if reason and "core" in options.modes:
            totals.skip("core", reason)
            options.modes.remove("core")
        chosen.run(lambda interpreter: [run], options, totals)
    finally:
        pattern.close()
    return chosen.finish(totals)


if __name__ == "__main__":
    sys.exit(main())
