# SPDX-License-Identifier: GPL-2.0-or-later
"""The distribution's module `nftables`, which goes wrong as tests.support.faults orders.

Found by the worker because this folder comes first in its path; it puts the real module in its own place.
"""

from __future__ import annotations

import builtins
import json
import os
import resource
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.remove(os.path.dirname(__file__))
del sys.modules["nftables"]

import nftables  # noqa: E402 - the real one

_Real = nftables.Nftables
_ORDERS = Path(os.environ["SECMARKD_TEST_FAULTS"])
_CONNECTION = 2
"""Where in sys.argv workers.parent puts the number of the socket to the parent."""


class Nftables(_Real):
    """libnftables with faults. Answers are of the type of the question, text or bytes."""

    def cmd(self, cmdline: Any) -> Any:
        """Carry out, or go wrong."""
        reading = cmdline.startswith(_like(cmdline, "list "))
        return _carried_out("read" if reading else self._changing(), cmdline, super().cmd)

    def cmd_from_file(self, filename: Any) -> Any:
        """Carry out, or go wrong."""
        return _carried_out(self._changing(), filename, super().cmd_from_file)

    def _changing(self) -> str:
        return "check" if self.get_dry_run() else "write"


def _like(asked: str | bytes, text: str) -> Any:
    return text if isinstance(asked, str) else text.encode()


def _carried_out(call: str, asked: Any, act: Callable[[Any], Any]) -> Any:
    effect, argument = _next_order(call)
    refusal = 1, _like(asked, ""), _like(asked, f"netlink: Error: Could not process rule: {argument}\n")
    match effect:
        case "":
            return act(asked)
        case "die":
            os.kill(os.getpid(), int(argument))
        case "abort":
            sys.stderr.write(f"{argument}\n")
            sys.stderr.flush()
            os.abort()
        case "exit":
            os._exit(int(argument))
        case "garbage":
            os.write(int(sys.argv[_CONNECTION]), bytes.fromhex(argument))
        case "raise":
            raise getattr(builtins, argument)("by order")
        case "wait for":
            Path(argument).read_bytes()  # a FIFO that a test writes to
            return act(asked)
        case "refuse":
            return refusal
        case "refuse after":
            act(asked)
            return refusal
        case "rewrite":
            old, new = (_like(asked, each) for each in argument.split("=>"))
            status, output, errors = act(asked)
            return status, output.replace(old, new), errors.replace(old, new)
        case "orphan before":
            os.kill(os.getppid(), signal.SIGKILL)
            return act(asked)
        case "orphan after":
            answer = act(asked)
            os.kill(os.getppid(), signal.SIGKILL)
            return answer
    while True:  # hang
        signal.pause()


def _next_order(call: str) -> tuple[str, str]:
    """What is to happen at this call; nothing for most."""
    orders = json.loads(_ORDERS.read_text()) if _ORDERS.exists() else []
    for order in orders:
        if order["call"] in (call, "any"):
            if order["skip"]:
                order["skip"] -= 1
                chosen = ("", "")
            elif order["times"]:
                order["times"] -= 1
                chosen = (order["effect"], order["argument"])
            else:
                continue
            _ORDERS.write_text(json.dumps(orders))
            return chosen
    return "", ""


resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
nftables.Nftables = Nftables  # type: ignore[misc]
