# SPDX-License-Identifier: GPL-2.0-or-later
"""Packets in words."""

from __future__ import annotations

import re

import pytest

from secmarkd.model.address import parse_address
from secmarkd.model.context import parse_context
from secmarkd.model.packet import Direction, Hook, Packet
from secmarkd.model.protocols import ICMP, TCP, UDP
from secmarkd.programs.packet_syntax import EXAMPLE, FLAGS, GRAMMAR, VALUES, PacketSyntaxError, parse_words
from secmarkd.programs.packet_values import ASSUMED_PORT, parse_packet
from secmarkd.programs.verbs.explain import DESCRIPTION
from tests.support.paths import REPOSITORY


def parse(words: str) -> Packet:
    return parse_packet(words.split())[0]


def test_the_example_is_a_packet() -> None:
    assert parse(EXAMPLE) == Packet(
        hook=Hook.INPUT, direction=Direction.ORIGINAL, protocol=TCP, source=parse_address("192.0.2.7"),
        destination=parse_address("198.51.100.7"), source_port=51234, destination_port=443, input_interface="eth0",
        opens=True, new=True,
    )  # fmt: skip


def test_clauses_stand_in_any_order() -> None:
    assert parse("in tcp on eth0 to 198.51.100.7:443 from 192.0.2.7 port 51234") == parse(EXAMPLE)


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
    assert assumed == (f"source port {ASSUMED_PORT}",)
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
    of_group = parse("out 17 from 10.0.0.1 to 10.0.0.2:53 group root")
    assert (of_group.user, of_group.group) == (None, 0)
    assert parse("out 17 from 10.0.0.1 to 10.0.0.2:53 user 0 group 50").group == 50
    mounted = parse("out 17 from 10.0.0.1 to 10.0.0.2:53 user 0 cgroup /sys/fs/cgroup/system.slice/x.service")
    assert (mounted.user, mounted.cgroup) == (packet.user, packet.cgroup)


def test_a_saved_label_is_a_whole_context_with_its_commas() -> None:
    packet = parse("in tcp from 10.0.0.1:20 to 10.0.0.2:5000 saved system_u:object_r:ftp_packet_t:s0:c0,c3")
    assert packet.saved == parse_context("system_u:object_r:ftp_packet_t:s0:c0,c3")


def test_a_name_that_is_also_a_keyword_is_a_value_after_another_keyword() -> None:
    words = parse_words(f"{EXAMPLE.removesuffix('eth0')} port user cgroup cgroup /on".split())
    assert {keyword: word.text for keyword, word in words.values.items()} == {
        "on": "port", "user": "cgroup", "cgroup": "/on",
    }  # fmt: skip


def test_the_examples_of_readme_and_help_are_packets() -> None:
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8") + DESCRIPTION
    examples = re.findall(r"secmarkctl explain ((?:in|out|forward) [^`\n]+)", text)
    assert len(examples) >= 3
    for example in examples:
        parse_packet([example], may_be_unknown=True)


def test_the_grammar_that_help_shows_has_every_word() -> None:
    shown = set(GRAMMAR.split())
    assert shown >= {"in", "out", "forward", "from", "to", "port", *VALUES, *FLAGS}


def test_readme_shows_the_grammar_of_help() -> None:
    assert GRAMMAR in (REPOSITORY / "README.md").read_text(encoding="utf-8")


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


