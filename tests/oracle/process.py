"""Runs a target program up to the point where nothing of it moves any more; and makes cores of it.

A thread is taken to be parked when the kernel says that it sleeps and that it was not scheduled between two
looks: a thread that waits for the GIL, polls or computes is scheduled all the time.
"""
import glob
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time

from interpreters import environment

LOOK_INTERVAL = 0.025       # s between two looks; a thread that waits for the GIL wakes every 5 ms
SETTLE_TIMEOUT = 60
GCORE_LIMIT = 3 << 30
SI_USER, SI_TKILL = 0, -6   # kill() from outside, abort()
VSYSCALL = "0xffffffffff600000"     # a page of the kernel's, which nobody can read
PROGRAMS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "fixtures", "programs")


class Failure(Exception):
    """The target did not do what it should: no verdict on the tool."""


class Restless(Failure):
    """It did not get there in time. In 2.7 a thread may starve that wants the GIL from others that compute."""


class TooLarge(Failure):
    """gcore writes every byte of memory, touched or not: tens of GB for a free-threaded one with many threads."""


class GuardPages(Failure):
    """gdb before version 17 writes zeros for a stack with guard pages of glibc 2.42+ (MADV_GUARD_INSTALL)."""


def read(path):
    with open(path, "rb") as file:
        return file.read()


def read_start(path):
    with open(path, "rb") as file:
        return file.read(4)


class Programs:
    """The programs where an interpreter sees them: in place, or copied into its root; and a scratch folder."""

    def __init__(self, interpreter):
        root = interpreter.root or ""
        self.root = root
        self.scratch = tempfile.mkdtemp(prefix="pystander-oracle-", dir=root + "/tmp" if root else None)
        os.chmod(self.scratch, 0o755)
        self.folder = os.path.realpath(PROGRAMS)
        if root:
            shutil.copytree(PROGRAMS, self.scratch + "/programs", ignore=shutil.ignore_patterns("__pycache__"))
            self.folder = self.inside(self.scratch) + "/programs"

    def inside(self, path):
        return path[len(self.root):]

    def remove(self):
        shutil.rmtree(self.scratch, ignore_errors=True)


def can_unshare():
    return subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode == 0


def command_in_root(root, folder, command):
    """In a mount namespace of its own with a /proc, where that is permitted; every step is an exec, so that the
    pid stays."""
    enter = ["chroot", root, "/bin/sh", "-c", 'cd "$0" && exec "$@"', folder] + command
    if not can_unshare():
        return enter
    return ["unshare", "--mount", "/bin/sh", "-c", 'mount -t proc proc "$0/proc"; exec "$@"', root] + enter


