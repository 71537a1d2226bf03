# SPDX-License-Identifier: GPL-2.0-or-later
"""`secmarkd`: puts the service together and runs it."""

from __future__ import annotations

from secmarkd.programs.starting import HELD, hold

if __name__ == "__main__":
    hold()

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from secmarkd.adapters.host.environment import ports_in_use, read_environment
from secmarkd.adapters.host.memory import give_back
from secmarkd.adapters.host.netns import inode
from secmarkd.adapters.loading.loader import ChildLoader
from secmarkd.adapters.loading.lookups import ChildLookups
from secmarkd.adapters.run.claim import Claim
from secmarkd.adapters.run.lock import AlreadyRunning, Lock
from secmarkd.adapters.run.status_file import StatusFile
from secmarkd.adapters.systemd.journal import open_journal
from secmarkd.adapters.systemd.notify import Manager, runtime_folder, watchdog_interval
from secmarkd.programs.error_reporting import EXIT_CODES, exit_code_of
from secmarkd.programs.wiring import DEBUG, Tools, version
from secmarkd.service.adapters import Adapters
from secmarkd.service.exit_codes import Exit
from secmarkd.service.loop import Loop
from secmarkd.service.machine import Service
from secmarkd.service.status import Status
from secmarkd.workers import trace

STOPS = (signal.SIGTERM, signal.SIGINT)
LOCK_PATIENCE = 5.0
"""Seconds to wait for a `secmarkctl apply` that is under way, or for the service before this one to end."""


def main(argv: Sequence[str] | None = None, tools: Tools | None = None) -> int:
    """Run the service until it is stopped; its exit code."""
    tools = tools or Tools()
    arguments = _parser().parse_args(argv)
    if arguments.debug:
        trace.enable()
    return exit_code_of(lambda: _run(arguments.config_dir or [], Path(arguments.runtime_dir), tools), tools.err)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="secmarkd",
        description="Keep the kernel's packet labels in sync with the label map. SIGHUP reloads the configuration, SIGUSR1 "
        "verifies the labels now.",
        epilog=EXIT_CODES,
        # A fixed width: asking for the terminal's would load shutil, a megabyte in a process that stays.
        formatter_class=partial(argparse.RawDescriptionHelpFormatter, width=100),
    )
    parser.add_argument("--config-dir", action="append", metavar="DIR", help="read the configuration from DIR (repeatable; "
                        "later ones take precedence; default: secmarkd in /usr/lib, /run, /etc)")  # fmt: skip
    parser.add_argument("--runtime-dir", default=runtime_folder(os.environ), metavar="DIR",
                        help="the directory of lock and status (default: %(default)s)")  # fmt: skip
    parser.add_argument("--debug", action="store_true", help=DEBUG)
    parser.add_argument("--version", action="version", version=version("secmarkd"))
    return parser


def _run(dirs: Sequence[str], folder: Path, tools: Tools) -> Exit:
    clock = tools.clock
    loop = Loop(clock)
    loop.hold(HELD)
    lock = Lock(folder)
    _acquire(lock, tools)
    netns, file = inode(), StatusFile(lock.folder)
    file.publish(Status(pid=os.getpid(), netns=netns))  # says that the lock's holder is the service, not secmarkctl
    journal = open_journal(os.environ, clock)
    claim = Claim(lock, journal, clock)
    nft = tools.open_nft(at_once=True)
    events = tools.open_events()
    selinux_events = tools.open_selinux_events()
    cgroup_events = tools.open_cgroup_events()
    name_events, lookups = tools.open_name_events(), ChildLookups()
    loader = ChildLoader(dirs)
    try:
        adapters = Adapters(
            nft=nft,
            events=events,
            writers=tools.open_writers(),
            loader=loader,
            selinux=tools.open_selinux(),
            policy=tools.open_policy(),
            labellers=tools.open_labellers(),
            cgroup_events=cgroup_events,
            selinux_events=selinux_events,
            journal=journal,
            notifier=Manager.of(os.environ),
            clock=clock,
            read_environment=read_environment,
            ports_in_use=ports_in_use,
            forwards=tools.forwards,
            publish=lambda status: StatusFile(lock.folder).publish(status),
            give_back=give_back,
            lookups=lookups,
            name_events=name_events,
            claim=claim,
            stop_asked=lambda: loop.has_arrived(STOPS),
        )
        watchdog = watchdog_interval(os.environ, os.getpid())
        folders = ", ".join(dirs) or "/usr/lib, /run and /etc/secmarkd"
        service = Service(adapters, pid=os.getpid(), folders=folders, watchdog=watchdog, netns=netns)
        _subscribe(loop, service, adapters)
        loop.run(service)
        return service.exit_status or Exit.OK
    finally:
        nft.close()
        loop.close()
        events.close()
        if selinux_events:
            selinux_events.close()
        if cgroup_events:
            cgroup_events.close()
        if name_events:
            name_events.close()
        lookups.close()
        loader.close()
        claim.close()
        lock.release()


def _subscribe(loop: Loop, service: Service, adapters: Adapters) -> None:
    """Have the loop call the service for signals and notifications."""
    loop.on_signal((signal.SIGHUP,), service.ask_reload)
    loop.on_signal((signal.SIGUSR1,), service.ask_verify)
    loop.on_signal((signal.SIGCHLD,), service.child_ended)
    loop.on_signal(STOPS, service.ask_stop)
    loop.watch(adapters.events.fileno(), service.changed)
    loop.watch(adapters.loader.fileno(), service.load_answered)
    if adapters.cgroup_events is not None:
        loop.watch(adapters.cgroup_events.fileno(), service.cgroups_changed)
    if adapters.name_events is not None:
        loop.watch(adapters.name_events.fileno(), service.names_changed)
    if adapters.lookups is not None:
        loop.watch(adapters.lookups.fileno(), service.names_answered)
    if adapters.selinux_events is not None:
        loop.watch(adapters.selinux_events.fileno(), service.policy_changed)
    if adapters.claim is not None and adapters.claim.fileno() >= 0:
        loop.watch(adapters.claim.fileno(), adapters.claim.take)


def _acquire(lock: Lock, tools: Tools) -> None:
    end = tools.clock.monotonic() + LOCK_PATIENCE
    while True:
        try:
            return lock.acquire()
        except AlreadyRunning:
            if tools.clock.monotonic() >= end:
                raise
            tools.sleep(0.1)


if __name__ == "__main__":
    sys.exit(main())
