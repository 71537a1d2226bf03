# SPDX-License-Identifier: GPL-2.0-or-later
"""What the service can reach, and two things that it and secmarkctl both do with it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from secmarkd.change.plan import InUse
from secmarkd.errors import KernelError, SelinuxInactive, WorkerFailed
from secmarkd.model.label_map import Environment
from secmarkd.ports import (
    AccessQuestions,
    CgroupEvents,
    ChangeEvents,
    Claim,
    Clock,
    Journal,
    Labellers,
    Loader,
    Lookups,
    NameEvents,
    Nft,
    Notifier,
    Selinux,
    SelinuxEvents,
    Writers,
)
from secmarkd.service.status import Status
from secmarkd.table.transaction import Remove


@dataclass(frozen=True, slots=True)
class Adapters:
    """All that the service can reach."""

    nft: Nft
    events: ChangeEvents
    writers: Writers
    loader: Loader
    selinux: Selinux
    policy: AccessQuestions
    labellers: Labellers
    cgroup_events: CgroupEvents | None
    """None where the kernel gives none: then cgroups are followed at verifications only."""
    journal: Journal
    notifier: Notifier
    clock: Clock
    read_environment: Callable[[frozenset[str]], Environment]
    ports_in_use: Callable[[], InUse]
    forwards: Callable[[], bool]
    """Whether this machine forwards packets."""
    publish: Callable[[Status], None]
    give_back: Callable[[], None]
    """Return free memory to the kernel."""
    lookups: Lookups | None = None
    """None where names are looked up by a load only."""
    name_events: NameEvents | None = None
    """None where the kernel gives none: then names are looked up again in time only."""
    selinux_events: SelinuxEvents | None = None
    """None where the kernel gives none: then SELinux is looked at when the table is verified only."""
    stop_asked: Callable[[], bool] = lambda: False
    """Whether a signal to stop has come, of which the service may not have been told yet: a pass is running."""
    claim: Claim | None = None
    """The files below /run; None where nobody else could want them."""


def require_selinux(selinux: Selinux) -> None:
    """SelinuxInactive unless a policy is loaded: before that, the kernel takes any text for a context."""
    state = selinux.state()
    if state.hidden:
        enter = f"nsenter --net=/run/netns/{state.namespace or 'NAME'} secmarkctl …"
        raise SelinuxInactive(
            "SELinux is active on this machine, but selinuxfs is not mounted here, so packets cannot be labelled",
            operation="start",
            hint=f"`ip netns exec` hides it; `{enter}` does not, or mount it: mount -t selinuxfs selinuxfs /sys/fs/selinux",
        )
    if not state.active:
        raise SelinuxInactive(
            "SELinux is not active on this machine, so packets cannot be labelled",
            operation="start",
            hint='set mode = "rehearse" in secmarkd.toml to try the labels out, or boot with SELinux',
        )


def remove(nft: Nft) -> None:
    """Take our table out of the kernel and see that it is gone. KernelError where it is not."""
    with suppress(WorkerFailed):  # whether it happened is what the read tells
        nft.commit((Remove(),))
    if nft.read() is not None:
        raise KernelError("table inet secmarkd is still there after its removal", operation="remove")
