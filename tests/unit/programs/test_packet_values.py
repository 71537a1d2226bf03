# SPDX-License-Identifier: GPL-2.0-or-later
"""Packets in words."""

from __future__ import annotations

import pytest

from secmarkd.model.address import parse_address
from secmarkd.model.context import parse_context
from secmarkd.model.packet import Direction, Hook, Packet
from secmarkd.model.protocols import ICMP, TCP, UDP
from secmarkd.programs.packet_syntax import EXAMPLE, Unclear
from secmarkd.programs.packet_values import ASSUMED_PORT, parse_packet


def parse(words: str) -> Packet:
    return parse_packet(words.split())[0]


def test_the_example_is_a_packet() -> None:
    assert parse(EXAMPLE) == Packet(
        hook=Hook.INPUT, direction=Direction.ORIGINAL, protocol=TCP, source=parse_address("192.0.2.7"),
        destination=parse_address("198.51.100.7"), source_port=51234, destination_port=443, input_interface="eth0",
        opens=True, new=True,
    )  # fmt: skip


def test_order_case_and_commas_do_not_matter() -> None:
    assert parse(
        "To 198.51.100.7:443, ON eth0, TCP packet IN from 192.0.2.7 port 51234".replace("ON", "on")
    ) == parse(EXAMPLE)


def test_one_word_may_hold_several() -> None:
    assert parse_packet([EXAMPLE])[0] == parse(EXAMPLE)


def test_ipv6_ports_follow_brackets_or_the_word_port() -> None:
    one = parse("out tcp from 2001:db8::1 port 50000 to [2001:db8::2]:443")
    assert one.destination_port == 443
    assert one.source_port == 50000
    assert one.source == parse_address("2001:db8::1")


def test_ports_may_be_named() -> None:
    assert parse("out udp from 10.0.0.1 to 10.0.0.2 port domain").destination_port == 53


def test_the_port_that_does_not_matter_is_assumed_and_that_is_said() -> None:
    packet, assumed = parse_packet("in tcp from 10.0.0.1 to 10.0.0.2:22 on eth0".split())
    assert packet.source_port == ASSUMED_PORT
    assert assumed == (f"port {ASSUMED_PORT} after the address that follows `from`",)
    assert parse("out tcp from 10.0.0.2:22 to 10.0.0.1 reply on eth0").destination_port == ASSUMED_PORT


def test_a_reply_and_an_established_packet_open_nothing() -> None:
    assert not parse("in tcp from 10.0.0.1:80 to 10.0.0.2:5000 reply").opens
    assert not parse("in tcp from 10.0.0.1:5000 to 10.0.0.2:80 established").opens
    assert not parse("in udp from 10.0.0.1:5000 to 10.0.0.2:80").opens


def test_forwarded_packets_have_two_interfaces() -> None:
    packet = parse("forward icmp from 10.0.0.1 to 10.9.0.1 on eth0 via eth1 untracked")
    assert (packet.hook, packet.protocol, packet.direction) == (Hook.FORWARD, ICMP, Direction.UNKNOWN)
    assert (packet.input_interface, packet.output_interface) == ("eth0", "eth1")


def test_the_local_process_can_be_named() -> None:
    packet = parse("out 17 from 10.0.0.1 to 10.0.0.2:53 user root cgroup /system.slice/x.service expected")
    assert (packet.protocol, packet.user, packet.cgroup, packet.expected) == (UDP, 0, "system.slice/x.service", True)
    mounted = parse("out 17 from 10.0.0.1 to 10.0.0.2:53 user 0 cgroup /sys/fs/cgroup/system.slice/x.service")
    assert (mounted.user, mounted.cgroup) == (packet.user, packet.cgroup)


def test_a_saved_label_is_a_whole_context_with_its_commas() -> None:
    packet = parse("in tcp from 10.0.0.1:20 to 10.0.0.2:5000 saved system_u:object_r:ftp_packet_t:s0:c0,c3")
    assert packet.saved == parse_context("system_u:object_r:ftp_packet_t:s0:c0,c3")


