"""The two builds of the tool that the tests of this folder compare: this machine's own, and the one for aarch64, which
runs under qemu-user."""
import collections
import os
import shutil

import live
import machine

Tool = collections.namedtuple("Tool", "name command")

# These tests belong to the build for aarch64, so that is what $PYSTANDER names.
AARCH64 = live.PYSTANDER
NATIVE = os.environ.get("PYSTANDER_NATIVE") or str(live.ROOT / "build/release/pystander")
EMULATOR = "qemu-aarch64"


def need_tools():
    live.need(EMULATOR)
    if not os.access(NATIVE, os.X_OK):
        raise live.Skip(f"no {NATIVE}")
    with open(AARCH64, "rb") as file:
        if file.read(20)[18] != 183:    # EM_AARCH64
            raise live.Skip(f"{AARCH64} is not for aarch64")


def tools():
    return [Tool(os.uname().machine, [NATIVE]), Tool("aarch64", [shutil.which(EMULATOR), AARCH64])]


def need_root_folder():
    if not (machine.arm64_root() / ".arm64-root").exists():
        raise live.Skip(f"no {machine.arm64_root()} (tests/interpreters/arm64-root makes it)")


def show(name, verdict):
    for difference in verdict.differences:
        live.problem(f"{name}: {difference}")
    live.check(verdict.fields, f"{name}: nothing was compared")
    count = f", {verdict.count} code objects" if verdict.count else ""
    print(f"{name}: {verdict.fields} fields{count}", flush=True)
