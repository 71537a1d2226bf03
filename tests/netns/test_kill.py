# SPDX-License-Identifier: GPL-2.0-or-later
"""kill -9 at every step: the labels are whole, nothing of the service is left behind, and the next start adopts them.

The service kills itself at a named point (tests/support/dying_service.py), is killed from outside, or by its own worker in
the middle of what that does. Where there were labels before, every packet has one all the while, and during the next start.
"""

from __future__ import annotations

import itertools
import re
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from secmarkd.adapters.nftables.port import LibNft
from secmarkd.adapters.run.lock import holder
from secmarkd.change.diff import diff
from secmarkd.table.drift import Change, Thing
from secmarkd.table.table import Table
from tests.support.faults import LibnftablesFaults
from tests.support.namespace import Namespace
from tests.support.real_service import RealService

pytestmark = pytest.mark.fault(30)

OLD = "[labels.http]\ntcp = [80, 443]\n"
NEW = "[labels.http]\ntcp = [80, 443]\n[labels.dns]\nudp = [53]\ntcp = [53]\n"
HERE, THERE = (
    f"[labels.http]\ntcp = [80, 443]\nremote = {[f'10.{number}.{half}.0/24' for number in range(20)]}\n"
    for half in (1, 2)
)
"""Two that differ in more elements of a map than are changed one by one."""
LARGE = f"[labels.many]\nudp = {list(range(1, 60000, 71))}\n"
"""More elements than the first transaction of a first activation takes."""
ELEMENT = "delete element inet secmarkd server_port { tcp . 80 }"
STRUCTURE = "add chain inet secmarkd theirs"


