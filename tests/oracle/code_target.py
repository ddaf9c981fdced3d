"""What the oracles of code objects share: a target that writes down what it has to say and waits, the tool's codes as a
stream, the count of what was compared, and the choice of interpreters."""
import concurrent.futures
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

import interpreters
from process import Failure, Programs, command_in_root, find_core

START_TIMEOUT = 300
TOOL_TIMEOUT = 120
SHOWN = 5


class Target:
    """A program of fixtures/, that is given `arguments` and a folder to write its truth into."""

    def __init__(self, interpreter, programs, program, *arguments):
        self.interpreter, self.programs = interpreter, programs
        self.folder = tempfile.mkdtemp(prefix=program + "-", dir=programs.scratch)
        inside = programs.inside(self.folder)
        command = [interpreter.path, "-B", os.path.join(programs.folder, program), *arguments, inside]
        cwd = self.folder
        if interpreter.root:
            command, cwd = command_in_root(interpreter.root, inside, command), "/"
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=cwd,
                                        env=interpreters.environment(), start_new_session=True)
        self.pid = self.process.pid

    def wait_ready(self):
        killer = threading.Timer(START_TIMEOUT, self.process.kill)
        killer.start()
        line = self.process.stdout.readline()
        killer.cancel()
        if line != b"ready\n":
            raise Failure("the target said %r (status %r)" % (line, self.process.poll()))

    def kernel_core(self):
        os.kill(self.pid, signal.SIGABRT)
        self.process.wait()
        found = find_core(self.pid, self.folder, self.programs.root)
        if not found:
            raise Failure("the kernel wrote no core")
        return found

    def kill(self):
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class Differences:
    """Of one run; the first few are shown."""

    def __init__(self):
        self.codes = self.fields = self.differences = 0
        self.shown = []

    def differ(self, text):
        self.differences += 1
        if self.differences <= SHOWN:
            self.shown.append(text[:2000])


def read_codes(command, comparison):
    """Feeds the codes of `pystander code --json` to the comparison, as they come."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    killer = threading.Timer(TOOL_TIMEOUT, process.kill)
    killer.start()
    rest = []
    for line in process.stdout:     # a code object a line; behind the last one the array ends
        if line.startswith(b'{"address": '):
            text = line.rstrip(b",\n")
            comparison.add(text[:-1] if text.endswith(b"]") else text)
        else:
            rest.append(line)
    killer.cancel()
    errors = process.stderr.read().decode("utf-8", "replace")
    status = process.wait()
    report = b"".join(rest)
    if status:
        comparison.differ("exit status %d: %s %s" % (status, errors[-500:], report[-500:].decode("utf-8", "replace")))


class Totals:
    """Of all runs; `things` are what is compared."""

    def __init__(self, things="code objects"):
        self.things = things
        self.lock, self.started = threading.Lock(), time.monotonic()
        self.passed = self.failed = self.skipped = self.fields = self.codes = 0

    def add(self, name, comparison, seconds):
        with self.lock:
            self.fields += comparison.fields
            self.codes += comparison.codes
            good = comparison.differences == 0 and comparison.codes > 0
            self.passed, self.failed = self.passed + good, self.failed + (not good)
            print("%s  %s: %d %s, %d fields, %d differences (%.1f s)" % (
                "ok  " if good else "FAIL", name, comparison.codes, self.things, comparison.fields,
                comparison.differences, seconds))
            for text in comparison.shown:
                print("      " + text)
            sys.stdout.flush()

    def fail(self, name, why):
        with self.lock:
            self.failed += 1
            print("FAIL  %s: %s" % (name, why), flush=True)

    def skip(self, name, why):
        with self.lock:
            self.skipped += 1
            print("skipped: %s: %s" % (name, why), flush=True)

    def print_summary(self):
        print("%d passed, %d failed, %d skipped; %d %s, %d fields, %.0f s" % (
            self.passed, self.failed, self.skipped, self.codes, self.things, self.fields,
            time.monotonic() - self.started))


# ---- interpreters -------------------------------------------------------------------------------------------

def add_options(parser):
    parser.add_argument("--tool", required=True, type=os.path.abspath)
    parser.add_argument("--interpreter", action="append", metavar="GLOB", help="or prefix; of an id")
    parser.add_argument("-j", "--jobs", type=int, default=2)


class Chosen:
    """The interpreters that the options name; `lacking`: those that are required, and not there."""

    def __init__(self, options):
        self.jobs = options.jobs
        self.interpreters = interpreters.find_all()
        self.lacking = interpreters.missing(self.interpreters)
        for pattern in self.lacking:
            print("FAIL  required, and not found: %s" % pattern)
        if options.interpreter:
            self.interpreters = [one for one in self.interpreters if any(
                interpreters.matches(one.id, glob) for glob in options.interpreter)]

    def run(self, jobs_of, *arguments):
        """Calls what jobs_of(interpreter) yields, with these arguments, the interpreter and its programs."""
        with contextlib.ExitStack() as stack, concurrent.futures.ThreadPoolExecutor(self.jobs) as pool:
            jobs = []
            for interpreter in self.interpreters:
                programs = Programs(interpreter)
                stack.callback(programs.remove)
                jobs += [pool.submit(job, *arguments, interpreter, programs) for job in jobs_of(interpreter)]
            for job in jobs:
                job.result()

    def finish(self, totals):
        """The exit status."""
        totals.print_summary()
        if not self.interpreters:
            print("skipped: no interpreter is here")
            return 77
        return 1 if totals.failed or self.lacking or not totals.passed else 0
