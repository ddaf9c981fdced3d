"""Tests that the judge of hung programs can fail: of each program, the report that is made of its expectation is right,
and with anything else in any place of it, or nothing, it is wrong."""
import copy
import os

import hangs
import live

VERSIONS = [(2, 7), (3, 8), (3, 15)]


def invented(program):
    """What the program could have told."""
    facts = hangs.Facts()
    for number, key in enumerate(program.keys):
        facts.threads[key] = {"key": key, "name": "MainThread" if key == "main" else key, "tid": 1000 + number,
                              "ident": str(7000 + number), "interpreter": 0}
        facts.values[key] = hex(0x7000 + number)
    named = hangs.PLACEHOLDER.findall("\n".join(program.lines))
    facts.values.update({name: os.getpid() for what, name in named if what == "comm"})
    for number, (what, name) in enumerate(named):
        if not what:
            facts.values.setdefault(name, hex(0x9000 + number))
    if "tell.exceptions()" in "\n".join(program.lines):
        error = {"type": "ValueError", "message": "no", "message_is_str": True, "is_repeated": False,
                 "notes": ["a note"], "traceback": [{"name": "f", "file": "/f.py", "line": 3}], "cause": None,
                 "context": None, "exceptions": []}
        facts.exceptions[1000] = [dict(error, type="OSError", notes=["another note"], cause=error, handled=True)]
    facts.add("ready", {"pid": 1000})
    return facts


def told(error):
    return [hangs.title_of(error), *error["notes"]]


def wanted_threads(judge):
    """As JSON, and as paragraphs of the text."""
    for wait in judge.waits.values():
        exceptions = judge.facts.exceptions.get(wait.tid, [])
        waiting = None if wait.kind in ("none", "any") else {
            "kind": wait.kind, "address": wait.address or None, "detail": wait.detail, "owner_tid": wait.owner,
            "timeout": wait.timeout}
        lines = [f'Thread {wait.tid} "{wait.thread["name"]}" (sleeping)', '  File "f.py", line 1, in f', "    f()"]
        lines += [f"  Waiting for {wait.detail}"] if waiting else []
        for error in exceptions:
            lines += [f"  {line}" for line in told(error["cause"])] + ["", "  " + hangs.REASONS["cause"], ""]
            lines += [f"  {line}" for line in told(error)]
        yield {"tid": wait.tid, "name": wait.thread["name"], "ident": wait.thread["ident"], "interpreter": 0,
               "errors": [], "frames": [{"errors": []}], "waiting_on": waiting, "exceptions": exceptions}, lines


def wanted(judge):
    threads, paragraphs = zip(*wanted_threads(judge))
    cause = judge.cause()
    for lines in paragraphs:
        if cause and cause.startswith(lines[0].partition("(")[0]):
            lines[0] = cause
    deadlocks = [{"tids": [wait.tid for wait in waits], "text": hangs.deadlock_text(waits)} for waits in judge.cycles]
    paragraphs = [["Process 1000: python"], *map(hangs.deadlock_lines, judge.cycles), *paragraphs]
    return ({"errors": [], "threads": list(threads), "deadlocks": deadlocks},
            "\n\n".join("\n".join(lines) for lines in paragraphs) + "\n")


def differences(program, version, is_core, report=None, text=None):
    judge = hangs.Judge(program, version, invented(program), is_core)
    fitting_report, fitting_text = wanted(judge)
    judge.judge(report or fitting_report, text or fitting_text)
    return judge.differences


# ---- something else ------------------------------------------------------------------------------------

def leaves(value, path=()):
    """Every place that holds a plain value or an empty list."""
    items = list(value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ())
    if not items:
        yield path
    for key, item in items:
        yield from leaves(item, path + (key,))


def within(value, path):
    for key in path[:-1]:
        value = value[key]
    return value


def is_judged(judge, path):
    if path[-1] == "waiting_on" and list(judge.waits.values())[path[1]].kind == "any":
        return False
    if "exceptions" in path:
        return judge.version >= (3, 0)
    if path[-1] == "address":       # of objects that have none to tell
        return bool(list(judge.waits.values())[path[1]].address)
    return True


def other_reports(judge, report):
    for path in leaves(report):
        if is_judged(judge, path):
            other, lacking = copy.deepcopy(report), copy.deepcopy(report)
            within(other, path)[path[-1]] = ["x"] if within(other, path)[path[-1]] == [] else "x"
            del within(lacking, path)[path[-1]]
            yield path, other
            yield path, lacking


ONCE = ("Deadlock", "  thread", hangs.WAITING)
AT_LEAST_ONCE = ("Thread", "  OSError", "  ValueError", "  a note", "  another note", "  The above")


def other_texts(text):
    """Without each line that is judged, with another one in its place, and with a second one."""
    lines = text.splitlines()
    for number, line in enumerate(lines):
        if line.startswith(ONCE + AT_LEAST_ONCE):
            for other in [[], ["x" + line], [line, line]][:3 if line.startswith(ONCE) else 2]:
                yield (line, other), "\n".join(lines[:number] + other + lines[number + 1:]) + "\n"


def check(program, version, is_core):
    what = f"the judge of {program.name}, {version}: "
    judge = hangs.Judge(program, version, invented(program), is_core)
    report, text = wanted(judge)
    live.check(not differences(program, version, is_core), f"{what}{differences(program, version, is_core)}")
    for place, other in other_reports(judge, report):
        live.check(differences(program, version, is_core, report=other), f"{what}no difference: {place}")
    for place, other in other_texts(text):
        live.check(differences(program, version, is_core, text=other), f"{what}no difference: {place}")


def run():
    for program in hangs.programs():
        for version in VERSIONS:
            for is_core in (False, True):
                if hangs.within(version, program.python):
                    check(program, version, is_core)
