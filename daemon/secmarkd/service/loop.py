# SPDX-License-Identifier: GPL-2.0-or-later
"""The event loop: sleeps until something happens or is due. `selectors` and a pipe for signals; nothing else."""

from __future__ import annotations

import selectors
import signal
import socket
from collections.abc import Callable, Iterable
from types import FrameType
from typing import Protocol

from secmarkd.ports import Clock

LONGEST_SLEEP = 86400.0
"""Seconds; epoll takes at most 2**31 ms."""


class Worker(Protocol):
    """What the loop drives."""

    @property
    def running(self) -> bool:
        """Whether to go on."""

    def due(self) -> float:
        """When there is work to do next, in the clock's seconds; infinity when only an event brings work."""

    def tick(self) -> None:
        """Do what is due now."""


class Loop:
    """Waits for file descriptors, signals and time, and wakes the worker. One thread; callbacks run between ticks."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._selector = selectors.DefaultSelector()
        self._signals: dict[int, Callable[[], None]] = {}
        self._arrived: set[int] = set()
        self._waking, self._woken = socket.socketpair()
        self._waking.setblocking(False)
        self._woken.setblocking(False)
        self.watch(self._woken.fileno(), self._dispatch_signals)

    def watch(self, descriptor: int, ready: Callable[[], None]) -> None:
        """Call `ready` whenever the descriptor can be read."""
        self._selector.register(descriptor, selectors.EVENT_READ, ready)

    def hold(self, numbers: Iterable[signal.Signals]) -> None:
        """Note these signals from now on, those that the kernel has kept for this process included; what is to be done for
        them is done once `on_signal` and `run` are called."""
        signal.set_wakeup_fd(self._waking.fileno(), warn_on_full_buffer=False)
        held = tuple(numbers)
        for number in held:
            signal.signal(number, self._note)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, held)

    def on_signal(self, numbers: Iterable[signal.Signals], arrived: Callable[[], None]) -> None:
        """Call `arrived` in the loop, not in the handler, after a signal. Several of a kind at once count as one."""
        for number in numbers:
            self._signals[number] = arrived
            signal.signal(number, self._note)
        signal.set_wakeup_fd(self._waking.fileno(), warn_on_full_buffer=False)

    def has_arrived(self, numbers: Iterable[signal.Signals]) -> bool:
        """Whether one of these signals has come that nothing was called for yet: while the worker works."""
        return not self._arrived.isdisjoint(numbers)

    def run(self, worker: Worker) -> None:
        """Until the worker has stopped."""
        while worker.running:
            wait = min(max(worker.due() - self._clock.monotonic(), 0.0), LONGEST_SLEEP)
            for key, _ in self._selector.select(wait):
                key.data()
            worker.tick()

    def close(self) -> None:
        """Give descriptors back. Handlers stay, so that a late signal cannot kill the process while it cleans up."""
        signal.set_wakeup_fd(-1)
        self._selector.close()
        self._waking.close()
        self._woken.close()

    def _note(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """The handler. The pipe only wakes: it holds some 280 bytes, and a storm of SIGHUP must not drown a SIGTERM."""
        self._arrived.add(number)

    def _dispatch_signals(self) -> None:
        self._woken.recv(65536)
        arrived = self._arrived & self._signals.keys()
        self._arrived -= arrived
        for number in sorted(arrived):
            self._signals[number]()
