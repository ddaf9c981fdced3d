"""What tests of the crash handler share: the kernel's core_pattern, which is theirs for a while, and what the handler
leaves in its spool."""
import contextlib
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

import live

PATTERN = "/proc/sys/kernel/core_pattern"
PIPE_LIMIT = "/proc/sys/kernel/core_pipe_limit"
PIPE_LIMIT_MEANWHILE = 64
MAX_PATTERN = 127
NAME = re.compile(r"\d{8}T\d{6}Z-\d+-[\w.]+\.(txt|json|small\\.core|core)")

# Waits for its standard input to end, which it does however the test ends, and puts back what was there before.
GUARDIAN = """
import sys
pattern, limit = sys.argv[1:3]
sys.stdin.read()
for path, value in (("/proc/sys/kernel/core_pattern", pattern), ("/proc/sys/kernel/core_pipe_limit", limit)):
    with open(path, "w") as file:
        file.write(value + chr(10))
"""


def write(path, value):
    with open(path, "w") as file:
        file.write(f"{value}\n")


def need_pattern():
    live.need_root()
    try:
        write(PATTERN, live.read_text(PATTERN).rstrip("\n"))
        write(PIPE_LIMIT, live.read_text(PIPE_LIMIT).rstrip("\n"))
    except OSError as error:
        raise live.Skip(f"core_pattern can't be changed: {error}")


@contextlib.contextmanager
def pattern(text, pipe_limit=PIPE_LIMIT_MEANWHILE):
    """core_pattern is `text` meanwhile. It becomes what it was even if this process is killed."""
    need_pattern()
    assert len(text) <= MAX_PATTERN, text
    before = live.read_text(PATTERN).rstrip("\n"), live.read_text(PIPE_LIMIT).rstrip("\n")
    guardian = subprocess.Popen([sys.executable, "-I", "-c", GUARDIAN, *before], stdin=subprocess.PIPE,
                                start_new_session=True)
    try:
        write(PIPE_LIMIT, pipe_limit)
        write(PATTERN, text)
        yield
        if live.read_text(PATTERN).rstrip("\n") != text:
            raise RuntimeError("somebody else changed core_pattern meanwhile: what went before says nothing")
    finally:
        guardian.stdin.close()
        guardian.wait()


@contextlib.contextmanager
def folder():
    """One with a short name, as the kernel takes no more than 127 bytes of a pattern."""
    with tempfile.TemporaryDirectory(prefix="h-", dir="/tmp") as path:
        os.chmod(path, 0o755)
        yield path


class Report:
    """The files of one crash."""

    def __init__(self, stem):
        self.stem = pathlib.Path(stem)
        self.text = live.read_text(f"{stem}.txt")
        path = pathlib.Path(f"{stem}.json")
        self.json = json.loads(path.read_text(encoding="utf-8")) if path.exists() else None

    def errors(self):
        return live.errors_in(self.json)

    @property
    def threads(self):
        return {thread["tid"]: thread for thread in self.json["threads"]}


class Handler:
    """The tool as the handler, with a folder of its own: `spool`, and `config`, which has the options."""

    def __init__(self, folder, *options):
        self.folder = pathlib.Path(folder)
        self.spool = self.folder / "spool"
        self.config = self.folder / "conf"
        self.tool = self.folder / "p"
        self.tool.unlink(missing_ok=True)
        self.tool.symlink_to(live.PYSTANDER)
        self.configure(*options)

    def configure(self, *options):
        self.config.write_text("# a test's\n\n" + "".join(f"{line}\n" for line in (f"spool={self.spool}", *options)))
        self.config.chmod(0o600)

    def pattern(self, *program):
        words = [f"|{self.tool} handle --pid=%P --config={self.config}"]
        return " ".join([*words, "--", *program] if program else words)

    @contextlib.contextmanager
    def active(self, *program, pipe_limit=PIPE_LIMIT_MEANWHILE):
        with pattern(self.pattern(*program), pipe_limit):
            yield self

    def files(self):
        return sorted(os.listdir(self.spool)) if self.spool.exists() else []

    def reports(self, pid="*"):
        """Of one process, or all, the oldest first."""
        return [Report(path.with_suffix("")) for path in sorted(self.spool.glob(f"[0-9]*Z-{pid}-*.txt"))
                if NAME.fullmatch(path.name) and not path.is_symlink()]

    def report(self, pid):
        found = self.reports(pid)
        if len(found) != 1:
            raise RuntimeError(f"{len(found)} reports on process {pid}: {self.files()}; {log(pid)}")
        return found[0]


def log(word=""):
    """The last lines of the kernel's log that the handler wrote."""
    done = subprocess.run(["dmesg"], capture_output=True)
    lines = re.findall(r"pystander: (.*)", done.stdout.decode(errors="replace"))
    return [line for line in lines if str(word) in line][-5:]


def end(target, signal_number=None, timeout=60):
    """Lets it die; how long that took."""
    started = time.monotonic()
    if signal_number:
        os.kill(target.pid, signal_number)
    else:
        target.process.stdin.write(b"\n")
        target.process.stdin.flush()
    live.wait_for(lambda: target.process.poll() is not None, timeout, "it died")
    return time.monotonic() - started