class Scene:
    """A service that dies, what it leaves in the kernel, and the next one, which may die in its turn. The calling thread is
    in the namespace."""

    def __init__(self, service: RealService) -> None:
        self.service = service
        self.nft = LibNft()
        self._starts = 0

    def start(self, point: str = "") -> int:
        """A start up to READY: how many transactions it took. It dies at the point, counted from `arm`."""
        self.service.forget_told()
        before = self.nft.generation()
        self._start(point)
        self.service.await_told("READY=1")
        return self.nft.generation() - before

    def start_in_vain(self, point: str) -> None:
        """A start that dies at a point before READY."""
        self._start(point)
        self.arm()

    def _start(self, point: str) -> None:
        self._starts += 1
        entry = ("tests.support.dying_service", point, str(self._armed)) if point else ("secmarkd.programs.secmarkd",)
        self.service.start(entry=entry)

    @property
    def _armed(self) -> Path:
        return self.service.root / f"armed{self._starts}"

    def arm(self) -> None:
        """From now on points count."""
        self._armed.touch()

    def left(self) -> Table | None:
        """What is in the kernel once the service was killed, and nothing is left of it: no process, no lock."""
        assert self.service.await_exit() == -signal.SIGKILL, self.service.said
        self.service.await_helpers_gone(self.nft.pid)
        assert holder(self.service.runtime_folder) is None
        return self.nft.read()

    @contextmanager
    def traffic(self) -> Iterator[None]:
        """Packets over loopback all the while; at the end, each got its label in output and in input."""
        with socket.create_server(("127.0.0.1", 0), family=socket.AF_INET) as any_port:
            address = any_port.getsockname()
        ended = threading.Event()
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
        ):
            receiver.bind(address)

            def send() -> None:
                for sent in itertools.count(1):
                    sender.sendto(b"x", address)
                    if ended.wait(0.0005):
                        sizes.append(sent)
                        return

            sizes = [-self._counted() // 2]
            thread = threading.Thread(target=send)
            thread.start()
            try:
                yield
            finally:
                ended.set()
                thread.join()
            assert self._counted() == 2 * (sizes[1] - sizes[0])

    def _counted(self) -> int:
        listing = self.service.namespace.run("nft list counters table inet secmarkd").stdout
        return sum(map(int, re.findall(r"packets (\d+)", listing)))


@pytest.fixture
def scene(service: RealService, netns: Namespace) -> Iterator[Scene]:
    with netns.enter():
        scene = Scene(service)
        yield scene
        scene.nft.close()


@pytest.mark.fault(30, 31)
def test_at_the_first_start(scene: Scene) -> None:
    for point in ("before read 1", "before commit 1"):
        scene.start_in_vain(point)
        assert scene.left() is None
    scene.start_in_vain("after commit 1")
    whole = scene.left()
    scene.start_in_vain("after read 1")
    assert scene.left() == whole
    assert scene.start() == 0
    assert scene.nft.read() == whole


@pytest.mark.fault(30)
def test_between_the_two_transactions_of_a_first_start_with_many_labels(scene: Scene) -> None:
    """The first one labels every packet already, so nothing goes without a label after it."""
    scene.service.configure(LARGE)
    scene.start_in_vain("before commit 2")
    left = scene.left()
    assert left is not None
    with scene.traffic():
        assert scene.start() == 1
    table = scene.nft.read()
    assert table is not None
    assert {(each.thing, each.change) for each in diff(table, left)} == {(Thing.ELEMENT, Change.MISSING)}


@pytest.mark.fault(30, 31)
def test_during_a_repair(scene: Scene) -> None:
    assert scene.start("before commit 1") == 1
    whole = scene.nft.read()
    scene.arm()
    scene.service.namespace.nft(f"{ELEMENT}; {STRUCTURE}")
    assert scene.left() != whole
    assert scene.start("after commit 1") == 1
    for damage in (STRUCTURE, ELEMENT):
        scene.arm()
        scene.service.namespace.nft(damage)
        assert scene.left() == whole
        assert scene.start("after commit 1") == 0


@pytest.mark.fault(30, 31)
@pytest.mark.slow
def test_during_a_reload(scene: Scene) -> None:
    def reload(labels: str) -> Table | None:
        scene.service.configure(labels)
        scene.arm()
        scene.service.signal(signal.SIGHUP)
        return scene.left()

    scene.start("before read 1")
    old = scene.nft.read()
    with scene.traffic():
        assert reload(NEW) == old
        assert scene.start("before commit 1") == 1
        new = scene.nft.read()
        assert new != old
        assert reload(OLD) == new
        assert scene.start("after commit 1") == 1
        assert reload(NEW) == new
        assert scene.start("before read 2") == 0
        assert reload(OLD) == old
        assert scene.start() == 0


@pytest.mark.fault(30)
@pytest.mark.parametrize("stage", [1, 2, 3, 4])
def test_between_the_stages_of_a_reload(scene: Scene, stage: int) -> None:
    """Where maps are made anew the new rules are reached in five transactions; each of them labels every packet."""
    scene.service.configure(HERE)
    scene.start(f"after commit {stage}")
    old = scene.nft.read()
    with scene.traffic():
        scene.service.configure(THERE)
        scene.arm()
        scene.service.signal(signal.SIGHUP)
        left = scene.left()
        made = scene.start()
    new = scene.nft.read()
    assert left not in (None, old, new)
    assert made == 1


@pytest.mark.fault(30)
def test_while_the_configuration_is_being_loaded(scene: Scene) -> None:
    scene.start()
    old = scene.nft.read()
    scene.service.configure(NEW)
    scene.service.signal(signal.SIGHUP)
    scene.service.await_told("RELOADING=1")
    scene.service.signal(signal.SIGKILL)
    left = scene.left()
    made = scene.start()
    assert (left, made) in ((old, 1), (scene.nft.read(), 0))


@pytest.mark.fault(30)
def test_while_the_labels_are_being_removed_at_the_end(scene: Scene) -> None:
    scene.service.configure(OLD, 'on_stop = "remove"')
    scene.start("before commit 1")
    whole = scene.nft.read()
    scene.arm()
    scene.service.signal(signal.SIGTERM)
    assert scene.left() == whole
    assert scene.start("after commit 1") == 0
    scene.arm()
    scene.service.signal(signal.SIGTERM)
    assert scene.left() is None
    assert scene.start() == 1


@pytest.mark.fault(30)
def test_while_its_worker_is_at_it(scene: Scene, faults: LibnftablesFaults) -> None:
    """The worker dies with the service; what it was doing then has happened wholly or not at all."""
    scene.service.meet(faults)
    faults.order("write", "orphan before")
    scene.start_in_vain("")
    left = scene.left()
    made = scene.start()
    whole = scene.nft.read()
    assert (left, made) in ((None, 1), (whole, 0))
    with scene.traffic():
        faults.order("write", "orphan after")
        scene.service.namespace.nft(STRUCTURE)
        assert scene.left() == whole
        assert scene.start() == 0
