"""Run a command and tell, on the last line of standard output, what it took.

Runs as a script in an interpreter of its own: Linux counts the memory that a process had before `exec` as its peak, so
a client must be started by somebody who is small. Time begins when the client is started and ends when it is gone.
"""

from __future__ import annotations

import json
import os
import sys
import time


def main() -> None:
    """Start the command that the arguments are, and wait for it."""
    command = sys.argv[1:]
    begin = time.perf_counter()
    child = os.spawnv(os.P_NOWAIT, command[0], command)  # noqa: S606 - what is measured has no shell in it
    _, status, usage = os.wait4(child, 0)
    taken = {
        "status": os.waitstatus_to_exitcode(status),
        "seconds": time.perf_counter() - begin,
        "cpu": usage.ru_utime + usage.ru_stime,
        "peak": usage.ru_maxrss * 1024,
    }
    sys.stdout.write(f"\n{json.dumps(taken)}\n")


if __name__ == "__main__":
    main()
