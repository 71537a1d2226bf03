# SPDX-License-Identifier: GPL-2.0-or-later
"""Names of objects in the kernel, made from contexts alone.

The kernel silently keeps the old object when one is added under a taken name, even with another context
(nf_tables_newobj, no update operation for secmark): so a name never means two contexts within one table.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

from secmarkd.model.context import Context
from secmarkd.model.label_map import LabelMap
from secmarkd.table.table import ObjectKind

_PLAIN = re.compile(r"[A-Za-z0-9_]{1,100}\Z")


class Namer:
    """Object names for the contexts of one label map: `s_TYPE`, with a digest where contexts share a type."""

    def __init__(self, label_map: LabelMap, kind: ObjectKind) -> None:
        self.kind = kind
        defaults = label_map.defaults
        given = (defaults.server, defaults.client, defaults.icmp, defaults.forward)
        self.default_contexts = tuple(str(context) for context in given if context is not None)
        by_type: dict[str, set[str]] = {}
        for context in {rule.context for rule in label_map.rules} | {each for each in given if each is not None}:
            by_type.setdefault(context.type, set()).add(str(context))
        self._names: dict[str, str] = {}
        for type_name, contexts in by_type.items():
            plain = len(contexts) == 1 and _PLAIN.match(type_name)
            for text in contexts:
                self._names[text] = f"s_{type_name}" if plain else f"{_plain(type_name)}_{_digest(text)}"

    def object_name(self, context: str) -> str:
        """The name of the context's object."""
        return self._names[context]

    def names_of(self, contexts: Iterable[Context]) -> dict[Context, str]:
        """The names of several contexts' objects."""
        return {context: self._names[str(context)] for context in contexts}


def _plain(type_name: str) -> str:
    return "s_" + re.sub(r"[^A-Za-z0-9_]", "_", type_name)[:100]


def _digest(context: str) -> str:
    return hashlib.sha256(context.encode()).hexdigest()[:8]
