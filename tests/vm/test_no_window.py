"""What packets get while labels change: confined ends talk over loopback while tables are replaced."""

from __future__ import annotations

import pytest
from audit import Denial
from labelling import apply
from machine import TREE, Machine
from talking import Talker

REPLACEMENTS = 20
ONE = "[labels.http]\ntcp = [80]\n"
OTHER = ONE + '\n[labels.uplink]\ntype = "intranet_packet_t"\ninterface = ["eth*"]\nudp = ["1-9"]\n'
"""Needs a table of another structure."""


def ends(vm: Machine) -> Talker:
    """A confined client in the middle of an endless conversation with a confined server."""
    server, client = Talker(vm, "smd_server_t"), Talker(vm, "smd_client_t")
    server.listen(80)
    server.echo()
    client.flood(80, again=False)
    client.more(10)
    return client


@pytest.fixture(scope="module")
def denied(installing: Machine) -> list[Denial]:
    """What was denied during many replacements by tables of another structure: what a reload does, without its start."""
    vm = installing
    vm.restore("installed")
    vm.put(ONE, "/root/one/labels.d/50-test.toml")
    vm.put(OTHER, "/root/other/labels.d/50-test.toml")
    vm.enforcing()
    apply(vm, ONE)
    client = ends(vm)
    assert vm.denials() == []
    program = f"python3 -B {TREE}/tests/vm/guest/replacements.py /root/other /root/one {REPLACEMENTS}"
    vm.run(f"PYTHONPATH=/usr/lib/secmarkd/python {program}", timeout=300)
    print(f"{client.more(10)} rounds, {REPLACEMENTS} replacements")
    client.settle()
    return vm.denials()


def test_a_change_of_structure_leaves_no_packet_unlabelled_or_labelled_otherwise(denied: list[Denial]) -> None:
    """The rules are rewritten within their base chains, and maps that stay the same stay filled."""
    assert [each.raw for each in denied] == []


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
