"""What the live tests share: interpreters and targets to look into, dumps of them, and what must hold of a target
afterwards.

A test is a number of parts. A part that the machine can't do raises Skip; one that fails is a problem, and the
others go on. If no part could run, the test ends with 77.
"""
import ast
import contextlib
import functools
import json
import os
import pathlib
import random
import re
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/oracle"))
import interpreters as found_interpreters  # noqa: E402
import process  # noqa: E402

NAME = pathlib.Path(sys.argv[0]).name
PYSTANDER = os.path.abspath(os.environ.get("PYSTANDER") or ROOT / "build/release/pystander")
CI = os.environ.get("CI") == "true"
SKIPPED = 77
MAX_PROBLEMS_SHOWN = 30
START_TIMEOUT = 60
RELEASE_TIMEOUT = 1.0   # s that the kernel has to let a target go whose inspector was killed

# Of the interpreters found: a version of each kind of frame and thread lists, and Debian's own build.
MINORS = ("2.7", "3.8", "3.12", "3.13")


# ---- parts and problems --------------------------------------------------------------------------------

class Skip(Exception):
    """This machine can't do that. `ci`: neither can the one that runs CI."""

    def __init__(self, why, ci=False):
        super().__init__(why)
        self.ci = ci


class Count:
    ran = 0
    problems = 0


def problem(text):
    Count.problems += 1
    if Count.problems <= MAX_PROBLEMS_SHOWN:
        print(f"FAILED: {text}", flush=True)


def check(holds, text):
    if not holds:
        problem(text)
    return holds


@contextlib.contextmanager
def part(name):
    started = time.monotonic()
    try:
        yield
        Count.ran += 1
        print(f"{name}: {time.monotonic() - started:.1f} s", flush=True)
    except Skip as skip:
        print(f"skipped: live {NAME}, {name}: {skip}", flush=True)
        if CI and not skip.ci:
            problem(f"{name}: what CI can do was skipped")
    except Exception:   # whatever happens to one part, the others go on
        Count.ran += 1
        problem(f"{name}: {traceback.format_exc()}")


def run(main):
    if not os.access(PYSTANDER, os.X_OK):
        print(f"skipped: live {NAME}: no {PYSTANDER}")
        sys.exit(1 if CI else SKIPPED)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))   # targets are ended on the way out
    main()
    if Count.problems:
        print(f"{Count.problems} problems")
        sys.exit(1)
    sys.exit(0 if Count.ran else SKIPPED)


def need_root():
    if os.geteuid() != 0:
        raise Skip("needs root")


def need(*programs):
    for program in programs:
        if not any(os.access(os.path.join(folder, program), os.X_OK)
                   for folder in os.environ.get("PATH", os.defpath).split(":")):
            raise Skip(f"no {program}")


def need_unshare(*options):
    need("unshare")
    done = subprocess.run(["unshare", *options, "true"], stdin=subprocess.DEVNULL, capture_output=True)
    if done.returncode:
        raise Skip(f"unshare {' '.join(options)}: {done.stderr.decode().strip()}")


def need_fuse():
    need_root()
    need_unshare("--mount")
    with contextlib.suppress(OSError):
        os.close(os.open("/dev/fuse", os.O_RDWR))
        return
    raise Skip("no /dev/fuse")


# ---- interpreters --------------------------------------------------------------------------------------

@functools.lru_cache(None)
def all_interpreters():
    return found_interpreters.find_all()


def interpreters():
    """All of them; with PYSTANDER_TEST_PART, for the second and later builds of the same sources, a few."""
    return chosen() if os.environ.get("PYSTANDER_TEST_PART") else all_interpreters()


def system():
    """The distribution's own python3: the first choice where one interpreter will do."""
    for interpreter in all_interpreters():
        if interpreter.path == "/usr/bin/python3":
            return interpreter
    for interpreter in all_interpreters():
        if not interpreter.root and interpreter.version_info >= (3, 8):
            return interpreter
    raise Skip("no Python 3 to look into")


def newest_of_sid():
    inside = [one for one in all_interpreters() if one.root and not one.debug]
    if not inside:
        raise Skip("no Python in a root of its own (tests/interpreters/sid-root makes one)")
    return max(inside, key=lambda one: one.version_info)


