"""`ownership = "exclusive"`: others cannot write, a restart takes the table back, and switching is a reload."""

from __future__ import annotations

import pytest
from machine import Machine

SETTINGS = "/etc/secmarkd/secmarkd.toml"


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


def test_killed_service_leaves_the_labels_and_takes_them_back(service: Machine) -> None:
    service.enforcing()
    service.denials()
    service.run("systemctl kill -s KILL secmarkd")
    assert "s_ssh_server_packet_t" in service.run("nft list table inet secmarkd").out
    service.run("systemctl restart secmarkd", timeout=120)
    assert _flags(service) == "flags owner,persist"
    assert service.run("nft delete table inet secmarkd", check=False).rc != 0
    assert service.denials() == []


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
