"""Compares what the tool says (`pystander stack --json`) with the truth of fixtures/programs/truth.py.

Every field of every thread and frame is compared; nothing is left out because it differs by version or mode but
what the comments here say. A difference is a line of text that begins with the field's path in the JSON.
"""
import json
import os

import compare_details

SCHEMA = "pystander.stack/1"
PLACE_FIELDS = ("name", "qualname", "file", "line", "end_line", "column", "end_column", "lasti")
THREAD_FIELDS = {"tid", "ident", "name", "os_name", "interpreter", "main", "holds_gil", "state", "frames",
                 "truncated", "errors", "exceptions"}
FRAME_FIELDS = set(PLACE_FIELDS) | {"kind", "code", "source", "errors"}
LAYOUTS = {"table", "debug-offsets", "type-members", "dwarf", "file"}
LISTED = 20              # differences that are kept; all are counted


def parse(text):
    """JSON by RFC 8259: UTF-8, no NaN, no name twice in an object."""
    def constant(name):
        raise ValueError("%s is not JSON" % name)

    def pairs(items):
        result = dict(items)
        if len(result) != len(items):
            raise ValueError("a name stands twice in an object: %r" % [name for name, _ in items])
        return result
    return json.loads(text.decode("utf-8"), parse_constant=constant, object_pairs_hook=pairs)


def shorten(value):
    text = ascii(value)
    return text if len(text) <= 160 else "%s... (%d characters)" % (text[:150], len(text))


