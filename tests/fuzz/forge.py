"""What the scripts of this folder share: cores of small programs, and runs on them that must end well.

Every run has the same limits: no crash, no sanitizer's complaint, MAX_SECONDS, MAX_RSS, an exit code that says what it
says, and JSON that is valid.
"""
import json
import mmap
import os
import pathlib
import signal
import struct
import subprocess
import sys
import tempfile

PT_LOAD, PF_W = 1, 2

program = os.environ.get("PYSTANDER")
is_sanitized = bool(program) and b"__asan_init" in pathlib.Path(program).read_bytes()
# The sanitizers make it slower and larger; of time it is the processor's, whatever else runs on the machine.
MAX_SECONDS = 20 if is_sanitized else 2
MAX_RSS = (3000 if is_sanitized else 300) << 10     # KiB
TIMEOUT = 120
environment = dict(os.environ, LC_ALL="C.UTF-8", UBSAN_OPTIONS="halt_on_error=1:exitcode=99:print_stacktrace=1",
                   ASAN_OPTIONS="exitcode=99:detect_leaks=1:quarantine_size_mb=16")


def skip(reason):
    print(f"skipped: fuzz: {reason}")
    sys.exit(77)


def write_core(pid, path):
    subprocess.run(["gcore", "-o", path, str(pid)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL, timeout=120, check=False)
    made = pathlib.Path(f"{path}.{pid}")
    if made.exists():
        made.rename(path)
    return path.exists()


class Memory:
    """A core file: its bytes, by place in the file and by address in the target."""

    def __init__(self, path):
        self.path = path
        # Mapped: what this process holds counts for its children's memory, up to their exec.
        with open(path, "rb") as file:
            self.bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self.loads = []
        phoff, = struct.unpack_from("<Q", self.bytes, 32)
        count, = struct.unpack_from("<H", self.bytes, 56)
        for i in range(count):
            kind, flags, offset, address, _, size = struct.unpack_from("<IIQQQQ", self.bytes, phoff + i * 56)
            if kind == PT_LOAD:
                self.loads.append((offset, size, address, flags))

    def word(self, offset):
        return struct.unpack_from("<Q", self.bytes, offset)[0]

    def offset_of(self, address):
        for offset, size, start, _ in self.loads:
            if start <= address < start + size:
                return offset + address - start
        return None

    def address_of(self, place):
        for offset, size, start, _ in self.loads:
            if offset <= place < offset + size:
                return start + place - offset
        return 0


class Outcome:
    """Of one run: what is wrong with it, or None; and what it cost and said."""

    def __init__(self):
        self.wrong, self.code, self.seconds, self.rss, self.json = None, None, TIMEOUT, 0, None


def run(arguments):
    """Runs the program. If it wrote JSON, `json` is what it says."""
    outcome = Outcome()
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        process = subprocess.Popen([program, *arguments], env=environment, stdin=subprocess.DEVNULL, stdout=output,
                                   stderr=errors)
        signal.alarm(TIMEOUT)
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except TimeoutError:
            process.kill()
            os.wait4(process.pid, 0)
            process.returncode = -9
            outcome.wrong = f"did not end within {TIMEOUT} s"
            return outcome
        finally:
            signal.alarm(0)
        outcome.seconds, outcome.rss = usage.ru_utime + usage.ru_stime, usage.ru_maxrss
        process.returncode = outcome.code = os.waitstatus_to_exitcode(status)
        errors.seek(0)
        said = errors.read(1 << 20).decode(errors="replace")
        if outcome.code not in (0, 1, 2, 3) or "Sanitizer" in said or "runtime error:" in said:
            outcome.wrong = f"ended with {outcome.code}: {said[-4000:]}"
        elif outcome.seconds > MAX_SECONDS:
            outcome.wrong = f"took {outcome.seconds:.1f} s"
        elif outcome.rss > MAX_RSS:
            outcome.wrong = f"took {outcome.rss >> 10} MiB"
        elif "--json" in arguments:
            output.seek(0)
            try:
                outcome.json = json.loads(output.read().decode("utf-8"))
            except ValueError as error:
                outcome.wrong = f"wrote no JSON: {error}"
    return outcome


def on_alarm(number, frame):
    raise TimeoutError


def write(file, changes):
    for place, value in changes:
        file.seek(place)
        file.write(value)
    file.flush()


signal.signal(signal.SIGALRM, on_alarm)
