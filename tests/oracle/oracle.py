#!/usr/bin/env python3
"""Compares `pystander stack --json` with what target programs know about themselves, field by field.

    oracle.py --tool build/release/pystander
    oracle.py --tool PATH --interpreter 'pyenv-3.1*' --scenario everything --mode live,core

Each program in fixtures/programs is started with each interpreter (interpreters.py finds them), brought to rest,
and looked at

    live       paused, as a process
    nopause    with --no-pause
    gcore      from gdb's gcore
    core       from the kernel's core, after SIGABRT

Where scenarios.py says `details`, the exceptions of threads are compared, too, and in live and core the variables of
frames. Without --scenario, those that it calls default; a name or glob selects any. The last line counts runs
(an interpreter, a scenario, a mode). Exit status 1: a run failed, none was compared, or an interpreter of
PYSTANDER_REQUIRE_INTERPRETERS is missing. What can't be done on this machine is a skip with its reason.
"""
import argparse
import concurrent.futures
import fnmatch
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
import traceback

import interpreters
import scenarios
from compare import Comparison, parse
from process import Failure, FilePattern, GuardPages, Programs, Restless, Target, TooLarge

TOOL_TIMEOUT = 120
LOCALS_MODES = ("live", "core")
# Which variables there are is compared here, their values by values.py; but messages of exceptions are values, too.
LOCALS_OPTIONS = ["--locals", "--value-depth", "2", "--value-items", "5"]
TORN_ATTEMPTS = 5       # of a target that computes: see Comparison.torn
START_ATTEMPTS = 3      # and each has a minute for it


class Totals:
    def __init__(self):
        self.lock = threading.Lock()
        self.passed = self.failed = self.skipped = self.fields = 0

    def passed_run(self, name, fields, note=""):
        with self.lock:
            self.passed += 1
            self.fields += fields
            print("ok    %s (%d fields%s)" % (name, fields, note), flush=True)

    def failed_run(self, name, lines):
        with self.lock:
            self.failed += 1
            print("FAIL  %s" % name)
            for line in lines:
                print("      " + line.replace("\n", "\n      "))
            sys.stdout.flush()

    def skipped_run(self, name, reason):
        with self.lock:
            self.skipped += 1
            print("skip  %s: %s" % (name, reason), flush=True)


def run_tool(tool, arguments, folder):
    started = time.monotonic()
    done = subprocess.run([tool, "stack", "--json"] + arguments, stdin=subprocess.DEVNULL, capture_output=True,
                          timeout=TOOL_TIMEOUT, cwd=folder)
    return done, time.monotonic() - started


def check(tool, target, kernel, mode, core_path=None):
    """One run of the tool; (differences, number of fields, seconds, torn)."""
    arguments = [core_path or str(target.pid)]
    with_locals = target.scenario.details and mode in LOCALS_MODES
    if with_locals:
        arguments[:0] = LOCALS_OPTIONS
    if mode == "nopause":
        arguments.insert(0, "--no-pause")
    # gcore's paths are gdb's, who sees the root from outside; the kernel's are the target's own.
    if mode == "core" and target.programs.root:
        arguments[:0] = ["--sysroot", target.programs.root]
    try:
        done, seconds = run_tool(tool, arguments, target.folder)
    except subprocess.TimeoutExpired:
        return ["no end after %d s" % TOOL_TIMEOUT], 0, TOOL_TIMEOUT, False
    lines = []
    comparison = Comparison(target.truth, kernel, mode, core_path, with_locals)
    try:
        comparison.report(parse(done.stdout))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        lines.append("not the JSON that it should be: %s: %s" % (type(error).__name__, error))
    lines += comparison.differences
    if comparison.difference_count > len(comparison.differences):
        lines.append("... %d differences in all" % comparison.difference_count)
    if done.returncode != (1 if comparison.torn else 0):
        lines.insert(0, "exit status %d" % done.returncode)
    if lines and done.stderr:
        lines.append("standard error: " + done.stderr.decode("utf-8", "replace")[:1500].rstrip())
    return lines, comparison.field_count, seconds, comparison.torn


def run_mode(options, target, mode):
    """Lines that say what is wrong (none: nothing), number of fields, seconds."""
    for attempt in range(TORN_ATTEMPTS):
        target.settle()
        kernel = target.describe()
        core_path = target.gcore() if mode == "gcore" else target.kernel_core() if mode == "core" else None
        lines, fields, seconds, torn = check(options.tool, target, kernel, mode, core_path)
        if mode in ("live", "nopause"):
            stopped = [tid for tid, (state, _) in target.look().items() if state in "Tt"]
            if stopped:
                lines.append("left stopped: %r" % stopped)
        if core_path and options.keep and lines:
            lines.append("kept: " + keep(options.keep, mode, core_path, target))
        elif core_path:
            os.unlink(core_path)
        if lines or not torn or mode == "core":         # a process dies but once
            return lines, fields, seconds
    return ["torn %d times out of %d" % (TORN_ATTEMPTS, TORN_ATTEMPTS)], fields, seconds


def start(interpreter, scenario, programs, **how):
    """A target that has come to rest: the first one that does."""
    for attempt in range(START_ATTEMPTS):
        target = Target(interpreter, scenario, programs, **how)
        try:
            target.prepare()
            return target
        except BaseException as error:
            target.kill()
            if not isinstance(error, Restless) or attempt == START_ATTEMPTS - 1:
                raise


