#!/usr/bin/env python3
"""Every CPython on this machine that the oracle can run its target programs on.

    interpreters.py          # one line each: id, version, flavour, path, root
    interpreters.py --check  # exit status 1 if one of PYSTANDER_REQUIRE_INTERPRETERS is missing

Where they are looked for, and their ids:

    pyenv's versions folder (PYENV_ROOT, `pyenv root`, ~/.pyenv)       pyenv-3.12.1
    /usr/bin/python3, python3.N, python2.7                             debian-3.11.2 (ID of /etc/os-release)
    a Debian sid root, run by chroot (tests/interpreters/sid-root      sid-3.15.0, sid-3.15.0-dbg
    makes it): PYSTANDER_SID_ROOT, ${XDG_CACHE_HOME:-~/.cache}/pystander/sid
    PYSTANDER_EXTRA_INTERPRETERS, paths separated by colons            extra-3.14.7t, extra-3.12.1-dbg

PYSTANDER_REQUIRE_INTERPRETERS names those that must be found: prefixes or globs of ids, separated by spaces.
sid moves: one of its versions that a complete root does not carry is printed, and is no failure.
"""
import fnmatch
import glob
import json
import os
import re
import subprocess
import sys
from pathlib import Path

PROBE = """
import sys, platform
try:
    import _ctypes
except ImportError:
    _ctypes = None
sys.stdout.write('%d.%d.%d %s %s %d %d %s' % (sys.version_info[:3] + (
    {'final': '', 'alpha': 'a', 'beta': 'b', 'candidate': 'rc'}[sys.version_info[3]]
    + (str(sys.version_info[4]) if sys.version_info[3] != 'final' else '') or '-',
    't' if 't' in getattr(sys, 'abiflags', '') else '-', hasattr(sys, 'gettotalrefcount'), bool(_ctypes),
    platform.python_implementation())))
"""


class Interpreter:
    """`path` is the executable as its own root names it; `root` is None or the root to chroot into."""

    def __init__(self, path, root, version, free_threaded, debug, has_ctypes=True):
        self.path, self.root, self.version = path, root, version
        self.free_threaded, self.debug, self.has_ctypes = free_threaded, debug, has_ctypes
        self.id = None

    @property
    def version_info(self):
        return tuple(int(part) for part in re.match(r"(\d+)\.(\d+)", self.version).groups())

    @property
    def flavour(self):
        return ("free-threaded " if self.free_threaded else "") + ("debug" if self.debug else "release")


def environment():
    """Of probes and targets: nothing of ours that changes what Python does."""
    kept = ("PATH", "HOME", "LD_LIBRARY_PATH", "PYSTANDER_FIXTURE_SECONDS")
    result = {name: os.environ[name] for name in kept if name in os.environ}
    result.setdefault("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
    return dict(result, LC_ALL="C.UTF-8")


def probe(path, root=None):
    """The interpreter at this path, or None (with a note on standard error) if it does not run."""
    command = [path, "-S", "-E", "-c", PROBE]
    if root:
        command = ["chroot", root] + command
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=60,
                              env=environment(), cwd="/")
        version, suffix, threaded, debug, ctypes, implementation = done.stdout.decode().split()
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        print("interpreters: %s does not run: %s" % (path, error), file=sys.stderr)
        return None
    if implementation != "CPython":
        return None
    return Interpreter(path, root, version + suffix.replace("-", ""), threaded == "t", debug == "1", ctypes == "1")


def pyenv_root():
    if os.environ.get("PYENV_ROOT"):
        return os.environ["PYENV_ROOT"]
    try:
        done = subprocess.run(["pyenv", "root"], capture_output=True, timeout=20)
        if done.returncode == 0 and done.stdout.strip():
            return os.fsdecode(done.stdout.strip())
    except (OSError, subprocess.TimeoutExpired):
        pass
    return os.path.expanduser("~/.pyenv")


def find_pyenv():
    for path in sorted(glob.glob(os.path.join(pyenv_root(), "versions", "*", "bin", "python"))):
        found = os.path.isfile(path) and probe(path)
        if found:
            found.id = "pyenv-" + path.split("/")[-3]
            yield found


