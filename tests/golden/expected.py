"""What the tool says of the cores in fixtures/cores, in the form in which it is kept there."""
import functools
import hashlib
import json
import os
import pathlib
import shutil
import subprocess

CORES = pathlib.Path(__file__).resolve().parents[2] / "fixtures/cores"
TIMEOUT = 120
AARCH64 = 183           # EM_AARCH64
DIGEST_DIGITS = 16
EMULATOR = "qemu-aarch64"

# Kept in full; of the other code objects, a digest of each.
IN_FULL = {"cleans_up", "countdown", "waits_for_lock"}

# suffix of the file -> the command
COMMANDS = {
    "stack.txt": ["stack"],
    "stack.json": ["--json", "stack"],
    "info.txt": ["-v", "info"],
    "info.json": ["--json", "info"],
    "code.json": ["--json", "code", "-v", "--dis", "--lines", "--adaptive"],
}


class Unexpected(Exception):
    pass


class Skip(Exception):
    """This machine can't run it."""


@functools.lru_cache(None)
def prefix(tool):
    """What runs a build for another machine."""
    with open(tool, "rb") as file:
        is_foreign = file.read(20)[18] == AARCH64 and os.uname().machine != "aarch64"
    if is_foreign and not shutil.which(EMULATOR):
        raise Skip(f"no {EMULATOR}")
    return [EMULATOR] if is_foreign else []


def names():
    return sorted(path.name[:-len(".core.zst")] for path in CORES.glob("*.core.zst"))


def remove(name):
    for path in CORES.glob(f"{name}.*"):
        path.unlink()


def run(tool, command, core, empty):
    """In the folder of the core, so that its path is its name. No file but it matters: `empty` is an empty folder."""
    folder, name = os.path.split(core)
    done = subprocess.run([*prefix(tool), tool, "--sysroot", empty, *command, "--core", name], cwd=folder,
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT,
                          env=dict(os.environ, LC_ALL="C.UTF-8"))
    if done.returncode or done.stderr:
        message = done.stderr.decode(errors="replace")[:1000]
        raise Unexpected(f"{' '.join(command)}: status {done.returncode}: {message}")
    return done.stdout.decode("utf-8", "surrogateescape")


def digests(text):
    """One line for each code object; the whole would be ten times as long."""
    report = json.loads(text)
    lines = []
    for code in report.pop("codes"):
        whole = json.dumps(code, sort_keys=True)
        if code["co_name"] in IN_FULL:
            lines.append(json.dumps(code))
        else:
            kept = {key: code[key] for key in ("address", "co_name", "co_firstlineno")}
            digest = hashlib.sha256(whole.encode()).hexdigest()
            lines.append(json.dumps(dict(kept, size=len(whole), sha256=digest[:DIGEST_DIGITS])))
    del report["scanned_size"]      # the work, not the result
    return json.dumps(report) + "\n" + "\n".join(lines) + "\n"


def ask(tool, name, empty, core=None):
    """file name -> what is to be in it; of the fixture, or of another core that is called the same."""
    result = {}
    for suffix, command in COMMANDS.items():
        text = run(tool, command, core or str(CORES / f"{name}.core.zst"), empty)
        result[f"{name}.{suffix}"] = digests(text) if suffix.startswith("code") else text
    return result


def disagreements(name, found):
    """What `stack` says otherwise than the program did of itself: whatever is accepted, this stands."""
    truth = json.loads((CORES / f"{name}.truth.json").read_text(encoding="utf-8"))
    threads = {thread["tid"]: thread for thread in json.loads(found[f"{name}.stack.json"])["threads"]}
    result = []
    if sorted(threads) != sorted(thread["tid"] for thread in truth["threads"]):
        result.append("other threads")
    for thread in truth["threads"]:
        told = threads.get(thread["tid"], {"name": None, "frames": []})
        places = [truth["places"][index] for index in thread["frames"]]
        if told["name"] != thread["name"] or len(places) != len(told["frames"]):
            result.append(f"{told['name']} with {len(told['frames'])} frames is {thread['name']} with {len(places)}")
        result += [f"{thread['name']}: {key} {frame[key]!r} is {place[key]!r}"
                   for frame, place in zip(told["frames"], places) for key in place if frame[key] != place[key]]
    return result
