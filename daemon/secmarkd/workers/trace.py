# SPDX-License-Identifier: GPL-2.0-or-later
"""What a developer sees with `--debug` or SECMARKD_DEBUG=1: what crosses each boundary, on stderr.

    secmarkd[123]: debug: child: libnftables: asked Commit (812 bytes)
    secmarkd[125]: debug: nft: add element inet secmarkd server_port { …
    secmarkd[123]: debug: child: libnftables: answered in 3.1 ms

Off, which is the rule, it costs the test of one variable. The environment takes it to child processes, whose stderr is then
that of the program instead of a pipe. Under systemd the lines have the priority `debug` (sd-daemon(3)).
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

VARIABLE = "SECMARKD_DEBUG"
LONGEST = 20_000
"""Characters of one entry; the rest is counted."""
_PREFIX = "<7>" if "JOURNAL_STREAM" in os.environ else ""


@dataclass(slots=True)
class Switch:
    """Whether anything is written."""

    on: bool


SWITCH = Switch(os.environ.get(VARIABLE, "0") not in ("", "0"))


def enable() -> None:
    """From now on, in this process and in those that it starts."""
    SWITCH.on = True
    os.environ[VARIABLE] = "1"


def trace(topic: str, text: str | Callable[[], str]) -> None:
    """Write an entry, each of its lines with the topic; what is long may be a function, called only where it is written."""
    if not SWITCH.on:
        return
    whole = text if isinstance(text, str) else text()
    shown = whole if len(whole) <= LONGEST else f"{whole[:LONGEST]}\n… and {len(whole) - LONGEST} characters more"
    head = f"{_PREFIX}secmarkd[{os.getpid()}]: debug: {topic}: "
    with suppress(OSError, ValueError):  # a full disk, a stderr that was closed
        sys.stderr.write("".join(f"{head}{line}\n" for line in shown.splitlines()))
        sys.stderr.flush()


@contextmanager
def timed(topic: str, what: str, since: float | None = None) -> Iterator[None]:
    """Write how long this took, or what began at `since` (time.monotonic()), and how it ended where that was an error."""
    if not SWITCH.on:
        yield
        return
    began, ended = time.monotonic() if since is None else since, ""
    try:
        yield
    except BaseException as error:
        ended = f", with {type(error).__name__}: {error}"
        raise
    finally:
        trace(topic, f"{what}: {1000 * (time.monotonic() - began):.1f} ms{ended}")