def chosen():
    """A sensible few of all: one of each of MINORS, Debian's, sid's newest, and the free-threaded ones."""
    result = [system()]
    for minor in MINORS:
        version = tuple(int(number) for number in minor.split("."))
        matching = [one for one in all_interpreters()
                    if one.version_info == version and not one.root and one not in result
                    and not one.debug and not one.free_threaded]
        if matching:
            result.append(matching[0])
        else:
            with part(f"Python {minor}"):
                raise Skip("not found")
    with part("sid"):
        result.append(newest_of_sid())
        Count.ran -= 1  # to find it is no test
    return result + [one for one in all_interpreters() if one.free_threaded]


# ---- targets -------------------------------------------------------------------------------------------

PRELUDE = """\
import ctypes, hashlib, os, select, signal, sys, threading, time

ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)     # PR_SET_PDEATHSIG: not to outlive a test that is killed

def say(text):
    sys.stdout.write(text + "\\n")
    sys.stdout.flush()

def spawn(function, *arguments):
    thread = threading.Thread(target=function, args=arguments)
    thread.daemon = True
    thread.start()
    return thread

def asked():
    try:
        return select.select([0], [], [], 0)[0]
    except select.error:    # 2.7: a signal came
        return []

"""


# Before the code of a target in a mount namespace of its own, with which the mount is gone: mounts a file system at the
# first argument, and answers its first message (FUSE_INIT) alone.
UNANSWERED = """
import struct
fuse = os.open("/dev/fuse", os.O_RDWR)
libc = ctypes.CDLL(None, use_errno=True)
options = "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other" % fuse
if libc.mount(b"pystander", sys.argv[1].encode(), b"fuse", 0, options.encode()):
    raise OSError(ctypes.get_errno(), "mount")

def serve():
    while True:
        request = os.read(fuse, 1 << 20)
        _, operation, unique = struct.unpack_from("<IIQ", request)
        if operation == 26:
            answer = struct.pack("<IIIIHHIIHHI28x", 7, 31, 65536, 0, 0, 0, 4096, 1, 0, 0, 0)
            os.write(fuse, struct.pack("<IiQ", 16 + len(answer), 0, unique) + answer)
            served.set()

served = threading.Event()
spawn(serve)
served.wait()
mount = sys.argv.pop(1)
"""


@contextlib.contextmanager
def rescue(target, seconds=20):
    """Of whoever waits for such a file system, which nothing else ends: without its server it fails at once."""
    timer = threading.Timer(seconds, target.process.kill)
    timer.start()
    try:
        yield
        check(timer.is_alive(), "it waited for a file system that does not answer")
    finally:
        timer.cancel()


class Target:
    """A Python program, `code` after PRELUDE, that has said "ready". Its processes are a group, which is killed at
    the end."""

    def __init__(self, interpreter, code, *arguments, prefix=(), script=None, env=None, cwd="/", settle=False):
        self.interpreter, self.source = interpreter, PRELUDE + code
        enter = ["chroot", interpreter.root] if interpreter.root else []
        program = [script] if script else ["-c", self.source]
        self.command = [*prefix, *enter, interpreter.path, "-S", "-E", "-B", *program, *map(str, arguments)]
        self.process = subprocess.Popen(
            self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=cwd, start_new_session=True,
            env=dict(found_interpreters.environment(), **(env or {})))
        self.pid = self.process.pid
        self.settles = settle

    def __enter__(self):
        try:
            self.wait_ready()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for kill in (lambda: os.killpg(self.process.pid, signal.SIGKILL), self.process.kill):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                kill()
        self.process.wait()
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.stdout.close()

    def wait_ready(self):
        line = self.read_line()
        if not line.startswith("ready"):
            raise RuntimeError(f"the target said {line!r}")
        self.words = line.split()[1:]
        if self.settles:
            self.settle()

    def read_line(self, timeout=START_TIMEOUT):
        line, deadline = b"", time.monotonic() + timeout
        while not line.endswith(b"\n"):
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.process.stdout], [], [], left)[0]:
                raise RuntimeError("the target says nothing")
            byte = os.read(self.process.stdout.fileno(), 1)
            if not byte:
                raise RuntimeError(f"the target ended with {self.process.wait()}")
            line += byte
        return line.decode().rstrip("\n")

    def ask(self, timeout=START_TIMEOUT):
        """Tells it to come to an end, and returns the line that it answers."""
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()
        return self.read_line(timeout)

    def settle(self, states="SDTZ"):
        """Until all threads rest, and have rested for a moment."""
        deadline, quiet = time.monotonic() + START_TIMEOUT, 0
        while quiet < 3:
            resting = all(state in states for state, _ in thread_states(self.pid).values())
            quiet = quiet + 1 if resting else 0
            if time.monotonic() > deadline:
                raise RuntimeError(f"the target does not come to rest: {thread_states(self.pid)}")
            time.sleep(0.02)

    def line_of(self, mark):
        """The number of the line that ends with the comment `mark`."""
        lines = [number for number, line in enumerate(self.source.split("\n"), 1) if line.endswith("# " + mark)]
        assert len(lines) == 1, mark
        return lines[0]


