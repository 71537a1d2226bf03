# SPDX-License-Identifier: GPL-2.0-or-later
"""A container's network namespace beside the running service: its packets are checked too, so it needs its own labels."""

from __future__ import annotations

import json

import pytest
from labelling import SLOW
from machine import Machine
from running import LIST, shown, systemctl

pytestmark = pytest.mark.fault(52)

WAYS = ("ip netns exec ctr", "nsenter --net=/run/netns/ctr")


@pytest.fixture
def vm(serving: Machine) -> Machine:
    """Enforcing, the service running; and a namespace `ctr` without labels."""
    serving.run("ip netns add ctr && ip -n ctr link set lo up")
    return serving


@pytest.mark.parametrize("way", WAYS)
def test_is_labelled_by_hand_while_the_service_keeps_the_hosts(vm: Machine, way: str) -> None:
    before = vm.run(LIST).out
    done = vm.run(f"{way} secmarkctl apply", timeout=SLOW)
    assert "created: " in done.out
    assert "secmark s_ssh_server_packet_t" in vm.run(f"ip netns exec ctr {LIST}").out
    assert vm.run(f"{way} secmarkctl plan", timeout=SLOW).rc == 0
    status = vm.run(f"{way} secmarkctl status", check=False)
    assert status.rc == 1
    assert f"the service (process {shown(vm, 'MainPID')}) manages another network namespace" in status.out
    assert vm.run(LIST).out == before
    assert json.loads(vm.run("secmarkctl status --json").out)["state"] == "in sync"
    systemctl(vm, "reload")
    vm.run(f"{way} secmarkctl clear", timeout=SLOW)
    assert vm.run(f"ip netns exec ctr {LIST}", check=False).rc == 1
    assert vm.run(LIST).out == before


def test_where_selinuxfs_cannot_be_found_the_hint_names_a_way_that_works(vm: Machine) -> None:
    done = vm.run(
        "ip netns exec ctr unshare --pid --fork --mount-proc secmarkctl apply --runtime-dir /run/ctr",
        timeout=SLOW, check=False,
    )  # fmt: skip
    assert done.rc == 69
    assert "SELinux is active on this machine, but selinuxfs is not mounted here" in done.err
    way = "nsenter --net=/run/netns/ctr secmarkctl"
    assert f"`{way} …`" in done.err
    assert "created: " in vm.run(f"{way} apply", timeout=SLOW).out
