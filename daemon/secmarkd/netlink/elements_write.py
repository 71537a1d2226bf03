# SPDX-License-Identifier: GPL-2.0-or-later
"""Elements of a map as the kernel takes them: what `raw_elements` reads, written."""

from __future__ import annotations

from secmarkd.netlink.element import ATTRIBUTE, KEY, KEY_END, LIST_ELEM, OBJREF, VALUE, is_tree
from secmarkd.netlink.layout import layout_of
from secmarkd.table.elements import Elements
from secmarkd.table.table import Map

_NESTED = 1 << 15
"""NLA_F_NESTED, as nft sends it."""


def encode_elements(map_: Map, elements: Elements, *, keys_only: bool = False) -> bytes:
    """The content of NFTA_SET_ELEM_LIST_ELEMENTS with these elements, or with `keys_only`, to delete them, their keys.

    ValueError for an interval map of one field, where the kernel keeps a range as two elements that others can share.
    """
    if is_tree(map_.key, map_.interval):
        raise ValueError(f"elements of {map_.name} cannot be written one by one")
    return b"".join([_element(map_, key, "" if keys_only else name) for key, name in elements.items()])


def _element(map_: Map, key: bytes, name: str) -> bytes:
    layout = layout_of(map_.key, map_.interval)
    half = len(layout.places)
    content = _nested(KEY, _attribute(VALUE, layout.unpack(key[:half])))
    if map_.interval:
        content += _nested(KEY_END, _attribute(VALUE, layout.unpack(key[half:])))
    if name:
        content += _attribute(OBJREF, name.encode(errors="surrogateescape") + b"\0")
    return _nested(LIST_ELEM, content)


def _nested(kind: int, content: bytes) -> bytes:
    return _attribute(kind | _NESTED, content)


def _attribute(kind: int, content: bytes) -> bytes:
    return ATTRIBUTE.pack(ATTRIBUTE.size + len(content), kind) + content + bytes(-len(content) % 4)
