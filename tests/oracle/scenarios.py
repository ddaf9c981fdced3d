"""Which target programs there are and how each is run: see fixtures/programs/."""

MODES = ("live", "nopause", "gcore", "core")


class Scenario:
    """`since`: the first version that has what it needs; `ctypes`: it needs that module, which some builds lack.
    `moves`: it has threads that never park, so that an unpaused run may see anything of them. `without`: modes
    that can't be. `default`: part of a run that names no scenario."""

    def __init__(self, name, program=None, arguments=(), options=(), since=(2, 7), moves=False,
                 ctypes=False, default=True, without=()):
        self.name, self.program = name, (program or name) + ".py"
        self.arguments, self.options = list(arguments), list(options)
        self.without = without
        self.since, self.moves, self.ctypes, self.default = since, moves, ctypes, default

    def modes(self):
        return [mode for mode in MODES if mode not in self.without and not (self.moves and mode == "nopause")]


ALL = [
    Scenario("everything"),                       # all of these in one process, so they are not run by default:
    Scenario("calls", default=False),
    Scenario("callbacks", default=False),
    Scenario("expressions", default=False),
    Scenario("generators", default=False),
    Scenario("coroutines", default=False),
    Scenario("executed", default=False),
    Scenario("syntax", default=False),
    Scenario("names", default=False),
    Scenario("linetables", default=False),
    Scenario("waits", default=False),
    Scenario("threads", default=False),
    # What needs a process of its own.
    Scenario("bare", options=["-S"], arguments=[b"caf\xe9", "", "\u6f22\u5b57", "a b"]),
    Scenario("calls-without-columns", "calls", options=["-X", "no_debug_ranges"], since=(3, 11)),
    Scenario("traced"),
    Scenario("monitored", since=(3, 12)),
    Scenario("deep"),
    Scenario("forked"),
    Scenario("forked-by-thread", "forked", ["thread"]),
    Scenario("subinterpreters"),
    Scenario("busy", moves=True),
    Scenario("busy-calls", "busy_calls", moves=True),
    Scenario("gil", ctypes=True),
    Scenario("signals"),
    Scenario("ending"),
    Scenario("main-exited", "ending", ["exited"], ctypes=True, without=["gcore"]),   # gdb: "is a zombie"
    Scenario("many"),
]