class Target:
    """A running target program. `truth` is there once it is settled."""

    def __init__(self, interpreter, scenario, programs, without_guard_pages=False):
        """`without_guard_pages`: see GuardPages; needs root."""
        self.interpreter, self.scenario, self.programs = interpreter, scenario, programs
        self.folder = tempfile.mkdtemp(prefix=scenario.name + "-", dir=programs.scratch)
        self.output = os.path.join(self.folder, "truth.json")
        self.arguments = [interpreter.path, "-B"] + scenario.options + [
            os.path.join(programs.folder, scenario.program), programs.inside(self.output)] + scenario.arguments
        command, cwd = self.arguments, self.folder
        if interpreter.root:
            command, cwd = command_in_root(interpreter.root, programs.inside(self.folder), command), "/"
        variables = environment()
        if without_guard_pages:
            variables["PYSTANDER_FIXTURE_LOCKED"] = "1"
        if scenario.details:
            variables["PYSTANDER_FIXTURE_DETAILS"] = "1"
        self.stderr = open(os.path.join(self.folder, "stderr"), "w+b")
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=self.stderr, stderr=self.stderr,
                                        cwd=cwd, env=variables, start_new_session=True)
        self.truth, self.moving, self.pid = None, [], self.process.pid

    def fail(self, what, kind=Failure):
        self.stderr.seek(0)
        text = self.stderr.read().decode("utf-8", "replace")[-3000:]
        raise kind(what + (": " + text if text else ""))

    def wait_for(self, path):
        deadline = time.monotonic() + SETTLE_TIMEOUT
        while not os.path.exists(path):
            if self.process.poll() is not None:
                self.fail("the target ended (status %d)" % self.process.returncode)
            if time.monotonic() > deadline:
                self.fail("the target did not write %s" % os.path.basename(path), Restless)
            time.sleep(0.005)
        return json.loads(read(path))

    def prepare(self):
        """Until the truth is written and nothing moves."""
        started = self.wait_for(self.output + ".started")
        self.pid, self.moving = started["pid"], started["moving"]
        self.settle()
        self.process.stdin.write(b"g")
        self.process.stdin.flush()
        self.truth = self.wait_for(self.output)
        told = {thread["tid"] for thread in self.truth["threads"]}
        self.settle(lambda tids: len(tids - told) == self.truth["native_threads"])

    def tids(self):
        return {int(name) for name in os.listdir("/proc/%d/task" % self.pid)}

    def look(self):
        """tid -> (state, number of times that it was scheduled)."""
        result = {}
        for tid in self.tids():
            try:
                status = read("/proc/%d/task/%d/status" % (self.pid, tid)).decode("utf-8", "replace")
            except OSError:
                continue
            state = re.search(r"^State:\s+(\S)", status, re.M).group(1)
            result[tid] = state, tuple(re.findall(r"_ctxt_switches:\s+(\d+)", status))
        return result

    def settle(self, also=lambda tids: True):
        deadline = time.monotonic() + SETTLE_TIMEOUT
        before = self.look()
        while True:
            time.sleep(LOOK_INTERVAL)
            now = self.look()
            still = all(tid in self.moving or (before.get(tid) == now[tid] and now[tid][0] in "SZ") for tid in now)
            if now.keys() == before.keys() and still and also(set(now)):
                return
            if not now or self.process.poll() is not None:
                self.fail("the target ended")
            if time.monotonic() > deadline:
                self.fail("the target does not come to rest: %r" % {
                    tid: (before.get(tid), now[tid]) for tid in now if before.get(tid) != now[tid]
                    or now[tid][0] not in "SZ"}, Restless)
            before = now

    def aborts(self):
        """It dies by itself; else it is sent a signal."""
        return self.scenario.aborts

    def describe(self):
        """What the kernel says of it now."""
        names, states = {}, {}
        for tid, (state, _) in self.look().items():
            names[tid] = read("/proc/%d/task/%d/comm" % (self.pid, tid))[:-1].decode("utf-8", "surrogateescape")
            states[tid] = state
        executable = os.path.realpath(self.programs.root + self.interpreter.path)
        executables = {executable, self.interpreter.path}
        if self.programs.root:
            executables.add(self.programs.inside(executable))
        arguments = [os.fsdecode(part) for part in self.arguments]
        return {"pid": self.pid, "names": names, "states": states, "executables": executables,
                "arguments": arguments, "moving": set(self.moving), "root": self.programs.root,
                "programs": self.programs.folder, "arch": os.uname().machine,
                "signal_code": SI_TKILL if self.aborts() else SI_USER}

    def writable_memory(self):
        maps = read("/proc/%d/maps" % self.pid).decode("utf-8", "replace")
        return sum(int(end, 16) - int(start, 16)
                   for start, end in re.findall(r"^([0-9a-f]+)-([0-9a-f]+) .w", maps, re.M))

    def gcore(self):
        if self.writable_memory() > GCORE_LIMIT:
            raise TooLarge("gcore would write %d GB" % (self.writable_memory() >> 30))
        done = subprocess.run(["gcore", "-o", os.path.join(self.folder, "gcore"), str(self.pid)],
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=300, cwd=self.folder)
        path = os.path.join(self.folder, "gcore.%d" % self.pid)
        if not os.path.exists(path) or done.returncode != 0 or read_start(path) != b"\x7fELF":
            raise Failure("gcore made no core: %s" % done.stderr.decode("utf-8", "replace")[-500:])
        unread = [line for line in done.stderr.decode("utf-8", "replace").split("\n")
                  if "Memory read failed for corefile section" in line and VSYSCALL not in line]
        if unread:
            os.unlink(path)
            raise GuardPages("gcore could not read all of the target's memory: " + unread[0])
        return path

    def kernel_core(self):
        """Kills it with SIGABRT; the path of the core that the kernel wrote."""
        if self.aborts():
            self.process.stdin.write(b"a")
            self.process.stdin.flush()
            self.truth["interpreters"]["0"], self.truth["threads"][0]["holds_gil"] = "held", True
        else:
            os.kill(self.pid, signal.SIGABRT)
        deadline = time.monotonic() + 300
        while True:
            if self.pid == self.process.pid:
                if self.process.poll() is not None:
                    break
            elif not os.path.exists("/proc/%d" % self.pid) or b"State:\tZ" in read("/proc/%d/status" % self.pid):
                break
            if time.monotonic() > deadline:
                raise Failure("the target did not die of SIGABRT")
            time.sleep(0.01)
        found = find_core(self.pid, self.folder, self.programs.root)
        if not found:
            raise Failure("the kernel wrote no core (core_pattern %r)" % core_pattern())
        return found

    def kill(self):
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.stdin.close()
        self.process.wait()
        self.stderr.close()
        shutil.rmtree(self.folder, ignore_errors=True)


# ---- where the kernel puts cores -----------------------------------------------------------------------

CORE_PATTERN = "/proc/sys/kernel/core_pattern"


def core_pattern():
    return read(CORE_PATTERN).decode().rstrip("\n")


class FilePattern:
    """Makes the kernel write cores to files for as long as it is open: where it feeds them to a program, and we
    may change that, the pattern is "core.%p" meanwhile. `reason` says why there can be no kernel cores."""

    def __init__(self):
        self.reason, self.before = None, None

    def open(self):
        if not core_pattern().startswith("|"):
            return
        try:
            before = core_pattern()
            with open(CORE_PATTERN, "w") as file:
                file.write("core.%p\n")
            self.before = before
        except OSError as error:
            self.reason = "core_pattern feeds a program, and can't be changed: %s" % error

    def close(self):
        if self.before is not None:
            with open(CORE_PATTERN, "w") as file:
                file.write(self.before + "\n")
            self.before = None


def find_core(pid, folder, root):
    pattern = core_pattern()
    parts = re.sub(r"%(.?)", lambda match: {"%": "%", "p": str(pid), "P": str(pid)}.get(match.group(1), "*"), pattern)
    candidates = [parts]
    if "%p" not in pattern:
        candidates.append("%s.%d" % (parts, pid))       # core_uses_pid
    for name in reversed(candidates):
        for base in (folder, root or "/", "/"):
            for path in glob.glob(os.path.join(base, name.lstrip("/") if name.startswith("/") else name)):
                if name.startswith("/") == (base != folder) and os.path.isfile(path):
                    return path
    return None
