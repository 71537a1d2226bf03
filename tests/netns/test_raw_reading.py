# SPDX-License-Identifier: GPL-2.0-or-later
"""What is read by raw netlink is what was written, and elements are those that libnftables lists."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from secmarkd.adapters.netlink.dump import NetlinkDump
from secmarkd.adapters.netlink.query import Netlink
from secmarkd.adapters.nftables.port import LibNft
from secmarkd.adapters.nftables.reader import Reader
from secmarkd.netlink.codec import attributes
from secmarkd.netlink.element import is_tree
from secmarkd.nft.element_text import render_packed
from secmarkd.table.table import NAME, Map, ObjectKind, Table
from secmarkd.table.transaction import AddElements, DeleteElements, Replace
from tests.support.capability import require_bindings, require_namespaces
from tests.support.json_elements import with_listed_elements
from tests.support.namespace import Namespace
from tests.support.strategies import maps, tables
from tests.support.tables import full_table, make_object


@pytest.fixture(scope="module")
def netns() -> Iterator[Namespace]:  # one for the whole module
    require_namespaces()
    require_bindings()
    with Namespace() as namespace, namespace.enter():
        yield namespace


@pytest.fixture(scope="module")
def nft(netns: Namespace) -> Iterator[LibNft]:
    nft = LibNft()
    yield nft
    nft.close()


@pytest.fixture
def lists(netns: Namespace) -> Iterator[NetlinkDump]:
    lists = NetlinkDump()
    yield lists
    lists.close()


def listed(netns: Namespace, live: Table | None) -> Table:
    """The table as it was read, with the elements that the nft program lists."""
    assert live is not None
    return with_listed_elements(live, netns.nft_json("-p -s list table inet secmarkd"))


COMMENTS = ["", 'comment "x"']
QUICK = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


@given(table=tables())
@QUICK
def test_both_ways_of_reading_agree_about_every_table(netns: Namespace, nft: LibNft, table: Table) -> None:
    nft.commit((Replace(table),))
    live = nft.read()
    assert live == table
    assert live == listed(netns, live)


@given(map_=maps("m", ObjectKind.COUNTER).filter(lambda map_: len(map_.elements) > 0), data=st.data())
@QUICK
def test_both_ways_of_reading_agree_about_comments(
    netns: Namespace, nft: LibNft, map_: Map, data: st.DataObject
) -> None:
    empty = Map(map_.name, map_.key, map_.kind, map_.interval, type(map_.elements)(map_.elements.width))
    nft.commit((Replace(Table(tuple(make_object(name, map_.kind) for name in ("s_a", "s_b", "s_c")), (empty,))),))
    lines = []
    for key, name in map_.elements.items():
        text = render_packed(map_.key, map_.interval, key)
        lines.append(f'{text} {data.draw(st.sampled_from(COMMENTS))} : "{name}"')
    netns.nft(f"add element inet secmarkd m {{ {', '.join(lines)} }}")
    live = nft.read()
    assert live is not None
    said = listed(netns, live)
    assert live.maps == said.maps
    assert [(each.what, each.name) for each in live.foreign] == [(each.what, each.name) for each in said.foreign]


@pytest.mark.parametrize(
    "text",
    [
        "map m { type inet_service : counter; elements = { 80 : s, * : s } }",
        'map m { type inet_service : counter; elements = { 80 comment "x" : s } }',
        "map m { type inet_service : counter; flags timeout; elements = { 80 timeout 600s : s, 81 : s } }",
        "map m { type inet_service : counter; flags interval; elements = { 0-5 : s, 6-9 : s, 65535 : s } }",
        'map m { type inet_service : counter; flags interval; elements = { 5-9 comment "x" : s, 10 : s } }',
        "map m { type ipv4_addr : counter; flags interval; elements = { 10.0.0.0/8 : s, 255.0.0.0/8 : s } }",
        'map m { type ipv4_addr : counter; flags interval; elements = { 10.0.0.0/8 comment "x" : s } }',
        'map m { type inet_service . ipv6_addr : counter; flags interval; elements = { 5-6 . ::/0 comment "x" : s } }',
        'map m { type ifname : counter; flags interval; elements = { "wg*" : s, "eth0" : s } }',
        "map m { type inet_service . uid : counter; flags interval; elements = { 5 . 1000-1005 : s } }",
        "map m { type uid . uid : counter; elements = { 5 . 1000 : s } }",
    ],
)
def test_both_ways_of_reading_agree_about_what_is_foreign(netns: Namespace, nft: LibNft, text: str) -> None:
    netns.nft(f"flush ruleset\ntable inet secmarkd {{ counter s {{ }}; {text}; }}".replace(": s", ': "s"'))
    live = nft.read()
    assert live == listed(netns, live)


PLAIN = [each for each in full_table().maps if not is_tree(each.key, each.interval) and each.elements]


@pytest.mark.parametrize("map_", PLAIN, ids=lambda each: each.name)
def test_what_is_written_by_raw_netlink_is_what_libnftables_writes(
    netns: Namespace, nft: LibNft, map_: Map, lists: NetlinkDump
) -> None:
    nft.commit((Replace(full_table()),))

    def each() -> list[tuple[int, bytes]]:
        return sorted(attributes(b"".join(lists.elements(NAME, map_.name))))

    before = each()
    nft.commit_at((DeleteElements(map_, map_.elements),), nft.generation())
    assert each() == []
    nft.commit_at((AddElements(map_, map_.elements),), nft.generation())
    assert each() == before
    live = nft.read()
    assert live == listed(netns, live) == full_table()


# --- what is the same as long as nobody changes it ---


@pytest.fixture
def structures(nft: LibNft, lists: NetlinkDump) -> NetlinkDump:
    nft.commit((Replace(full_table()),))
    return lists


@pytest.mark.parametrize(
    "text",
    [
        "delete element inet secmarkd m_port { 6 . 80 }",
        'add element inet secmarkd m_user { 5 . 6 . 7 comment "x" : "s_http" }',
        "flush map inet secmarkd m_ranges",
        "reset counters",
        "add table inet other { chain secmarkd { type filter hook input priority 5; }; }",
        "add table inet secmarkd2\nadd counter inet secmarkd2 s_http",
        "add rule inet secmarkd done drop\nflush chain inet secmarkd empty",
    ],
)
def test_only_what_is_no_element_changes_the_structure(netns: Namespace, structures: NetlinkDump, text: str) -> None:
    before = structures.structure(NAME)
    netns.nft(text)
    assert (structures.structure(NAME) == before) == ("rule" not in text)


@pytest.mark.parametrize(
    "text",
    [
        "add rule inet secmarkd done drop",
        "insert rule inet secmarkd done accept",
        "flush chain inet secmarkd done",
        "add chain inet secmarkd new",
        "add chain inet secmarkd routed { policy drop; }",
        "add counter inet secmarkd new",
        "add quota inet secmarkd new { over 5 mbytes }",
        "add map inet secmarkd new { type inet_service : counter; }",
        "delete map inet secmarkd m_empty_ranges",
        "add set inet secmarkd new { type mark; }",
        "add table inet secmarkd { flags dormant; }",
        'add ct helper inet secmarkd new { type "ftp" protocol tcp; }',
    ],
)
def test_whatever_else_changes_changes_the_structure(netns: Namespace, structures: NetlinkDump, text: str) -> None:
    before = structures.structure(NAME)
    netns.nft(text)
    assert structures.structure(NAME) != before


def test_an_equal_table_in_the_place_of_the_old_one_is_another(nft: LibNft, structures: NetlinkDump) -> None:
    before = structures.structure(NAME)
    nft.commit((Replace(full_table()),))
    assert structures.structure(NAME) != before


def test_of_a_table_that_is_not_there_nothing_is_listed(netns: Namespace, structures: NetlinkDump) -> None:
    netns.nft("delete table inet secmarkd")
    with pytest.raises(FileNotFoundError):
        structures.elements(NAME, "m_port")
    netns.nft("add table inet secmarkd")
    with pytest.raises(FileNotFoundError):
        structures.elements(NAME, "m_port")


def test_reading_leaves_no_descriptor_behind(netns: Namespace) -> None:
    netlink = Netlink()
    reader = Reader(lambda: netlink)
    netns.nft("flush ruleset")
    assert reader.read() is None
    netns.nft("add table inet secmarkd")
    assert reader.read() == Table()
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        netns.nft("add counter inet secmarkd c\ndelete counter inet secmarkd c")
        assert reader.read() == Table()
    assert len(os.listdir("/proc/self/fd")) == before
    reader.close()
    netlink.close()
