"""Which target programs there are and how each is run: see fixtures/programs/."""

MODES = ("live", "nopause", "gcore", "core")


class Scenario:
    """`since`: the first version that has what it needs; `ctypes`: it needs that module, which some builds lack.
    `moves`: it has threads that never park, so that an unpaused run may see anything of them. `without`: modes
    that can't be. `default`: part of a run that names no scenario. `details`: with variables and exceptions.
    `aborts`: it does so by itself, when it is asked to, where others are killed for their cores."""

    def __init__(self, name, program=None, arguments=(), options=(), since=(2, 7), moves=False,
                 ctypes=False, default=True, without=(), details=False, aborts=False):
        self.name, self.program = name, (program or name) + ".py"
        self.details, self.aborts = details, aborts
        self.arguments, self.options = list(arguments), list(options)
        self.without = without
        self.since, self.moves, self.ctypes, self.default = since, moves, ctypes, default

    def modes(self):
        return [mode for mode in MODES if mode not in self.without and not (self.moves and mode == "nopause")]


ALL = [
    Scenario("everything", details=True),         # all of these in one process, so they are not run by default:
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
    Scenario("scopes", default=False, details=True),
    Scenario("raising", default=False, details=True),
    # What needs a process of its own.
    Scenario("bare", details=True, options=["-S"], arguments=[b"caf\xe9", "", "\u6f22\u5b57", "a b"]),
    Scenario("calls-without-columns", "calls", options=["-X", "no_debug_ranges"], since=(3, 11)),
    Scenario("traced", details=True),
    Scenario("monitored", since=(3, 12), details=True),
    Scenario("deep"),
    Scenario("forked", details=True),
    Scenario("forked-by-thread", "forked", ["thread"]),
    Scenario("subinterpreters", details=True),
    Scenario("busy", moves=True),
    Scenario("busy-calls", "busy_calls", moves=True),
    Scenario("gil", ctypes=True, details=True),
    Scenario("signals", details=True),
    Scenario("ending", details=True),
    Scenario("main-exited", "ending", ["exited"], ctypes=True, without=["gcore"]),   # gdb: "is a zombie"
    Scenario("many"),
    Scenario("dying", "dying", ["except"], without=["nopause", "gcore"], details=True, aborts=True),
    Scenario("dying-in-hook", "dying", ["hook"], without=["nopause", "gcore"], details=True, aborts=True),
    Scenario("dying-in-method", "dying", ["method"], without=["nopause", "gcore"], details=True, aborts=True),
    Scenario("dying-in-flight", "dying", ["flight"], without=["nopause", "gcore"], details=True, ctypes=True),
]
