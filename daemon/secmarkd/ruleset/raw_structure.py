"""What of the kernel's messages about a table's things lasts as long as nobody changes them.

Attributes are the enums nft_set_attributes and nft_object_attributes of linux/netfilter/nf_tables.h.
"""

from __future__ import annotations

from secmarkd.ruleset.raw_element import ATTRIBUTE, attributes

_SET_COUNT = 20
"""NFTA_SET_COUNT, the number of elements, which kernels tell since 6.16. NFTA_SET_TYPE (19) names the kind of set."""
_OBJ_TYPE, _OBJ_DATA, _OBJ_USE = 3, 4, 5
_COUNTER = (1).to_bytes(4, "big")
"""NFT_OBJECT_COUNTER."""


def lasting_set(message: bytes) -> bytes:
    """The attributes of a set or map without how many elements it has. ValueError where they are none."""
    return _without(message, {_SET_COUNT})


def lasting_object(message: bytes) -> bytes:
    """The attributes of an object without how many things refer to it and, of a counter, without what it has counted. The
    data of a secmark are its context, and part of it. ValueError where they are none."""
    counter = any(kind == _OBJ_TYPE and content == _COUNTER for kind, content in attributes(message))
    return _without(message, {_OBJ_USE, _OBJ_DATA} if counter else {_OBJ_USE})


def _without(message: bytes, kinds: set[int]) -> bytes:
    kept = [(kind, content) for kind, content in attributes(message) if kind not in kinds]
    return b"".join([ATTRIBUTE.pack(len(content), kind) + content for kind, content in kept])
