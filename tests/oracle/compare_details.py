"""The part of compare.py that compares variables and exceptions, with the truth of fixtures/programs/truth_variables.py
and truth_exceptions.py."""

VARIABLE_FIELDS = {"name", "kind", "type", "repr", "address", "errors"}
ENTRY_FIELDS = ("name", "qualname", "file", "line")
EXCEPTION_FIELDS = {"type", "message", "message_is_str", "notes", "handled", "address", "is_repeated", "traceback",
                    "traceback_is_cut", "traceback_gap", "cause", "context", "suppress_context", "exceptions"}
MAX_TYPE = 1000         # characters of the name of a class


def cut_name(name):
    rest = "{:,}".format(len(name) - MAX_TYPE)
    return name if len(name) - MAX_TYPE <= len(" … +" + rest) else name[:MAX_TYPE] + "… +" + rest


class Details:
    """For Comparison, which has equal(), differ(), address() and has_fields()."""

    # ---- variables -------------------------------------------------------------------------------------

    def variables_of(self, path, frames, expected):
        """Of a thread's frames; `expected` is None, or has None for each frame that is not known."""
        for index, (frame, variables) in enumerate(zip(frames, expected or [])):
            if variables is not None:
                self.variables("%s.frames[%d].locals" % (path, index), frame.get("locals"), variables)

    def variables(self, path, got, expected):
        if not isinstance(got, list):
            self.differ(path, "no list: %r" % (got,))
            return
        if expected and expected[-1] is None:               # what follows is not known
            expected, got = expected[:-1], got[:len(expected) - 1]
        for variable in got:
            if not self.has_fields(path, variable, VARIABLE_FIELDS):
                return
        self.equal(path + " (names)", [one["name"] for one in got], [name for name, _, _, _ in expected])
        for variable, (name, kind, address, kind_of_value) in zip(got, expected):
            place = "%s[%s]" % (path, name)
            self.equal(place + ".kind", variable["kind"], kind)
            self.address(place + ".address", variable["address"], address)
            if kind_of_value is not None:
                self.equal(place + ".type", variable["type"], cut_name(kind_of_value))
            self.equal(place + ".errors", variable["errors"], [])

    # ---- exceptions ------------------------------------------------------------------------------------

    def exceptions(self, path, got, expected):
        """Those of a thread; "rest": there may be more."""
        if not isinstance(got, list):
            self.differ(path, "no list: %r" % (got,))
            return
        if expected is None:
            return
        if expected[-1:] == ["rest"]:
            expected, got = expected[:-1], got[:len(expected) - 1]
        self.equal(path + " (count)", len(got), len(expected))
        for index, (one, other) in enumerate(zip(got, expected)):
            self.exception("%s[%d]" % (path, index), one, other)

    def exception(self, path, got, expected):
        if got is None or expected is None:
            self.equal(path + " (null)", got is None, expected is None)
            return
        if not self.has_fields(path, got, EXCEPTION_FIELDS):
            return
        if expected["address"] is None:
            self.equal(path + ".address", got["address"], None)
        else:
            self.address(path + ".address", got["address"], expected["address"])
        if expected["message"] is not None:
            self.equal(path + ".message", got["message"], expected["message"])
        for field in ("type", "message_is_str", "notes", "handled", "is_repeated", "traceback_is_cut", "traceback_gap",
                      "suppress_context"):
            self.equal("%s.%s" % (path, field), got[field], expected[field])
        self.equal(path + ".traceback", [[entry.get(field) for field in ENTRY_FIELDS] for entry in got["traceback"]],
                   expected["traceback"])
        self.exception(path + ".cause", got["cause"], expected["cause"])
        self.exception(path + ".context", got["context"], expected["context"])
        self.exceptions(path + ".exceptions", got["exceptions"], expected["exceptions"])
