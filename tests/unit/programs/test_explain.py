# SPDX-License-Identifier: GPL-2.0-or-later
"""The verb explain."""

from __future__ import annotations

import json

import pytest

from secmarkd.service.exit_codes import Exit
from tests.support.secmarkctl_rig import Machine


def test_explain_names_the_label_and_the_rule(machine: Machine) -> None:
    result = machine.ctl("explain", "in", "tcp", "from", "198.51.100.1:51234", "to", "198.51.100.7:443", "on", "eth0")
    assert result.code == 0
    assert "label   system_u:object_r:http_server_packet_t:s0\n" in result.out
    assert "by      http: tcp 443\n" in result.out
    assert "50-web.toml:2" in result.out


def test_explain_tells_when_a_default_decides(machine: Machine) -> None:
    result = machine.ctl("explain", "--json", "out udp from 10.0.0.1 to 10.0.0.2:9 on eth0")
    explained = json.loads(result.out)
    assert explained["context"] == "system_u:object_r:client_packet_t:s0"
    assert explained["rule"] is None
    assert explained["why"] == "default.client"
    assert explained["assumed"] == ["source port 50000"]


ANNOUNCED = "in tcp from 203.0.113.1:20 to 198.51.100.7:40000 on eth0 expected"


def label(machine: Machine) -> None:
    machine.write("secmarkd.toml", 'mode = "label"\n')


def test_explain_tells_whose_label_an_announced_connection_gets(machine: Machine) -> None:
    label(machine)
    result = machine.ctl("explain", ANNOUNCED)
    assert "label   the label of the connection that announced this one; give it as `saved CONTEXT`\n" in result.out
    assert "by      no label that names more than ports\n" in result.out
    explained = json.loads(machine.ctl("explain", "--json", ANNOUNCED).out)
    assert (explained["context"], explained["rule"]) == (None, None)
    assert explained["why"] == "the label of the connection that announced this one"


def test_explain_gives_an_announced_connection_the_label_that_is_said_to_be_saved(machine: Machine) -> None:
    label(machine)
    result = machine.ctl("explain", ANNOUNCED, "saved", "system_u:object_r:ftp_packet_t:s0")
    assert "label   system_u:object_r:ftp_packet_t:s0\n" in result.out
    assert "expected, saved system_u:object_r:ftp_packet_t:s0)" in result.out


def test_explain_gives_an_announced_connection_its_parents_label_before_one_that_only_names_the_port(
    machine: Machine,
) -> None:
    label(machine)
    assert "announced this one; give it" in machine.ctl("explain", ANNOUNCED.replace("40000", "80")).out


@pytest.mark.parametrize("words", [ANNOUNCED, ANNOUNCED.replace("eth0", "lo")], ids=["a narrow label", "loopback"])
def test_explain_speaks_of_announcing_only_where_that_decides(machine: Machine, words: str) -> None:
    label(machine)
    machine.write("labels.d/60-peer.toml", '[labels.peer]\nremote = ["203.0.113.1"]\ninterface = ["eth0"]\n')
    assert "announced" not in machine.ctl("explain", words).out


EXPLAINED = "tcp from 203.0.113.1:9 to 198.51.100.7:80 on eth0 reply"


def test_explain_tells_what_a_connection_would_be_whose_opening_was_not_seen(machine: Machine) -> None:
    label(machine)
    reply = machine.ctl("explain", "in", EXPLAINED).out
    assert "assumed: the opening of its connection was seen\n" in reply
    assert "by      default.client\n" in reply
    assert (
        "note    if its opening was not seen (add `unseen`), the label is system_u:object_r:http_server_packet_t:s0"
        in reply
    )
    unseen = machine.ctl("explain", "in", EXPLAINED, "unseen").out
    assert "by      http: tcp 80\n" in unseen
    assert "opening unseen)" in unseen
    assert "assumed" not in unseen


def test_explain_keeps_the_label_that_a_packet_carries_at_output(machine: Machine) -> None:
    words = "out udp from 10.0.0.1:51820 to 10.0.0.2:51820 on eth0 labelled system_u:object_r:http_server_packet_t:s0"
    label(machine)
    kept = machine.ctl("explain", words).out
    assert "label   system_u:object_r:http_server_packet_t:s0\n" in kept
    assert "by      the label that the packet carries already\n" in kept
    machine.write("secmarkd.toml", 'mode = "rehearse"\n')
    counted = "this one is counted as system_u:object_r:client_packet_t:s0 (default.client)"
    assert counted in machine.ctl("explain", words).out


def test_explain_tells_that_a_rehearsal_knows_no_saved_label(machine: Machine) -> None:
    note = (
        "note    packets get no label while rehearsing; this one is counted as "
        "system_u:object_r:server_packet_t:s0 (default.server)\n"
    )
    assert note in machine.ctl("explain", ANNOUNCED).out
    assert note in machine.ctl("explain", f"{ANNOUNCED} saved system_u:object_r:ftp_packet_t:s0").out
    label(machine)
    assert "note" not in machine.ctl("explain", ANNOUNCED).out


def test_explain_says_what_it_assumes_of_the_process_where_a_label_asks(machine: Machine) -> None:
    words = "out tcp from 10.0.0.1 port 40000 to 10.0.0.2:80 on eth0"
    assert "assumed" not in machine.ctl("explain", words).out
    machine.write("labels.d/60-user.toml", '[labels.mine]\ntype = "mine_packet_t"\nrole = "client"\nuser = [0]\n')
    assert "assumed: a user that no label names\n" in machine.ctl("explain", words).out
    assert (
        "assumed: no local process that the hook sees\n" in machine.ctl("explain", f"{words} saved a_u:b_r:c_t").out
    )
    assert "assumed" not in machine.ctl("explain", f"{words} user 0").out
    assert "assumed" not in machine.ctl("explain", "in tcp from 10.0.0.1:40000 to 10.0.0.2:80 on eth0").out


@pytest.mark.parametrize("protocol", ["icmp", "icmpv6", "esp"])
def test_the_packet_of_a_contradiction_is_one_that_explain_understands(machine: Machine, protocol: str) -> None:
    labels = f'[labels.NAME]\ntype = "NAME_packet_t"\nprotocol = ["{protocol}"]\n'
    machine.write("labels.d/50-web.toml", labels.replace("NAME", "one") + labels.replace("NAME", "two"))
    words = machine.ctl("check").err.split("`")[1]
    assert words.startswith(f"in {protocol} from ")
    explained = machine.ctl("explain", words)
    assert explained.code == Exit.CONFIG  # for the contradiction; Exit.USAGE says that the words are not understood
    assert "the same packet would get" in explained.err