class Comparison(compare_details.Details):
    """`kernel` is what Target.describe() gave before the run; `with_locals`: the tool was asked for them."""

    def __init__(self, truth, kernel, mode, core_path=None, with_locals=False):
        self.with_locals = with_locals
        self.truth, self.kernel, self.mode, self.core_path = truth, kernel, mode, core_path
        self.is_core = mode in ("gcore", "core")
        self.differences, self.difference_count, self.field_count = [], 0, 0
        self.sources = {}
        # A thread that computes can be stopped in the few instructions of the interpreter in which its list of
        # frames is not whole (3.12: a generator that is just left). The tool must say so then, with an error of
        # that thread; whoever runs it looks again.
        self.torn = False

    def differ(self, path, text):
        self.difference_count += 1
        if len(self.differences) < LISTED:
            self.differences.append("%s: %s" % (path, text))

    def equal(self, path, got, expected):
        self.field_count += 1
        if type(got) is not type(expected) or got != expected:
            self.differ(path, "%s, and should be %s" % (shorten(got), shorten(expected)))

    def one_of(self, path, got, expected):
        """Equal to one of several values that are all right."""
        self.field_count += 1
        if not any(type(got) is type(value) and got == value for value in expected):
            self.differ(path, "%s, and should be one of %s" % (shorten(got), shorten(list(expected))))

    def has_fields(self, path, got, expected):
        if not isinstance(got, dict):
            self.differ(path, "no object: %s" % shorten(got))
            return False
        lacking = expected - got.keys()
        if lacking:
            self.differ(path, "lacks %s" % ", ".join(sorted(lacking)))
        return not lacking

    # ---- the parts -------------------------------------------------------------------------------------

    def report(self, report):
        fields = {"schema", "target", "python", "errors", "interpreters", "threads"}
        if not self.has_fields("report", report, fields):
            return
        self.equal("schema", report["schema"], SCHEMA)
        self.equal("errors", report["errors"], [])
        self.target(report["target"])
        self.python(report["python"])
        self.interpreters(report["interpreters"])
        self.threads(report["threads"])

    def target(self, target):
        fields = {"kind", "pid", "path", "executable", "arguments", "arch", "signal"}
        if not self.has_fields("target", target, fields):
            return
        self.equal("target.kind", target["kind"], "core" if self.is_core else "process")
        self.equal("target.pid", target["pid"], self.kernel["pid"])
        self.equal("target.path", target["path"], self.core_path)
        # A core names files as whoever wrote it saw them.
        self.one_of("target.executable", target["executable"], sorted(self.kernel["executables"]))
        # A core has them in full only in the memory of the process.
        arguments = [self.kernel["arguments"]] + ([None] if self.is_core else [])
        self.one_of("target.arguments", target["arguments"], arguments)
        self.equal("target.arch", target["arch"], self.kernel["arch"])
        if self.mode == "core":
            if self.has_fields("target.signal", target["signal"], {"number", "name", "code", "address"}):
                self.equal("target.signal.number", target["signal"]["number"], 6)
                self.equal("target.signal.name", target["signal"]["name"], "SIGABRT")
                self.equal("target.signal.code", target["signal"]["code"], self.kernel["signal_code"])
                self.equal("target.signal.address", target["signal"]["address"], None)
        else:
            self.equal("target.signal", target["signal"], None)

    def python(self, python):
        expected = self.truth["python"]
        if not self.has_fields("python", python, set(expected) | {"runtime_address", "layout"}):
            return
        for field in sorted(expected):
            self.equal("python." + field, python[field], expected[field])
        self.address("python.runtime_address", python["runtime_address"])
        layout = python["layout"]
        self.field_count += 1
        if not isinstance(layout, list) or not layout or not set(layout) <= LAYOUTS:
            self.differ("python.layout", shorten(layout))

    def address(self, path, got, expected=None):
        self.field_count += 1
        try:
            value = int(got, 16)
            right = got.startswith("0x") and value and (expected is None or value == int(expected, 16))
        except (TypeError, ValueError, AttributeError):
            right = False
        if not right:
            self.differ(path, "%s, and should be %s" % (shorten(got), expected or "an address"))

    def interpreters(self, interpreters):
        expected = {int(identity): gil for identity, gil in self.truth["interpreters"].items()}
        for index, one in enumerate(interpreters):
            if not self.has_fields("interpreters[%d]" % index, one, {"id", "gil"}):
                return
        identities = [one["id"] for one in interpreters]
        self.equal("interpreters[].id", sorted(identities, key=str), sorted(expected, key=str))
        for one in interpreters:
            path = "interpreters[id %s].gil" % one["id"]
            if expected.get(one["id"]) is None:
                self.one_of(path, one["gil"], ("held", "free", "disabled", None))
            else:
                self.equal(path, one["gil"], expected[one["id"]])

    def threads(self, threads):
        remaining = {}
        for index, thread in enumerate(threads):
            if not self.has_fields("threads[%d]" % index, thread, THREAD_FIELDS):
                return
            remaining.setdefault((thread["tid"], thread["interpreter"]), []).append(thread)
        told = set()
        for expected in self.truth["threads"]:
            told.add(expected["tid"])
            found = remaining.get((expected["tid"], expected["interpreter"]))
            if expected["ended"]:
                found = self.ended(remaining, expected)
            path = "thread %d" % expected["tid"]
            if expected["interpreter"]:
                path += " in interpreter %d" % expected["interpreter"]
            self.field_count += 1
            if not found:
                self.differ(path, "missing (%s)" % shorten(expected["name"]))
                continue
            # Where one has idle thread states, the one with frames is meant.
            found.sort(key=lambda thread: not thread["frames"])
            self.thread(path, found.pop(0), expected)
        natives = set(self.kernel["names"]) - told
        for tid in sorted(natives):
            found = remaining.get((tid, 0))
            if not found:
                self.differ("thread %d" % tid, "missing (it runs no Python)")
                continue
            self.native(found.pop(0), tid)
        for thread in [thread for left in remaining.values() for thread in left]:
            idle = self.truth["idle_thread_states"] and thread["tid"] in told
            dead = self.truth["dead_thread_states"] and thread["tid"] is None
            if not (dead or idle and not thread["frames"]):
                self.differ("thread %s in interpreter %s" % (thread["tid"], thread["interpreter"]),
                            "there is no such thread (ident %s, %d frames)" % (thread["ident"], len(thread["frames"])))

    def ended(self, remaining, expected):
        """A thread that ended without Python's knowledge: its thread state need not know which it was, and its
        zombie (of a live process' leader) may stand beside it as any thread without Python."""
        for key in ((expected["tid"], expected["interpreter"]), (None, expected["interpreter"])):
            found = [thread for thread in remaining.get(key, []) if thread["ident"] == expected["ident"]]
            if found:
                remaining[key].remove(found[0])
                if key[0] is None and (expected["tid"], 0) in remaining:
                    self.native(remaining[expected["tid"], 0].pop(0), expected["tid"])
                return found
        return None

    def native(self, thread, tid):
        path = "thread %d" % tid
        self.equal(path + ".frames", thread["frames"], [])
        self.equal(path + ".exceptions", thread["exceptions"], [])
        self.equal(path + ".ident", thread["ident"], None)
        self.equal(path + ".name", thread["name"], None)
        self.one_of(path + ".holds_gil", thread["holds_gil"], (None, False))
        self.kernel_fields(path, thread)

    def kernel_fields(self, path, thread):
        tid = thread["tid"]
        self.equal(path + ".truncated", thread["truncated"], False)
        self.equal(path + ".errors", thread["errors"], [])
        if tid is None:
            self.equal(path + ".os_name", thread["os_name"], None)
            self.equal(path + ".state", thread["state"], None)
            self.one_of(path + ".main", thread["main"], (False, True))
            return
        self.equal(path + ".main", thread["main"], tid == self.kernel["pid"])
        if self.is_core:
            # A core need not say: the kernel's note has them for the process alone.
            self.one_of(path + ".os_name", thread["os_name"], (self.kernel["names"][tid], None))
            self.one_of(path + ".state", thread["state"], [None] + list("RSDTtZX"))
        else:
            self.equal(path + ".os_name", thread["os_name"], self.kernel["names"][tid])
            moves = tid in self.kernel["moving"]
            self.one_of(path + ".state", thread["state"], "RS" if moves else self.kernel["states"][tid])

    def thread(self, path, thread, expected):
        self.equal(path + ".ident", thread["ident"], expected["ident"])
        self.equal(path + ".name", thread["name"], expected["name"])
        if expected["moving"] and isinstance(thread["errors"], list) and thread["errors"]:
            self.torn = True
            return
        self.kernel_fields(path, thread)
        if expected["holds_gil"] is None:                  # not known, or there is none to hold
            self.one_of(path + ".holds_gil", thread["holds_gil"],
                        (None, False) if self.truth["python"]["free_threaded"] else (None, False, True))
        else:
            self.equal(path + ".holds_gil", thread["holds_gil"], expected["holds_gil"])
        self.exceptions(path + ".exceptions", thread["exceptions"], expected.get("exceptions"))
        frames, stack = thread["frames"], expected["frames"]
        if not isinstance(frames, list):
            self.differ(path + ".frames", "no list: %s" % shorten(frames))
            return
        if expected["moving"]:
            frames = self.moving(path, frames, expected["moving"], len(stack))
        self.equal(path + ".frames (count)", len(frames), len(stack))
        if len(frames) < len(stack):                       # then the outermost are the ones to compare
            stack = stack[len(stack) - len(frames):]
        if len(frames) != len(stack):
            for index, frame in enumerate(thread["frames"]):
                if frame.get("errors"):
                    self.differ("%s.frames[%d].errors" % (path, index), shorten(frame["errors"]))
        skipped = len(thread["frames"]) - len(frames)
        for index, (frame, place) in enumerate(zip(frames, stack), skipped):
            self.frame("%s.frames[%d]" % (path, index), frame, self.truth["places"][place])
        if self.with_locals and len(frames) == len(expected["frames"]):
            self.variables_of(path, frames, expected["variables"])

    def moving(self, path, frames, alternatives, stable):
        """Checks the frames of a thread that computes; returns the rest, which stands still."""
        count = len(frames) - stable
        tried = []
        for alternative in alternatives:
            if len(alternative) != count:
                continue
            comparison = Comparison(self.truth, self.kernel, self.mode, self.core_path)
            for index in range(count):
                comparison.moving_frame("%s.frames[%d]" % (path, index), frames[index], alternative[index])
            if not comparison.difference_count:
                self.field_count += comparison.field_count
                return frames[count:]
            tried += comparison.differences
        self.differ(path + ".frames", "the %d innermost are none of what they can be: %s" % (count, "; ".join(tried)))
        return frames[max(count, 0):]

    def moving_frame(self, path, frame, expected):
        if not self.has_fields(path, frame, FRAME_FIELDS):
            return
        position = expected["positions"].get(str(frame["lasti"]))
        if position is None:
            self.differ(path + ".lasti", "%s is not in the loop" % shorten(frame["lasti"]))
            return
        place = dict(zip(("line", "end_line", "column", "end_column"), position))
        place.update({name: expected[name] for name in ("name", "qualname", "file", "code")})
        self.frame(path, frame, dict(place, lasti=frame["lasti"]))

    def frame(self, path, frame, place):
        if not self.has_fields(path, frame, FRAME_FIELDS):
            return
        self.equal(path + ".kind", frame["kind"], "python")
        for field in PLACE_FIELDS:
            self.equal(path + "." + field, frame[field], place[field])
        self.address(path + ".code", frame["code"], place["code"])
        self.equal(path + ".errors", frame["errors"], [])
        self.source(path + ".source", frame["source"], place)

    def source(self, path, got, place):
        """The line of the file, without the space around it. Of the target programs it must be there, but
        from a core: no file of the machine that reads it is to be taken for the target's."""
        self.field_count += 1
        if self.is_core and not self.kernel["root"]:
            if got is not None:
                self.differ(path, "%s, of a core" % shorten(got))
            return
        expected = self.source_line(place["file"], place["line"])
        if got is None:
            if expected is not None and not self.is_core and place["file"].startswith(self.kernel["programs"] + "/"):
                self.differ(path, "null, and should be %s" % shorten(expected))
        elif expected is None or got.strip(" \t\f\r\n") != expected.strip(" \t\f\r\n"):
            self.differ(path, "%s, and should be %s" % (shorten(got), shorten(expected)))

    def source_line(self, file, line):
        if not file.startswith("/") or not line or line < 1:
            return None
        if file not in self.sources:
            self.sources[file] = None
            try:
                with open(os.fsencode(self.kernel["root"] + file), "rb") as source:
                    self.sources[file] = source.read().split(b"\n")
            except (OSError, ValueError):
                pass
        lines = self.sources[file]
        if lines is None or line > len(lines):
            return None
        return lines[line - 1].decode("utf-8", "surrogateescape")
