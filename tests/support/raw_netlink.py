# SPDX-License-Identifier: GPL-2.0-or-later
"""Elements as the kernel would send them: written for tests, apart from how secmarkd reads them."""

from __future__ import annotations

import socket
import struct
import sys

from secmarkd.table.elements import Elements, Field

INTERVAL_END, CATCHALL = 1, 2
KEY, DATA, FLAGS, TIMEOUT, EXPIRATION, USERDATA, EXPR, OBJREF, KEY_END, EXPRESSIONS = 1, 2, 3, 4, 5, 6, 7, 9, 10, 11
COMMENT = b"\x00\x02x\x00"
OPEN_END = b"\x01\x04\x01\x00\x00\x00" if sys.byteorder == "little" else b"\x01\x04\x00\x00\x00\x01"


def attribute(kind: int, content: bytes) -> bytes:
    """One netlink attribute, padded."""
    padding = bytes(-len(content) % 4)
    return struct.pack("=HH", 4 + len(content), kind) + content + padding


def key(kind: int, value: bytes) -> bytes:
    return attribute(kind, attribute(1, value))


def objref(name: str) -> bytes:
    return attribute(OBJREF, name.encode() + b"\0")


def flags(bits: int) -> bytes:
    return attribute(FLAGS, bits.to_bytes(4, "big"))


def element(*parts: bytes) -> bytes:
    """One NFTA_LIST_ELEM."""
    return attribute(1, b"".join(parts))


def kernel_key(fields: tuple[Field, ...], interval: bool, packed: bytes) -> bytes:
    """A packed key (of a range: its first or last value) as the kernel has it."""
    parts, place = [], 0
    for each in fields:
        value = packed[place : place + each.width]
        place += each.width
        if each.turned and not interval:
            value = int.from_bytes(value, "big").to_bytes(4, sys.byteorder)
        parts.append(value if len(fields) == 1 else value + bytes(-len(value) % 4))
    return b"".join(parts)


def encode_elements(fields: tuple[Field, ...], interval: bool, elements: Elements) -> list[bytes]:
    """Elements of a map as nft makes them: in one piece each, or as starts and ends of ranges in a map of one field."""
    half = elements.width // 2
    sent: list[bytes] = []
    if interval and len(fields) == 1:
        if elements and next(elements.items())[0][:half] != bytes(half):
            sent.append(element(key(KEY, bytes(half)), flags(INTERVAL_END)))
        for packed, name in elements.items():
            low, high = packed[:half], packed[half:]
            if high == b"\xff" * half:
                sent.append(element(key(KEY, low), objref(name), attribute(USERDATA, OPEN_END)))
                continue
            after = (int.from_bytes(high, "big") + 1).to_bytes(half, "big")
            sent += [element(key(KEY, low), objref(name)), element(key(KEY, after), flags(INTERVAL_END))]
        return sent
    for packed, name in elements.items():
        if interval:
            low, high = (kernel_key(fields, True, part) for part in (packed[:half], packed[half:]))
            sent.append(element(key(KEY, low), key(KEY_END, high), objref(name)))
        else:
            sent.append(element(key(KEY, kernel_key(fields, False, packed)), objref(name)))
    return sent


class FromKernel(socket.socket):
    """One end of a pair of sockets, at which all that arrives is the kernel's."""

    def recvfrom(self, size: int, flags: int = 0) -> tuple[bytes, tuple[int, int]]:
        return self.recv(size, flags), (0, 0)


def kernel_pair() -> tuple[FromKernel, socket.socket]:
    """The end for a `netlink_link.Link`, and the end at which a test is the kernel."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    return FromKernel(fileno=ours.detach()), theirs
