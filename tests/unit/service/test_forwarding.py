# SPDX-License-Identifier: GPL-2.0-or-later
"""Labels that would end the forwarding of packets: refused where that would happen now, warned of where it may."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from secmarkd.adapters.host.forwarding import forwards
from secmarkd.compiler.loaded import Loaded
from secmarkd.events import ConfigurationProblem, Event, ForwardingDenied, ReloadRejected, StartFailed
from secmarkd.model.forwarded import Forwarded
from secmarkd.model.label_map import Mode, Origin
from secmarkd.service.exit_codes import Exit
from secmarkd.service.forwarding import MOST_DENIED
from tests.fakes.access import UNLABELED
from tests.support.service_rig import Rig, configuration

SERVER = "system_u:object_r:server_packet_t:s0"
DEFAULT = Forwarded(SERVER, Origin("/etc/secmarkd/secmarkd.toml", 7, "default.forward"))
LABEL = Forwarded("system_u:object_r:vm_packet_t:s0", Origin("60-vm.toml", 4, "labels.vm.tcp"))


def forwarding(*forwarded: Forwarded, mode: Mode = Mode.LABEL) -> Loaded:
    return replace(configuration(80, 443, mode=mode), forwarded=forwarded)


def rig_of(loaded: Loaded, *, forwards: bool = True) -> Rig:
    rig = Rig(loaded)
    rig.forwards = forwards
    return rig


def warnings(events: list[Event]) -> list[str]:
    return [str(each) for each in events if isinstance(each, ForwardingDenied)]


def test_the_start_is_refused_with_the_place_and_the_fix() -> None:
    rig = rig_of(forwarding(DEFAULT))
    rig.service.tick()
    assert rig.service.exit_status is Exit.CONFIG
    problem, failed = rig.journal.take()[-2:]
    assert isinstance(problem, ConfigurationProblem)
    assert (problem.file, problem.line, problem.object) == ("/etc/secmarkd/secmarkd.toml", 7, "default.forward")
    assert 'set forward = ""' in problem.problem
    assert "allow unlabeled_t server_packet_t:packet { forward_in forward_out };" in problem.problem
    assert isinstance(failed, StartFailed)
    assert rig.nft.table is None


def test_a_reload_is_rejected_and_the_labels_stay() -> None:
    rig = rig_of(configuration(80)).started()
    before = rig.nft.table
    told = rig.reload(forwarding(DEFAULT))
    assert [type(each) for each in told] == [ConfigurationProblem, ReloadRejected]
    assert rig.nft.table == before


@pytest.mark.parametrize("because", ["permissive", "nothing is forwarded", "rehearsal"])
def test_where_nothing_ends_now_it_is_warned_of_at_each_load(because: str) -> None:
    loaded = forwarding(DEFAULT, mode=Mode.REHEARSE if because == "rehearsal" else Mode.LABEL)
    rig = rig_of(loaded, forwards=because != "nothing is forwarded")
    rig.selinux.enforcing = because != "permissive"
    rig.service.tick()
    assert rig.service.status.state == "in sync"
    (warned,) = warnings(rig.journal.take())
    assert warned.startswith("/etc/secmarkd/secmarkd.toml:7: default.forward: the loaded policy denies unlabeled_t ")
    rig.run(3600)
    assert warnings(rig.journal.take()) == []
    assert warnings(rig.reload(loaded)) == [warned]


@pytest.mark.parametrize("permission", ["forward_in", "forward_out"])
def test_one_of_the_two_permissions_is_not_enough(permission: str) -> None:
    rig = rig_of(forwarding(DEFAULT))
    rig.policy.allow(UNLABELED, SERVER, [permission])
    rig.service.tick()
    assert rig.service.exit_status is Exit.CONFIG


@pytest.mark.parametrize("because", ["a rule", "a permissive domain", "no answer"])
def test_what_the_policy_does_not_deny_is_loaded_without_a_word(because: str) -> None:
    rig = rig_of(forwarding(DEFAULT))
    match because:
        case "a rule":
            rig.policy.allow(UNLABELED, SERVER, ["forward_in", "forward_out"])
        case "a permissive domain":
            rig.policy.permissive.add(UNLABELED)
        case _:
            rig.policy.unknown.add(SERVER)
    rig.service.tick()
    assert rig.service.status.state == "in sync"
    assert warnings(rig.journal.take()) == []


def test_a_label_for_some_forwarded_packets_is_warned_of_and_never_refused() -> None:
    rig = rig_of(forwarding(LABEL))
    rig.service.tick()
    assert rig.service.status.state == "in sync"
    (warned,) = warnings(rig.journal.take())
    assert warned.startswith("60-vm.toml:4: labels.vm.tcp: ")
    assert "allow unlabeled_t vm_packet_t:packet { forward_in forward_out };" in warned


def test_of_very_many_labels_a_few_are_named() -> None:
    many = (replace(LABEL, context=f"system_u:object_r:vm{number}_packet_t:s0") for number in range(100))
    rig = rig_of(forwarding(*many))
    rig.service.tick()
    warned = warnings(rig.journal.take())
    assert len(warned) == MOST_DENIED
    assert "95 more labels" in warned[0]


@pytest.mark.parametrize(
    ("switch", "text", "expected"),
    [
        ("sys/net/ipv4/conf/all/forwarding", "1", True),
        ("sys/net/ipv4/conf/eth0/forwarding", "1", True),
        ("sys/net/ipv6/conf/all/forwarding", "1", True),
        ("sys/net/bridge/bridge-nf-call-iptables", "1", True),
        ("sys/net/ipv4/conf/all/forwarding", "0", False),
        ("sys/net/ipv4/tcp_syncookies", "1", False),
    ],
)
def test_forwarding_is_on_where_any_interface_forwards(
    tmp_path: Path, switch: str, text: str, expected: bool
) -> None:
    (tmp_path / switch).parent.mkdir(parents=True)
    (tmp_path / switch).write_text(f"{text}\n")
    assert forwards(tmp_path) is expected


def test_without_these_switches_nothing_is_forwarded(tmp_path: Path) -> None:
    assert forwards(tmp_path) is False