def built(name):
    """A program of the tests that is built with the tool."""
    return os.path.join(os.environ.get("PYSTANDER_BUILD_DIR") or ROOT / "build/release", "tests", name)


def read_text(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def tids(pid):
    return sorted(int(name) for name in os.listdir(f"/proc/{pid}/task"))


def thread_states(pid):
    """tid -> (state, pid of its tracer) of the threads that are there."""
    result = {}
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for tid in tids(pid):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                status = read_text(f"/proc/{pid}/task/{tid}/status")
                result[tid] = (re.search(r"^State:\s+(\S)", status, re.M).group(1),
                               int(re.search(r"^TracerPid:\s+(\d+)", status, re.M).group(1)))
    return result


def children(pid):
    return [int(word) for tid in tids(pid) for word in read_text(f"/proc/{pid}/task/{tid}/children").split()]


def wait_for(condition, timeout, what):
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f"it took more than {timeout} s until {what}")
        time.sleep(0.005)


def held(pid):
    """The threads that are stopped or traced."""
    return {tid: state for tid, state in thread_states(pid).items() if state[0] in "Tt" or state[1]}


def check_released(pid, what, timeout=0.0):
    deadline = time.monotonic() + timeout
    while held(pid) and time.monotonic() < deadline:
        time.sleep(0.002)
    still = held(pid)
    return check(not still, f"{what}: left stopped or traced (tid: state, tracer): {still}")


# ---- dumps ---------------------------------------------------------------------------------------------

@functools.lru_cache(None)
def is_sanitized():
    with open(PYSTANDER, "rb") as file:
        return b"__asan_init" in file.read()


