# SPDX-License-Identifier: GPL-2.0-or-later
"""The contract of `ports.Nft`, kept by the fake and by libnftables; and what only one of the two can show.

SECMARKD_CONTRACT_SECMARK=1 uses secmark objects, which needs an active SELinux; counters otherwise.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
from collections.abc import Callable, Iterator

import pytest

from secmarkd.adapters.nftables.port import LibNft
from secmarkd.errors import (
    Conflict,
    ContextRejected,
    KernelError,
    RelabelDenied,
    SelinuxInactive,
    StateUnknown,
    WorkerFailed,
)
from secmarkd.table.table import Object, ObjectKind, Table
from secmarkd.table.transaction import AddObjects, Remove, Replace
from tests.contract.nft_contract import NftContract, World
from tests.fakes.nft import FakeNft
from tests.support.capability import has_selinux, require, require_bindings
from tests.support.namespace import Namespace
from tests.support.tables import full_table, make_object

SECMARK = os.environ.get("SECMARKD_CONTRACT_SECMARK") == "1"
KIND = ObjectKind.SECMARK if SECMARK else ObjectKind.COUNTER
UNKNOWN = "system_u:object_r:no_such_type_t:s0"


class FakeWorld:
    """The fake."""

    def __init__(self) -> None:
        self.nft = FakeNft()
        self.nft.unknown_contexts.add(UNKNOWN)
        self.kind = KIND

    def change(self, text: str, effect: Callable[[Table], Table | None]) -> None:
        self.nft.change(effect)


class KernelWorld:
    """libnftables in a network namespace, in which the calling thread is."""

    def __init__(self, netns: Namespace) -> None:
        self.netns = netns
        self.nft = LibNft()
        self.kind = KIND

    def change(self, text: str, effect: Callable[[Table], Table | None]) -> None:
        self.netns.nft(text)


class TestFakeNft(NftContract):
    @pytest.fixture
    def world(self) -> World:
        return FakeWorld()

    def test_a_failure_that_was_ordered_happens_once(self) -> None:
        nft = FakeNft()
        nft.fail_next("commit", Conflict("no", operation="commit"))
        with pytest.raises(Conflict):
            nft.commit((Replace(Table()),))
        assert nft.read() is None
        nft.commit((Replace(Table()),))
        assert nft.read() == Table()

    def test_a_lost_answer_leaves_a_committed_transaction(self) -> None:
        nft = FakeNft()
        nft.lose_next_answer()
        with pytest.raises(WorkerFailed):
            nft.commit((Replace(Table()),))
        assert nft.read() == Table()

    def test_a_read_that_fails_says_nothing_about_the_table(self) -> None:
        nft = FakeNft(Table())
        nft.fail_next("read", StateUnknown("no", operation="read"))
        with pytest.raises(StateUnknown):
            nft.read()
        assert nft.read() == Table()

    @pytest.mark.parametrize("error", [ContextRejected, RelabelDenied, SelinuxInactive])
    def test_contexts_can_be_refused(self, error: type[KernelError]) -> None:
        nft = FakeNft(Table(), selinux=error is not SelinuxInactive)
        nft.unknown_contexts.add("a:b:unknown")
        nft.denied_contexts.add("a:b:denied")
        context = "a:b:denied" if error is RelabelDenied else "a:b:unknown"
        with pytest.raises(error) as caught:
            nft.commit((AddObjects((Object("s", ObjectKind.SECMARK, context),)),))
        assert caught.value.offender == context


class TestLibNft(NftContract):
    @pytest.fixture
    def world(self, netns: Namespace) -> Iterator[KernelWorld]:
        require_bindings()
        if SECMARK:
            require(has_selinux(), "needs SELinux")
        world = KernelWorld(netns)
        with netns.enter():
            yield world
            world.nft.close()

    def test_a_worker_that_died_unnoticed_is_replaced(self, world: KernelWorld) -> None:
        world.nft.commit((Replace(Table()),))
        assert world.nft.pid is not None
        pid = world.nft.pid
        handle = os.pidfd_open(pid)
        os.kill(pid, signal.SIGKILL)
        select.select([handle], [], [])
        os.close(handle)
        assert world.nft.read() == Table()

    def test_a_worker_that_hangs_is_killed_and_replaced(
        self, world: KernelWorld, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        world.nft.commit((Replace(Table()),))
        assert world.nft.pid is not None
        pid = world.nft.pid
        os.kill(pid, signal.SIGSTOP)
        monkeypatch.setattr("secmarkd.adapters.nftables.port.WRITE_SECONDS", 0.2)
        with pytest.raises(WorkerFailed, match="did not answer within"):
            world.nft.commit((Replace(Table()),))
        monkeypatch.undo()
        assert not os.path.exists(f"/proc/{pid}")
        world.nft.commit((Replace(Table()),))
        assert world.nft.read() == Table()

    def test_the_table_outlives_the_worker(self, world: KernelWorld) -> None:
        table = full_table(KIND)
        world.nft.commit((Replace(table),))
        world.nft.close()
        assert world.nft.pid is None
        assert world.nft.read() == table

    def test_nothing_outside_of_the_table_is_touched(self, world: KernelWorld) -> None:
        world.netns.nft("table inet other { chain c { accept; }; }")
        before = world.netns.nft("list table inet other")
        world.nft.commit((Replace(full_table(KIND)),))
        world.nft.commit((Remove(),))
        assert world.netns.nft("list table inet other") == before

    def test_a_table_owned_by_another_process_is_said_to_be(self, world: KernelWorld) -> None:
        with world.netns.popen(["nft", "-i"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as owner:
            assert owner.stdin is not None
            assert owner.stdout is not None
            owner.stdin.write("add table inet secmarkd { flags owner; }\nlist tables\n")
            owner.stdin.flush()
            for line in owner.stdout:
                if "secmarkd" in line and "flags" not in line:
                    break
            assert world.nft.read() == Table(flags=("owner",))
            with pytest.raises(KernelError, match="another process owns the table"):
                world.nft.commit((Replace(Table()),))
            owner.stdin.close()

    if SECMARK:  # the same suite runs once more in the virtual machine, with SELinux

        def test_an_unknown_context_is_named(self, world: KernelWorld) -> None:
            good, bad = make_object("s_ssh", KIND), Object("s_wrong", KIND, UNKNOWN)
            for act in (world.nft.check, world.nft.commit):
                with pytest.raises(ContextRejected) as caught:
                    act((Replace(Table(objects=(good, bad))),))
                assert caught.value.offender == UNKNOWN
            assert world.nft.read() is None

    else:

        def test_a_context_means_nothing_without_selinux(self, world: KernelWorld) -> None:
            world.nft.commit((Replace(Table()),))
            with pytest.raises(SelinuxInactive) as caught:
                world.nft.check((AddObjects((make_object("s_ssh", ObjectKind.SECMARK),)),))
            assert caught.value.offender == "system_u:object_r:ssh_server_packet_t:s0"
            with pytest.raises(SelinuxInactive):
                world.nft.commit((Replace(full_table(ObjectKind.SECMARK)),))

    def test_the_worker_leaves_no_descriptor_behind(self, world: KernelWorld) -> None:
        world.nft.read()
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(3):
            world.nft.close()
            world.nft.read()
        assert len(os.listdir("/proc/self/fd")) == before
