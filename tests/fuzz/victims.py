"""The program whose code objects are forged: as many ways to be as one of each version can have.

Writes a JSON object on standard output, {name: address of the code object}, and sleeps. It runs in 2.7 and later.
"""
import json
import sys
import time


def warm(a, b=2, *rest, **named):
    total = 0
    for item in range(a):
        try:
            total += item * b + len(rest)
            if item == 7:
                raise KeyError("seven")
        except KeyError as error:
            total -= len(str(error))
        finally:
            total ^= 3
    return total, u"text", b"bytes", 1.5, 2j, (1, (2, None)), item in (1, 2, 3), named


def outer(x, y):
    z = [x]

    def inner(w):
        def innermost():
            return w + x
        return innermost() + y + len(z)
    return inner


def watched(n):
    found = {}
    for i in range(n):
        found[i] = sorted(str(i), key=lambda c: c)
    with open("/dev/null") as file:
        found["file"] = file.read()
    return found


class Body(object):
    """A class: its code has no fast locals."""
    first = 1
    second = [first]
    code = sys._getframe().f_code


def attach(code):
    """co_extra, by the C API."""
    import ctypes
    for prefix in "PyUnstable", "":
        try:
            request = getattr(ctypes.pythonapi, prefix + "_Eval_RequestCodeExtraIndex" if prefix
                              else "_PyEval_RequestCodeExtraIndex")
            attach_to = getattr(ctypes.pythonapi, prefix + "_Code_SetExtra" if prefix else "_PyCode_SetExtra")
        except AttributeError:
            continue
        request.restype, request.argtypes = ctypes.c_ssize_t, [ctypes.c_void_p]
        attach_to.argtypes = [ctypes.py_object, ctypes.c_ssize_t, ctypes.c_void_p]
        for value in 0x1234, 0x5678:
            attach_to(code, request(None), value)
        return


def watch(code):
    """Instrumentation: 3.12 and later."""
    monitoring = sys.monitoring
    monitoring.use_tool_id(1, "fuzz")
    for event in monitoring.events.LINE, monitoring.events.INSTRUCTION:
        monitoring.register_callback(1, event, lambda *arguments: None)
    monitoring.set_local_events(1, code, monitoring.events.LINE | monitoring.events.INSTRUCTION)


for _ in range(100):
    warm(10, 3, 4, 5, six=6)
    outer(1, 2)(3)
try:
    attach(warm.__code__)
except ImportError:
    pass
if hasattr(sys, "monitoring"):
    watch(watched.__code__)
watched(5)
codes = {"warm": warm.__code__, "outer": outer.__code__, "inner": outer(1, 2).__code__, "watched": watched.__code__,
         "Body": Body.code}
sys.stdout.write(json.dumps(dict((name, id(code)) for name, code in codes.items())) + "\n")
sys.stdout.flush()
time.sleep(1000)