def rounds(count):
    """So many of a fast build; the sanitizers make it slower."""
    return min(count, max(5, count // 5)) if is_sanitized() else count


def tool_environment(**more):
    return dict(os.environ, LC_ALL="C.UTF-8", **more)


def without_leak_check():
    """For runs under strace: the leak sanitizer needs ptrace itself."""
    return tool_environment(ASAN_OPTIONS="detect_leaks=0")


class Dump:
    """One run of the tool: `status`, `out`, `err`, `seconds`, and `report` if it was JSON."""

    def __init__(self, *arguments, prefix=(), tool=PYSTANDER, timeout=60, env=None, **how):
        started = time.monotonic()
        self.command = [*map(str, prefix), tool, *map(str, arguments)]
        process = subprocess.Popen(self.command, stdin=how.pop("stdin", subprocess.DEVNULL),
                                   stdout=how.pop("stdout", subprocess.PIPE), stderr=subprocess.PIPE,
                                   env=env or tool_environment(), **how)
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise
        self.seconds = time.monotonic() - started
        self.status, self.out, self.err = process.returncode, out or b"", err.decode(errors="replace")
        if self.status < 0 or "Sanitizer" in self.err or "runtime error:" in self.err:
            problem(f"{self}: a crash")

    def __str__(self):
        return f"{' '.join(self.command[-3:])} (status {self.status}{': ' if self.err else ''}{self.err.strip()})"

    @property
    def text(self):
        return self.out.decode()

    @functools.cached_property
    def report(self):
        return json.loads(self.out.decode("utf-8"))

    @property
    def threads(self):
        return {thread["tid"]: thread for thread in self.report["threads"]}

    def errors(self):
        return errors_in(self.report)


def errors_in(report):
    """Of the whole and of each part of it, a text each."""
    if isinstance(report, list):
        return [error for item in report for error in errors_in(item)]
    if not isinstance(report, dict):
        return []
    own = [f"{error['where']}: {error['message']}" for error in report.get("errors", [])]
    return own + [error for key, item in report.items() if key != "errors" for error in errors_in(item)]


def dump(pid, *options, **how):
    """As JSON."""
    return Dump("--json", *options, "stack", pid, **how)


def check_complete(result, what):
    """Status 0, and no error anywhere in it."""
    good = check(result.status == 0 and not result.err, f"{what}: {result}")
    if not result.out:
        return False
    errors = result.errors()
    return check(not errors, f"{what}: errors in it: {errors[:3]}") and good


def chain(thread):
    """Names of a thread's functions, the outermost first, without those of threading that begin it."""
    frames = thread["frames"][::-1]
    while frames and os.path.basename(frames[0]["file"] or "").startswith("threading."):
        del frames[0]
    return [frame["name"] for frame in frames]


def chains(result):
    """Of all threads in which Python runs."""
    return sorted(chain(thread) for thread in result.report["threads"] if thread["frames"])


class Calls:
    """Which function of a target calls which, from which line: what a stack of it can look like. Functions in
    `anywhere` (handlers of signals) may be called from any line of the main thread."""

    def __init__(self, target, anywhere=()):
        tree = ast.parse(target.source)
        functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
        self.anywhere, self.edges = anywhere, set()
        self.spans = {name: (node.lineno, node.end_lineno) for name, node in functions.items()}
        self.generators = {name for name, node in functions.items()
                           if any(isinstance(part, (ast.Yield, ast.YieldFrom)) for part in ast.walk(node))}
        self.spans["<module>"] = 1, target.source.count("\n") + 1
        for name, scope in [("<module>", tree), *functions.items()]:
            for node in ast.walk(scope):
                # Called, or given to something that calls it: map(), sorted().
                if isinstance(node, ast.Name) and node.id in functions:
                    self.edges.add((name, node.lineno, node.id))

    def wrong(self, thread, roots):
        """What is impossible in this thread's stack; None if nothing is."""
        frames = thread["frames"][::-1]
        if thread["main"] and frames and frames[0]["name"] != "<module>":
            return f"the main thread begins with {frames[0]['name']}"
        while frames and frames[0]["file"] != "<string>":
            if os.path.basename(frames[0]["file"] or "") not in ("threading.py", "threading.pyc"):
                return f"it begins with {frames[0]['file']}"
            del frames[0]
        if frames and not thread["main"] and frames[0]["name"] not in roots:
            return f"{frames[0]['name']} begins a thread"
        for outer, inner in zip(frames, frames[1:] + [None]):
            if outer["file"] != "<string>":     # something of the library, called by us
                break
            name, line = outer["name"], outer["line"]
            # A generator that was resumed for the first time, or is being closed: f_lineno is None, too (3.11+).
            if line is None and inner is None and name in self.generators and outer["lasti"] is not None:
                continue
            if name not in self.spans or line is None or not self.spans[name][0] <= line <= self.spans[name][1]:
                return f"{name} has no line {line}"
            if inner and inner["file"] == "<string>" and inner["name"] not in self.anywhere and (
                    name, line, inner["name"]) not in self.edges:
                return f"{name} does not call {inner['name']} in line {line}"
        return None

    def check(self, result, what, roots=()):
        for thread in result.report["threads"]:
            wrong = self.wrong(thread, roots)
            if wrong:
                problem(f"{what}: an impossible stack: {wrong}: "
                        f"{[(frame['name'], frame['line']) for frame in thread['frames']]}")


def controls(text):
    """The bytes of a text (UTF-8) that could tell a terminal to do something: control characters but the newline, and
    those that turn the direction of writing."""
    return sorted({repr(point) for point in text.decode("utf-8", "surrogateescape")
                   if (point < " " and point != "\n") or "\x7f" <= point < "\xa0"
                   or point in "\u061c\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
                   or "\udc80" <= point <= "\udcff"})


# How a target is started that is to leave a core.
DUMPABLE = ["prlimit", "--core=unlimited"]


@contextlib.contextmanager
def kernel_core(target, folder, signal_number=None):
    """The core that the kernel writes when it dies, of the signal or by itself; and what the tool must be told."""
    root = target.interpreter.root or ""
    pattern = process.FilePattern()
    pattern.open()
    try:
        if pattern.reason:
            raise Skip(pattern.reason)
        if signal_number:
            os.kill(target.pid, signal_number)
        wait_for(lambda: target.process.poll() is not None, 60, "it died")
        core = process.find_core(target.pid, folder, root)
        if not core:
            raise Skip(f"the kernel wrote no core ({process.core_pattern()})")
    finally:
        pattern.close()
    try:
        yield [*(["--sysroot", root] if root else []), core]
    finally:
        os.unlink(core)


@contextlib.contextmanager
def folder(inside=None):
    """A folder that everybody may read; with `inside` an interpreter, one in its root."""
    where = inside.root + "/tmp" if inside and inside.root else None
    with tempfile.TemporaryDirectory(prefix="pystander-live-", dir=where) as path:
        os.chmod(path, 0o755)
        yield path


# The same moments for whoever runs the test again.
chance = random.Random(3)
