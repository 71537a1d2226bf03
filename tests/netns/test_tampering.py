# SPDX-License-Identifier: GPL-2.0-or-later
"""Random tampering with the table of a running service, in a namespace: none missed, none made up, all of it undone.

Single elements are put right as soon as the kernel's events tell of them, before the table is read.

SECMARKD_TAMPERINGS says how many; 10,000 take ten minutes (with `-o faulthandler_timeout=0`, for they are one test).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from secmarkd.compiler.compile import compile_table
from secmarkd.compiler.loaded import Loaded
from secmarkd.events import Attributed, DriftRepaired
from secmarkd.model.address import parse_prefix
from secmarkd.model.context import parse_context
from secmarkd.model.label_map import Environment, LabelMap, Mode, Origin, Role, Rule, Settings
from secmarkd.model.protocols import TCP, UDP
from secmarkd.netlink.element import is_tree
from secmarkd.nft.render import render_key
from secmarkd.table.table import Chain, Map, Table
from tests.support.capability import in_ci, require_bindings
from tests.support.kernel_rig import KernelRig, told_kinds
from tests.support.namespace import Namespace
from tests.support.service_rig import DEFAULTS

TAMPERINGS = int(os.environ.get("SECMARKD_TAMPERINGS", "200"))
STEPS = 50
PICK = st.integers(0, 1_000_000)
T = "inet secmarkd"


def a_configuration() -> Loaded:
    """A few labels with exact ports, a range too wide to expand, and networks: these are starts and ends in the kernel."""
    origin = Origin("50-test.toml", 1, "labels.x")
    http, dns, many = (
        parse_context(f"system_u:object_r:{each}_server_packet_t:s0") for each in ("http", "dns", "many")
    )
    rules = [
        Rule(label="http", context=http, role=Role.SERVER, origin=origin, protocol=TCP, ports=(port, port))
        for port in (80, 443, 8080, *range(9000, 9020))
    ]
    rules += [
        Rule(label="dns", context=dns, role=Role.SERVER, origin=origin, protocol=UDP, ports=(53, 53)),
        Rule(label="many", context=many, role=Role.SERVER, origin=origin, protocol=TCP, ports=(10000, 30000)),
    ]
    rules += [
        Rule(label="many", context=many, role=Role.SERVER, origin=origin, remote=parse_prefix(text))
        for text in ("10.0.0.0/8", "192.0.2.7/32")
    ]
    table = compile_table(LabelMap(rules=tuple(rules), defaults=DEFAULTS), Mode.REHEARSE, Environment())
    chosen = Settings(mode=Mode.REHEARSE, resync=1e12)
    return Loaded(chosen, table, Environment(), 3, {}, frozenset())


class Tampering(RuleBasedStateMachine):
    """Every rule tampers once, lets the service see it, and compares what it did and said with what it should have."""

    rig: ClassVar[KernelRig]
    baseline: ClassVar[list[str]]
    done: ClassVar[int] = 0
    undone: ClassVar[int] = 0
    slowly: ClassVar[int] = 0
    """Those that were put right after a read and need not have been: where a hint does not fit, the read is what counts."""

    # --- elements ---

    @rule(place=PICK)
    def delete_element(self, place: int) -> None:
        map_, key, _ = self._element(place)
        text = f"delete element {T} {map_.name} {{ {render_key(map_, key)} }}"
        self._tamper(text, {"element missing": 1}, hasty=_plain(map_))

    @rule(port=st.integers(40000, 65535), place=PICK)
    def add_element(self, port: int, place: int) -> None:
        text = f"add element {T} server_port {{ udp . {port} : {self._object(place)} }}"
        self._tamper(text, {"unexpected element": 1}, hasty=True)

    @rule(place=PICK, other=PICK)
    def retarget_element(self, place: int, other: int) -> None:
        map_, key, target = self._element(place)
        to, element = self._object(other), render_key(map_, key)
        text = f"delete element {T} {map_.name} {{ {element} }}; add element {T} {map_.name} {{ {element} : {to} }}"
        self._tamper(text, {"element retargeted": 1} if f'"{target}"' != to else {}, hasty=_plain(map_))

    @rule(place=PICK)
    def add_an_element_that_is_there(self, place: int) -> None:
        map_, key, target = self._element(place)
        self._tamper(f'add element {T} {map_.name} {{ {render_key(map_, key)} : "{target}" }}', {})

    @rule(place=PICK)
    def flush_map(self, place: int) -> None:
        map_ = self._maps()[place % len(self._maps())]
        self._tamper(f"flush map {T} {map_.name}", {"element missing": len(map_.elements)}, hasty=_plain(map_))

    # --- rules ---

    @rule(place=PICK)
    def add_rule(self, place: int) -> None:
        self._tamper(f"add rule {T} {self._chain(place).name} tcp dport 1 counter drop", {"unexpected rule": 1})

    @rule(place=PICK)
    def insert_rule(self, place: int) -> None:
        self._tamper(f"insert rule {T} {self._chain(place).name} accept", {"unexpected rule": 1})

    @rule(place=PICK, at=PICK)
    def replace_rule(self, place: int, at: int) -> None:
        chain, handle = self._rule(place, at)
        self._tamper(f"replace rule {T} {chain.name} handle {handle} tcp dport 1 drop", {"rule changed": 1})

    @rule(place=PICK, at=PICK)
    def delete_rule(self, place: int, at: int) -> None:
        chain, handle = self._rule(place, at)
        self._tamper(f"delete rule {T} {chain.name} handle {handle}", {"rule missing": 1})

    @rule(place=PICK)
    def flush_chain(self, place: int) -> None:
        chain = self._with_rules(place)
        self._tamper(f"flush chain {T} {chain.name}", {"rule missing": len(chain.rules)})

    # --- chains, objects, sets ---

    @rule()
    def add_chain(self) -> None:
        self._tamper(f"add chain {T} theirs", {"unexpected chain": 1})

    @rule()
    def add_base_chain(self) -> None:
        self._tamper(f"add chain {T} theirs {{ type filter hook output priority 0; }}", {"unexpected chain": 1})

    @rule()
    def add_object(self) -> None:
        self._tamper(f"add counter {T} theirs", {"unexpected object": 1})

    @rule()
    def add_set(self) -> None:
        self._tamper(f"add set {T} theirs {{ type mark; }}", {"foreign": 1})

    @rule()
    def add_map(self) -> None:
        self._tamper(f"add map {T} theirs {{ type inet_proto . inet_service : counter; }}", {"unexpected map": 1})

    @rule(place=PICK)
    def change_policy(self, place: int) -> None:
        self._tamper(f"chain {T} {self._base(place).name} {{ policy drop; }}", {"chain changed": 1})

    @rule(place=PICK)
    def change_priority(self, place: int) -> None:
        chain = self._base(place)
        assert chain.base is not None
        head = f"type filter hook {chain.base.hook} priority {chain.base.priority + 1};"
        text = f"flush chain {T} {chain.name}; delete chain {T} {chain.name}; add chain {T} {chain.name} {{ {head} }}"
        self._tamper(text, {"chain changed": 1, "rule missing": len(chain.rules)})

    @rule(place=PICK)
    def delete_base_chain(self, place: int) -> None:
        chain = self._base(place)
        self._tamper(f"flush chain {T} {chain.name}; delete chain {T} {chain.name}", {"chain missing": 1})

    @rule(place=PICK)
    def rename_chain(self, place: int) -> None:
        chain = self._chain(place)
        users = sum(
            any(getattr(each, "chain", "") == chain.name for each in one)
            for other in self._table().chains
            for one in other.rules
        )
        expected = {"chain missing": 1, "unexpected chain": 1, "rule changed": users}
        self._tamper(f"rename chain {T} {chain.name} renamed", expected)

    # --- the table ---

    @rule()
    def flush_table(self) -> None:
        rules = sum(len(each.rules) for each in self._table().chains)
        self._tamper(f"flush table {T}", {"rule missing": rules})

    @rule()
    def delete_table(self) -> None:
        self._tamper(f"delete table {T}", {"table missing": 1})

    @rule()
    def flush_ruleset(self) -> None:
        self._tamper("flush ruleset", {"table missing": 1})

    @rule()
    def make_it_dormant(self) -> None:
        self._tamper(f"add table {T} {{ flags dormant; }}", {"table changed": 1})

    # --- elsewhere, and several at once ---

    @rule(name=st.sampled_from(["one", "two"]), family=st.sampled_from(["ip", "inet", "bridge"]))
    def change_elsewhere(self, name: str, family: str) -> None:
        self._tamper(f"add table {family} {name}; delete table {family} {name}", {})

    @rule(place=PICK, port=st.integers(40000, 65535))
    def several_commits_before_anyone_looks(self, place: int, port: int) -> None:
        map_, key, _ = self._element(place)
        first = f"add element {T} server_port {{ udp . {port} : {self._object(place)} }}"
        second = f"delete element {T} {map_.name} {{ {render_key(map_, key)} }}"
        expected = {"unexpected element": 1, "element missing": 1}
        self._tamper([first, "add table ip x; delete table ip x", second], expected, hasty=_plain(map_))

    @rule(place=PICK)
    def change_and_undo_before_anyone_looks(self, place: int) -> None:
        map_, key, target = self._element(place)
        element = render_key(map_, key)
        gone = f"delete element {T} {map_.name} {{ {element} }}"
        self._tamper([gone, f'add element {T} {map_.name} {{ {element} : "{target}" }}'], {})

    @rule(place=PICK)
    def element_and_rule_before_anyone_looks(self, place: int) -> None:
        map_, key, _ = self._element(place)
        first = f"delete element {T} {map_.name} {{ {render_key(map_, key)} }}"
        self._tamper(
            [first, f"insert rule {T} {self._chain(place).name} accept"], {"element missing": 1, "unexpected rule": 1}
        )

    @rule(place=PICK, port=st.integers(40000, 65535))
    def element_with_a_comment(self, place: int, port: int) -> None:
        text = f'add element {T} server_port {{ udp . {port} comment "x" : {self._object(place)} }}'
        self._tamper(text, {"foreign": 1})

    # --- their parts ---

    def _tamper(self, texts: str | list[str], expected: dict[str, int], *, hasty: bool = False) -> None:
        """`hasty`: whether what differs can be put right before the table is read."""
        rig = self.rig
        before = rig.nft.hasty
        rig.clock.now += 200  # the end of every story: repairs in a row and lines in the journal count anew
        for text in [texts] if isinstance(texts, str) else texts:
            rig.namespace.nft(text)
        rig.woken(10.0 if expected else 0.0)
        events = rig.journal.take()
        told = told_kinds(events)
        wanted = {kind: number for kind, number in expected.items() if number}
        assert told == wanted, [str(each) for each in events]
        assert any(isinstance(each, DriftRepaired) for each in events) == bool(wanted)
        assert all("nft" in each.by_comm.split(",") for each in events if isinstance(each, Attributed))
        quickly = rig.nft.hasty - before
        assert quickly <= (hasty and bool(wanted))
        Tampering.slowly += bool(hasty and wanted) - quickly
        assert rig.listing() == self.baseline
        assert rig.service.status.state == "in sync"
        Tampering.done += 1
        Tampering.undone += bool(wanted)

    def _table(self) -> Table:
        return self.rig.loaded.table

    def _maps(self) -> list[Map]:
        return [each for each in self.rig.loaded.table.maps if each.elements]

    def _element(self, place: int) -> tuple[Map, bytes, str]:
        every = [(each, key, target) for each in self._maps() for key, target in each.elements.items()]
        return every[place % len(every)]

    def _object(self, place: int) -> str:
        objects = self.rig.loaded.table.objects
        return f'"{objects[place % len(objects)].name}"'

    def _chain(self, place: int) -> Chain:
        chains = self.rig.loaded.table.chains
        return chains[place % len(chains)]

    def _base(self, place: int) -> Chain:
        chains = [each for each in self.rig.loaded.table.chains if each.base]
        return chains[place % len(chains)]

    def _with_rules(self, place: int) -> Chain:
        chains = [each for each in self.rig.loaded.table.chains if each.rules]
        return chains[place % len(chains)]

    def _rule(self, place: int, at: int) -> tuple[Chain, int]:
        chain = self._with_rules(place)
        listed = self.rig.namespace.nft_json(f"list chain {T} {chain.name}")
        handles = [each["rule"]["handle"] for each in listed if "rule" in each]
        return chain, handles[at % len(handles)]


def _plain(map_: Map) -> bool:
    """Whether its elements can be put right one by one: ranges of one field are two elements each in the kernel."""
    return not is_tree(map_.key, map_.interval)


@pytest.fixture
def rig(netns: Namespace) -> Iterator[KernelRig]:
    require_bindings()
    with netns.enter():
        rig = KernelRig(netns, a_configuration())
        yield rig
        rig.close()


@pytest.mark.fault(6, 7, 8)
@pytest.mark.slow
def test_random_tampering_is_always_seen_named_and_undone(rig: KernelRig) -> None:
    Tampering.rig, Tampering.baseline = rig, rig.listing()
    Tampering.done = Tampering.undone = Tampering.slowly = 0
    while Tampering.done < TAMPERINGS:  # a run may end early
        chosen = settings(
            max_examples=(TAMPERINGS - Tampering.done) // STEPS + 1,
            stateful_step_count=STEPS,
            deadline=None,
            print_blob=True,
            derandomize=in_ci(),
            suppress_health_check=list(HealthCheck),
        )
        run_state_machine_as_test(Tampering, settings=chosen)
    harmless = Tampering.done - Tampering.undone
    print(f"\n{Tampering.done} tamperings: {Tampering.undone} told and undone, {harmless} harmless and not told")
    assert Tampering.slowly <= 1 + Tampering.undone // 100
