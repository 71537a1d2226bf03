# SPDX-License-Identifier: GPL-2.0-or-later
"""What tests run in a `workers.parent.Child`: a process that does as it is told."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import Any

from secmarkd.errors import Conflict
from secmarkd.workers.child import Final, serve
from secmarkd.workers.privileges import give_up


def handle(request: tuple[str, Any]) -> object:
    """Carry out one order."""
    order, value = request
    match order:
        case "echo":
            return value
        case "final":
            return Final(value)
        case "environment":
            return os.environ.get(value)
        case "give up":
            give_up(*value)
        case "status":
            with open("/proc/self/status", encoding="ascii") as status:
                return dict(line.split(":\t", 1) for line in status.read().splitlines())
        case "status of a program":
            return subprocess.run(["cat", "/proc/self/status"], capture_output=True, text=True, check=True).stdout
        case "path":
            return sys.path
        case "descriptors":
            return sorted(
                int(name) for name in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{name}")
            )
        case "refuse":
            raise Conflict("refused", operation="probe", offender=value, hint="ask otherwise")
        case "fail":
            raise RuntimeError(value)
        case "allocate":
            return len(bytearray(value))
        case "die":
            os.kill(os.getpid(), value)
        case "exit":
            os._exit(value)
        case "say and exit":
            sys.stderr.write(value)
            sys.stderr.flush()
            os._exit(1)
        case "print":
            print(value, flush=True)
        case "hang":
            signal.pause()
        case "garbage":
            os.write(int(sys.argv[2]), value)
        case "unpicklable":
            return lambda: None
    return None


def main() -> None:
    """Serve."""
    serve(handle, process_name="probe")
