# SPDX-License-Identifier: GPL-2.0-or-later
"""Elements of one length together, so that they can be looked at column by column."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator

from secmarkd.netlink.codec import NLATTR


def by_length(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Elements sorted by length. ValueError when the bytes are not attributes, one after another."""
    lengths: list[int] = []
    done, expression = 0, re.compile(b"")
    while done < len(data):
        length = int.from_bytes(data[done : done + 2], sys.byteorder) if len(data) - done >= NLATTR.size else 0
        if length < NLATTR.size or length % 4 or done + length > len(data):
            raise ValueError("broken elements in the kernel's answer")
        lengths.append(length)
        expression = re.compile(b"|".join(map(_of_length, lengths)), re.DOTALL)
        found = re.compile(b"(?:%b)*+" % expression.pattern, re.DOTALL).match(data, done)
        assert found is not None
        done = found.end()
    if len(lengths) == 1:
        yield lengths[0], data
        return
    elements = expression.findall(data) if lengths else []
    for length in lengths:
        yield length, b"".join([each for each in elements if len(each) == length])


def _of_length(length: int) -> bytes:
    """An expression for an attribute of that length."""
    return re.escape(length.to_bytes(2, sys.byteorder)) + b".{%d}" % (length - 2)
