# SPDX-License-Identifier: GPL-2.0-or-later
"""Selectors that no packet of this host can match are said, with what to write."""

from __future__ import annotations

import pytest

from secmarkd.model.address import parse_prefix
from secmarkd.model.host import HostNetwork, Interface
from secmarkd.model.label_map import Origin, Role
from secmarkd.model.sources import Mention, Thing
from secmarkd.programs.unmatched import MOST_NOTES, of_interface, of_local, unmatched

NETWORK = HostNetwork(
    (
        Interface("lo"), Interface("eth0", other_names=("enp3s0", "enx525400")), Interface("wg0", "wireguard"),
        Interface("br0", "bridge"), Interface("e1", "", "br0"), Interface("e2", "veth", "br0"),
        Interface("bond0", "bond"), Interface("s1", "", "bond0"), Interface("team0", "team"), Interface("t1", "", "team0"),
        Interface("red", "vrf"), Interface("r1", "", "red"), Interface("sw", ""), Interface("p1", "", "sw"),
        Interface("odd+", ""),
    ),
    tuple(map(parse_prefix, ("127.0.0.0/8", "198.51.100.7", "203.0.113.0/24", "::1", "2001:db8:77::/48"))),
)  # fmt: skip


@pytest.mark.parametrize("pattern", ["eth0", "lo", "wg0", "wg*", "eth*", "br0", "red", "bond0", "odd+", "e*"])
def test_what_packets_show_is_no_note(pattern: str) -> None:
    assert of_interface(pattern, NETWORK) == ""


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("e2", 'e2 is a port of the bridge br0: packets of this host enter and leave by br0; write "br0"'),
        ("s1", 's1 is a port of the bond bond0: packets of this host enter and leave by bond0; write "bond0"'),
        ("t1", 't1 is a port of the team team0: packets of this host enter and leave by team0; write "team0"'),
        ("p1", 'p1 is a port of the interface sw: packets of this host enter and leave by sw; write "sw"'),
        ("r1", 'r1 is in the VRF red: packets enter by red, and leave by red and then by r1; name both: "red", "r1"'),
        ("e1*", 'every matching interface is a port of another: e1 is a port of the bridge br0: packets of this '
                'host enter and leave by br0; write "br0"'),
        ("nope0", 'there is no interface "nope0" now; the label waits for it'),
        ("tun*", 'no interface has a name like "tun*" now; the label waits for one'),
        ("ppp+", '+ is not a wildcard here, only * at the end is; write "ppp*"'),
        ("+", "+ is not a wildcard here, only * at the end is; write the names"),
        ("eth?", '? and [ ] are not wildcards here, only * at the end is; write "eth*"'),
        ("eth[0-3]", '? and [ ] are not wildcards here, only * at the end is; write "eth*"'),
        ("eth[0-9]*", '? and [ ] are not wildcards here, only * at the end is; write "eth*"'),
        ("!eth0", '"!eth0" would be an interface of that name: interfaces cannot be excluded; name the others, or give '
                  '"eth0" a label of its own'),
        ("-eth0", '"-eth0" would be an interface of that name: interfaces cannot be excluded; name the others, or give '
                  '"eth0" a label of its own'),
        ("eth0,eth1", '"eth0,eth1" would be a single interface of that name; write "eth0", "eth1"'),
        ("eth0@if5", 'the part after @ does not belong to the name; write "eth0"'),
        ("any", '"any" would be an interface of that name; leave the key out for every interface'),
        ("ALL", '"ALL" would be an interface of that name; leave the key out for every interface'),
        ("ETH0", 'there is no interface "ETH0"; names are case-sensitive: write "eth0"'),
        ("ETH*", 'no interface has a name like "ETH*"; names are case-sensitive: write "eth*" (eth0)'),
        ("enp3s0", '"enp3s0" is an alternative name of eth0, and rules see only that; write "eth0"'),
    ],
)  # fmt: skip
def test_what_packets_never_show_is_said_with_what_to_write(pattern: str, why: str) -> None:
    assert of_interface(pattern, NETWORK) == why


def test_a_port_of_a_vrf_beside_the_vrf_is_no_note() -> None:
    assert of_interface("r1", NETWORK, ("red", "r1")) == ""


@pytest.mark.parametrize(
    "network",
    ["198.51.100.7", "198.51.100.0/24", "203.0.113.9", "127.0.0.53", "0.0.0.0/0", "224.0.0.251", "255.255.255.255",
     "::1", "2001:db8:77::5", "ff02::fb", "ff00::/8"],
)  # fmt: skip
def test_an_address_that_packets_to_this_host_may_have_is_no_note(network: str) -> None:
    assert of_local(parse_prefix(network), NETWORK) == ""


@pytest.mark.parametrize(
    ("network", "why"),
    [
        ("192.0.2.9", "this host has no address 192.0.2.9 now; the label waits for one"),
        ("192.0.2.0/24", "this host has no address in 192.0.2.0/24 now; the label waits for one"),
        ("2001:db8::/48", "this host has no address in 2001:db8::/48 now; the label waits for one"),
    ],
)
def test_another_hosts_address_is_one(network: str, why: str) -> None:
    assert of_local(parse_prefix(network), NETWORK) == why


def test_of_a_long_list_the_first_are_noted_and_that_there_are_more() -> None:
    origin = Origin("50-a.toml", 3, "labels.a.interface")
    mentions = [Mention("a", Thing.INTERFACE, f"tap{number}", origin) for number in range(MOST_NOTES + 100)]
    notes = list(unmatched(mentions, {}, NETWORK))
    assert len(notes) == MOST_NOTES + 1
    assert notes[-1].message == "more entries of this list match nothing"


def test_a_note_has_the_place_and_forwarded_packets_have_other_hosts_addresses() -> None:
    origin = Origin("50-a.toml", 3, "labels.a.local")
    mentions = [Mention(label, Thing.LOCAL, parse_prefix("192.0.2.9"), origin) for label in ("server", "router")]
    roles = {"server": frozenset((Role.SERVER, Role.CLIENT)), "router": frozenset((Role.FORWARD,))}
    (note,) = unmatched(mentions, roles, NETWORK)
    assert str(note).startswith("50-a.toml:3: labels.a.local: this host has no address 192.0.2.9 now")