AB = "from 1.2.3.4 to 1.2.3.5:80"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("", "^expected in, out or forward, got the end of the packet$"),
        (f"tcp {AB}", '^word 1: expected in, out or forward, got "tcp"$'),
        (f"Forward tcp {AB}", '^word 1: expected in, out or forward, got "Forward"; did you mean "forward"\\?$'),
        (f"the packet in tcp {AB}", '^word 1: expected in, out or forward, got "the"$'),
        ("in", '^expected a protocol after "in", got the end of the packet$'),
        (f"in {AB}", r'^word 2: expected a protocol \(tcp, udp, icmp, ... or a number\), got "from"$'),
        (f"in tpc {AB}", '^word 2: unknown protocol "tpc"; write "tcp" if tcp is meant'),
        ("in tcp to 1.2.3.5:80", '^"from" is missing; add from ADDRESS$'),
        ("in tcp from 1.2.3.4", '^"to" is missing; add to ADDRESS$'),
        ("in tcp from 1.2.3.4 to", '^expected an address after "to", got the end of the packet$'),
        ("in tcp from 1.2.3.4 to 1.2.3.5", '^word 6: .* after "1.2.3.5"; write to 1.2.3.5:PORT$'),
        ("in tcp from ::1 to ::2 reply", r'^word 4: .* after "::1"; write from \[::1\]:PORT$'),
        ("in tcp from 1.2.3.4 to 1.2.3.5:http5", r'^word 6: invalid port "http5" \(expected 0-65535, or .* for tcp\)$'),
        ("in tcp from 1.2.3.4 to 1.2.3.5 port 70000", '^word 8: invalid port "70000"'),
        ("in tcp from 1.2.3.4 to 1.2.3.5 port", '^expected a port after "port", got the end of the packet$'),
        ("in tcp from 1.2.3.400 to 1.2.3.5:80", '^word 4: expected ADDRESS or ADDRESS:PORT .*, got "1.2.3.400"$'),
        ("in tcp from ::1 to 1.2.3.5:80", r"^word 6: .* same address family, got ::1 \(IPv6\) and 1.2.3.5 \(IPv4\)$"),
        ("in icmp from 1.2.3.4 to 1.2.3.5:80", '^word 6: icmp has no ports; remove port "80"$'),
        ("in tcp port 5 from 1.2.3.4 to 1.2.3.5", '^word 3: "port" belongs directly after an address; write '),
        (f"in tcp sideways {AB}", '^word 3: expected one of from, to, on, .*, expected; got "sideways"; remove it$'),
        (f"in tcp {AB} establish", 'got "establish"; did you mean "established"\\?$'),
        (f"in tcp {AB} reply,", 'got "reply,"; did you mean "reply"\\?$'),
        (f"in tcp {AB}, on eth0", '^word 6: invalid port "80,"'),
        (f"in tcp {AB} user nobody-here", '^word 8: unknown user "nobody-here": '),
        ("in ² from 1.2.3.4 to 1.2.3.5", 'unknown protocol "²"'),
        ("in ٣ from 1.2.3.4 to 1.2.3.5", 'unknown protocol "٣"'),
        ("in 256 from 1.2.3.4 to 1.2.3.5", "invalid protocol 256"),
        ("in ipip from 1.2.3.4 to 1.2.3.5", "write 4, or write 94"),
        ("in tcp from ::ffff:1.2.3.4 to ::1 port 5", 'which is IPv4; write "1.2.3.4"'),
        ("in tcp from 1.2.3.4 to 1.2.3.5:²", "^word 6: invalid port"),
        (f"in tcp from 1.2.3.4 to 1.2.3.5:{'9' * 5000}", '^word 6: invalid port "9{60}…"'),
        ("in tcp from 1.2.3.4 to 1.2.3.5:\udcff", r'^word 6: invalid port "\\udcff"'),
        (f"in tcp {AB} user ²", "unknown user"),
        (f"in tcp {AB} group nobody-here", '^word 8: unknown group "nobody-here": '),
        (f"in tcp {AB} group 4294967295", "^word 8: invalid gid 4294967295"),
        (f"in tcp {AB} user 4294967295", "^word 8: invalid uid 4294967295"),
        ("in tcp from 1.2.3.4 to 1.2.3.5:", '^word 6: expected a port after the colon of "1.2.3.5:"; add one or '),
        ("in tcp from 1.2.3.4 to [2001:db8::1]:", "expected a port after the colon"),
        ("in tcp from [1.2.3.4 to 1.2.3.5:80", r'^word 4: expected \[ADDRESS\]:PORT, .* got "\[1.2.3.4"$'),
        ("in tcp from [::1]80 to ::1 port 80", r"expected \[ADDRESS\]:PORT"),
        ("in tcp from fe80::1%eth0 to fe80::2 port 80", 'has a zone; write fe80::1, and the interface as "on eth0"'),
        ("in tcp from 1.2.3.4 from 1.2.3.6 to 1.2.3.5:80", r'^word 5: "from" is given twice \(first as word 3\)'),
        (f"in tcp {AB} on eth0 on eth0", r'^word 9: "on" is given twice \(first as word 7\)'),
        (f"in tcp {AB} port 81", r'^word 7: the port is given twice \("80", "81"\); remove one of them$'),
        (f"in tcp {AB} out", '^word 7: expected one of .*; got "out"; remove it$'),
        (f"in tcp udp {AB}", '^word 3: expected one of .*; got "udp"; remove it$'),
        (f"in tcp {AB} via eth0", 'only a forwarded packet leaves by a second interface; write "on eth0"'),
        (f"in tcp {AB} on eth*", r'^word 8: expected one interface, got the pattern "eth\*"; name the interface$'),
        (f"in tcp {AB} on sixteen-letters0", "too long"),
        (f"in tcp {AB} cgroup a/../b", '".." part'),
        (f"in tcp {AB} untracked reply", r'^word 8: "reply" contradicts "untracked" \(word 7\); remove one of them$'),
        (f"in tcp {AB} untracked expected", '"expected" contradicts "untracked"'),
        (f"in tcp {AB} established syn", '"syn" contradicts "established"'),
        (f"in tcp {AB} syn reply", '"reply" contradicts "syn"'),
        (f"in tcp {AB} syn unseen", '"unseen" contradicts "syn"'),
        (f"in udp {AB} syn", "^word 7: only tcp has a SYN, udp has none; remove syn$"),
        ("in icmpv6 from 1.2.3.4 to 1.2.3.5", '^word 2: expected icmp between IPv4 addresses, got "icmpv6"; write icmp$'),
        ("in icmp from ::1 to ::2", "expected icmpv6 between IPv6 addresses"),
        (f"forward tcp {AB} user 0", "^word 8: a forwarded packet belongs to no process of this host; remove user$"),
        (f"forward tcp {AB} cgroup a", "remove cgroup$"),
        (f"forward tcp {AB} group 0", "remove group$"),
        (f"out tcp {AB} group 0 saved a:b:c", "with saved and group, expected user too: .*; add user NAME$"),
        (f"in tcp {AB} saved ftp_packet_t", "user:role:type"),
        (f"in tcp {AB} untracked saved a:b:c", "no connection that could have a label; remove saved or untracked"),
        (f"in udp {AB} unseen saved a:b:c", "remove saved or unseen$"),
        (f"in tcp {AB} labelled a:b:c", "only an outgoing packet"),
        (f"out tcp {AB} cgroup a saved a:b:c", "expected user too: .*; add user NAME$"),
    ],
)  # fmt: skip
def test_a_mistake_is_answered_with_its_place_and_an_example(words: str, message: str) -> None:
    with pytest.raises(PacketSyntaxError, match=message) as caught:
        parse(words)
    assert EXAMPLE in caught.value.hint
