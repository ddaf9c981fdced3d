"""The programs in fixtures/hung, and the judge of what pystander says of them. How an expectation is written:
fixtures/hung/tell.py. Everything is compared for equality, the text as well as the JSON."""
import ast
import configparser
import os
import re

import live

FOLDER = live.ROOT / "fixtures/hung"
PLACEHOLDER = re.compile(r"\{(?:(\w+):)?([\w ]+)\}")
TOLD = ("fact", "thread", "exceptions", "ready")
REASONS = {"cause": "The above exception was the direct cause of the following exception:",
           "context": "During handling of the above exception, another exception occurred:"}
WAITING = "  Waiting for "
FRAME = '  File "'
FIELDS = {"kind", "address", "detail", "owner_tid", "timeout"}
OF_THREAD = {"kind", "detail", "address", "owner", "timeout", "polls", "interrupted", "core kind", "core detail"}
OF_PROGRAM = {"python", "needs", "busy", "deadlocks", "cause", "core cause"}

# Numbers of system calls: x86_64 and aarch64.
CALLS = {
    "read": (0, 63), "write": (1, 64), "open": (2, None), "openat": (257, 56), "poll": (7, None),
    "select": (23, None), "pause": (34, None), "nanosleep": (35, 101), "rt_sigtimedwait": (128, 137),
    "connect": (42, 203), "accept": (43, 202), "recvfrom": (45, 207), "wait4": (61, 260), "fcntl": (72, 25),
    "flock": (73, 32),
    "futex": (202, 98), "restart_syscall": (219, 128), "clock_nanosleep": (230, 115), "epoll_wait": (232, None),
    "waitid": (247, 95), "pselect6": (270, 72), "ppoll": (271, 73), "epoll_pwait": (281, 22), "accept4": (288, 242)}
# In which of them a thread sleeps that waits for something of a kind. A wait with a timeout that was interrupted, by
# somebody who looked, goes on in another one.
RESTARTED = "restart_syscall"
CALLS_OF = {
    "sleep": {"select", "pselect6", "nanosleep", "clock_nanosleep"}, "child": {"wait4", "waitid"},
    "poll": {"select", "pselect6", "poll", "ppoll", "epoll_wait", "epoll_pwait"},
    "pipe": {"read", "write"}, "file": {"read", "write", "open", "openat"}, "flock": {"flock", "fcntl"},
    "socket": {"recvfrom", "connect", "accept", "accept4", "select", "poll", "ppoll"},
    "unknown": {"futex", "pause", "ppoll", "rt_sigtimedwait"}}
CALLS_OF.update(dict.fromkeys(["gil", "lock", "rlock", "condition", "semaphore", "event", "barrier", "queue", "thread",
                               "future", "import"], {"futex"}))


def calls_of(kind):
    """As /proc/PID/task/TID/syscall numbers them."""
    is_arm = os.uname().machine == "aarch64"
    return {str(CALLS[name][is_arm]) for name in (*CALLS_OF[kind], RESTARTED)}


# ---- programs ------------------------------------------------------------------------------------------

class Malformed(RuntimeError):
    """An expectation that can't be read: no verdict on the tool."""


def number(version):
    return tuple(int(part) for part in version.split("."))


def within(version, ranges):
    """Of (3, 8) and "2.7, 3.6-3.12", or "3.6-"."""
    for one in ranges.split(","):
        first, dash, last = one.strip().partition("-")
        if number(first) <= version and (version <= number(last or "99") if dash else version == number(first)):
            return True
    return False


class Program:
    """One file: `keys`, the threads whose waiting is judged, and what is expected of them for a version."""

    def __init__(self, path):
        self.path, self.name = path, path.stem
        self.lines = path.read_text(encoding="utf-8").splitlines()
        story, _, block = (ast.get_docstring(ast.parse("\n".join(self.lines))) or "").partition("\n[program]\n")
        self.sections = configparser.ConfigParser(delimiters="=", interpolation=None)
        self.sections.optionxform = str
        self.sections.read_string("[program]\n" + block)
        program = self.sections["program"]
        for name, section in self.sections.items():
            unknown = set(section) - (OF_PROGRAM if name == "program" else OF_THREAD)
            if unknown:
                raise Malformed(f"{path}: {name}: {unknown}")
        self.keys = list(dict.fromkeys(name.split(" | ")[0] for name in self.sections if name[0].islower()
                                       and name != "program"))
        self.python, self.busy = program["python"], "busy" in program
        self.needs = [need.strip() for need in program.get("needs", "").split(",") if need]
        self.cycles = [cycle.strip().split(" > ") for cycle in program.get("deadlocks", "").split(";") if cycle]
        if not story or "cause" not in program or not self.keys:
            raise Malformed(f"{path}: it has no story, no cause or no thread")

    def wanted_on(self, interpreter):
        lacks = {"gil": interpreter.free_threaded, "ctypes": not interpreter.has_ctypes}
        return within(interpreter.version_info, self.python) and not any(lacks[need] for need in self.needs)

    def section(self, key, version):
        """The one of this version, or else the one of all."""
        for name, section in self.sections.items():
            if name.startswith(key + " | ") and within(version, name.partition(" | ")[2]):
                return section
        return self.sections[key]

    def at(self, mark):
        lines = [number for number, line in enumerate(self.lines, 1) if line.endswith("# " + mark)]
        if len(lines) != 1:
            raise Malformed(f"{self.path}: {len(lines)} lines end with # {mark}")
        return f"{self.path.name}:{lines[0]}"


