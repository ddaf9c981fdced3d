#!/usr/bin/env python3
"""Tests that the oracle can fail: every wrong field, lost or invented thread or frame, and bad JSON is a
difference, and a run that compared nothing is a failure. Needs nothing but the Python that runs it.
"""
import copy
import os
import subprocess
import sys
import unittest

import compare
import faketool
import interpreters
import process

HERE = os.path.dirname(os.path.abspath(__file__))


def place(number, **changes):
    return dict({"name": "f%d" % number, "qualname": "C.f%d" % number, "file": "/x/%d.py" % number, "line": number,
                 "end_line": number + 1, "column": 4, "end_column": 9, "lasti": 2 * number, "code": hex(4096 + number)},
                **changes)


def exception(number, **changes):
    return dict({"type": "E%d" % number, "address": hex(65536 + number), "message": "message", "message_is_str": True,
                 "notes": ["note"], "handled": True, "is_repeated": False,
                 "traceback": [["f", "C.f", "/x/1.py", 1], ["g", "C.g", "/x/2.py", 2]], "traceback_is_cut": False,
                 "traceback_gap": None, "cause": None, "context": None, "suppress_context": False, "exceptions": []},
                **changes)


VARIABLES = [[["a", "argument", "0x10", "int"], ["b", "local", "0x20", "m.C"], ["c", "cell", "0x30", "str"]], [],
             [["d", "free", "0x40", "str"], None], None]


def truth():
    def thread(tid, frames, **changes):
        return dict({"tid": tid, "ident": str(140000000000000 + tid), "name": "thread %d" % tid, "interpreter": 0,
                     "holds_gil": False, "frames": frames, "moving": None, "ended": False, "variables": None,
                     "exceptions": []}, **changes)
    loop = {"name": "loop", "qualname": "loop", "file": "/x/l.py", "code": "0x7000",
            "positions": {"10": [5, 5, 1, 2], "12": [6, 6, 1, 2]}}
    return {
        "pid": 100, "python": {"version": "3.12.1", "hexversion": 51118576, "free_threaded": False,
                               "debug_build": False},
        "interpreters": {"0": "held", "1": "free"},
        "places": [place(number) for number in range(4)] + [place(4, qualname=None, end_line=None, column=None)],
        "threads": [thread(100, [0, 1, 1, 2], variables=VARIABLES, exceptions=[
                        exception(1, cause=exception(2), context=exception(3, context=exception(4))),
                        exception(5, handled=False, exceptions=[exception(6), exception(7)])]),
                    thread(101, [3, 4], interpreter=1, name=None),
                    thread(102, [1], variables=[[]], exceptions=[exception(8), "rest"]),
                    thread(103, [2], moving=[[loop]], holds_gil=True), thread(104, [])],
        "native_threads": 1, "idle_thread_states": False, "dead_thread_states": False}


def kernel():
    names = {100: "python", 101: "t101", 102: "t102", 103: "t103", 104: "t104", 105: "native"}
    return {"pid": 100, "names": names, "states": dict.fromkeys(names, "S"), "executables": {"/usr/bin/python3"},
            "arguments": ["python3", "x.py"], "moving": {103}, "root": "", "programs": "/x",
            "arch": os.uname().machine}


def report(mode="live"):
    result = faketool.make_report(truth(), "process", None, None, None, "/usr/bin/python3", ["python3", "x.py"],
                                  None, None)
    result["threads"].append(dict(copy.deepcopy(result["threads"][-1]), tid=105, ident=None, name=None, holds_gil=None))
    for thread in result["threads"]:
        thread["os_name"], thread["state"] = kernel()["names"][thread["tid"]], "S"
    return result


def differences(got, expected=None, mode="live"):
    comparison = compare.Comparison(expected or truth(), kernel(), mode, with_locals=True)
    comparison.report(got)
    return comparison


def leaves(value, path=()):
    """Every place in the report that holds a plain value or an empty list."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    items = list(items)
    if not items:
        yield path
    for key, item in items:
        yield from leaves(item, path + (key,))


def at(value, path):
    for key in path:
        value = value[key]
    return value


def corrupt(value):
    """Another value of the same type, as far as there is one."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, str):
        return "S T R Z X D".split()[1] if value == "S" else value + "0"
    if isinstance(value, list):
        return [{"where": "x", "message": "y"}]
    return 1


def is_free(path):
    """Any address will do; and what variables are is for values.py."""
    return path == ("python", "runtime_address") or path[-1] == "repr"


