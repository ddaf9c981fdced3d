"""Sound cores to make mutants of: as the kernel, gdb and pystander itself write them, of a few versions."""
import contextlib
import gzip
import lzma
import os
import pathlib
import shutil
import struct
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "live"))
import live     # noqa: E402

NT_FILE, PT_NOTE = 0x46494C45, 4
VERSIONS = (2, 7), (3, 6), (3, 12), (3, 13)     # one of each way to be
FIXTURES = pathlib.Path(__file__).resolve().parents[2] / "fixtures" / "cores"

# glibc maps 64 MB for each thread, and gcore writes all of it.
SMALL = {"MALLOC_ARENA_MAX": "1"}
# As much of what commands follow as fits into a small program.
PROGRAM = """
class Thing(object):
    def __init__(self, n):
        self.name, self.items = "thing", [n, {"key": (1, 2.5, None)}]
    def method(self, depth):
        table = {"a": self, 1: [depth]}
        return self.method(depth - 1) if depth else wait(table)

def numbers():
    for i in range(10):
        yield i

def wait(table):
    generator, text = numbers(), u"text \\xe9 \\u20ac"
    next(generator)
    try:
        raise KeyError("seven")
    except KeyError:
        time.sleep(1000)
    return generator, text

def traced(frame, event, argument):
    return traced

sys.setprofile(traced)
for n in range(3):
    spawn(Thing(n).method, 5 * n)
time.sleep(0.3)
say("ready")
Thing(9).method(12)
"""


def without_files(path, to):
    """A core without NT_FILE."""
    data = bytearray(path.read_bytes())
    headers, = struct.unpack_from("<Q", data, 32)
    count, = struct.unpack_from("<H", data, 56)
    for header in range(headers, headers + count * 56, 56):
        kind, _, at, _, _, size = struct.unpack_from("<IIQQQQ", data, header)
        end = at + size
        while kind == PT_NOTE and at + 12 <= end:
            name_size, size, note = struct.unpack_from("<III", data, at)
            if note == NT_FILE:
                struct.pack_into("<I", data, at + 8, 0x1234)
            at += 12 + (name_size + 3 & ~3) + (size + 3 & ~3)
    to.write_bytes(data)


def snapshot(target, to):
    done = subprocess.run([live.PYSTANDER, "-q", "snapshot", "-o", to, *target], stdin=subprocess.DEVNULL,
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=120,
                          env=live.tool_environment(), check=False)
    if done.returncode not in (0, 1):
        raise RuntimeError(f"{to.name}: {done.stderr.decode(errors='replace')}")


def of_interpreter(interpreter, folder):
    name = "%d.%d" % interpreter.version_info[:2]
    kinds = {"kernel": "0x33", "data": "0x01"}
    for kind, filter_bits in kinds.items():
        with live.folder() as cwd, \
                live.Target(interpreter, PROGRAM, prefix=live.DUMPABLE, cwd=cwd, env=SMALL) as target:
            pathlib.Path(f"/proc/{target.pid}/coredump_filter").write_text(filter_bits, encoding="ascii")
            if kind == "kernel":
                snapshot([str(target.pid)], folder / f"{name}-live")
            if kind == "kernel" and interpreter.version_info[:2] == (3, 12) and shutil.which("gcore"):
                subprocess.run(["gcore", "-o", folder / name, str(target.pid)], capture_output=True, timeout=120,
                               check=True)
                (folder / f"{name}.{target.pid}").rename(folder / f"{name}-gcore")
            with live.kernel_core(target, cwd, live.signal.SIGSEGV) as arguments:
                core = pathlib.Path(arguments[-1])
                if kind == "kernel":
                    snapshot(arguments, folder / f"{name}-small")
                if kind == "data":
                    without_files(core, folder / f"{name}-nofiles")
                subprocess.run(["cp", "--sparse=always", core, folder / f"{name}-{kind}"], check=True)


def compress(core):
    core.with_name(core.name + ".gz").write_bytes(gzip.compress(core.read_bytes(), 1, mtime=0))
    core.with_name(core.name + ".xz").write_bytes(lzma.compress(core.read_bytes(), preset=0))
    for program, suffix in ("zstd", "zst"), ("lz4", "lz4"):
        if shutil.which(program):
            with open(core.with_name(f"{core.name}.{suffix}"), "wb") as file:
                subprocess.run([program, "-q", "-1", "-c", core], stdout=file, check=True)


def of_repository(folder):
    """Cores that were recorded, of machines and versions that may not be at hand here."""
    for path in sorted(FIXTURES.glob("*.core.zst")) if shutil.which("zstd") else []:
        subprocess.run(["zstd", "-q", "-d", path, "-o", folder / path.name.removesuffix(".core.zst")], check=True)


def make(folder):
    """Writes them there; returns their paths."""
    found = {}
    for one in live.all_interpreters():
        if not one.debug and not one.free_threaded and not one.root:
            found.setdefault(one.version_info[:2], one)
    for version in VERSIONS:
        with live.part("Python %d.%d" % version):
            if version not in found:
                raise live.Skip("not found")
            of_interpreter(found[version], folder)
    with live.part("sid"), live.folder() as cwd:
        newest = live.newest_of_sid()
        with live.Target(newest, PROGRAM, cwd=cwd, env=SMALL) as target:
            snapshot([str(target.pid)], folder / "sid-live")
    with contextlib.suppress(StopIteration):
        compress(next(folder.glob("3.12-small")))
    of_repository(folder)
    return sorted(folder.iterdir())


if __name__ == "__main__":
    made = pathlib.Path(sys.argv[1])
    made.mkdir(exist_ok=True)
    print("\n".join(f"{path.stat().st_size:12} {path}" for path in make(made)))
