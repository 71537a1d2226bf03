# SPDX-License-Identifier: GPL-2.0-or-later
"""What someone with CAP_NET_ADMIN does to hide, to have commands carried out, or to end repairs: seen, named, undone."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from secmarkd.events import DriftDetected, DriftFlood, DriftRepaired, Event
from secmarkd.model.label_map import Mode
from secmarkd.netlink.codec import text
from secmarkd.nft.names import can_be_named
from tests.support.capability import NFT, require_bindings
from tests.support.kernel_rig import KernelRig
from tests.support.names import FINE, STRANGE
from tests.support.namespace import Namespace
from tests.support.raw_batch import NEWCHAIN, batch
from tests.support.raw_netlink import attribute
from tests.support.service_rig import configuration

T = "inet secmarkd"
NAME = text(1, "secmarkd")
CREATE = 0x400
NEWSET, NEWOBJ = 9, 18


@pytest.fixture
def rig(netns: Namespace) -> Iterator[KernelRig]:
    require_bindings()
    netns.nft("add table inet victim")
    with netns.enter():
        rig = KernelRig(netns, configuration(80, 443, mode=Mode.REHEARSE))
        yield rig
        rig.close()


def undone(rig: KernelRig, whole: list[str]) -> str:
    """Have the service look; what it said. Afterwards all is as it was, and the tables of others are there."""
    rig.woken()
    events: list[Event] = rig.journal.take()
    said = "\n".join(str(each) for each in events if isinstance(each, DriftDetected | DriftFlood))
    assert any(isinstance(each, DriftRepaired) for each in events), events
    assert all(str(each).isprintable() for each in events)
    assert rig.service.status.state == "in sync"
    assert rig.listing() == whole
    assert "table inet victim" in rig.namespace.nft("list tables")
    return said


def u32(kind: int, value: int) -> bytes:
    return attribute(kind, value.to_bytes(4, "big"))


def raw(name: str) -> bytes:
    return name.encode(errors="surrogateescape") + b"\0"


def a_chain(name: str) -> tuple[int, int, bytes]:
    return NEWCHAIN, CREATE, NAME + attribute(3, raw(name))


def a_base_chain(name: str) -> tuple[int, int, bytes]:
    hook = attribute(4, u32(1, 3) + u32(2, 7))
    return NEWCHAIN, CREATE, NAME + attribute(3, raw(name)) + hook + attribute(7, b"filter\0")


def a_set(name: str) -> tuple[int, int, bytes]:
    return NEWSET, CREATE, NAME + attribute(2, raw(name)) + u32(3, 0) + u32(4, 13) + u32(5, 2) + u32(10, 1)


def a_map(name: str) -> tuple[int, int, bytes]:
    return (
        NEWSET,
        CREATE,
        NAME + attribute(2, raw(name)) + u32(3, 0x40) + u32(4, 13) + u32(5, 2) + u32(10, 1) + u32(15, 1),
    )


def an_object(kind: int) -> Callable[[str], tuple[int, int, bytes]]:
    data = b"" if kind == 1 else attribute(1, (5000).to_bytes(8, "big")) + u32(2, 1)
    return lambda name: (NEWOBJ, CREATE, NAME + attribute(2, raw(name)) + u32(3, kind) + attribute(4, data))


THINGS = {
    "chain": a_chain, "base chain": a_base_chain, "set": a_set, "map": a_map, "counter": an_object(1),
    "quota": an_object(2),
}  # fmt: skip


@pytest.mark.parametrize("kind", THINGS)
def test_whatever_a_thing_is_called_it_is_taken_out_and_nothing_is_carried_out(rig: KernelRig, kind: str) -> None:
    whole = rig.listing()
    for name in (*STRANGE, *FINE):
        if not name or (name in ("input", "server_port") and kind != "quota"):
            continue  # no name at all is refused by the kernel; ours are taken
        batch([THINGS[kind](name)])
        said = undone(rig, whole)
        assert said, ascii(name)
        rig.clock.now += 100


def test_a_strange_name_beside_other_damage_keeps_none_of_it(rig: KernelRig) -> None:
    whole = rig.listing()
    for name in ("my-chain", "drop", "input ; delete table inet victim"):
        batch([a_chain(name)])
        rig.namespace.nft(f"flush chain {T} input_original; delete element {T} server_port {{ tcp . 80 }}")
        said = undone(rig, whole)
        assert "chain input_original" in said
        assert name in said
        rig.clock.now += 100


def test_two_chains_of_one_name_hide_nothing(rig: KernelRig) -> None:
    """The base chain goes to an empty chain, and the rules stand in another of the same name that nothing enters."""
    whole = rig.listing()
    rig.namespace.nft(f"add chain {T} theirs")
    rig.namespace.nft(
        f"flush chain {T} input\nflush chain {T} input_original\ndelete chain {T} input_original\n"
        f"rename chain {T} theirs input_original\nadd chain {T} input_original\n"
        f"add rule {T} input_original accept\nadd rule {T} input ct direction original goto theirs\n"
    )
    assert rig.namespace.nft(f"list table {T}").count("chain input_original") == 2
    said = undone(rig, whole)
    assert "chains of one name input_original" in said
    assert "by nft (" in said


def test_two_chains_of_a_name_that_none_of_ours_has_are_taken_out_at_once(rig: KernelRig) -> None:
    whole = rig.listing()
    rig.namespace.nft(f"rename chain {T} server_in x; add chain {T} x")
    assert "chains of one name x" in undone(rig, whole)


def test_one_byte_that_is_no_text_ends_nothing(rig: KernelRig) -> None:
    """libnftables' JSON of such a rule aborts it, in 1.0.6 and in 1.1.3."""
    whole = rig.listing()
    text = b'insert rule inet secmarkd input_original iifname "\xff\xfe" accept\n'
    subprocess.run(rig.namespace.argv([NFT, "-f", "-"]), input=text, check=True)
    rig.namespace.nft(f"flush chain {T} output_original")
    said = undone(rig, whole)
    assert r'chain input_original rule 1; found meta iifname == "\xff\xfe' in said
    assert "chain output_original" in said


