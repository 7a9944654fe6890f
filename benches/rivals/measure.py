"""Runs one command and says how long it took and how much memory it needed at most.

measure.py REPORT STDOUT STDERR COMMAND...

The time is from just before the process is started until it is gone. The memory is the peak resident size that the
kernel counted for it, so nothing has to be watched while it runs.
"""

import json
import os
import sys
import time

report, stdout, stderr, *command = sys.argv[1:]
write = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
redirect = [(os.POSIX_SPAWN_OPEN, 1, stdout, write, 0o600), (os.POSIX_SPAWN_OPEN, 2, stderr, write, 0o600)]
started = time.perf_counter()
pid = os.posix_spawn(command[0], command, os.environ, file_actions=redirect)
_, status, usage = os.wait4(pid, 0)
seconds = time.perf_counter() - started
unit = 1 if sys.platform == "darwin" else 1024
with open(report, "w") as file:
    json.dump(
        {
            "exit_code": os.waitstatus_to_exitcode(status),
            "seconds": seconds,
            "cpu_seconds": usage.ru_utime + usage.ru_stime,
            "peak_bytes": usage.ru_maxrss * unit,
        },
        file,
    )
