# SPDX-License-Identifier: GPL-2.0-or-later
"""Another table that labels beside the running service: named by plan, status and, once, the journal."""

from __future__ import annotations

import json

from machine import Machine
from running import shown, verify
from service_journal import ServiceJournal

from secmarkd.events import OtherTablesLabel, OtherTablesLabelNoMore

EVIL = """
table inet other {
    secmark evil { "system_u:object_r:ssh_server_packet_t:s0"; }
    map by_port { type inet_service : secmark; elements = { 9999 : "evil" }; }
    chain late { type filter hook input priority 60; meta secmark set "evil"; }
    chain mapped { type filter hook output priority 0; meta secmark set tcp dport map @by_port; }
    counter hits { }
    chain counts { type filter hook input priority 70; counter name "hits"; }
}
"""
PLACES = [
    ("other", "", "", "declares labels"),
    ("other", "late", "input", "sets the label of packets"),
    ("other", "mapped", "output", "sets the label of packets"),
]


def named(said: str) -> list[tuple[str, str, str, str]]:
    return [(one["table"], one["chain"], one["hook"], one["does"]) for one in json.loads(said)["other_labels"]]


def test_another_table_that_labels_is_named_once_and_again_when_it_is_gone(serving: Machine) -> None:
    journal = ServiceJournal(serving)
    serving.run("nft -f -", input=EVIL)
    assert named(serving.run("secmarkctl plan --json").out) == PLACES
    verify(serving)
    journal.wait(OtherTablesLabel)
    for _ in range(3):
        verify(serving)
    (message,) = journal.messages(OtherTablesLabel)
    assert "table inet other, chain late (input at priority 60): sets the label of packets after secmarkd" in message
    assert "chain mapped (output at priority 0): sets the label of packets before secmarkd" in message
    assert named(serving.run("secmarkctl status --json").out) == PLACES
    said = serving.run("secmarkctl status").out
    assert "in sync" in said
    assert "note: table inet other, chain late" in said
    assert "in sync" in shown(serving, "StatusText")
    serving.run("nft delete table inet other")
    verify(serving)
    journal.wait(OtherTablesLabelNoMore)
    assert named(serving.run("secmarkctl status --json").out) == []


def test_a_table_that_was_there_before_the_service_is_named_at_its_start(serving: Machine) -> None:
    journal = ServiceJournal(serving)
    serving.run("systemctl stop secmarkd")
    serving.run("nft -f -", input=EVIL)
    serving.run("systemctl start secmarkd", timeout=180)
    journal.wait(OtherTablesLabel)
