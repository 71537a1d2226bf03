# SPDX-License-Identifier: GPL-2.0-or-later
"""The compiler: from a label map to the table that carries it out.

The role of this host in a connection follows from hook and conntrack direction, for every packet anew; within a role there
is one lookup for each kind of selector, the most selective first, and the first hit is the answer. The reasons, and what
was seen on real kernels, are in ARCHITECTURE.md ("The ruleset").
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import NoReturn

from secmarkd.compiler import vrf
from secmarkd.compiler.chains import IN_DOUBT, NOT_REMEMBERED, OPENED, PROBE, chains
from secmarkd.compiler.contradiction import describe_clash
from secmarkd.compiler.grouping import EXACT, RANGED, Group, groups
from secmarkd.compiler.lookups import GuardedLookup, RoleLookups
from secmarkd.compiler.names import Namer
from secmarkd.compiler.overlap import Box, Cell, Clash, resolve, resolve_points
from secmarkd.errors import ConfigError, Problem
from secmarkd.evaluate import exists
from secmarkd.model.label_map import Environment, LabelMap, Mode, Ownership, Role, Rule, in_numbers
from secmarkd.model.names import Name
from secmarkd.selectors.every import BY_WEIGHT, IN_WORDS
from secmarkd.selectors.ports import PORTS
from secmarkd.selectors.protocol import PROTOCOL
from secmarkd.selectors.selector import Selector
from secmarkd.table.cgroups import cgroup_level
from secmarkd.table.elements import Elements, Field, key_width, pack_value
from secmarkd.table.table import CgroupId, Chain, DynamicSet, Lookup, Map, Object, ObjectKind, Remember, Table

EXPANSION_BUDGET = 4096
"""How many hash elements all port ranges together may become. A hash lookup takes about 110 ns at any size, an interval
map 250 to 480 ns (measured on Linux 6.18), so ranges are spelt out as long as that costs little memory."""

ELEMENT_LIMIT = 1_000_000
"""More elements than this are refused: nft itself needs about 1 kB of memory for each while it loads them."""

CLASH_LIMIT = 100
"""Contradictions that are shown, each with a packet."""

OWNED = ("owner", "persist")
"""Flags with which the kernel refuses every other writer (owner, Linux 5.12), and keeps the table when the writer ends
(persist, Linux 6.9 and nft 1.1.0). Without `persist` a restart would leave packets unlabelled."""


def compile_table(
    label_map: LabelMap, mode: Mode, environment: Environment, ownership: Ownership = Ownership.SHARED
) -> Table:
    """The table that labels (or in rehearsal counts) exactly as `evaluate` says.

    Raises ConfigError, naming both places and a packet, where rules contradict each other, and where there are too many;
    NamesContradict where rules do so only by the numbers that this machine gives to names.
    """
    label_map = replace(label_map, rules=in_numbers(label_map.rules, environment))
    kind = ObjectKind.SECMARK if mode is Mode.LABEL else ObjectKind.COUNTER
    namer = Namer(label_map, kind)
    largest = largest_expanded_range(label_map.rules)
    clashes: list[tuple[Clash, Group]] = []
    maps: list[Map] = []
    elements = 0
    """Of all maps, those for cgroups that are not there now and for names without a number too."""
    lookups: dict[Role, RoleLookups] = {}
    for role in Role:
        guarded: list[GuardedLookup] = []
        for number, group in enumerate(groups(rule for rule in label_map.rules if rule.role is role)):
            compiled = _compile_group(group, role, number, largest, namer, environment)
            # What is refused does not depend on the cgroups that exist today, nor on the names that have a number.
            clashes += [(clash, group) for clash in compiled.clashes]
            elements += sum(len(each.elements) for each in compiled.maps)
            if exists(group.rules[0], environment):
                guarded += compiled.lookups
                maps += compiled.maps
        lookups[role] = RoleLookups(role, tuple(guarded))
    if clashes:
        _refuse(clashes, label_map, environment)
    _refuse_too_many(elements)
    protocols = frozenset(rule.protocol for rule in label_map.rules if rule.protocol is not None)
    all_chains = chains(lookups, label_map.defaults, namer, protocols, marks=mode is Mode.LABEL)
    used = {str(rule.context) for rule in label_map.rules if exists(rule, environment)} | set(namer.default_contexts)
    objects = [_object(namer, context, kind) for context in used]
    sets = _remembering(all_chains)
    objects.append(Object(NOT_REMEMBERED, ObjectKind.COUNTER))
    probes = _probes(all_chains, maps)
    if probes:
        maps += probes
        objects.append(Object(IN_DOUBT, ObjectKind.COUNTER))
    return Table(
        objects=tuple(sorted(objects, key=lambda each: each.name)),
        sets=sets,
        maps=tuple(sorted(maps, key=lambda each: each.name)),
        chains=tuple(sorted(all_chains, key=lambda each: each.name)),
        flags=OWNED if ownership is Ownership.EXCLUSIVE else (),
    )


def _probes(all_chains: Iterable[Chain], maps: Iterable[Map]) -> list[Map]:
    """The maps in which the chains ask only whether a port is named."""
    statements = (statement for chain in all_chains for rule in chain.rules for statement in rule)
    asked = {each.map for each in statements if isinstance(each, Lookup)}
    return [
        replace(
            each,
            name=PROBE + each.name,
            kind=ObjectKind.COUNTER,
            elements=Elements.of(each.elements.width, ((key, IN_DOUBT) for key, _ in each.elements.items())),
        )
        for each in maps
        if PROBE + each.name in asked
    ]


def _remembering(all_chains: Iterable[Chain]) -> tuple[DynamicSet, ...]:
    """The sets in which the chains have openings remembered."""
    statements = (statement for chain in all_chains for rule in chain.rules for statement in rule)
    filled = {each.set for each in statements if isinstance(each, Remember)}
    return tuple(each for each in (OPENED, *vrf.SETS.values()) if each.name in filled)


def compile_without_contradicting_names(
    label_map: LabelMap, mode: Mode, environment: Environment, ownership: Ownership
) -> tuple[Table, Environment, tuple[Problem, ...]]:
    """As `compile_table`, but names by whose numbers alone rules contradict each other are left to wait.

    Whether a machine starts with its labels must not depend on which number a directory gives to a name. The table, the
    environment without these names, and the contradictions.
    """
    problems: list[Problem] = []
    while True:
        try:
            return compile_table(label_map, mode, environment, ownership), environment, tuple(problems)
        except NamesContradict as error:
            problems += error.problems
            kept = {name: number for name, number in environment.names.items() if name not in error.names}
            environment = replace(environment, names=kept)


class NamesContradict(ConfigError):
    """Rules contradict each other, and would not if some of `names` had other numbers or none."""

    def __init__(self, problems: list[Problem], names: frozenset[Name]) -> None:
        super().__init__(problems)
        self.names = names


def _refuse(clashes: list[tuple[Clash, Group]], label_map: LabelMap, environment: Environment) -> NoReturn:
    problems = _problems(clashes, label_map, environment)
    differing = [frozenset(clash.first.names) ^ frozenset(clash.second.names) for clash, _ in clashes]
    if all(differing):
        raise NamesContradict(problems, frozenset().union(*differing))
    raise ConfigError(problems)


def _problems(clashes: list[tuple[Clash, Group]], label_map: LabelMap, environment: Environment) -> list[Problem]:
    """One problem for each pair of places, however many packets it is about."""
    environment = replace(environment, cgroups=dict.fromkeys(label_map.cgroups, 0))
    pairs = {
        frozenset((clash.first.origin, clash.second.origin)): (clash, group) for clash, group in reversed(clashes)
    }
    problems = [describe_clash(*each, label_map, environment) for each in list(pairs.values())[:CLASH_LIMIT]]
    if len(pairs) > CLASH_LIMIT:
        problems.append(
            Problem(problems[0].file, 0, "", f"{len(pairs) - CLASH_LIMIT} more contradictions like these")
        )
    return problems


def _object(namer: Namer, context: str, kind: ObjectKind) -> Object:
    return Object(namer.object_name(context), kind, context if kind is ObjectKind.SECMARK else None)


def _refuse_too_many(count: int) -> None:
    if count > ELEMENT_LIMIT:
        message = f"the label map needs {count} map elements; at most {ELEMENT_LIMIT} are allowed"
        raise ConfigError([Problem("labels.d", 0, "", message)])


def largest_expanded_range(rules: Iterable[Rule]) -> int:
    """The largest number of ports that a range may have to be spelt out as hash elements within the budget.

    A bound on size, not on order: so a spelt-out range is always narrower than one that is not, and the hash map, which
    is looked at first, can never hide a narrower rule of the interval map.
    """
    sizes: dict[int, int] = {}
    for rule in rules:
        if rule.ports and rule.ports[0] != rule.ports[1] and _single_addresses(rule):
            size = rule.ports[1] - rule.ports[0] + 1
            sizes[size] = sizes.get(size, 0) + 1
    largest, spent = 1, 0
    for size in sorted(sizes):
        spent += size * sizes[size]
        if spent > EXPANSION_BUDGET:
            break
        largest = size
    return largest


def _single_addresses(rule: Rule) -> bool:
    return (rule.remote is None or rule.remote.single) and (rule.local is None or rule.local.single)


@dataclass(frozen=True, slots=True)
class _Compiled:
    lookups: list[GuardedLookup]
    maps: list[Map]
    clashes: list[Clash]


def _compile_group(
    group: Group, role: Role, number: int, largest: int, namer: Namer, environment: Environment
) -> _Compiled:
    """The lookups and maps of one kind: first the hash map, then the interval map for what is not spelt out."""
    result = _Compiled([], [], [])
    cgroup = _cgroup(group.cgroup, environment)
    fields = (*group.ranged, *group.exact)
    if not fields:
        cells, clashes = resolve([group.box(rule) for rule in group.rules])
        result.clashes.extend(clashes)
        result.lookups.append(_lookup(group, cgroup, object_name=namer.object_name(str(cells[0].rule.context))))
        return result
    spelt, ranged = _split(group, largest)
    for cells_of, interval in ((spelt, False), (ranged, True)):
        cells, clashes = resolve(cells_of) if interval else resolve_points(cells_of)
        result.clashes.extend(clashes)
        if cells:
            order = _interval_order(cells, group) if interval else tuple(each for each in IN_WORDS if each in fields)
            built = _build_map(_map_name(role, number, group, interval), order, group, cells, interval, namer)
            result.maps.append(built)
            result.lookups.append(_lookup(group, cgroup, map_name=built.name, selectors=order))
    return result


def _cgroup(path: str | None, environment: Environment) -> CgroupId | None:
    """The cgroup as rules hold it. What is compiled for one that is not there is left out of the table."""
    return None if path is None else CgroupId(cgroup_level(path), environment.cgroups.get(path, 0), path)


def _lookup(
    group: Group,
    cgroup: CgroupId | None,
    *,
    map_name: str = "",
    selectors: tuple[Selector, ...] = (),
    object_name: str = "",
) -> GuardedLookup:
    return GuardedLookup(cgroup, group.pattern, group.family, selectors, map_name, object_name)


def _split(group: Group, largest: int) -> tuple[list[Box], list[Box]]:
    """Boxes of single values, port ranges up to `largest` spelt out, and the other boxes."""
    spelt: list[Box] = []
    ranged: list[Box] = []
    place = group.ranged.index(PORTS) if PORTS in group.ranged else None
    for rule in group.rules:
        box = group.box(rule)
        low, high = rule.ports or (0, 0)
        if high - low >= largest or not _single_addresses(rule):
            ranged.append(box)
        elif low == high or place is None:
            spelt.append(box)
        else:
            before, after = box.ranges[:place], box.ranges[place + 1 :]
            spelt += [Box(box.exact, (*before, (port, port), *after), rule) for port in range(low, high + 1)]
    return spelt, ranged


def _interval_order(cells: list[Cell], group: Group) -> tuple[Selector, ...]:
    """Fields, the one with the most distinct values first: when all entries share the first field, the kernel's
    interval map (pipapo) degrades to a linear search (215 µs at 10,000 entries, against 0.5 µs)."""
    distinct: dict[Selector, int] = {}
    for place, selector in enumerate(group.ranged):
        distinct[selector] = len({cell.ranges[place] for cell in cells})
    for place, selector in enumerate(group.exact):
        distinct[selector] = len({cell.exact[place] for cell in cells})
    preference = (*RANGED[::-1], *EXACT)
    return tuple(sorted(distinct, key=lambda each: (-distinct[each], preference.index(each))))


def _build_map(
    name: str, order: tuple[Selector, ...], group: Group, cells: list[Cell], interval: bool, namer: Namer
) -> Map:
    fields = tuple(each.in_key.field(group.family) for each in order if each.in_key)
    places = [(group.ranged.index(each), True) if each in group.ranged else (group.exact.index(each), False)
              for each in order]  # fmt: skip
    names = namer.names_of({cell.rule.context for cell in cells})
    packed = ((_pack(cell, places, fields, interval), names[cell.rule.context]) for cell in cells)
    elements = Elements.of(key_width(fields, interval), packed)
    return Map(name, fields, namer.kind, interval, elements)


def _pack(cell: Cell, places: list[tuple[int, bool]], fields: tuple[Field, ...], interval: bool) -> bytes:
    return b"".join(_values(cell, places, fields, last=False)) + (
        b"".join(_values(cell, places, fields, last=True)) if interval else b""
    )


def _values(cell: Cell, places: list[tuple[int, bool]], fields: tuple[Field, ...], last: bool) -> Iterator[bytes]:
    for (place, is_range), field in zip(places, fields, strict=True):
        yield pack_value(field, cell.ranges[place][last] if is_range else cell.exact[place])


def _map_name(role: Role, number: int, group: Group, interval: bool) -> str:
    """For people: `server_remote4_port`. Guarded lookups have the number of their kind to tell them apart."""
    words = [each.name for each in BY_WEIGHT if each in (*group.ranged, *group.exact)]
    if PORTS in group.ranged:
        words.remove(PROTOCOL.name)
    words = [f"{word}{group.family}" if word in ("remote", "local") else word for word in words]
    guard = [f"guard{number}"] if group.cgroup or group.pattern else []
    return "_".join([role.value, *guard, *words, *(["ranges"] if interval else [])])
