# SPDX-License-Identifier: GPL-2.0-or-later
"""libnftables crashes, hangs, lacks memory, refuses or talks nonsense in a real worker: one request fails, nothing else."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator

import pytest

from secmarkd.adapters.nftables.port import LibNft
from secmarkd.errors import (
    Conflict,
    RelabelDenied,
    WorkerFailed,
)
from secmarkd.events import Degraded, DriftRepaired, Priority, Recovered
from secmarkd.reconcile import Action, reconcile
from secmarkd.service.status import State
from secmarkd.table.table import ObjectKind, Table
from secmarkd.table.transaction import AddObjects, Replace
from tests.support.faults import FOREVER, LibnftablesFaults
from tests.support.kernel_rig import KernelRig
from tests.support.namespace import Namespace
from tests.support.service_rig import Mode, configuration
from tests.support.tables import full_table, make_object

TABLE = full_table()
REQUESTS: dict[str, Callable[[LibNft], object]] = {
    "write": lambda nft: nft.commit((Replace(TABLE),)),
    "check": lambda nft: nft.check((Replace(TABLE),)),
}
BUG = "BUG: invalid bitwise operation 4"


@pytest.fixture
def nft(netns: Namespace, faults: LibnftablesFaults) -> Iterator[LibNft]:
    """An adapter whose table is TABLE; the calling thread is in the namespace."""
    with netns.enter():
        nft = LibNft()
        nft.commit((Replace(TABLE),))
        yield nft
        nft.close()


@pytest.mark.fault(44)
@pytest.mark.parametrize("request_kind", REQUESTS)
@pytest.mark.parametrize(
    ("effect", "argument", "said"),
    [
        ("die", signal.SIGSEGV, r"libnftables died of SIGSEGV$"),
        ("abort", BUG, rf"libnftables died of SIGABRT: {BUG}$"),
        ("exit", 1, r"libnftables ended with status 1$"),
        ("hang", "", r"libnftables did not answer within 0\.5 s and was killed$"),
        ("garbage", "ff" * 16, r"libnftables answered nonsense: "),
        ("raise", "MemoryError", r"libnftables ran out of memory$"),
    ],
    ids=["SIGSEGV", "SIGABRT", "exit", "hang", "garbage", "no memory"],
)
def test_a_worker_that_goes_wrong_costs_its_request_and_nothing_else(
    nft: LibNft,
    faults: LibnftablesFaults,
    monkeypatch: pytest.MonkeyPatch,
    request_kind: str,
    effect: str,
    argument: object,
    said: str,
) -> None:
    before, pid = nft.generation(), nft.pid
    faults.order(request_kind, effect, argument)
    with monkeypatch.context() as patched:
        if effect == "hang":
            patched.setattr("secmarkd.adapters.nftables.port.WRITE_SECONDS", 0.5)
            patched.setattr("secmarkd.adapters.nftables.port.WRITE_SECONDS_PER_ELEMENT", 0)
        with pytest.raises(WorkerFailed, match=said) as caught:
            REQUESTS[request_kind](nft)
    assert ("a newer nft" in caught.value.hint) is (effect in ("die", "abort", "exit"))
    assert nft.pid is None
    assert nft.generation() == before
    assert not faults.left
    assert nft.read() == TABLE
    nft.commit((Replace(TABLE),))
    assert nft.pid not in (None, pid)


@pytest.mark.fault(12)
@pytest.mark.parametrize("text", ["Interrupted system call", "Resource temporarily unavailable",
                                  "Interrupted system call should be restarted"])  # fmt: skip
def test_an_interrupted_transaction_is_tried_again(nft: LibNft, faults: LibnftablesFaults, text: str) -> None:
    before = nft.generation()
    faults.order("write", "refuse", text, times=4)
    REQUESTS["write"](nft)
    assert nft.generation() == before + 1
    assert not faults.left


@pytest.mark.fault(12)
def test_a_transaction_that_is_always_interrupted_is_given_up_after_a_few_tries(
    nft: LibNft, faults: LibnftablesFaults
) -> None:
    before = nft.generation()
    faults.order("write", "refuse", "Interrupted system call", times=FOREVER)
    outcome = reconcile(nft, Table())
    assert outcome.action is Action.FAILED
    assert "Interrupted system call" in str(outcome.error)
    assert FOREVER - faults.left == 6
    assert nft.generation() == before


@pytest.mark.fault(13)
def test_what_is_busy_is_not_skipped(nft: LibNft, faults: LibnftablesFaults) -> None:
    """EBUSY, as before Linux 6.2 where what was just deleted is still being released."""
    nft.commit((AddObjects((make_object("s_new", ObjectKind.COUNTER),)),))
    faults.order("write", "refuse", "Device or resource busy")
    outcome = reconcile(nft, TABLE)
    assert outcome.action is Action.REPLACED
    assert nft.read() == TABLE
    faults.order("write", "refuse", "Device or resource busy", times=2)
    outcome = reconcile(nft, Table())
    assert isinstance(outcome.error, Conflict)
    assert outcome.remaining
    assert reconcile(nft, Table()).in_sync


@pytest.mark.fault(15)
@pytest.mark.parametrize("effect", ["refuse after", "refuse"])
def test_a_lost_answer_is_settled_by_reading(nft: LibNft, faults: LibnftablesFaults, effect: str) -> None:
    done = effect == "refuse after"
    faults.order("write", effect, "No buffer space available")
    outcome = reconcile(nft, Table())
    assert outcome.in_sync is done
    assert nft.read() == (Table() if done else TABLE)
    assert done or isinstance(outcome.error, WorkerFailed)


@pytest.mark.fault(37)
def test_a_denied_label_names_the_permission(nft: LibNft, faults: LibnftablesFaults) -> None:
    """What the kernel says without SELinux, with the errno that it has where the policy denies."""
    faults.order("check", "rewrite", "No such file or directory=>Permission denied")
    with pytest.raises(RelabelDenied, match="system_u:object_r:ssh_server_packet_t:s0") as caught:
        nft.check((AddObjects((make_object("s_ssh", ObjectKind.SECMARK),)),))
    assert "packet relabelto" in caught.value.hint
    assert "ausearch" in caught.value.hint


# --- the service ---


@pytest.fixture
def rig(netns: Namespace, faults: LibnftablesFaults) -> Iterator[KernelRig]:
    with netns.enter():
        rig = KernelRig(netns, configuration(80, 443, mode=Mode.REHEARSE))
        yield rig
        rig.close()


DAMAGE = "delete element inet secmarkd server_port { tcp . 80 }; add rule inet secmarkd input accept"
"""Only libnftables can put a rule right."""


def state(rig: KernelRig) -> State:
    return rig.service.status.state


@pytest.mark.fault(10)
@pytest.mark.parametrize(("effect", "argument", "name"), [("die", signal.SIGSEGV, "SIGSEGV"), ("abort", BUG, BUG)])
def test_a_crash_during_a_repair_is_told_once_tried_again_and_over_when_its_cause_is(
    rig: KernelRig, faults: LibnftablesFaults, effect: str, argument: object, name: str
) -> None:
    whole = rig.listing()
    faults.order("write", effect, argument, times=3)
    rig.namespace.nft(DAMAGE)
    damaged = rig.listing()
    rig.woken()
    events = rig.journal.take()
    told = [type(each).__name__ for each in events]
    assert told == ["DriftDetected", "DriftDetected", "WorkerCrashed", "RepairFailed", "Degraded"]
    assert all(each.PRIORITY is Priority.ERR for each in events[2:4])
    assert all(name in str(each) and "a newer nft" in str(each) for each in events[2:4])
    assert rig.listing() == damaged
    assert state(rig) is State.DEGRADED
    assert name in rig.service.status.line(rig.clock.now)
    for seconds in (1, 2):
        rig.clock.now += seconds
        rig.service.tick()
        assert rig.journal.take() == []
        assert state(rig) is State.DEGRADED
    rig.clock.now += 4
    rig.service.tick()
    assert [type(each) for each in rig.journal.take()] == [DriftRepaired, Recovered]
    assert rig.listing() == whole
    assert state(rig) is State.IN_SYNC


@pytest.mark.fault(32)
def test_a_worker_that_hangs_is_killed_at_its_deadline_and_the_watchdog_waits_for_that(
    rig: KernelRig, faults: LibnftablesFaults, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults.order("write", "hang")
    rig.notifier.take()
    with monkeypatch.context() as patched:
        patched.setattr("secmarkd.adapters.nftables.port.WRITE_SECONDS", 0.3)
        rig.namespace.nft(DAMAGE)
        rig.woken()
    assert {"EXTEND_TIMEOUT_USEC": "150000000"} in rig.notifier.take()
    *_, crashed, _, degraded = rig.journal.take()
    assert "did not answer within 0.3" in str(crashed)
    assert isinstance(degraded, Degraded)
    assert rig.nft.pid is None
    rig.clock.now += 1
    rig.service.tick()
    assert [type(each) for each in rig.journal.take()][-2:] == [DriftRepaired, Recovered]
