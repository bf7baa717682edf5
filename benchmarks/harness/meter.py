"""Runs command lines one after the other, and prints what they cost as one JSON document.

A small process of its own, as the kernel counts the memory of whoever starts a process as that
process's own. It reads `{"commands": [[...]], "limit_seconds": n}` and works where it is started;
what the commands say goes to the file `output` there.
"""

import json
import os
import subprocess
import sys
import threading
import time


def main() -> int:
    """Measure; the exit code is that of the first command that fails."""
    order = json.load(sys.stdin)
    cpu_seconds, peak_kib, code = 0.0, 0, 0
    start = time.perf_counter()
    for command in order["commands"]:
        with open("output", "ab") as output:  # noqa: PTH123 - without pathlib this stays small
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
        timer = threading.Timer(order["limit_seconds"], process.kill)
        timer.start()
        _, status, usage = os.wait4(process.pid, 0)
        timer.cancel()
        process.returncode = code = os.waitstatus_to_exitcode(status)
        cpu_seconds += usage.ru_utime + usage.ru_stime
        peak_kib = max(peak_kib, usage.ru_maxrss)
        if code:
            break
    seconds = time.perf_counter() - start
    cost = {"seconds": seconds, "cpu_seconds": cpu_seconds, "peak_mib": peak_kib / 1024}
    sys.stdout.write(json.dumps(cost))
    return code


if __name__ == "__main__":
    sys.exit(main())
