"""A virtual machine of another architecture: Debian's aarch64 kernel and Pythons in qemu-system-aarch64.

It is given a folder, which it has as /work; what runs there is /work/run (with Debian 12's python3, and sid's root in
/sid), as root and alone. When that ends, the folder is what it left. The host needs no privilege for it.
"""
import os
import pathlib
import shutil
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
INIT = ROOT / "tests/cross/init.c"
QEMU = "qemu-system-aarch64"
COMPILER = "aarch64-linux-gnu-gcc"
MEMORY = 1536           # MB
WORK_DISK = 2 << 30     # sparse
RUN_TIMEOUT = 1500


class Missing(Exception):
    """What this machine lacks for it."""


def arm64_root():
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return pathlib.Path(cache, "pystander", "arm64")


def environment():
    return dict(os.environ, PATH=os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin")


def need(*programs):
    for program in programs:
        if not shutil.which(program, path=environment()["PATH"]):
            raise Missing(f"no {program}")
    if not (arm64_root() / ".arm64-root").exists():
        raise Missing(f"no {arm64_root()} (tests/interpreters/arm64-root makes it)")


# ---- what it boots ------------------------------------------------------------------------------------------

def archive(files):
    """An initramfs ("newc" of cpio) of {path: bytes}, all executable."""
    result = bytearray()
    for number, (path, content) in enumerate([*files.items(), ("TRAILER!!!", b"")], 1):
        name = path.encode() + b"\0"
        mode = 0o100755 if content else 0
        fields = number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name), 0
        for part in b"070701" + b"".join(b"%08x" % field for field in fields) + name, content:
            result += part + bytes(-(len(result) + len(part)) % 4)
    return bytes(result)


def initramfs(scratch):
    program = scratch / "init"
    subprocess.run([COMPILER, f"--sysroot={arm64_root()}/bookworm", "-static", "-O1", "-Wall", "-Werror",
                    "-o", program, INIT], check=True)
    kernel = arm64_root() / "kernel"
    files = {"init": program.read_bytes(), "modules": (kernel / "modules").read_bytes()}
    for name in files["modules"].decode().split():
        files[name] = (kernel / name).read_bytes()
    return archive(files)


# ---- running it ---------------------------------------------------------------------------------------------

def run(folder, scratch):
    """Runs folder/run in it; the console's text. The folder's files come back as they were left."""
    folder, scratch = pathlib.Path(folder), pathlib.Path(scratch)
    need(QEMU, COMPILER, "mke2fs", "debugfs")
    (scratch / "initramfs").write_bytes(initramfs(scratch))
    disk = scratch / "work.ext4"
    subprocess.run(["mke2fs", "-q", "-F", "-t", "ext4", "-O", "^has_journal", "-d", folder, disk,
                    str(WORK_DISK >> 10)], check=True, env=environment(), stdout=subprocess.DEVNULL)
    disks = []
    for path, options in (arm64_root() / "roots.ext4", ",readonly=on"), (disk, ",cache=unsafe"):
        name = "disk%d" % (len(disks) // 4)
        disks += ["-drive", f"if=none,id={name},format=raw,file={path}{options}",
                  "-device", f"virtio-blk-pci,drive={name}"]
    console = scratch / "console"
    command = [QEMU, "-machine", "virt", "-cpu", "max,pauth-impdef=on", "-smp", "2", "-m", str(MEMORY), "-nodefaults",
               "-no-user-config", "-display", "none", "-serial", f"file:{console}", *disks,
               "-kernel", arm64_root() / "kernel/vmlinuz", "-initrd", scratch / "initramfs",
               "-append", "console=ttyAMA0 quiet panic=-1 random.trust_cpu=on", "-no-reboot"]
    try:
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL, timeout=RUN_TIMEOUT)
    except subprocess.TimeoutExpired:
        raise RuntimeError("the machine ran for %d s: %s" % (RUN_TIMEOUT, console.read_text(errors="replace")[-3000:]))
    shutil.rmtree(folder)
    folder.mkdir()
    subprocess.run(["debugfs", "-R", f"rdump / {folder}", disk], check=True, env=environment(), capture_output=True)
    disk.unlink()
    return console.read_text(errors="replace")
