# SPDX-License-Identifier: GPL-2.0-or-later
"""A socket like journald's, for what speaks systemd's native protocol."""

from __future__ import annotations

import socket
from pathlib import Path

PATIENCE = 20.0
"""Seconds for an entry that is tried again after one."""


class Journald:
    """Takes entries when a test reads them, as a journald that has all the time in the world."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.open()

    def open(self) -> None:
        """Come back."""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(self.path))

    def close(self) -> None:
        """As `systemctl stop systemd-journald.socket`: nothing is there any more. A second call does nothing."""
        self._socket.close()
        self.path.unlink(missing_ok=True)

    def read(self) -> list[dict[str, str]]:
        """Every entry that waits."""
        self._socket.setblocking(False)
        entries = []
        while True:
            try:
                entries.append(parsed(self._socket.recv(1 << 20)))
            except BlockingIOError:
                return entries

    def messages(self) -> list[str]:
        """The sentences of every entry that waits."""
        return [each["MESSAGE"] for each in self.read()]

    def await_message(self, start: str) -> list[str]:
        """Sentences up to one that begins so."""
        self._socket.settimeout(PATIENCE)
        messages: list[str] = []
        while not messages or not messages[-1].startswith(start):
            messages.append(parsed(self._socket.recv(1 << 20))["MESSAGE"])
        return messages

    def sendv(self, *fields: bytes) -> None:
        """As `systemd.journal.sendv` would, were it to send here; without waiting, so that a test does not hang."""
        parts = []
        for name, value in (each.split(b"=", 1) for each in fields):
            plain = b"%s=%s\n" % (name, value)
            parts.append(b"%s\n%s%s\n" % (name, len(value).to_bytes(8, "little"), value) if b"\n" in value else plain)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as link:
            link.setblocking(False)
            link.sendto(b"".join(parts), str(self.path))

    def fill(self) -> int:
        """Have others fill the queue; with how many entries."""
        sent = 0
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as link:
            link.setblocking(False)
            while True:
                try:
                    link.sendto(b"MESSAGE=of another service\n", str(self.path))
                except BlockingIOError:
                    return sent
                sent += 1


def parsed(datagram: bytes) -> dict[str, str]:
    """An entry as systemd reads it (https://systemd.io/JOURNAL_NATIVE_PROTOCOL)."""
    fields, rest = {}, datagram
    while rest:
        line, _, rest = rest.partition(b"\n")
        name, equals, value = line.partition(b"=")
        if not equals:
            length = int.from_bytes(rest[:8], "little")
            value, rest = rest[8 : 8 + length], rest[8 + length + 1 :]
        fields[name.decode()] = value.decode()
    return fields
