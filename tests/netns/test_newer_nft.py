# SPDX-License-Identifier: GPL-2.0-or-later
"""A rule of another table, written by a newer nft, that crashes an older libnftables.

The bytes are what nft 1.1.3 sent to the kernel for `meta mark set ip saddr map { 10.0.0.1 : 0x1 }` in `table inet theirs`.
libnftables 1.0.6 dies of SIGSEGV when it has to look at the user data of that map, which it does for nearly every write of
ours; where it is new enough to bear the rule, nothing happens at all.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from secmarkd.adapters.netlink.socket import open_link
from secmarkd.adapters.nftables.port import LibNft
from secmarkd.events import DriftDetected, DriftRepaired, Recovered, RepairFailed, WorkerCrashed
from secmarkd.netlink.codec import Message, messages, nfgenmsg, nft, text
from secmarkd.netlink.numbers import Nfnl, Nfproto
from secmarkd.service.status import State
from secmarkd.table.elements import Elements
from secmarkd.table.transaction import DeleteElements
from tests.support.capability import require, require_bindings
from tests.support.kernel_rig import KernelRig
from tests.support.namespace import Namespace
from tests.support.raw_batch import NEWCHAIN, NEWRULE, NEWSET, NEWSETELEM, batch, rebuilt
from tests.support.service_rig import Mode, configuration

BATCH = Path(__file__).parents[1] / "fixtures/nft/1.1.3/typeof_map.hex"
DAMAGE = "add rule inet secmarkd input accept"


@pytest.fixture
def rig(netns: Namespace) -> Iterator[KernelRig]:
    require_bindings()
    with netns.enter():
        rig = KernelRig(netns, configuration(80, 443, mode=Mode.REHEARSE))
        yield rig
        rig.close()


def add_their_rule(rig: KernelRig) -> None:
    """As the newer nft does it; the calling thread is in the namespace."""
    with open_link() as link:
        link.send(bytes.fromhex(BATCH.read_text()))


def delete_their_table() -> None:
    """Without nft, which the rule crashes too."""

    def message(kind: int, family: int, resource: int = 0, body: bytes = b"") -> bytes:
        return Message(kind, 1, nfgenmsg(family, resource) + body).encoded()

    subsystem, delete_table = Nfnl.SUBSYS_NFTABLES, nft(2)
    begin, end = message(0x10, 0, subsystem), message(0x11, 0, subsystem)
    with open_link() as link:
        link.send(begin + message(delete_table, Nfproto.INET, body=text(1, "theirs")) + end)


def crashes(rig: KernelRig) -> bool:
    """Whether this machine's libnftables is one that the rule crashes."""
    return rig.namespace.run("nft list ruleset", check=False).returncode == 139


def state(rig: KernelRig) -> State:
    return rig.service.status.state


@pytest.mark.fault(10)
def test_the_service_outlives_it_says_so_and_recovers_when_the_rule_is_gone(rig: KernelRig) -> None:
    whole = rig.listing()
    rig.namespace.nft(DAMAGE)
    add_their_rule(rig)
    require(crashes(rig), "needs a libnftables that this rule crashes, such as Debian 12's 1.0.6")
    damaged = rig.listing()
    rig.woken()
    events = rig.journal.take()
    (crashed,) = [each for each in events if isinstance(each, WorkerCrashed)]
    assert "libnftables died of SIGSEGV" in str(crashed)
    assert "a newer nft" in str(crashed)
    assert any(isinstance(each, RepairFailed) for each in events)
    assert state(rig) is State.DEGRADED
    assert rig.listing() == damaged

    rig.clock.now += 1
    rig.service.tick()
    assert state(rig) is State.DEGRADED
    assert rig.journal.take() == []

    delete_their_table()
    rig.clock.now += 2
    rig.service.tick()
    assert [type(each) for each in rig.journal.take()] == [DriftRepaired, Recovered]
    assert rig.listing() == whole
    assert state(rig) is State.IN_SYNC


def add_it_to_our_table() -> None:
    """The same rule, with its set, in a chain of our table."""
    listed = []
    for message in messages(bytes.fromhex(BATCH.read_text())):
        kind = message.kind - nft(0)
        if kind in (NEWCHAIN, NEWRULE, NEWSET, NEWSETELEM):
            listed.append((kind, message.flags & ~0x5, rebuilt(message.attributes, a1=lambda _: b"secmarkd\0")))
    batch(listed)


@pytest.mark.fault(10)
def test_where_it_is_in_our_table_it_is_taken_out_and_all_else_put_right(rig: KernelRig) -> None:
    whole = rig.listing()
    add_it_to_our_table()
    require(crashes(rig), "needs a libnftables that this rule crashes, such as Debian 12's 1.0.6")
    rig.woken()
    events = rig.journal.take()
    assert any(isinstance(each, DriftRepaired) for each in events), events
    assert state(rig) is State.IN_SYNC
    assert rig.listing() == whole
    assert not crashes(rig)


@pytest.mark.fault(10)
def test_elements_are_put_right_beside_it(rig: KernelRig) -> None:
    """By raw netlink, as they were taken out here."""
    add_their_rule(rig)
    rig.woken()
    ports = next(each for each in rig.loaded.table.maps if each.name == "server_port")
    gone = Elements.of(ports.elements.width, list(ports.elements.items())[:1])
    with closing(LibNft()) as other:
        other.commit_at((DeleteElements(ports, gone),), other.generation())
    rig.woken()
    assert [type(each) for each in rig.journal.take()] == [DriftDetected, DriftRepaired]
    assert rig.nft.read() == rig.loaded.table
    assert state(rig) is State.IN_SYNC


@pytest.mark.fault(10)
def test_reading_goes_on_beside_it(rig: KernelRig) -> None:
    add_their_rule(rig)
    rig.service.ask_verify()
    rig.service.tick()
    assert state(rig) is State.IN_SYNC
    rig.nft.close()  # nothing may be remembered
    assert rig.nft.read() == rig.loaded.table
    assert rig.journal.take() == []
