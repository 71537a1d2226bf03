# SPDX-License-Identifier: GPL-2.0-or-later
"""Names of users, groups and services -> uids, gids and ports, within a deadline.

A directory that hangs costs the names that it would know.

The lookups are made in a thread that is left behind where it hangs, so this is for processes that end soon.
"""

from __future__ import annotations

import difflib
import queue
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from secmarkd.adapters.host.nss import gid_of, port_of, uid_of
from secmarkd.model.names import DATABASES, Found, Name, NameKind
from secmarkd.model.protocols import protocol_name

ETC = Path("/etc")
_LOCAL_SOURCES = ("files", "db", "compat", "altfiles", "extrausers")
"""Of nsswitch.conf(5): those that read files of this machine, which a name that is not there is not in."""
_ACTION = re.compile(r"\[[^\]]*\]")
"""What to do after a source, as in `[NOTFOUND=return]`."""
_LARGEST = {NameKind.USER: 2**32 - 2, NameKind.GROUP: 2**32 - 2, NameKind.SERVICE: 65535}
_ACCOUNTS = {NameKind.USER: "uid", NameKind.GROUP: "gid"}
"""What are accounts of this machine, in a file with `:` between name, password and number; with the number's name."""


@dataclass(frozen=True, slots=True)
class _Reply:
    name: Name
    number: int | None
    failure: str = ""


def number_of(name: Name) -> int | None:
    """What the C library says; OSError where it cannot."""
    if name.kind is NameKind.USER:
        return uid_of(name.text)
    if name.kind is NameKind.GROUP:
        return gid_of(name.text)
    return port_of(name.text, protocol_name(name.protocol))


def look_up(
    names: Iterable[Name], patience: float, *, etc: Path = ETC, ask: Callable[[Name], int | None] = number_of
) -> Found:
    """All of them, in so many seconds; those that were not answered by then are looked for in files only."""
    wanted = sorted(set(names))
    if not wanted:
        return Found()
    replies = {reply.name: reply for reply in _asked(wanted, patience, ask)}
    local = _Local(etc)
    numbers: dict[Name, int] = {}
    missing: dict[Name, str] = {}
    unanswered: set[Name] = set()
    late = f"had no answer within {patience:g} s"
    for name in wanted:
        reply = replies.get(name)
        number = reply.number if reply else None
        failure = late if reply is None else reply.failure and f"failed: {reply.failure}"
        if failure:
            number = local.number(name)
        if number is not None and _usable(name, number):
            numbers[name] = number
            continue
        missing[name] = local.advice(name, failure)
        if failure:
            unanswered.add(name)
    return Found(numbers, missing, frozenset(unanswered))


def _usable(name: Name, number: int) -> bool:
    return (0 if name.kind in _ACCOUNTS else 1) <= number <= _LARGEST[name.kind]


def _asked(names: list[Name], patience: float, ask: Callable[[Name], int | None]) -> Iterator[_Reply]:
    """The replies that came in time."""
    replies: queue.SimpleQueue[_Reply] = queue.SimpleQueue()

    def work() -> None:
        for name in names:
            try:
                replies.put(_Reply(name, ask(name)))
            except (OSError, ValueError) as error:
                why = (error.strerror if isinstance(error, OSError) else None) or str(error)
                replies.put(_Reply(name, None, why))

    threading.Thread(target=work, name="lookup", daemon=True).start()
    end = time.monotonic() + patience
    for _ in names:
        try:
            yield replies.get(timeout=max(0.0, end - time.monotonic()))
        except queue.Empty:
            return


class _Local:
    """The files of this machine, each read when it is first asked for."""

    def __init__(self, etc: Path) -> None:
        self._etc = etc
        self._read: dict[str, list[str]] = {}

    def number(self, name: Name) -> int | None:
        """The name's number in /etc/passwd, /etc/group or /etc/services."""
        text = next((number for known, number in self._known(name) if known == name.text), "")
        return int(text) if text.isdecimal() and text.isascii() else None

    def advice(self, name: Name, failure: str) -> str:
        """Why the name has no number, and the fix."""
        directories = [each for each in self._sources(name.kind) if each not in _LOCAL_SOURCES]
        database = f"{DATABASES[name.kind]}: {' '.join(self._sources(name.kind))} in /etc/nsswitch.conf"
        fix = "write the " + _ACCOUNTS.get(name.kind, "port's number")
        if failure or directories:
            where = f"{name.kind}s come from a directory ({database})"
            return (
                f"its lookup {failure}; {fix} where {where}"
                if failure
                else f"it is not known now; {fix} where {where}"
            )
        # a slip of the fingers: another account whose name contains this one's is none
        alike = [known for known, _ in self._known(name) if abs(len(known) - len(name.text)) <= 1]
        near = difflib.get_close_matches(name.text, alike, n=1, cutoff=0.75)
        if name.kind in _ACCOUNTS:
            what = f"this machine has no such {name.kind}"
            return f"{what}; did you mean {near[0]!r}?" if near else f"{what}; create the {name.kind}, or {fix}"
        what = "/etc/services has no such service"
        return f"{what}; did you mean {near[0]!r}?" if near else f"{what}; {fix}"

    def _known(self, name: Name) -> Iterator[tuple[str, str]]:
        """Names and numbers as the files have them."""
        if name.kind in _ACCOUNTS:
            for line in self._lines(DATABASES[name.kind]):
                parts = line.split(":")
                if len(parts) > 2:
                    yield parts[0], parts[2]
            return
        for line in self._lines("services"):
            words = line.partition("#")[0].split()
            port, _, protocol = words[1].partition("/") if len(words) > 1 else ("", "", "")
            if protocol == protocol_name(name.protocol):
                yield from ((each, port) for each in (words[0], *words[2:]))

    def _sources(self, kind: NameKind) -> list[str]:
        for line in self._lines("nsswitch.conf"):
            database, colon, sources = line.partition("#")[0].partition(":")
            if colon and database.strip() == DATABASES[kind]:
                return _ACTION.sub(" ", sources).split()
        return ["files"]

    def _lines(self, file: str) -> list[str]:
        if file not in self._read:
            try:
                text = (self._etc / file).read_text(encoding="utf-8", errors="replace")
            except OSError:
                text = ""
            self._read[file] = text.splitlines()
        return self._read[file]
