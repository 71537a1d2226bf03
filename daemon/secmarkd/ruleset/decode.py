"""From nft's JSON of our table to the same values that the compiler makes. Total: nothing of ours can hide.

Whatever the types of `ruleset.table` cannot say exactly is Foreign: in the place of a statement, or beside the thing that
it belongs to, or for a whole thing of another kind. Both dialects are read, 1.0.6 and 1.1.x; what differs between them is
the order of things, flags as a word, a list or below "|", ranges as such or as prefixes, protocols by number or name.

Elements are not read here: nft is asked for a listing without them, and `raw_elements.fill` puts them in. Of a map or set
that is itself foreign they are nowhere.

What nft's JSON does not show in 1.0.6 (but does in 1.1.3): the comment of a table or chain, the device of an ingress chain.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from secmarkd.ruleset.decode_statement import decode_rule
from secmarkd.ruleset.elements import Elements, Field, key_width
from secmarkd.ruleset.foreign import Json, dump, foreign, ordered
from secmarkd.ruleset.table import (
    FAMILY,
    NAME,
    BaseHook,
    Chain,
    DynamicSet,
    Foreign,
    Key,
    Map,
    Object,
    ObjectKind,
    Rule,
    Table,
)

_FIELDS = {each.nft_type: each for each in Field}
_KINDS = frozenset(ObjectKind)
_BORING = frozenset({"family", "table", "name", "handle"})
_STATE = frozenset({"packets", "bytes"})
"""What a counter has counted is not part of what was configured."""
_CT_ID = ("integer", {"typeof": {"ct": {"key": "id"}}})
"""How the type of `ct id` is listed: as a word by 1.0.6, which also leaves out `dynamic`."""
_HOOK = ("type", "hook", "prio", "policy")


def decode(listing: Json, *, flags: Iterable[str] | None = None) -> Table:
    """The table, its maps empty, of a listing by `nft -j -t list table inet secmarkd`: the document, or the list in it.

    `flags` replace the table's flags of the listing, which before 1.1.0 can be anything (a use after free,
    nftables b04512cf). ValueError when it is not a listing of one table of ours.
    """
    entries = listing.get("nftables") if isinstance(listing, dict) else listing
    if not isinstance(entries, list):
        raise ValueError("not a listing of nft")
    reader = _Reader()
    for entry in entries:
        if not isinstance(entry, dict) or len(entry) != 1:
            raise ValueError("not a listing of nft")
        ((kind, value),) = entry.items()
        reader.take(kind, value)
    return reader.table(flags)


@dataclass(slots=True)
class _Reader:
    """What has been read of the listing so far."""

    seen: bool = False
    flags: tuple[str, ...] = ()
    objects: dict[str, Object] = field(default_factory=dict)
    sets: dict[str, DynamicSet] = field(default_factory=dict)
    maps: dict[str, Map] = field(default_factory=dict)
    heads: dict[str, BaseHook | None] = field(default_factory=dict)
    rules: dict[str, dict[object, Rule]] = field(default_factory=dict)
    """By chain and by handle, so that a rule which a dump repeats counts once."""
    foreign: list[Foreign] = field(default_factory=list)

    def take(self, kind: str, value: Json) -> None:
        """One entry of the listing."""
        if kind == "metainfo":
            return
        if not isinstance(value, dict) or not _ours(kind, value):
            self._foreign(kind, "", value)
        elif kind == "table":
            self._table(value)
        elif kind in _KINDS:
            self._object(ObjectKind(kind), value)
        elif kind == "set":
            self._set(value)
        elif kind == "map":
            self._map(value)
        elif kind == "chain":
            self._chain(value)
        elif kind == "rule":
            chain = self.rules.setdefault(str(value.get("chain")), {})
            chain[value.get("handle", f"rule {len(chain)}")] = decode_rule(value)
        else:
            self._foreign(kind, value.get("name"), value)

    def table(self, flags: Iterable[str] | None) -> Table:
        """Everything read, in the order that makes equal tables equal values."""
        if not self.seen:
            raise ValueError(f"the listing has no table {FAMILY} {NAME}")
        for name in self.rules.keys() - self.heads.keys():
            self._foreign("rule", name, f"{len(self.rules[name])} rules of a chain that is not listed")
        chains = [Chain(name, tuple(self.rules.get(name, {}).values()), base) for name, base in self.heads.items()]
        return Table(
            objects=tuple(sorted(self.objects.values(), key=lambda each: (each.name, each.kind))),
            sets=tuple(sorted(self.sets.values(), key=lambda each: each.name)),
            maps=tuple(sorted(self.maps.values(), key=lambda each: each.name)),
            chains=tuple(sorted(chains, key=lambda each: each.name)),
            foreign=ordered(self.foreign),
            flags=self.flags if flags is None else tuple(sorted(flags)),
        )

    def _table(self, value: Json) -> None:
        self.seen = True
        self.flags = tuple(sorted(_words(value.get("flags"))))
        self._extras("table", value, {"flags"})

    def _object(self, kind: ObjectKind, value: Json) -> None:
        name, context = value.get("name"), value.get("context")
        if not isinstance(name, str) or isinstance(context, str) != (kind is ObjectKind.SECMARK):
            return self._foreign(kind, name, value)
        if name in self.objects and self.objects[name].kind is not kind:
            # Objects of different kinds may share a name; the types know one object a name.
            return self._foreign(kind, name, value)
        self.objects[name] = Object(name, kind, context)
        self._extras(kind, value, {"context"} | (_STATE if kind is ObjectKind.COUNTER else frozenset()))
        return None

    def _set(self, value: Json) -> None:
        name, key, flags = value.get("name"), value.get("type"), _words(value.get("flags"))
        size, timeout = value.get("size"), value.get("timeout")
        dynamic = "timeout" in flags and set(flags) <= {"timeout", "dynamic"}
        if (
            not isinstance(name, str)
            or key not in _CT_ID
            or not dynamic
            or type(size) is not int
            or type(timeout) is not int
        ):
            return self._foreign("set", name, value)
        self.sets[name] = DynamicSet(name, Key.CT_ID, size, timeout)
        self._extras("set", value, {"type", "size", "flags", "timeout", "elem"})
        return None

    def _map(self, value: Json) -> None:
        name, key, kind = value.get("name"), _fields(value.get("type")), value.get("map")
        if not isinstance(name, str) or key is None or kind not in _KINDS:
            return self._foreign("map", name, value)
        flags = _words(value.get("flags"))
        interval = "interval" in flags
        self.maps[name] = Map(name, key, ObjectKind(kind), interval, Elements(key_width(key, interval)))
        if set(flags) - {"interval"}:
            self._foreign("map", name, {"flags": sorted(flags)})
        self._extras("map", value, {"type", "map", "elem", "flags"})
        return None

    def _chain(self, value: Json) -> None:
        name = value.get("name")
        hook = [value.get(each) for each in _HOOK]
        if not isinstance(name, str) or (hook != [None] * 4 and not _is_hook(hook)):
            return self._foreign("chain", name, value)
        kind, point, priority, policy = hook
        self.heads[name] = None if kind is None else BaseHook(point, priority, policy, kind)
        self._extras("chain", value, set(_HOOK))
        return None

    def _extras(self, kind: str, value: Json, known: Iterable[str]) -> None:
        """What a known kind of thing has besides what the types say."""
        rest = {word: each for word, each in value.items() if word not in _BORING and word not in known}
        if rest:
            self._foreign(kind, value["name"], rest)

    def _foreign(self, kind: str, name: Json, value: Json) -> None:
        if isinstance(value, dict):
            value = {word: each for word, each in value.items() if word not in ("family", "table", "handle")}
        self.foreign.append(foreign(str(kind), name if isinstance(name, str) else "", value))


def _ours(kind: str, value: Json) -> bool:
    here: object = value.get("name" if kind == "table" else "table")
    return value.get("family") == FAMILY and here == NAME


def _fields(listed: Json) -> tuple[Field, ...] | None:
    """A map's key; None for one with a field that no map of ours has, or declared by `typeof`."""
    words = listed if isinstance(listed, list) else [listed]
    if not words or not all(isinstance(each, str) and each in _FIELDS for each in words):
        return None
    return tuple(_FIELDS[each] for each in words)


def _words(value: Json) -> list[str]:
    """Flags: none, one as a bare word (1.1.4), a list, or a list below "|"."""
    if isinstance(value, dict) and set(value) == {"|"}:
        value = value["|"]
    if value is None:
        return []
    return [each if isinstance(each, str) else dump(each) for each in (value if isinstance(value, list) else [value])]


def _is_hook(hook: list[Json]) -> bool:
    kind, point, priority, policy = hook
    return all(isinstance(each, str) for each in (kind, point, policy)) and type(priority) is int
