# SPDX-License-Identifier: GPL-2.0-or-later
"""The attributes of one expression, taken one by one: what is missing, comes twice or is left over is not ours."""

from __future__ import annotations

from secmarkd.netlink.codec import attributes
from secmarkd.netlink.expression import Expression, NotOurs, text
from secmarkd.netlink.numbers import Data, Reg32


class Arguments:
    """An expression's attributes, each to be taken exactly once."""

    def __init__(self, expression: Expression) -> None:
        self._left = dict(expression.attributes)
        if len(self._left) != len(expression.attributes):
            raise NotOurs("an attribute that comes twice")

    def raw(self, kind: int) -> bytes:
        """The content of an attribute. NotOurs where it is missing, here and below."""
        if kind not in self._left:
            raise NotOurs("an attribute that is missing")
        return self._left.pop(kind)

    def has(self, kind: int) -> bool:
        """Whether it is there and was not taken."""
        return kind in self._left

    def number(self, kind: int) -> int:
        """A number of 4 bytes in network order."""
        return number_of(self.raw(kind))

    def text(self, kind: int) -> str:
        """A name."""
        return text(self.raw(kind))

    def value(self, kind: int) -> bytes:
        """NFTA_DATA_VALUE in a nested attribute."""
        (inner,) = self.nested(kind, Data.VALUE)
        return inner[1]

    def nested(self, kind: int, *allowed: int) -> list[tuple[int, bytes]]:
        """The attributes in an attribute, of these kinds and each once at most."""
        try:
            found = list(attributes(self.raw(kind)))
        except ValueError as error:
            raise NotOurs("a broken attribute") from error
        kinds = [each for each, _ in found]
        if not found or len(set(kinds)) != len(kinds) or not set(kinds) <= set(allowed):
            raise NotOurs("other attributes")
        return found

    def done(self) -> None:
        """NotOurs where anything is left."""
        if self._left:
            raise NotOurs("an attribute too many")


def number_of(content: bytes) -> int:
    """A number in network byte order, of 4 bytes."""
    if len(content) != Reg32.SIZE:
        raise NotOurs("a number of another length")
    return int.from_bytes(content, "big")