def programs():
    return [Program(path) for path in sorted(FOLDER.glob("*.py")) if path.name != "tell.py"]


# ---- what a program told -------------------------------------------------------------------------------

class Facts:
    """What a program told of itself: values, threads by key, exceptions by tid; `pid` once it is ready."""

    def __init__(self):
        self.values, self.threads, self.exceptions, self.pid = {"runner": os.getpid()}, {}, {}, None

    def add(self, what, told):
        if what == "fact":
            self.values.update(told)
        elif what == "thread":
            self.threads[told["key"]] = told
        elif what == "exceptions":
            self.exceptions[told["tid"]] = told["exceptions"]
        else:
            self.pid = told["pid"]

    def comm(self, name):
        return live.read_text(f"/proc/{self.values[name]}/comm").rstrip("\n")


class Wait:
    """What a thread must be said to wait for, of a live process or of a core."""

    def __init__(self, program, key, version, facts, is_core):
        section = program.section(key, version)
        core = {name[5:]: text for name, text in section.items() if name.startswith("core ")} if is_core else {}
        self.section, self.key, self.thread = {**section, **core}, key, facts.threads[key]
        self.tid, self.kind = self.thread["tid"], self.section["kind"]
        if self.kind in ("none", "any"):
            return
        if self.kind not in CALLS_OF:
            raise Malformed(f"{program.path}: {key}: no such kind: {self.kind}")
        self.detail = expand(self.section["detail"], program, facts)
        self.address = expand(self.section.get("address", ""), program, facts)
        owner = self.section.get("owner")
        self.owner = facts.threads[owner]["tid"] if owner else None
        self.timeout = float(self.section["timeout"]) if "timeout" in self.section else None


def expand(text, program, facts):
    def value(match):
        what, name = match.groups()
        try:
            if what is None:
                return str(facts.values[name])
            return {"tid": lambda: str(facts.threads[name]["tid"]), "at": lambda: program.at(name),
                    "comm": lambda: facts.comm(name)}[what]()
        except KeyError as error:
            raise Malformed(f"{program.path}: {match.group()}: {error} is not known") from error
    return PLACEHOLDER.sub(value, text.replace("\n", " "))


# ---- the judge -----------------------------------------------------------------------------------------

def waits_for(wait):
    """A thread of a cycle, in the text and in the JSON."""
    return f'thread {wait.tid} "{wait.thread["name"]}" waits for {wait.detail}'


def deadlock_lines(waits):
    """A cycle, at the top of the text."""
    return ["Deadlock:"] + ["  " + waits_for(wait) for wait in waits]


def deadlock_text(waits):
    """A cycle, in the JSON."""
    return "; ".join(map(waits_for, waits))


def rotations(cycle):
    return [cycle[start:] + cycle[:start] for start in range(len(cycle))]


def title_of(error):
    return (f"{error['type'].removeprefix('__main__.')}: {error['message']}"
            + ("" if error["message_is_str"] else "  (its __str__ was not run)")
            + ("  (already shown)" if error["is_repeated"] else ""))


def known(error):
    """Of an exception, the fields that are judged: of one that another leads to, not whether it is handled."""
    if not isinstance(error, dict):
        return error
    return {**{name: error[name] for name in ("type", "message", "message_is_str", "is_repeated", "notes")},
            "traceback": [{name: place[name] for name in ("name", "file", "line")} for place in error["traceback"]],
            "cause": known(error["cause"]), "context": known(error["context"]),
            "exceptions": list(map(known, error["exceptions"]))}