def distribution():
    try:
        text = Path("/etc/os-release").read_text()
    except OSError:
        return "system"
    match = re.search(r'^ID="?([\w.-]+)', text, re.M)
    return match.group(1) if match else "system"


def versioned(folder):
    """python3, python3.12, python3.12-dbg, python2.7 in a folder, each real file once."""
    seen = set()
    for path in sorted(glob.glob(os.path.join(folder, "python[23]*"))):
        if re.fullmatch(r"python(3|[23]\.\d+)t?(-dbg)?", os.path.basename(path)):
            real = os.path.realpath(path)
            if real not in seen and os.access(path, os.X_OK):
                seen.add(real)
                yield path


def find_distribution():
    name = distribution()
    for path in versioned("/usr/bin"):
        found = probe(path)
        if found:
            found.id = "%s-%s%s%s" % (name, found.version, "t" if found.free_threaded else "",
                                      "-dbg" if found.debug else "")
            yield found


def sid_root():
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return os.environ.get("PYSTANDER_SID_ROOT") or os.path.join(cache, "pystander", "sid")


def sid_is_complete():
    try:
        return Path(sid_root(), ".sid-root").read_text().startswith("complete")
    except OSError:
        return False


def find_sid():
    root = sid_root()
    if not sid_is_complete():
        return
    if os.geteuid() != 0:
        print("interpreters: %s needs root to chroot into it" % root, file=sys.stderr)
        return
    for path in versioned(os.path.join(root, "usr/bin")):
        inside = "/" + os.path.relpath(path, root)
        if os.path.basename(inside) == "python3":       # a link to one of the others
            continue
        found = probe(inside, root)
        if found:
            found.id = "sid-%s%s" % (found.version, "-dbg" if found.debug else "")
            yield found


def find_extra():
    for path in filter(None, os.environ.get("PYSTANDER_EXTRA_INTERPRETERS", "").split(":")):
        found = probe(os.path.abspath(path))
        if found:
            found.id = "extra-%s%s%s" % (found.version, "t" if found.free_threaded else "",
                                         "-dbg" if found.debug else "")
            yield found


def find_all():
    result, taken = [], {}
    for finder in (find_pyenv, find_distribution, find_sid, find_extra):
        for found in finder():
            taken[found.id] = taken.get(found.id, 0) + 1
            if taken[found.id] > 1:
                found.id += "#%d" % taken[found.id]
            result.append(found)
    return result


def matches(identity, pattern):
    return fnmatch.fnmatchcase(identity, pattern) or identity.startswith(pattern)


def missing(found):
    """Of PYSTANDER_REQUIRE_INTERPRETERS: the patterns that nothing matches."""
    result = []
    for pattern in os.environ.get("PYSTANDER_REQUIRE_INTERPRETERS", "").split():
        if any(matches(interpreter.id, pattern) for interpreter in found):
            continue
        if pattern.startswith("sid-") and sid_is_complete() and os.geteuid() == 0 and not sid_carries(pattern):
            print("interpreters: sid does not carry %s any more" % pattern)
            continue
        result.append(pattern)
    return result


def sid_carries(pattern):
    """One that is in the root but does not run is missing; one that is not in it, its archive has dropped."""
    match = re.match(r"sid-(\d+\.\d+)", pattern)
    name = "python%s%s" % (match.group(1), "-dbg" if pattern.endswith("-dbg") else "") if match else "python3*"
    return bool(glob.glob(os.path.join(sid_root(), "usr/bin", name)))


def main():
    if sys.argv[1:] not in ([], ["--check"], ["--json"]):
        sys.exit(__doc__)
    found = find_all()
    for interpreter in found:
        if sys.argv[1:] == ["--json"]:
            print(json.dumps(vars(interpreter)))
        else:
            print("%-20s %-10s %-22s %s%s" % (interpreter.id, interpreter.version, interpreter.flavour,
                                              interpreter.path,
                                              " in " + interpreter.root if interpreter.root else ""))
    lacking = missing(found)
    for pattern in lacking:
        print("interpreters: required, and not found: %s" % pattern, file=sys.stderr)
    sys.exit(1 if lacking or not found else 0)


if __name__ == "__main__":
    main()
