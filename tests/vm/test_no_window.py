# SPDX-License-Identifier: GPL-2.0-or-later
"""What packets get while labels change: confined ends talk over loopback while tables are replaced."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from audit import Denial
from labelling import SLOW, apply, write_labels
from machine import TREE, Machine
from service_journal import ServiceJournal
from talking import ends

from secmarkd import events

REPLACEMENTS = 20
ONE = "[labels.http]\ntcp = [80]\n"
MORE = ONE.replace("80", "80, 81")
"""Needs single elements more."""
OTHER = ONE + '\n[labels.uplink]\ntype = "intranet_packet_t"\ninterface = ["eth*"]\nudp = ["1-9"]\n'
"""Needs a table of another structure."""


def ranges(start: int) -> str:
    """Port 80 in one of many ranges, the others from `start` on: elements of one interval map, which has to be made anew
    when `start` is another."""
    others = ", ".join(f'"{first}-{first + 999}"' for first in range(start, start + 12_000, 1000))
    return f'[labels.http]\ntcp = ["80-1079"]\n\n[labels.far]\ntype = "intranet_packet_t"\ntcp = [{others}]\n'


@pytest.fixture(scope="module")
def denied(installing: Machine) -> list[Denial]:
    """What was denied during many replacements by tables of another structure: what a reload does, without its start."""
    vm = installing
    vm.restore("installed")
    vm.put(ranges(10_000), "/root/one/labels.d/50-test.toml")
    vm.put(ranges(10_500) + OTHER.removeprefix(ONE), "/root/other/labels.d/50-test.toml")
    vm.enforcing()
    apply(vm, ranges(10_000))
    client = ends(vm)
    assert vm.denials() == []
    program = f"python3 -B {TREE}/tests/vm/guest/replacements.py /root/other /root/one {REPLACEMENTS}"
    vm.run(f"PYTHONPATH=/usr/lib/secmarkd/python {program}", timeout=300)
    print(f"{client.more(10)} rounds, {REPLACEMENTS} replacements")
    client.settle()
    return vm.denials()


def test_a_change_of_structure_leaves_no_packet_unlabelled_or_labelled_otherwise(denied: list[Denial]) -> None:
    """The rules are rewritten within their base chains, and the maps that the old rules look up stay for a while."""
    assert [each.raw for each in denied] == []


def reload(vm: Machine, labels: str) -> None:
    write_labels(vm, labels)
    vm.run("systemctl reload secmarkd", timeout=SLOW)


def undo(vm: Machine, tampering: str) -> None:
    """Something that is no matter to the conversation is done to the table, and undone by the service."""
    journal = ServiceJournal(vm)
    vm.run(f"nft '{tampering}'")
    journal.wait(events.DriftRepaired)


def kill(vm: Machine) -> None:
    """kill -9, and systemd starts it again."""
    journal = ServiceJournal(vm)
    vm.run("systemctl kill --kill-whom=main -s KILL secmarkd")
    journal.wait(events.Ready)


ACTS: dict[str, Callable[[Machine], object]] = {
    "a reload with more elements": lambda vm: reload(vm, MORE),
    "a reload of another structure": lambda vm: reload(vm, OTHER),
    "a reload with ranges": lambda vm: reload(vm, ranges(10_000)),
    "a reload with other ranges": lambda vm: reload(vm, ranges(10_500)),
    "a reload without ranges": lambda vm: reload(vm, ONE),
    "the repair of an element": lambda vm: undo(vm, "delete element inet secmarkd server_port { tcp . 22 }"),
    "the repair of the rules": lambda vm: undo(vm, "add rule inet secmarkd labelled_output accept"),
    "a restart": lambda vm: vm.run("systemctl restart secmarkd", timeout=SLOW),
    "a kill -9": kill,
}


def test_no_act_of_the_service_leaves_a_packet_unlabelled_or_labelled_otherwise(host: Machine) -> None:
    """Connections are opened, used and closed all the while, under SELinux, which refuses any packet without its label."""
    vm = host
    write_labels(vm, ONE)
    vm.run("systemctl start secmarkd", timeout=SLOW)
    vm.enforcing()
    client = ends(vm, again=True)
    denied = {"before": [each.raw for each in vm.denials()]}
    for name, act in ACTS.items():
        before = client.rounds()
        act(vm)
        print(f"{name}: {client.more(10) - before} connections")
        denied[name] = [each.raw for each in vm.denials()]
    client.settle()
    assert {name: raw for name, raw in denied.items() if raw} == {}


def test_the_first_activation_costs_an_open_connection_nothing_but_a_retransmission(host: Machine) -> None:
    """From the first declared label to the commit every packet counts as unlabelled: milliseconds, once in a boot."""
    host.enforcing()
    client = ends(host)
    apply(host)
    client.more(10)
    lost = [each for each in host.denials() if each.source in ("smd_client_t", "smd_server_t")]
    print(f"denied during the first activation: {len(lost)}")
    assert {each.target for each in lost} <= {"unlabeled_t"}
    client.more(100)
    client.settle()
    assert host.denials() == []
