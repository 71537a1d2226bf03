"""Packets in words."""

from __future__ import annotations

import pytest

from secmarkd.cli.words import ASSUMED_PORT, EXAMPLE, Unclear, parse_packet
from secmarkd.model.address import parse_address
from secmarkd.model.packet import Direction, Hook, Packet
from secmarkd.model.protocols import ICMP, TCP, UDP


def parse(words: str) -> Packet:
    return parse_packet(words.split())[0]


def test_the_example_is_a_packet() -> None:
    assert parse(EXAMPLE) == Packet(
        hook=Hook.INPUT, direction=Direction.ORIGINAL, protocol=TCP, source=parse_address("192.0.2.7"),
        destination=parse_address("198.51.100.7"), source_port=51234, destination_port=443, input_interface="eth0",
        opens=True,
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


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ("tcp from 1.2.3.4 to 1.2.3.5:80", "in, out or forward"),
        ("in from 1.2.3.4 to 1.2.3.5:80", "protocol is missing"),
        ("in tpc from 1.2.3.4 to 1.2.3.5:80", "'tpc' is not a protocol"),
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
    ],
)
def test_unclear_words_are_answered_with_an_example(words: str, complaint: str) -> None:
    with pytest.raises(Unclear, match=complaint) as caught:
        parse(words)
    assert EXAMPLE in caught.value.hint
