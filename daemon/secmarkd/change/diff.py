# SPDX-License-Identifier: GPL-2.0-or-later
"""The difference between two tables: every differing thing, each once, in the administrator's terms."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TypeVar

from secmarkd.nft.render import render_chain_head, render_key, render_object, render_rule, render_set
from secmarkd.table.drift import Change, Drift, Thing
from secmarkd.table.elements import unequal_parts
from secmarkd.table.foreign import in_words
from secmarkd.table.table import Chain, Foreign, Key, Map, Match, Object, Rule, Table

_Thing = TypeVar("_Thing", Rule, Foreign)

ELEMENT_SAMPLES = 100
"""How many elements of one map are named one by one for each kind of change."""


def diff(desired: Table, live: Table | None) -> tuple[Drift, ...]:
    """What differs: table, objects, sets, maps and elements, chains and rules, foreign things. Empty iff equal.

    `live` is None when the table is known to be absent, which is one drift and not one for everything in it.
    """
    if live is None:
        return (Drift(Thing.TABLE, Change.MISSING, "table inet secmarkd"),)
    if desired == live:
        return ()
    return (
        *_flags(desired, live),
        *_objects(desired, live),
        *_sets(desired, live),
        *_maps(desired, live),
        *_chains(desired, live),
        *_foreign(desired, live),
    )


def _flags(desired: Table, live: Table) -> Iterator[Drift]:
    if desired.flags != live.flags:
        words = [" ".join(table.flags) or "no flags" for table in (desired, live)]
        yield Drift(Thing.TABLE, Change.CHANGED, "table inet secmarkd", words[0], words[1])


def _objects(desired: Table, live: Table) -> Iterator[Drift]:
    wanted = {each.name: each for each in desired.objects}
    there = {each.name: each for each in live.objects}
    for name in sorted(wanted.keys() | there.keys()):
        yield from _one_object(wanted.get(name), there.get(name))


def _one_object(wanted: Object | None, there: Object | None) -> Iterator[Drift]:
    if wanted == there:
        return
    named = wanted or there
    assert named is not None
    change = Change.MISSING if there is None else Change.UNEXPECTED if wanted is None else Change.CHANGED
    yield Drift(Thing.OBJECT, change, f"{named.kind} {named.name}", _text(wanted), _text(there))


def _text(each: Object | None) -> str:
    return "" if each is None else render_object(each)


def _sets(desired: Table, live: Table) -> Iterator[Drift]:
    expected = {each.name: render_set(each) for each in desired.sets}
    found = {each.name: render_set(each) for each in live.sets}
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) != found.get(name):
            change = (
                Change.MISSING if name not in found else Change.UNEXPECTED if name not in expected else Change.CHANGED
            )
            yield Drift(Thing.SET, change, f"set {name}", expected.get(name, ""), found.get(name, ""))


def _maps(desired: Table, live: Table) -> Iterator[Drift]:
    wanted = {each.name: each for each in desired.maps}
    there = {each.name: each for each in live.maps}
    for name in sorted(wanted.keys() | there.keys()):
        mine, other = wanted.get(name), there.get(name)
        if mine is None:
            yield Drift(Thing.MAP, Change.UNEXPECTED, f"map {name}", "", _head(other))
        elif other is None:
            yield Drift(Thing.MAP, Change.MISSING, f"map {name}", _head(mine))
        elif _head(mine) != _head(other):
            yield Drift(Thing.MAP, Change.CHANGED, f"map {name}", _head(mine), _head(other))
        elif mine.elements != other.elements:
            yield from _sampled(name, _elements(mine, other))


def _head(each: Map | None) -> str:
    """What a map is apart from its elements."""
    if each is None:
        return ""
    key = " . ".join(field.nft_type for field in each.key)
    return f"type {key} : {each.kind}{'; flags interval' if each.interval else ''}"


def _sampled(name: str, drifts: Iterator[Drift]) -> Iterator[Drift]:
    """The first drifts of each change one by one, the rest as one with their number: a flushed map of 100,000 elements
    is a thing to say once, and not to hold in memory a hundred thousand times."""
    seen: Counter[Change] = Counter()
    for drift in drifts:
        seen[drift.change] += 1
        if seen[drift.change] <= ELEMENT_SAMPLES:
            yield drift
    for change, number in sorted(seen.items()):
        rest = number - ELEMENT_SAMPLES
        if rest > 0:
            yield Drift(Thing.ELEMENT, change, f"{name} {{ … }}, and {rest} more", count=rest)


def _elements(wanted: Map, there: Map) -> Iterator[Drift]:
    """Element by element; the two sorted sequences are merged, so that nothing is held twice in memory."""
    mine, others = (each.items() for each in unequal_parts(wanted.elements, there.elements))
    one, other = next(mine, None), next(others, None)
    while one is not None or other is not None:
        if other is None or (one is not None and one[0] < other[0]):
            assert one is not None
            yield Drift(Thing.ELEMENT, Change.MISSING, _element(wanted, one[0]), one[1])
            one = next(mine, None)
        elif one is None or other[0] < one[0]:
            yield Drift(Thing.ELEMENT, Change.UNEXPECTED, _element(wanted, other[0]), "", other[1])
            other = next(others, None)
        else:
            if one[1] != other[1]:
                yield Drift(Thing.ELEMENT, Change.RETARGETED, _element(wanted, one[0]), one[1], other[1])
            one, other = next(mine, None), next(others, None)


def _element(map_: Map, key: bytes) -> str:
    return f"{map_.name} {{ {render_key(map_, key)} }}"


def _chains(desired: Table, live: Table) -> Iterator[Drift]:
    wanted = {each.name: each for each in desired.chains}
    there = {each.name: each for each in live.chains}
    for name in sorted(wanted.keys() | there.keys()):
        mine, other = wanted.get(name), there.get(name)
        if mine is None:
            assert other is not None
            yield Drift(Thing.CHAIN, Change.UNEXPECTED, f"chain {name}", "", _chain_text(other))
        elif other is None:
            yield Drift(Thing.CHAIN, Change.MISSING, f"chain {name}", _chain_text(mine))
        else:
            if mine.base != other.base:
                heads = render_chain_head(mine), render_chain_head(other)
                yield Drift(Thing.CHAIN, Change.CHANGED, f"chain {name}", *heads)
            yield from _rules(name, mine.rules, other.rules)


def _chain_text(chain: Chain) -> str:
    head = render_chain_head(chain)
    count = f"{len(chain.rules)} rule{'s' if len(chain.rules) != 1 else ''}"
    return f"{head} with {count}" if head else count


def _rules(chain: str, wanted: tuple[Rule, ...], there: tuple[Rule, ...]) -> Iterator[Drift]:
    """Rules by what they say: missing, added, edited where one stands in the place of another, or in another order."""
    if wanted == there:
        return
    start, wanted_end, there_end = _unequal_part(wanted, there)
    missing = [(place, wanted[place]) for place in range(start, wanted_end)]
    added = [(place, there[place]) for place in range(start, there_end)]
    left_over = Counter(rule for _, rule in added)
    really_missing = [(place, rule) for place, rule in missing if not _take(left_over, rule)]
    left_over = Counter(rule for _, rule in missing)
    really_added = [(place, rule) for place, rule in added if not _take(left_over, rule)]
    if not really_missing and not really_added:
        cgroups = any(_names_cgroup(rule) for _, rule in missing)
        yield Drift(Thing.RULE, Change.MOVED, f"chain {chain}", _order(missing), _order(added), names_cgroup=cgroups)
    for number in range(max(len(really_missing), len(really_added))):
        yield _rule_drift(chain, really_missing[number : number + 1], really_added[number : number + 1])


def _rule_drift(chain: str, missing: list[tuple[int, Rule]], added: list[tuple[int, Rule]]) -> Drift:
    place = (missing or added)[0][0] + 1
    change = Change.CHANGED if missing and added else Change.MISSING if missing else Change.UNEXPECTED
    expected = render_rule(missing[0][1]) if missing else ""
    found = render_rule(added[0][1]) if added else ""
    cgroups = any(_names_cgroup(rule) for _, rule in (*missing, *added))
    return Drift(Thing.RULE, change, f"chain {chain} rule {place}", expected, found, names_cgroup=cgroups)


def _names_cgroup(rule: Rule) -> bool:
    return any(isinstance(each, Match) and each.key is Key.CGROUP for each in rule)


def _unequal_part(wanted: tuple[Rule, ...], there: tuple[Rule, ...]) -> tuple[int, int, int]:
    """Where the rules begin to differ, and where in each they have ceased to."""
    start, limit = 0, min(len(wanted), len(there))
    while start < limit and wanted[start] == there[start]:
        start += 1
    end = 0
    while end < limit - start and wanted[-1 - end] == there[-1 - end]:
        end += 1
    return start, len(wanted) - end, len(there) - end


def _take(left_over: Counter[_Thing], each: _Thing) -> bool:
    """Whether one more of these is left; it is taken. Both sides may have as many as someone cares to add: so they are
    counted, and never searched."""
    if left_over[each] <= 0:
        return False
    left_over[each] -= 1
    return True


def _order(rules: list[tuple[int, Rule]]) -> str:
    return " | ".join(f"{place + 1}: {render_rule(rule)}" for place, rule in rules)


def _foreign(desired: Table, live: Table) -> Iterator[Drift]:
    left_over = Counter(desired.foreign)
    for each in live.foreign:
        if not _take(left_over, each):
            yield Drift(Thing.FOREIGN, Change.UNEXPECTED, f"{each.what} {each.name}".strip(), "", in_words(each))
    for each in left_over.elements():
        yield Drift(Thing.FOREIGN, Change.MISSING, f"{each.what} {each.name}".strip(), in_words(each))
