"""Runs of the tool whose time and memory are measured."""
import os
import sys

import live

# Of a process the kernel counts in what it was before its exec: a small one measures, and this one is not small.
MEASURE = """
import os, sys
pid = os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ)
_, status, usage = os.wait4(pid, 0)
with open(sys.argv[1], "w") as file:
    file.write(str(usage.ru_maxrss / 1024))
sys.exit(os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status))
"""


class Run(live.Dump):
    def __init__(self, *arguments, most_seconds=3, most_mb=100):
        with live.folder() as folder:
            resident = os.path.join(folder, "resident")
            super().__init__(*arguments, prefix=[sys.executable, "-S", "-E", "-c", MEASURE, resident])
            self.resident_mb = float(live.read_text(resident))
        slower = 10 if live.is_sanitized() else 1
        live.check(self.status < 128 and self.seconds < most_seconds * slower, f"{self}: {self.seconds:.1f} s")
        live.check(self.resident_mb < most_mb * slower, f"{self}: {self.resident_mb:.0f} MB")
