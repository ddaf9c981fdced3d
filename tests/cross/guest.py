#!/usr/bin/env python3
"""guest.py TOOL FOLDER: runs target programs with every interpreter found, looks at each with the tool, and leaves it
all in FOLDER for tests/cross/kept.py to judge on another machine: what the program says of itself, what the tool said
of the process, and the core that the kernel wrote when it died of SIGABRT.

    FOLDER/ID/SCENARIO/{truth.json,kernel.json,live.json,core}      stacks: the scenarios of tests/oracle
    FOLDER/ID/codes/{truth,adaptive.live,adaptive,others.json,live.json,core}
    FOLDER/interpreters.json                                        {ID: its root, "" for the machine's own}
"""
import concurrent.futures
import json
import os
import resource
import shutil
import subprocess
import sys
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "oracle"))
import code_target  # noqa: E402
import codes  # noqa: E402
import interpreters  # noqa: E402
import process  # noqa: E402
import scenarios  # noqa: E402

# An emulated machine takes its time: these with every interpreter, the long one with the last, code objects of the
# first.
SHORT = ("names", "main-exited")
LONG = ("everything",)
CODES_VARIANT = "plain:40"
TOOL_TIMEOUT = 300
process.SETTLE_TIMEOUT = code_target.START_TIMEOUT = 600    # s
process.LOOK_INTERVAL = 0.1


def write_json(path, value):
    with open(path, "w") as file:
        json.dump(value, file, default=sorted)


def look(tool, folder, *arguments):
    with open(os.path.join(folder, "live.json"), "wb") as out:
        done = subprocess.run([tool, *arguments], stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.PIPE,
                              timeout=TOOL_TIMEOUT)
    if done.returncode or done.stderr:
        raise process.Failure("the tool: status %d: %s" % (done.returncode, done.stderr.decode("utf-8", "replace")))


def keep_stack(tool, folder, interpreter, programs, scenario):
    target = process.Target(interpreter, scenario, programs)
    try:
        target.prepare()
        target.settle()
        write_json(os.path.join(folder, "kernel.json"), target.describe())
        look(tool, folder, "stack", "--json", str(target.pid))
        shutil.move(target.kernel_core(), os.path.join(folder, "core"))
        shutil.copy(target.output, os.path.join(folder, "truth.json"))
    finally:
        target.kill()


def addresses_in(path):
    with open(path, "rb") as file:
        starts = [line.split(b'"', 4)[3] for line in file if line.startswith(b'{"address": "')]
    return [start.decode() for start in starts]


def keep_codes(tool, folder, interpreter, programs):
    target = codes.CodesTarget(interpreter, CODES_VARIANT, programs)
    try:
        target.wait_ready()
        shutil.copy(os.path.join(target.folder, "adaptive"), os.path.join(folder, "adaptive.live"))
        look(tool, folder, "code", "--json", "--all", str(target.pid))
        known = set(codes.read_truth(target.folder)[0])
        others = [address for address in addresses_in(os.path.join(folder, "live.json")) if address not in known]
        write_json(os.path.join(folder, "others.json"), target.describe(others))
        target.write_adaptive()
        shutil.move(target.kernel_core(), os.path.join(folder, "core"))
        for name in "truth", "adaptive":
            shutil.copy(os.path.join(target.folder, name), folder)
    finally:
        target.kill()


def run(job, tool, folder, interpreter, *arguments):
    os.makedirs(folder)
    started = time.monotonic()
    try:
        job(tool, folder, interpreter, *arguments)
        print("%s: %.1f s" % (folder, time.monotonic() - started), flush=True)
    except Exception:
        with open(os.path.join(folder, "failure"), "w") as file:
            traceback.print_exc(file=file)
        print("%s: failed" % folder, flush=True)


def main(tool, folder):
    resource.setrlimit(resource.RLIMIT_CORE, (-1, -1))
    found = interpreters.find_all()
    write_json(os.path.join(folder, "interpreters.json"), {one.id: one.root or "" for one in found})
    programs = {one.id: process.Programs(one) for one in found}
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for one in found:
            if one is found[0]:
                pool.submit(run, keep_codes, tool, os.path.join(folder, one.id, "codes"), one, programs[one.id])
            for scenario in scenarios.ALL:
                if scenario.name in SHORT or one is found[-1] and scenario.name in LONG:
                    where = os.path.join(folder, one.id, scenario.name)
                    pool.submit(run, keep_stack, tool, where, one, programs[one.id], scenario)
    write_json(os.path.join(folder, "complete"), True)


if __name__ == "__main__":
    main(*map(os.path.abspath, sys.argv[1:]))
