"""What the benchmarks share: targets to look into, commands run in turn, and a table of what they cost."""
import argparse
import contextlib
import os
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
SKIPPED = 77

# Threads that sleep some calls deep, as a hanging service's do.
TARGET = """
import sys, threading

def wait(event, depth):
    if depth:
        return wait(event, depth - 1)
    event.wait()

event = threading.Event()
for i in range(int(sys.argv[1]) - 1):
    threading.Thread(target=wait, args=(event, 8), daemon=True).start()
print("ready", flush=True)
wait(event, 8)
"""


def arguments(description):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--check", action="store_true", help="exit status 1 if one is over its limit")
    parser.add_argument("--rounds", type=int, default=101)
    parser.add_argument("--python", default="/usr/bin/python3", help="the interpreter to look into")
    parser.add_argument("--pystander", default=os.environ.get("PYSTANDER", str(ROOT / "build/release/pystander")))
    build = os.environ.get("PYSTANDER_BUILD_DIR", str(ROOT / "build/release"))
    parser.add_argument("--build-dir", default=build, help="where tests/alternate is (%(default)s)")
    chosen = parser.parse_args()
    if not os.access(chosen.pystander, os.X_OK):
        skip(f"no {chosen.pystander}")
    return chosen


def skip(reason):
    print(f"skipped: bench {pathlib.Path(sys.argv[0]).name}: {reason}")
    sys.exit(SKIPPED)


@contextlib.contextmanager
def python_threads(python, count):
    """A process of `count` sleeping threads: its pid."""
    process = subprocess.Popen([python, "-c", TARGET, str(count)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    try:
        if process.stdout.readline() != b"ready\n":
            sys.exit(f"{python} did not start {count} threads")
        yield process.pid
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


class Cost:
    """Of one command: median, quartiles and minimum of the whole process's wall time in milliseconds."""

    def __init__(self, line):
        median, lower, upper, least, resident, status = (int(word) for word in line.split("\t"))
        self.median, self.lower, self.upper, self.least = (value / 1000 for value in (median, lower, upper, least))
        self.resident_mb = resident / 1024
        self.status = status


def alternate(build_dir, rounds, commands):
    """Runs the commands in turn, `rounds` times: a Cost for each."""
    words = []
    for command in commands:
        words += ["--"] * bool(words) + [str(word) for word in command]
    program = pathlib.Path(build_dir, "tests/alternate")
    output = subprocess.run([program, str(rounds), *words], check=True, stdout=subprocess.PIPE).stdout
    return [Cost(line) for line in output.decode().splitlines()]


def peers(pid):
    """Commands of other tools that do the same, as far as they are installed: (name, command)."""
    return [(name, command) for name, command in (
        ("py-spy", ["py-spy", "dump", "--pid", pid]),
        ("austin", ["austin", "-w", "1", "-x", "0", "-p", pid]),
        ("pystack", ["pystack", "remote", pid]),
    ) if shutil.which(name)]


class Table:
    """A row for each command; `limit` is the largest ratio to the floor."""

    def __init__(self, floor):
        self.floor = floor
        self.over_limit = False  # one of the costs is
        print(f"{'':34} {'median':>9} {'quartiles':>15} {'resident':>9}   {'ratio':>6}")

    def add(self, name, cost, limit=None, good_status=(0,)):
        ratio = cost.median / self.floor.median
        note = ""
        if cost.status not in good_status:
            note = f"exit status {cost.status}"
            self.over_limit = self.over_limit or limit is not None
        elif limit is not None:
            note = f"at most {limit}" + (": OVER" if ratio > limit else "")
            self.over_limit = self.over_limit or ratio > limit
        print(f"{name:34} {cost.median:6.2f} ms {cost.lower:6.2f}–{cost.upper:5.2f} ms {cost.resident_mb:6.1f} MB"
              f"   {ratio:6.2f}   {note}", flush=True)