class Comparing(unittest.TestCase):
    def test_equal(self):
        comparison = differences(report())
        self.assertEqual(comparison.differences, [])
        self.assertGreater(comparison.field_count, 150)

    def test_every_field(self):
        count = 0
        for path in leaves(report()):
            if is_free(path):
                continue
            wrong = report()
            at(wrong, path[:-1])[path[-1]] = corrupt(at(wrong, path))
            comparison = differences(wrong)
            if path == ("threads", 3, "errors"):           # of the thread that computes: to be looked at again
                self.assertTrue(comparison.torn)
            else:
                self.assertTrue(comparison.difference_count, "not noticed: %r" % (path,))
                self.assertFalse(comparison.torn)
            count += 1
        self.assertGreater(count, 150)

    def test_every_field_as_null(self):
        for path in leaves(report()):
            wrong = report()
            if at(wrong, path) is None or path[-1] == "repr":
                continue
            at(wrong, path[:-1])[path[-1]] = None
            self.assertTrue(differences(wrong).difference_count, "not noticed: %r" % (path,))

    def test_every_field_left_out(self):
        for path in leaves(report()):
            if isinstance(path[-1], str):
                wrong = report()
                del at(wrong, path[:-1])[path[-1]]
                self.assertTrue(differences(wrong).difference_count, "not noticed: %r" % (path,))

    def test_threads_and_frames(self):
        for index in range(len(report()["threads"])):
            wrong = report()
            lost = wrong["threads"].pop(index)
            self.assertTrue(differences(wrong).difference_count)
            wrong["threads"] += [lost, copy.deepcopy(lost)]
            self.assertTrue(differences(wrong).difference_count)
            for frame in range(len(lost["frames"])):
                for change in ("lost", "twice"):
                    wrong = report()
                    frames = wrong["threads"][index]["frames"]
                    frames[frame:frame + 1] = [] if change == "lost" else [frames[frame]] * 2
                    self.assertTrue(differences(wrong).difference_count)

    def test_interpreters(self):
        wrong = report()
        wrong["interpreters"].pop()
        self.assertTrue(differences(wrong).difference_count)

    def test_moving(self):
        wrong = report()
        wrong["threads"][3]["frames"][0]["lasti"] = 12          # in the loop, but then the line is another
        self.assertTrue(differences(wrong).difference_count)
        wrong["threads"][3]["frames"][0]["line"] = wrong["threads"][3]["frames"][0]["end_line"] = 6
        self.assertEqual(differences(wrong).differences, [])
        wrong["threads"][3]["frames"][0]["lasti"] = 14
        self.assertTrue(differences(wrong).difference_count)

    def test_variables_and_exceptions(self):
        for path in (("threads", 0, "frames", 0, "locals"), ("threads", 0, "frames", 2, "locals"),
                     ("threads", 0, "exceptions"), ("threads", 2, "exceptions"),
                     ("threads", 0, "exceptions", 1, "exceptions"), ("threads", 0, "exceptions", 0, "traceback")):
            wrong = report()
            at(wrong, path).pop(0)
            self.assertTrue(differences(wrong).difference_count, "not noticed: %r" % (path,))
            right = report()
            at(right, path).append(copy.deepcopy(at(right, path)[0]))
            unknown = path[1:3] == ("frames", 2) or path[1] == 2 or path[3:4] == (2,)
            self.assertEqual(differences(right).difference_count == 0, unknown, path)

    def test_many_differences_are_counted(self):
        wrong = report()
        wrong["threads"] = []
        self.assertEqual(differences(wrong).difference_count, 6)

    def test_garbage(self):
        for garbage in ({}, [], None, 1, {"schema": compare.SCHEMA}):
            self.assertTrue(differences(garbage).difference_count)


class Parsing(unittest.TestCase):
    def test_strict(self):
        for text in (b"", b"{", b'{"a": NaN}', b'{"a": -Infinity}', b'{"a": 1, "a": 2}', b'{"a": "\xff"}', b"{} {}",
                     b'{"a": "\x01"}', b"{'a': 1}", b'{"a": 1,}', b'{"a": "\xed\xa0\x80"}'):
            with self.assertRaises(ValueError, msg=repr(text)):
                compare.parse(text)

    def test_surrogates(self):
        self.assertEqual(compare.parse(b'{"a": "\\ud800\\u0000"}'), {"a": "\ud800\0"})


class Requirements(unittest.TestCase):
    def test_missing(self):
        one = interpreters.Interpreter("/x", None, "3.12.1", False, False)
        one.id = "pyenv-3.12.1"
        os.environ["PYSTANDER_REQUIRE_INTERPRETERS"] = "pyenv-3.12 pyenv-*.1 pyenv-3.13"
        try:
            self.assertEqual(interpreters.missing([one]), ["pyenv-3.13"])
        finally:
            del os.environ["PYSTANDER_REQUIRE_INTERPRETERS"]


class Running(unittest.TestCase):
    """The whole of it, with a tool that tells the truth and one that does not."""

    def run_oracle(self, *arguments, **environment):
        command = [sys.executable, "-B", os.path.join(HERE, "oracle.py"), "--tool", os.path.join(HERE, "faketool.py")]
        python = sys.executable
        done = subprocess.run(command + list(arguments), capture_output=True, cwd=HERE, timeout=300, env=dict(
            os.environ, PYSTANDER_EXTRA_INTERPRETERS=python, PYENV_ROOT="/nonexistent", **environment))
        return done.returncode, done.stdout.decode("utf-8", "replace") + done.stderr.decode("utf-8", "replace")

    def test_truth(self):
        status, text = self.run_oracle("--interpreter", "extra-", "--scenario", "calls", "--scenario", "busy",
                                       "--mode", "live,nopause")
        self.assertEqual(status, 0, text)
        self.assertIn("3 passed, 0 failed, 0 skipped", text)

    def test_lie(self):
        status, text = self.run_oracle("--interpreter", "extra-", "--scenario", "calls", "--mode", "live",
                                       FAKETOOL_WRONG="r['threads'][3]['frames'][1]['lasti'] += 2")
        self.assertEqual(status, 1, text)
        self.assertIn("0 passed, 1 failed, 0 skipped", text)
        self.assertIn("frames[1].lasti", text)

    def test_nothing(self):
        status, text = self.run_oracle("--interpreter", "none", "--mode", "live")
        self.assertEqual(status, 1, text)
        self.assertIn("nothing was compared", text)

    def test_required(self):
        status, text = self.run_oracle("--interpreter", "extra-", "--scenario", "bare", "--mode", "live",
                                       PYSTANDER_REQUIRE_INTERPRETERS="pyenv-9")
        self.assertEqual(status, 1, text)
        self.assertIn("required, and not found: pyenv-9", text)


class Cores(unittest.TestCase):
    def test_names(self):
        self.assertIsNone(process.find_core(1, "/nonexistent", ""))


if __name__ == "__main__":
    unittest.main()
