#!/usr/bin/env python3
"""Stands in for pystander in selftest.py: its report is the truth itself, which it finds beside the target.

With FAKETOOL_WRONG=CODE in the environment, CODE is run on the report (`r`) before it is printed.
"""
import itertools
import json
import os
import sys


def read(path):
    with open(path, "rb") as file:
        return file.read()


def kernel_thread(pid, tid):
    """Name and state, of a live process."""
    if pid is None:
        return None, None
    task = "/proc/%d/task/%d/" % (pid, tid)
    status = read(task + "status").decode()
    return read(task + "comm")[:-1].decode("utf-8", "surrogateescape"), status.split("State:\t")[1][0]


def source(root, programs, file, line):
    if root is None or not file.startswith(programs) or not line:
        return None
    try:
        lines = read(root + file).decode().split("\n")
    except OSError:
        return None
    return lines[line - 1].strip() if line <= len(lines) else None


def frames_of(truth, thread, root, programs):
    result = [truth["places"][index] for index in thread["frames"]]
    if thread["moving"]:
        first = []
        for frame in thread["moving"][0]:
            lasti, position = next(iter(frame["positions"].items()))
            place = dict(zip(("line", "end_line", "column", "end_column"), position), lasti=int(lasti))
            first.append(dict({key: frame[key] for key in frame if key != "positions"}, **place))
        result = first + result
    return [dict(frame, kind="python", errors=[], source=source(root, programs, frame["file"], frame["line"]),
                 **locals_of(variables))
            for frame, variables in itertools.zip_longest(result, thread["variables"] or [])]


def locals_of(variables):
    """As a field of the frame, where they are known."""
    return {} if variables is None else {"locals": [
        dict(zip(("name", "kind", "address", "type"), variable), repr="?", errors=[])
        for variable in variables if variable]}


def exception_of(told):
    if told is None:
        return None
    entries = [dict(zip(("name", "qualname", "file", "line"), entry)) for entry in told["traceback"]]
    return dict(told, traceback=entries, cause=exception_of(told["cause"]), context=exception_of(told["context"]),
                exceptions=exceptions_of(told["exceptions"]))


def exceptions_of(told):
    return [exception_of(one) for one in told or [] if one != "rest"]


def make_report(truth, kind, pid, path, signal, executable, arguments, root, programs):
    """`pid` is None and `root` too when the target is a core."""
    threads = []
    for thread in truth["threads"]:
        name, state = kernel_thread(pid, thread["tid"])
        threads.append({
            "tid": thread["tid"], "ident": thread["ident"], "name": thread["name"], "os_name": name,
            "interpreter": thread["interpreter"], "main": thread["tid"] == truth["pid"],
            "holds_gil": thread["holds_gil"], "state": state, "truncated": False, "errors": [],
            "frames": frames_of(truth, thread, root, programs), "exceptions": exceptions_of(thread["exceptions"])})
    told = {thread["tid"] for thread in threads}
    for tid in sorted({int(name) for name in os.listdir("/proc/%d/task" % pid)} - told if pid else ()):
        name, state = kernel_thread(pid, tid)
        threads.append({"tid": tid, "ident": None, "name": None, "os_name": name, "interpreter": 0, "main": False,
                        "holds_gil": None, "state": state, "truncated": False, "errors": [], "frames": [],
                        "exceptions": []})
    return {
        "schema": "pystander.stack/1",
        "target": {"kind": kind, "pid": truth["pid"], "path": path, "executable": executable,
                   "arguments": arguments, "arch": os.uname().machine, "signal": signal},
        "python": dict(truth["python"], runtime_address="0x1000", layout=["table"]), "errors": [],
        "interpreters": [{"id": int(identity), "gil": gil} for identity, gil in truth["interpreters"].items()],
        "threads": threads}


def main():
    name = sys.argv[-1]
    pid, signal, executable, arguments, root, programs = None, None, None, None, None, None
    if name.isdigit():
        kind, path, pid = "process", None, int(name)
        task = "/proc/%d/task/%s" % (pid, max(os.listdir("/proc/%d/task" % pid)))    # the leader may have ended
        arguments = [os.fsdecode(part) for part in read(task + "/cmdline").split(b"\0")[:-1]]
        root = os.readlink(task + "/root").rstrip("/")
        program = next(index for index, part in enumerate(arguments) if part.endswith(".py"))
        programs, truth = os.path.dirname(arguments[program]), root + arguments[program + 1]
        executable = os.readlink(task + "/exe")
    else:
        kind, path, truth = "core", name, os.path.join(os.path.dirname(name), "truth.json")
        executable = os.environ.get("FAKETOOL_EXECUTABLE")
        if "gcore" not in os.path.basename(name):
            signal = {"number": 6, "name": "SIGABRT", "code": 0, "address": None}
    report = make_report(json.loads(read(truth)), kind, pid, path, signal, executable, arguments, root, programs)
    exec(os.environ.get("FAKETOOL_WRONG", ""), {"r": report})
    json.dump(report, sys.stdout)


if __name__ == "__main__":
    main()
