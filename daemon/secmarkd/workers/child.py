# SPDX-License-Identifier: GPL-2.0-or-later
"""The child's end of `workers.parent`: it answers requests. Apart from the parent's end, so that it need not import it."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from secmarkd.errors import SecmarkdError
from secmarkd.workers import version
from secmarkd.workers.frames import Answer, Ended, Failed, Raised, receive, send, send_version, to_frame

_PR_SET_PDEATHSIG, _PR_SET_NAME = 1, 15


@dataclass(frozen=True, slots=True)
class Final:
    """A handler's answer after which the child ends, to give back its memory."""

    answer: object


def serve(handler: Callable[[Any], object], *, process_name: str = "") -> None:
    """Answer requests with `handler` until the parent closes the connection, or an answer is Final.

    What of ours the handler raises is raised in the parent. Called by `main()` of a module that Child starts.
    `process_name` (at most 15 bytes) is what ps shows, and what the kernel tells others about who changed the ruleset.
    """
    # The parent decides when the child ends; a SIGTERM to the whole service must not cut a transaction's answer off.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    prctl = ctypes.CDLL(None).prctl
    with socket.socket(fileno=int(sys.argv[2])) as connection:
        connection.setblocking(True)
        os.set_inheritable(connection.fileno(), False)
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if process_name:
            prctl(_PR_SET_NAME, process_name.encode(), 0, 0, 0)
        # What the start has made is no garbage: each collection is spared looking through it (1.3 ms, twice a request).
        gc.freeze()
        with contextlib.suppress(Ended, ConnectionError):
            send_version(connection, version.OURS)
            while _serve_one(connection, handler):
                pass


def _serve_one(connection: socket.socket, handler: Callable[[Any], object]) -> bool:
    """Whether there may be another request."""
    question = receive(connection)
    final = False
    try:
        answer = handler(question)
        final = isinstance(answer, Final)
        frame = to_frame(Answer(answer.answer if isinstance(answer, Final) else answer, final))
    except SecmarkdError as error:
        frame = to_frame(Raised(type(error), error.args, dict(vars(error))))
    except Exception as error:
        frame = to_frame(_failed(error))
    send(connection, frame)
    return not final


def _failed(error: Exception) -> Failed:
    import traceback  # memory that nothing else here needs

    place = traceback.extract_tb(error.__traceback__)[-1]
    said = "".join(traceback.format_exception_only(error)).strip().splitlines()[-1]
    trace = "".join(traceback.format_exception(error))
    return Failed(
        f"{said} ({os.path.basename(place.filename)}:{place.lineno})", trace, isinstance(error, MemoryError)
    )
