# SPDX-License-Identifier: GPL-2.0-or-later
"""Security contexts as SELinux writes them: user:role:type[:level]."""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_LENGTH = 255
"""Bytes. nf_tables keeps a context in 256 bytes with its terminating NUL (NFT_SECMARK_CTX_MAXLEN, uapi nf_tables.h)."""

_IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*\Z")
_LEVEL = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.,:-]*\Z")


@dataclass(frozen=True, slots=True, order=True)
class Context:
    """A security context. `level` is empty where the policy has no MLS."""

    user: str
    role: str
    type: str
    level: str = ""

    def __str__(self) -> str:
        parts = (self.user, self.role, self.type, self.level)
        return ":".join(part for part in parts if part)


def is_identifier(text: str) -> bool:
    """Whether `text` can be the name of a user, a role or a type."""
    return _IDENTIFIER.match(text) is not None


def parse_context(text: str) -> Context:
    """`user:role:type` or `user:role:type:level`; ValueError, saying what is wrong, for anything else."""
    if len(text.encode()) > MAX_LENGTH:
        raise ValueError(f"a security context has at most {MAX_LENGTH} bytes")
    parts = text.split(":", 3)
    if len(parts) < 3:
        raise ValueError("a security context is user:role:type or user:role:type:level")
    for word, part in zip(("user", "role", "type"), parts, strict=False):
        if not is_identifier(part):
            raise ValueError(f"{part!r} is not a possible {word} of a security context")
    if len(parts) == 4 and not _LEVEL.match(parts[3]):
        raise ValueError(f"{parts[3]!r} is not a possible level of a security context")
    return Context(*parts)
