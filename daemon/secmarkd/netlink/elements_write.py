# SPDX-License-Identifier: GPL-2.0-or-later
"""Elements of a map as the kernel takes them: what `elements` reads, written."""

from __future__ import annotations

from secmarkd.netlink.codec import attribute, nested, text
from secmarkd.netlink.element import is_tree
from secmarkd.netlink.layout import layout_of
from secmarkd.netlink.numbers import Data, List, SetElem
from secmarkd.table.elements import Elements
from secmarkd.table.table import Map


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
    content = nested(SetElem.KEY, attribute(Data.VALUE, layout.unpack(key[:half])))
    if map_.interval:
        content += nested(SetElem.KEY_END, attribute(Data.VALUE, layout.unpack(key[half:])))
    if name:
        content += text(SetElem.OBJREF, name)
    return nested(List.ELEM, content)
