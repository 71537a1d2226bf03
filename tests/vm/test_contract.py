# SPDX-License-Identifier: GPL-2.0-or-later
"""The suites of the other lanes, run in the machine: nft 1.1.3, Linux 6.12, and secmark objects in place of counters."""

from __future__ import annotations

import re

import pytest
from domains import domain_module
from machine import TREE, Machine

ROUNDS = 4
"""Of the differential test, which the netns lane runs a hundred of; one takes some seconds here."""


def pytest_in(vm: Machine, arguments: str, environment: str = "") -> int:
    """Run the guest's pytest on the tree; the number of tests that passed. CommandFailed when one failed."""
    command = f"cd {TREE} && CI=true {environment} python3 -m pytest -q -p no:cacheprovider {arguments}"
    done = vm.run(command, timeout=280)
    print(done.out)
    passed = re.search(r"(\d+) passed", done.out)
    return int(passed[1]) if passed else 0


@pytest.mark.slow
@pytest.mark.parametrize("part", ["what_others_do", "not what_others_do"])
def test_libnftables_keeps_the_contract_with_secmark_objects(vm: Machine, part: str) -> None:
    chosen = f"TestLibNft and {part} and not whatever_others_did and not comes_and_goes and not worker"
    arguments = f"tests/contract -k '{chosen}'"
    assert pytest_in(vm, arguments, "SECMARKD_CONTRACT_SECMARK=1") >= 20


def test_selinuxfs_keeps_the_contract_of_questions_to_the_policy(vm: Machine) -> None:
    reader = domain_module("smd_reader", {"http_client_packet_t": "send recv"})
    vm.change_policy(
        add={
            "smd_reader": f"{reader}(typeattributeset mcs_constrained_type (smd_reader_t))\n",
            "smd_indulged": f"{domain_module('smd_indulged', {})}(typepermissive smd_indulged_t)\n",
        }
    )
    assert pytest_in(vm, "tests/vm/guest/access_in_the_kernel.py") == 6


def test_selinuxfs_keeps_the_contract_of_the_state_and_of_contexts(vm: Machine) -> None:
    assert pytest_in(vm, "tests/vm/guest/selinux_in_the_kernel.py") == 9


def test_the_kernels_notifications_of_selinux_keep_their_contract(vm: Machine) -> None:
    assert pytest_in(vm, "tests/vm/guest/selinux_events_in_the_kernel.py") == 5


@pytest.mark.slow
def test_counters_equal_the_evaluator_on_this_kernel_too(vm: Machine) -> None:
    node = "tests/netns/test_differential.py::test_counters_equal_the_evaluator"
    arguments = " ".join(f"'{node}[{seed}]'" for seed in range(ROUNDS))
    assert pytest_in(vm, arguments) == ROUNDS
