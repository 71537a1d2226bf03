# SPDX-License-Identifier: GPL-2.0-or-later
"""What `explain` says of packets that the kernel may see otherwise."""

from __future__ import annotations

import pytest

from secmarkd.model.label_map import Mode
from secmarkd.programs.cautions import cautions
from secmarkd.programs.packet_values import parse_packet
from tests.support.paths import REPOSITORY

ROOT = REPOSITORY


def said(words: str, *, labelled: bool = True, mode: Mode = Mode.LABEL, nat: bool = False) -> list[str]:
    packet, _ = parse_packet(words.split())
    return list(cautions(packet, labelled, mode, nat))


WEB = "tcp from 192.0.2.1:40000 to 203.0.113.10:443"


def test_a_plain_packet_needs_no_caution() -> None:
    assert said(f"in {WEB}") == said(f"out {WEB}") == []


@pytest.mark.parametrize("way", ["in", "out", "forward"])
def test_where_addresses_are_translated_the_packet_is_the_one_after_destination_nat(way: str) -> None:
    first = said(f"{way} {WEB}", nat=True)[0]
    assert first.startswith("ports and addresses are those after destination NAT")
    assert ("before source NAT" in first) == (way != "in")


def test_a_packet_without_ports_is_not_warned_of_nat() -> None:
    assert said("in icmp from 192.0.2.1 to 192.0.2.2", nat=True) == []


@pytest.mark.parametrize("protocol", ["esp", "gre", "ah", "ipencap"])
def test_the_outer_packet_of_a_tunnel_has_the_label_of_what_it_carries(protocol: str) -> None:
    assert "has the label of what it carries" in said(f"out {protocol} from 192.0.2.1 to 192.0.2.2")[0]
    assert said(f"in {protocol} from 192.0.2.1 to 192.0.2.2") == []


def test_a_label_of_a_forwarded_packet_needs_policy_for_unlabeled_t() -> None:
    assert "unlabeled_t forward_in and forward_out" in said(f"forward {WEB}")[0]
    assert said(f"forward {WEB}", labelled=False) == []


def test_a_rehearsal_does_not_count_what_a_flowtable_carries() -> None:
    assert "flowtable" in said(f"forward {WEB}", mode=Mode.REHEARSE)[0]


@pytest.mark.parametrize("port", [69, 427, 1900, 3702, 5355])
def test_an_answer_from_elsewhere_is_a_connection_of_its_own(port: int) -> None:
    assert "connection of its own" in said(f"in udp from 192.0.2.2:{port} to 192.0.2.1:40000")[0]
    assert said(f"in tcp from 192.0.2.2:{port} to 192.0.2.1:40000") == []


def test_the_gentle_beginning_and_the_policy_of_forwarding_are_written_where_they_are_looked_for() -> None:
    texts = {path: (ROOT / path).read_text(encoding="utf-8") for path in ("README.md", "config/secmarkd.toml")}
    assert all('"unlabeled_t"' in text for text in texts.values())
    texts["example"] = (ROOT / "config/examples/forward.toml").read_text(encoding="utf-8")
    assert all("TYPE:packet { forward_in forward_out };" in text for text in texts.values())
