# SPDX-License-Identifier: GPL-2.0-or-later
"""Which program a process runs: what a child says first.

A child process begins from the disk. After an upgrade it is of the new version, and what crosses the pipe would mean one
thing to the parent and another to the child.
"""

from __future__ import annotations

import os
import zlib

from secmarkd import __version__

RESTART = "secmarkd was upgraded: systemctl restart secmarkd"
"""The hint where a child is of another version."""
_DIRECTORY = os.path.dirname(os.path.dirname(__file__))


def on_disk(directory: str = _DIRECTORY) -> bytes:
    """The version and a checksum over path, time and size of each module: a quarter of a millisecond. A zip file is not
    looked into."""
    found: list[tuple[str, int, int]] = []
    for path, _, files in os.walk(directory):
        for file in (os.path.join(path, name) for name in files if name.endswith(".py")):
            try:
                status = os.stat(file)
            except OSError:  # just being replaced
                found.append((file, 0, 0))
            else:
                found.append((file, status.st_mtime_ns, status.st_size))
    return f"secmarkd {__version__} {zlib.crc32(repr(sorted(found)).encode()):08x}".encode()


def is_ours(version: bytes) -> bool:
    """Whether a process that says this runs the program that this one runs."""
    return version == OURS


OURS = on_disk()
"""As it was when this process began."""