def test_saying_the_same_twice_is_no_contradiction() -> None:
    assert parse(f"{EXAMPLE} in tcp on eth0 to 198.51.100.7:443 port 443 syn new") == parse(EXAMPLE)


def test_words_of_grammar_stand_before_values_too() -> None:
    assert parse("in the tcp packet from the 192.0.2.7:51234 to 198.51.100.7:443 on interface eth0") == parse(EXAMPLE)


@pytest.mark.parametrize(
    ("ends", "interface"),
    [
        ("from 127.0.0.1 to 127.0.0.1", "lo"),
        ("from 127.0.0.1 to 127.0.0.2", "lo"),
        ("from ::1 to ::1", "lo"),
        ("from 10.0.0.1 to 10.0.0.1", "lo"),
        ("from 127.0.0.1 to 10.0.0.1", ""),
    ],
)
def test_between_this_hosts_own_addresses_the_loopback_interface_is_assumed(ends: str, interface: str) -> None:
    for way in ("in", "out"):
        packet, assumed = parse_packet(f"{way} gre {ends}".split())
        assert (packet.input_interface or packet.output_interface) == interface
        assert assumed == (f"interface {interface}" if interface else "an interface that no label names",)


@pytest.mark.parametrize(
    ("interfaces", "assumed"),
    [
        ("", ("in by an interface that no label names", "out by an interface that no label names")),
        ("on eth0", ("out by an interface that no label names",)),
        ("via eth0", ("in by an interface that no label names",)),
        ("on eth0 via eth1", ()),
    ],
)
def test_interfaces_of_forwarded_packets_that_are_not_said_are_assumed(
    interfaces: str, assumed: tuple[str, ...]
) -> None:
    assert parse_packet(f"forward gre from 10.0.0.1 to 10.9.0.1 {interfaces}".split())[1] == assumed


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ("tcp from 1.2.3.4 to 1.2.3.5:80", "in, out or forward"),
        ("in from 1.2.3.4 to 1.2.3.5:80", "protocol is missing"),
        ("in tpc from 1.2.3.4 to 1.2.3.5:80", 'unknown protocol "tpc"; write "tcp" if tcp is meant'),
        ("in tcp to 1.2.3.5:80", "after `from` is missing"),
        ("in tcp from 1.2.3.4 to", "after 'to' something is missing"),
        ("in tcp from 1.2.3.4 to 1.2.3.5", "port of the service is missing"),
        ("in tcp from 1.2.3.4 to 1.2.3.5:http5", "neither a port"),
        ("in tcp from 1.2.3.4 to 1.2.3.5:70000", "neither a port"),
        ("in tcp from 1.2.3.400 to 1.2.3.5:80", "not an address"),
        ("in tcp from ::1 to 1.2.3.5:80", "one address family"),
        ("in icmp from 1.2.3.4 to 1.2.3.5:80", "icmp has no ports"),
        ("in tcp port 5 from 1.2.3.4 to 1.2.3.5", "after the address it belongs to"),
        ("in tcp sideways from 1.2.3.4 to 1.2.3.5:80", "'sideways' is not understood"),
        ("in tcp from 1.2.3.4 to 1.2.3.5:80 user nobody-here", "no user"),
        ("in ² from 1.2.3.4 to 1.2.3.5", 'unknown protocol "²"'),
        ("in ٣ from 1.2.3.4 to 1.2.3.5", 'unknown protocol "٣"'),
        ("in 256 from 1.2.3.4 to 1.2.3.5", "invalid protocol 256"),
        ("in ipip from 1.2.3.4 to 1.2.3.5", "write 4, or write 94"),
        ("in tcp from ::ffff:1.2.3.4 to ::1 port 5", 'which is IPv4; write "1.2.3.4"'),
        ("in tcp from 1.2.3.4 to 1.2.3.5:²", "neither a port"),
        (f"in tcp from 1.2.3.4 to 1.2.3.5:{'9' * 5000}", "neither a port"),
        ("in tcp from 1.2.3.4 to 1.2.3.5:\udcff", "neither a port"),
        ("in tcp from 1.2.3.4 to 1.2.3.5:80 user ²", "no user"),
        ("in tcp from 1.2.3.4 to 1.2.3.5:80 user 4294967295", "invalid uid 4294967295"),
        ("in tcp from 1.2.3.4 to 1.2.3.5:", "no port after its colon"),
        ("in tcp from 1.2.3.4 to [2001:db8::1]:", "no port after its colon"),
        ("in tcp from [1.2.3.4 to 1.2.3.5:80", r"'\[1.2.3.4' is not \[ADDRESS\]:PORT"),
        ("in tcp from [::1]80 to ::1 port 80", r"is not \[ADDRESS\]:PORT"),
        ("in tcp from fe80::1%eth0 to fe80::2 port 80", "has a zone; write fe80::1, and the interface as `on eth0`"),
        ("in tcp from 1.2.3.4 from 1.2.3.6 to 1.2.3.5:80", "`from` was said twice: 1.2.3.4 and 1.2.3.6"),
        ("in tcp from 1.2.3.4 to 1.2.3.5:80 port 81", "the port .* `to` was said twice"),
        ("in tcp from 1.2.3.4 to 1.2.3.5 port 80 port 81", "the port .* `to` was said twice: 80 and 81"),
        ("in tcp from 1.2.3.4 to 1.2.3.5:80 out", "'out': the packet's way was said before"),
        ("in tcp udp from 1.2.3.4 to 1.2.3.5:80", "'udp' is not understood here; the protocol is tcp already"),
        ("in tcp from 1.2.3.4 to 1.2.3.5:80 via eth0", "write `on eth0`"),
        ("in tcp from 1.2.3.4 to 1.2.3.5:80 on eth*", r"without \*"),
        ("in tcp from 1.2.3.4 to 1.2.3.5:80 on sixteen-letters0", "too long"),
        ("in tcp from 1.2.3.4 to 1.2.3.5:80 cgroup a/../b", '".." part'),
        ("in tcp from 1.2.3.4 to 1.2.3.5:80 reply original", "not both `reply` and `original`"),
        ("in tcp from 1.2.3.4 to 1.2.3.5:80 invalid original", "not both `invalid` and `original`"),
        ("in tcp from 1.2.3.4 to 1.2.3.5:80 untracked expected", "not both `untracked` and `expected`"),
        ("in tcp from 1.2.3.4 to 1.2.3.5:80 established syn", "not both `established` and `syn`"),
        ("in tcp from 1.2.3.4 to 1.2.3.5:80 new reply", "not both `new` and `reply`"),
        ("in udp from 1.2.3.4 to 1.2.3.5:80 syn", "udp has no SYN"),
        ("in icmpv6 from 1.2.3.4 to 1.2.3.5", "icmpv6 does not go over IPv4, whose addresses these are; write icmp$"),
        ("in icmp from ::1 to ::2", "icmp does not go over IPv6, whose addresses these are; write icmpv6$"),
        ("forward tcp from 1.2.3.4 to 1.2.3.5:80 user 0", "no process of this host; leave `user` out"),
        ("forward tcp from 1.2.3.4 to 1.2.3.5:80 cgroup a", "no process of this host; leave `cgroup` out"),
        ("in tcp from 1.2.3.4 to 1.2.3.5:80 saved ftp_packet_t", "user:role:type"),
        ("in tcp from 1.2.3.4 to 1.2.3.5:80 invalid saved a:b:c", "`invalid` has no connection"),
        ("in tcp from 1.2.3.4 to 1.2.3.5:80 syn unseen", "not both `syn` and `unseen`"),
        ("in udp from 1.2.3.4 to 1.2.3.5:80 unseen saved a:b:c", "leave `saved` or `unseen` out"),
        ("in tcp from 1.2.3.4 to 1.2.3.5:80 labelled a:b:c", "only at output"),
        ("out tcp from 1.2.3.4 to 1.2.3.5:80 cgroup a saved a:b:c", "the `user` is missing"),
    ],
)
def test_unclear_words_are_answered_with_an_example(words: str, complaint: str) -> None:
    with pytest.raises(Unclear, match=complaint) as caught:
        parse(words)
    assert EXAMPLE in caught.value.hint
