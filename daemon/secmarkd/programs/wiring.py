# SPDX-License-Identifier: GPL-2.0-or-later
"""The adapters that the programs use, made only here; tests pass others."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TextIO

from secmarkd import __version__
from secmarkd.adapters.host.forwarding import forwards
from secmarkd.model.host import HostNetwork
from secmarkd.ports import (
    AccessQuestions,
    CgroupEvents,
    ChangeEvents,
    Clock,
    Labellers,
    NameEvents,
    Nft,
    Selinux,
    SelinuxEvents,
    Writers,
)


class RealClock:
    """CLOCK_MONOTONIC, the same for all processes since boot."""

    def monotonic(self) -> float:
        """See ports.Clock."""
        return time.monotonic()


def open_nft(*, at_once: bool = False) -> Nft:
    """nftables of this network namespace; `at_once` for who will write to it, and has other things to do first."""
    from secmarkd.adapters.nftables.port import LibNft

    return LibNft(at_once=at_once)


def open_events() -> ChangeEvents:
    """The events of this network namespace, from now on. KernelError where the kernel refuses them."""
    from secmarkd.adapters.netlink.errors import typed_errors
    from secmarkd.adapters.netlink.notifications import NetlinkEvents

    with typed_errors("listen"):
        return NetlinkEvents()


def open_writers() -> Writers:
    """The processes of this machine."""
    from secmarkd.adapters.host.processes import Processes

    return Processes()


def open_selinux() -> Selinux:
    """SELinux of the running kernel."""
    from secmarkd.adapters.selinux.selinuxfs import SelinuxFs

    return SelinuxFs()


def open_labellers() -> Labellers:
    """Other tables of this network namespace."""
    from secmarkd.adapters.netlink.labellers import NetlinkLabellers

    return NetlinkLabellers()


def open_policy() -> AccessQuestions:
    """The policy that is loaded."""
    from secmarkd.adapters.selinux.access import SelinuxAccess

    return SelinuxAccess()


def open_selinux_events() -> SelinuxEvents | None:
    """Its events, from now on; None where the kernel has none, so that only the periodic verification looks."""
    from secmarkd.adapters.selinux.notifications import SelinuxEvents

    try:
        return SelinuxEvents()
    except OSError:
        return None


def open_cgroup_events() -> CgroupEvents | None:
    """The cgroups of this machine; None where the kernel gives no more inotify instances."""
    from secmarkd.adapters.host.cgroup_watch import CgroupEvents

    try:
        return CgroupEvents()
    except OSError:
        return None


def open_name_events() -> NameEvents | None:
    """The files that names are looked up in; None where the kernel gives no more inotify instances."""
    from secmarkd.adapters.host.name_watch import NameEvents

    try:
        return NameEvents()
    except OSError:
        return None


def read_network() -> HostNetwork | None:
    """This network namespace, now; None where the kernel does not tell."""
    from secmarkd.adapters.netlink.rtnetlink import read_network

    try:
        return read_network()
    except OSError:
        return None


def _opened(stream: TextIO | None) -> TextIO:
    """The stream; where this program was started without one, one that keeps nothing."""
    return stream if stream is not None else open(os.devnull, "w")


@dataclass(frozen=True, slots=True)
class Tools:
    """What the service and the verbs reach the world with."""

    open_nft: Callable[..., Nft] = open_nft
    open_selinux: Callable[[], Selinux] = open_selinux
    send_signal: Callable[[int, int], None] = os.kill
    clock: Clock = field(default_factory=RealClock)
    sleep: Callable[[float], None] = time.sleep
    out: TextIO = field(default_factory=lambda: _opened(sys.stdout))
    err: TextIO = field(default_factory=lambda: _opened(sys.stderr))
    open_events: Callable[[], ChangeEvents] = open_events
    open_writers: Callable[[], Writers] = open_writers
    open_selinux_events: Callable[[], SelinuxEvents | None] = open_selinux_events
    open_cgroup_events: Callable[[], CgroupEvents | None] = open_cgroup_events
    read_network: Callable[[], HostNetwork | None] = read_network
    open_name_events: Callable[[], NameEvents | None] = open_name_events
    open_policy: Callable[[], AccessQuestions] = open_policy
    open_labellers: Callable[[], Labellers] = open_labellers
    forwards: Callable[[], bool] = forwards
    """Whether this network namespace forwards packets."""


DEBUG = "log requests, transactions and timings to stderr (also enabled by SECMARKD_DEBUG=1)"
"""The help of --debug."""


def version(program: str) -> str:
    """`program 1.2.3`."""
    return f"{program} {__version__}"
