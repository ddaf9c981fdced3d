"""Judges what tests/cross/guest.py left, against tools of whatever machine this is."""
import json
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "oracle"))
import code_target  # noqa: E402
import codes  # noqa: E402
import compare  # noqa: E402

TOOL_TIMEOUT = 300
code_target.TOOL_TIMEOUT = TOOL_TIMEOUT


def read_json(path):
    return json.loads(path.read_text())


def write_json(path, value):
    path.write_text(json.dumps(value, default=sorted))


def read_kernel(path, root):
    """As process.Target.describe() gave it, but for the root, which is `root` here."""
    kernel = read_json(path)
    for name in "names", "states":
        kernel[name] = {int(tid): value for tid, value in kernel[name].items()}
    for name in "executables", "moving":
        kernel[name] = set(kernel[name])
    return dict(kernel, root=str(root))


class Comparison(compare.Comparison):
    """Sources are those of this repository and of the sysroot; what else the program had is not here any more."""

    def source_line(self, file, line):
        programs = self.kernel["programs"] + "/"
        if not file.startswith(programs):
            return super().source_line(file, line)
        path = HERE.parents[1] / "fixtures/programs" / file[len(programs):]
        lines = path.read_bytes().split(b"\n") if path.exists() else []
        return lines[line - 1].decode("utf-8", "surrogateescape") if line and 0 < line <= len(lines) else None

    def source(self, path, got, place):
        if self.is_core or got is None or self.source_line(place["file"], place["line"]) is not None:
            super().source(path, got, place)


class Verdict:
    def __init__(self, fields, differences, count=0):
        self.fields, self.differences, self.count = fields, differences, count


def judge_stack(folder, root, mode, text, core=None):
    """`text`: what the tool wrote."""
    kernel = read_kernel(folder / "kernel.json", root)
    comparison = Comparison(read_json(folder / "truth.json"), kernel, mode, core)
    comparison.report(compare.parse(text))
    return Verdict(comparison.field_count, comparison.differences)


def stack(tool, folder, root):
    """Of the core; `tool` is a command."""
    core = str(folder / "core")
    done = subprocess.run([*tool, "stack", "--json", "--sysroot", root, core], stdin=subprocess.DEVNULL,
                          capture_output=True, timeout=TOOL_TIMEOUT)
    verdict = judge_stack(folder, root, "core", done.stdout, core)
    if done.returncode or done.stderr:
        verdict.differences.append("status %d: %s" % (done.returncode, done.stderr.decode(errors="replace")[:1000]))
    return verdict


def read_adaptive(path):
    if not path.exists():
        return {}
    return {hex(int(address, 16)): units for address, units in map(str.split, path.open())}


def codes_of(tool, folder, root, unreached=None):
    """Of the core."""
    return judge_codes(folder, "adaptive", [*tool, "code", "--json", "--all", "--sysroot", root, folder / "core"],
                       unreached)


def judge_codes(folder, adaptive, command, unreached=None):
    """`unreached`: code objects whose files begin so need not be in the truth."""
    comparison = codes.Comparison(codes.read_truth(folder)[0], read_adaptive(folder / adaptive),
                                  read_json(folder / "others.json"))
    code_target.read_codes([str(word) for word in command], comparison)
    comparison.extra = {address: found for address, found in comparison.extra.items()
                        if unreached is None or not found["co_filename"].startswith(unreached)}
    comparison.finish()
    if not comparison.codes:
        comparison.differ("no code objects")
    return Verdict(comparison.fields, comparison.shown, comparison.codes)