def test_comments_anywhere_are_seen(rig: KernelRig) -> None:
    whole = rig.listing()
    rig.namespace.nft(f'add chain {T} theirs {{ comment "x"; }}')
    assert "theirs" in undone(rig, whole)
    rig.clock.now += 100
    rig.namespace.nft(f'insert rule {T} input_original accept comment "x"')
    assert 'comment "x"' in undone(rig, whole)


# --- the gate, and the nft of this machine ---

ASK = r"""
import re, subprocess, sys
from nftables import Nftables
nft = Nftables()
nft.set_dry_run(True)
library = open(sys.argv[1], "rb").read()
words = {each.decode() for each in re.findall(rb'\x00"([A-Za-z][A-Za-z0-9_./-]*)"(?=\x00)', library)}
words |= set(sys.argv[2:])
forms = ("add chain inet secmarkd {0}", "delete chain inet secmarkd {0}", "flush chain inet secmarkd {0}",
         "add map inet secmarkd {0} {{ type inet_service : counter; }}", "delete map inet secmarkd {0}",
         "delete set inet secmarkd {0}", "add counter inet secmarkd {0}", "delete counter inet secmarkd {0}",
         "delete quota inet secmarkd {0}", "delete limit inet secmarkd {0}", "delete ct helper inet secmarkd {0}",
         "delete ct timeout inet secmarkd {0}", "delete synproxy inet secmarkd {0}", "delete flowtable inet secmarkd {0}",
         "add rule inet secmarkd input jump {0}", "add rule inet secmarkd input counter name th dport map @{0}")
for word in sorted(words):
    for form in forms:
        status, _, said = nft.cmd(form.format(word))
        if status and "syntax error" in said:
            print(word)
            break
print(len(words))
"""


@pytest.mark.slow
def test_no_word_that_nft_takes_for_something_else_passes_the_gate(rig: KernelRig) -> None:
    listed = subprocess.run(["ldconfig", "-p"], capture_output=True, text=True, check=True).stdout
    library = next(line.split()[-1] for line in listed.splitlines() if "libnftables.so.1" in line)
    words = [each for each in FINE if len(each) < 100] + ["and", "or", "xor", "eq", "ne", "lshift", "destroy", "last"]
    said = rig.namespace.run([sys.executable, "-c", ASK, library, *words], timeout=300).stdout.split()
    refused, asked = said[:-1], int(said[-1])
    assert asked > 300
    assert len(refused) > 100
    assert [word for word in refused if can_be_named(word)] == []
