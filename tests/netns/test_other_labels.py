# SPDX-License-Identifier: GPL-2.0-or-later
"""Other tables that set labels, among real rules: found, placed beside ours, and looked for no longer than is cheap."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from secmarkd.adapters.netlink.labellers import MOST_BYTES, MOST_SECONDS, NetlinkLabellers
from secmarkd.table.other_labels import Does, OtherLabel, OtherLabels, Position
from tests.support.capability import require_namespaces
from tests.support.namespace import Namespace

OTHERS = """
table inet other {
    chain late { type filter hook input priority 60; ct secmark set meta secmark; }
    chain early { type filter hook output priority 0; meta secmark set ct secmark; }
    chain jumped { tcp dport 1 meta secmark set ct secmark; }
    chain reads { type filter hook input priority 70; ct secmark and 0xffffffff != 0 counter; }
}
table ip calm {
    chain f { type filter hook forward priority 0; meta mark set ct mark; ct mark set meta mark; }
}
table inet secmarkd {
    chain input { type filter hook input priority 50; ct secmark set meta secmark; }
}
"""
LATE = OtherLabel("inet", "other", "late", "input", 60, Does.CONNECTIONS, Position.AFTER)
EARLY = OtherLabel("inet", "other", "early", "output", 0, Does.PACKETS, Position.BEFORE)
JUMPED = OtherLabel("inet", "other", "jumped", "", None, Does.PACKETS, Position.UNKNOWN)


@pytest.fixture
def netns(netns: Namespace) -> Iterator[Namespace]:
    with netns.enter():
        yield netns


def look(most_bytes: int = MOST_BYTES) -> OtherLabels:
    return NetlinkLabellers(most_bytes=most_bytes).look()


def many_rules(netns: Namespace, number: int, table: str = "big") -> None:
    rules = "\n".join(
        f"ip saddr 10.0.{each >> 8 & 255}.{each & 255} tcp dport 80 counter accept" for each in range(number)
    )
    netns.nft(f"table inet {table} {{ chain c {{\n{rules}\n}}\n}}")


def test_where_nobody_labels_nothing_is_found(netns: Namespace) -> None:
    assert look() == OtherLabels()
    netns.nft("table inet secmarkd { chain c { ct secmark set meta secmark\n}\n}")
    assert look() == OtherLabels()


def test_each_chain_that_labels_is_found_and_placed_and_no_other(netns: Namespace) -> None:
    netns.nft(OTHERS)
    assert look() == OtherLabels((EARLY, JUMPED, LATE))


def test_rules_beyond_the_limit_are_left_and_said_to_be(netns: Namespace) -> None:
    netns.nft(OTHERS)
    many_rules(netns, 3000)
    assert look() == OtherLabels((EARLY, JUMPED, LATE))
    found = look(most_bytes=100_000)
    assert not found.whole
    assert found.found == (EARLY, JUMPED, LATE), "the tables that were made first come first, hooks included"


@pytest.mark.slow
def test_a_look_at_very_many_rules_ends_soon(netns: Namespace) -> None:
    many_rules(netns, 20_000)
    many_rules(netns, 20_000, "more")
    began = time.monotonic()
    look()
    assert time.monotonic() - began < 4 * MOST_SECONDS + 1


def test_others_who_keep_changing_the_ruleset_are_no_reason_to_fail(netns: Namespace) -> None:
    netns.nft(OTHERS)
    ended = threading.Event()

    def write() -> None:
        with netns.enter():
            while not ended.is_set():
                netns.nft("add table ip noise; delete table ip noise")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(20):
            assert look().found == (EARLY, JUMPED, LATE)
    finally:
        ended.set()
        writer.join()


def test_the_old_iptables_may_label_where_its_targets_are_loaded_and_its_tables_are_used(
    netns: Namespace, tmp_path: Path
) -> None:
    (tmp_path / "ip_tables_targets").write_text("ERROR\nSECMARK\n")
    assert NetlinkLabellers(proc_net=tmp_path).look() == OtherLabels()
    (tmp_path / "ip_tables_names").write_text("filter\nmangle\n")
    (found,) = NetlinkLabellers(proc_net=tmp_path).look().found
    assert "table ip mangle: may set labels" in str(found)
    (tmp_path / "ip_tables_targets").write_text("ERROR\nMARK\n")
    assert NetlinkLabellers(proc_net=tmp_path).look() == OtherLabels()


def test_another_namespaces_tables_are_none_of_ours(netns: Namespace) -> None:
    require_namespaces()
    with Namespace() as elsewhere:
        elsewhere.nft("table inet other { chain c { ct secmark set meta secmark\n}\n}")
        assert look() == OtherLabels()
