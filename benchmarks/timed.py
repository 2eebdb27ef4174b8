"""Runs one command and prints wall time, processor time and most memory: `python -m benchmarks.timed COMMAND...`.

A process of its own, as the most memory of a child counts what its parent held when it was started.
"""

import json
import os
import subprocess
import sys
import time


def main(command: list[str]) -> int:
    """Run it with its output on stderr; its exit code."""
    begun = time.perf_counter()
    process = subprocess.Popen(command, stdout=sys.stderr)
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - begun
    cpu = used.ru_utime + used.ru_stime
    print(json.dumps({"seconds": seconds, "cpu_seconds": cpu, "most_memory_mb": used.ru_maxrss / 1024}))
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