def run_without_guard_pages(options, interpreter, scenario, programs):
    """A gcore of the same program, from a gdb that can't read the other one."""
    target = start(interpreter, scenario, programs, without_guard_pages=True)
    try:
        return run_mode(options, target, "gcore")
    finally:
        target.kill()


def run_modes(options, totals, interpreter, scenario, programs):
    modes = [mode for mode in scenario.modes() if mode in options.modes]
    name = "%s %s " % (interpreter.id, scenario.name)
    if scenario.ctypes and not interpreter.has_ctypes:
        for mode in modes:
            totals.skipped_run(name + mode, "%s has no ctypes" % interpreter.id)
        return
    target, left = None, list(modes)
    try:
        target = start(interpreter, scenario, programs)
        while left:
            mode = left[0]
            if mode in options.impossible:
                totals.skipped_run(name + mode, options.impossible[mode])
                left.pop(0)
                continue
            try:
                lines, fields, seconds = run_mode(options, target, mode)
            except TooLarge as error:
                left.pop(0)
                totals.skipped_run(name + mode, str(error))
                continue
            except GuardPages:
                if os.geteuid() != 0:
                    left.pop(0)
                    totals.skipped_run(name + mode, "gcore can't read the stacks of " + interpreter.id)
                    continue
                lines, fields, seconds = run_without_guard_pages(options, interpreter, scenario, programs)
            left.pop(0)
            if lines:
                totals.failed_run(name + mode, lines)
            else:
                totals.passed_run(name + mode, fields, ", %.1f ms" % (seconds * 1000) if options.times else "")
    except (Failure, OSError, subprocess.TimeoutExpired) as error:
        for mode in left:
            totals.failed_run(name + mode, ["no verdict: %s" % error])
    except Exception:
        for mode in left:
            totals.failed_run(name + mode, ["no verdict: " + traceback.format_exc()])
    finally:
        if target:
            target.kill()


def keep(folder, name, core_path, target):
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, "%s-%s.core" % (os.path.basename(target.folder), name))
    shutil.move(core_path, path)
    if os.path.exists(target.output):
        shutil.copy(target.output, path + ".truth")
    return path


def parse_arguments(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tool", required=True, type=os.path.abspath)
    parser.add_argument("--interpreter", action="append", metavar="GLOB", help="or prefix; of an id")
    parser.add_argument("--scenario", action="append", metavar="GLOB")
    parser.add_argument("--mode", default=",".join(scenarios.MODES), metavar="MODE,...")
    parser.add_argument("-j", "--jobs", type=int, default=2)
    parser.add_argument("--times", action="store_true", help="print how long the tool took")
    parser.add_argument("--keep", metavar="FOLDER", type=os.path.abspath, help="keep cores with differences there")
    options = parser.parse_args(arguments)
    options.modes = options.mode.split(",")
    unknown = set(options.modes) - set(scenarios.MODES)
    if unknown:
        parser.error("unknown mode: %s" % ", ".join(unknown))
    return options


def selected_scenarios(options):
    if not options.scenario:
        return [scenario for scenario in scenarios.ALL if scenario.default]
    return [scenario for scenario in scenarios.ALL
            if any(fnmatch.fnmatchcase(scenario.name, pattern) for pattern in options.scenario)]


def main(arguments=None):
    options = parse_arguments(arguments)
    started = time.monotonic()
    found = interpreters.find_all()
    lacking = interpreters.missing(found)
    for pattern in lacking:
        print("FAIL  required, and not found: %s" % pattern)
    if options.interpreter:
        found = [one for one in found if any(interpreters.matches(one.id, glob) for glob in options.interpreter)]
    print("interpreters: %s" % (" ".join(one.id for one in found) or "none"), flush=True)

    # Cores of any size, of the targets: children get it from here.
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
    options.impossible = {}
    if hard == 0:
        options.impossible["core"] = "the hard limit of core files is 0"
    if not shutil.which("gcore"):
        options.impossible["gcore"] = "gdb's gcore is not installed"
    pattern = FilePattern()
    totals = Totals()
    folders = {}
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(1))
    try:
        if "core" in options.modes:
            pattern.open()
            if pattern.reason:
                options.impossible["core"] = pattern.reason
        for interpreter in found:
            folders[interpreter.id] = Programs(interpreter)
        chosen = selected_scenarios(options)
        with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
            jobs = [pool.submit(run_modes, options, totals, interpreter, scenario, folders[interpreter.id])
                    for interpreter in found for scenario in chosen
                    if interpreter.version_info >= scenario.since]
            try:
                for job in jobs:
                    job.result()
            except BaseException:
                for job in jobs:
                    job.cancel()
                raise
    finally:
        pattern.close()
        for programs in folders.values():
            programs.remove()
    print("%d fields compared in %d s" % (totals.fields, time.monotonic() - started))
    if not totals.passed and not totals.failed:
        print("nothing was compared")
    print("%d passed, %d failed, %d skipped" % (totals.passed, totals.failed, totals.skipped), flush=True)
    return 1 if totals.failed or not totals.passed or lacking else 0


if __name__ == "__main__":
    sys.exit(main())