class Judge:
    """Collects in `differences` what the tool said and should not have said, and the other way round."""

    def __init__(self, program, version, facts, is_core):
        self.program, self.version, self.facts, self.is_core = program, version, facts, is_core
        self.waits = {key: Wait(program, key, version, facts, is_core) for key in program.keys}
        self.cycles = [[self.waits[key] for key in cycle] for cycle in program.cycles]
        self.differences = []

    def check(self, what, got, expected):
        if got != expected:
            self.differences.append(f"{what} is {got!r}, not {expected!r}")

    def judge(self, report, text):
        for take, said in ((self.report, report), (self.text, text)):
            try:
                take(said)
            except (AttributeError, IndexError, KeyError, TypeError) as error:
                self.differences.append(f"it has not the form that the contract wants: {error!r}")

    # the JSON

    def report(self, report):
        self.check("errors", report["errors"], [])
        for wait in self.waits.values():
            threads = [thread for thread in report["threads"] if thread["tid"] == wait.tid and thread["frames"]
                       and thread["interpreter"] == wait.thread["interpreter"]]
            self.check(f"the number of threads {wait.tid}", len(threads), 1)
            for thread in threads:
                self.thread(wait, thread)
        self.deadlocks(report.get("deadlocks"))

    def thread(self, wait, thread):
        what = f'thread {wait.tid} "{wait.key}": '
        self.check(what + "name", thread["name"], wait.thread["name"])
        self.check(what + "ident", thread["ident"], wait.thread["ident"])
        self.check(what + "errors", thread["errors"] + [error for frame in thread["frames"]
                                                        for error in frame["errors"]], [])
        if self.version >= (3, 0):      # an exception of Python 2 stays until its function returns
            got = thread.get("exceptions")
            self.check(what + "exceptions", got and [{**known(error), "handled": error["handled"]} for error in got],
                       self.facts.exceptions.get(wait.tid, []))
        if wait.kind == "none":
            self.check(what + "waiting_on", thread.get("waiting_on", "missing"), None)
        elif wait.kind != "any":
            self.waiting_on(wait, what + "waiting_on", thread.get("waiting_on"))

    def waiting_on(self, wait, what, got):
        if not isinstance(got, dict) or FIELDS - got.keys():
            self.differences.append(f"{what} is {got!r}, not {wait.kind}: {wait.detail}")
            return
        self.check(what + ".kind", got["kind"], wait.kind)
        self.check(what + ".detail", got["detail"], wait.detail)
        self.check(what + ".owner_tid", got["owner_tid"], wait.owner)
        self.check(what + ".timeout", got["timeout"], wait.timeout)
        if wait.address:
            self.check(what + ".address", got["address"], wait.address)

    def deadlocks(self, got):
        """The one with which a cycle begins is the tool's to choose."""
        if got is None:
            self.differences.append("there is no deadlocks")
            return
        expected = [[deadlock_text(waits), [wait.tid for wait in waits]] for cycle in self.cycles
                    for waits in rotations(cycle) for one in got if one["tids"] == [wait.tid for wait in waits]]
        self.check("deadlocks", sorted([one["text"], one["tids"]] for one in got), sorted(expected))
        self.check("the number of deadlocks", len(got), len(self.cycles))

    # the text

    def text(self, text):
        # Within a thread, blank lines stand around what an exception has to do with the one before it.
        paragraphs = [paragraph.splitlines() for paragraph in re.split(r"\n\n(?! )", text.rstrip("\n"))]
        threads = [index for index, lines in enumerate(paragraphs) if re.match(r"Thread \d", lines[0])]
        head = paragraphs[:threads[0]] if threads else paragraphs
        for wait in self.waits.values():
            title = f'Thread {wait.tid} "{wait.thread["name"]}"'
            self.paragraphs(wait, title, [paragraphs[index] for index in threads
                                          if re.match(re.escape(title) + "( |$)", paragraphs[index][0])])
        for cycle in self.cycles:
            forms = [deadlock_lines(waits) for waits in rotations(cycle)]
            if sum(lines in forms for lines in head) != 1:
                self.differences.append(f"text: not once at the top: {forms[0]}")
        self.check("text: the number of deadlocks", len(re.findall("^Deadlock:", text, re.M)), len(self.cycles))
        cause = self.cause()
        if cause and cause not in text.splitlines():
            self.differences.append(f"text: no line {cause!r}")

    def paragraphs(self, wait, title, found):
        self.check(f"text: the number of {title!r}", len(found), 1)
        for lines in found:
            waiting = [line for line in lines if line.startswith(WAITING)]
            if wait.kind != "any":
                self.check(f"text: {title}", waiting, [] if wait.kind == "none" else [WAITING + wait.detail])
            for line in waiting:
                self.place(title, lines, lines.index(line))
            for error in self.facts.exceptions.get(wait.tid, []):
                self.exception(title, lines, error)

    def place(self, title, lines, index):
        """Just below the innermost frame: its source and carets are further to the right."""
        above = next((line for line in reversed(lines[:index]) if not line.startswith("    ")), "")
        below = any(line.startswith(FRAME) for line in lines[index:])
        if not above.startswith(FRAME) or (below and not self.facts.exceptions):
            self.differences.append(f"text: {title}: it does not stand below the innermost frame: {lines[index]!r}")

    def exception(self, title, lines, error):
        """As far as Python's own traceback has it, with all that it leads to: its last line, and its notes."""
        for wanted in [title_of(error), *error["notes"]]:
            if not any(line.lstrip(" |") == wanted for line in lines):
                self.differences.append(f"text: {title}: no line {wanted!r}")
        reason = REASONS["cause" if error["cause"] else "context"] if error["cause"] or error["context"] else None
        if reason and ["", reason, ""] not in ([line.strip() for line in lines[index:index + 3]]
                                               for index in range(len(lines))):
            self.differences.append(f"text: {title}: not between blank lines: {reason!r}")
        for other in [error["cause"], error["context"], *error["exceptions"]]:
            if other:
                self.exception(title, lines, other)

    def cause(self):
        """The line that must stand in the text. None: what a thread waits for, or a deadlock, looked for anyway."""
        section = self.program.sections["program"]
        cause = section.get("core cause" if self.is_core else "cause", section["cause"])
        if cause in self.waits or cause == "deadlock" and self.cycles:
            return None
        return expand(cause, self.program, self.facts)
