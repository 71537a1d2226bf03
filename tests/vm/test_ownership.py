# SPDX-License-Identifier: GPL-2.0-or-later
"""`ownership = "exclusive"`: others cannot write, a restart takes the table back, and switching is a reload."""

from __future__ import annotations

import pytest
from labelling import SETTINGS, SLOW
from machine import Machine
from running import LIST
from service_journal import ServiceJournal
from talking import ends

from secmarkd import events

WORKER = "secmarkd-nft"
"""The process whose socket owns the table."""


@pytest.fixture
def service(host: Machine) -> Machine:
    """The installed service, owning its table."""
    _settings(host, "exclusive")
    host.run("systemctl start secmarkd", timeout=120)
    return host


def _settings(vm: Machine, ownership: str) -> None:
    vm.put(f'mode = "label"\nownership = "{ownership}"\n'.encode(), SETTINGS)


def _flags(vm: Machine) -> str:
    listed = vm.run("nft list table inet secmarkd").out.splitlines()[:3]
    return next((line.strip() for line in listed if "flags" in line), "")


def test_others_cannot_flush_delete_or_add(service: Machine) -> None:
    before = service.run("nft -s list table inet secmarkd").out
    assert service.run("nft flush ruleset", check=False).rc == 0, "a foreign flush passes the table by"
    assert service.run("nft delete table inet secmarkd", check=False).rc != 0
    assert service.run("nft add rule inet secmarkd input drop", check=False).rc != 0
    assert service.run("nft -s list table inet secmarkd").out == before
    assert _flags(service) == "flags owner,persist"


def _is_owned(vm: Machine) -> bool:
    return _flags(vm) == "flags owner,persist" and vm.run("nft delete table inet secmarkd", check=False).rc != 0


def _content(vm: Machine) -> list[str]:
    """All of the table with its handles, but for the line that names the owner."""
    return vm.run(LIST).out.splitlines()[1:]


def test_a_restart_and_a_kill_adopt_the_very_same_table_and_no_packet_is_unlabelled(service: Machine) -> None:
    """Connections are opened, used and closed all the while, under SELinux, which refuses any packet without its label."""
    service.enforcing()
    client, before, journal = ends(service, again=True), _content(service), ServiceJournal(service)
    service.run("systemctl restart secmarkd", timeout=SLOW)
    assert _is_owned(service)
    killed = ServiceJournal(service)
    service.run("systemctl kill -s KILL secmarkd")
    killed.wait(events.Ready)
    assert _is_owned(service)
    client.more(10)
    client.settle()
    assert _content(service) == before
    assert journal.messages(events.LabelsReplaced) + journal.messages(events.LabelsCreated) == []
    assert [each.raw for each in service.denials()] == []


@pytest.mark.fault(44)
def test_a_worker_that_dies_while_nothing_happens_is_noticed_and_the_table_owned_again(service: Machine) -> None:
    service.enforcing()
    client, before, journal = ends(service, again=True), _content(service), ServiceJournal(service)
    service.run(f"pkill -KILL -x {WORKER}")
    journal.wait(events.DriftRepaired)
    assert _is_owned(service)
    assert _content(service) == before
    (drift,) = journal.entries(events.DriftDetected)
    assert (drift["SECMARKD_EXPECTED"], drift["SECMARKD_FOUND"]) == ("owner persist", "persist")
    client.more(10)
    client.settle()
    assert [each.raw for each in service.denials()] == []


def test_switching_is_a_reload(service: Machine) -> None:
    _settings(service, "shared")
    service.run("systemctl reload secmarkd", timeout=120)
    assert _flags(service) == ""
    _settings(service, "exclusive")
    service.run("systemctl reload secmarkd", timeout=120)
    assert _flags(service) == "flags owner,persist"
    assert service.run("secmarkctl plan", timeout=120).rc == 0
    service.run("systemctl stop secmarkd", timeout=120)
    assert "s_ssh_server_packet_t" in service.run("nft list table inet secmarkd").out, 'on_stop = "keep"'
    assert service.run("secmarkctl clear", timeout=120).rc == 0
