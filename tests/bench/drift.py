# SPDX-License-Identifier: GPL-2.0-or-later
"""From another process's commit to the repairing commit, by the real service.

The bench hears what the service hears, NEWGEN, and takes the time of both: when it learns of nft's commit, and when of the
service's last one before it says that nothing differs any more. After a repair the service has to be left alone for two
seconds, or the next change counts as a row of them and its repair waits: so there are several services, each in a namespace
of its own, and the others have their rest while one is looked at.

The baseline is what would put the same right without us: `nft -f` of the one element or of the whole ruleset, from the
process's start to its end, in a namespace without a service. Rounds of all of them alternate.
"""

from __future__ import annotations

import contextlib
import select
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import cycle
from pathlib import Path

from secmarkd.adapters.loading.process import load
from secmarkd.adapters.netlink.notifications import NetlinkEvents
from secmarkd.nft.render import render_key
from secmarkd.nft.text import encode
from secmarkd.service.contention import QUIET
from secmarkd.table.transaction import Replace
from tests.bench import staying
from tests.bench.figures import Figure, Section
from tests.bench.maps import port_tuples, write_ports
from tests.bench.service import Service
from tests.bench.urgent import be_woken_at_once
from tests.support.capability import NFT
from tests.support.namespace import Namespace
from tests.support.processes import work

_REST = QUIET + 0.2
"""Seconds after a pass."""
_PATIENCE = 120.0
_GOAL_SECONDS, _GOAL_ELEMENTS, _GOAL_RATIO = 0.005, 10_000, 1.5
_ELSEWHERE = 20
"""Commits to another table of which the service's CPU time is taken together."""


@dataclass(frozen=True)
class Size:
    """How much of what is measured."""

    elements: int
    rounds: int
    services: int


_SIZES = (Size(100, 200, 12), Size(1_000, 200, 12), Size(10_000, 100, 6), Size(100_000, 20, 2))
_QUICK = (Size(100, 20, 6), Size(1_000, 20, 6))


@dataclass
class Watched:
    """A service, and a socket that hears of its namespace's commits."""

    namespace: Namespace
    service: Service
    events: NetlinkEvents
    rested: float = 0.0
    """When its last story is over."""

    def repaired(self, tampering: Path) -> float | None:
        """Tamper by `nft -f`; seconds from that commit to the last one that repaired it. None where the bench learned of
        both at once."""
        time.sleep(max(0.0, self.rested - time.monotonic()))
        self.events.take()
        with self.namespace.enter():
            nft = subprocess.Popen([NFT, "-f", str(tampering)])
        tampered, commits = self._commits(_PATIENCE)
        last, together = tampered, commits > 1
        while not self._undone(since=tampered):
            if time.monotonic() > tampered + _PATIENCE:
                raise SystemExit(f"error: not repaired: {self.service.log[-2000:]}")
            at, commits = self._commits(0.02)
            last = at if commits else last
        at, commits = self._commits(0.0)
        last = at if commits else last
        nft.wait()
        self.rested = time.monotonic() + _REST
        if together:
            return None
        if last == tampered or self.service.status().opponent:
            raise SystemExit(f"error: not one repair of one change: {self.service.log[-2000:]}")
        return last - tampered

    def elsewhere(self, commits: int) -> float:
        """CPU seconds that a commit to another table costs the service."""
        time.sleep(max(0.0, self.rested - time.monotonic()))
        pids = [self.service.process.pid]
        before = work(pids)
        for _ in range(commits):
            self.namespace.nft("add table ip x; delete table ip x")
        time.sleep(0.2)
        return (work(pids) - before).cpu_seconds / commits

    def _commits(self, patience: float) -> tuple[float, int]:
        """When the next commits were heard of, and how many at once."""
        select.select([self.events], [], [], patience)
        at = time.monotonic()
        return at, len(self.events.take().committed)

    def _undone(self, since: float) -> bool:
        status = self.service.status()
        return not status.differences and (status.last_drift or 0.0) > since


def sections(quick: bool) -> Iterator[Section]:
    """A table for each size."""
    for size in _QUICK if quick else _SIZES:
        with contextlib.ExitStack() as stack:
            yield _section(size, stack)
        if size.elements <= _GOAL_ELEMENTS:
            yield staying.section(size.elements, rounds=size.rounds // 5)


def _section(size: Size, stack: contextlib.ExitStack) -> Section:
    files = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="secmarkd-bench-")))
    bare = stack.enter_context(Namespace())
    write_ports(files / "etc", port_tuples(size.elements // 2))  # both roles, so two elements a port
    with (files / "etc/secmarkd.toml").open("a") as settings:
        settings.write('resync = "1w"\n')  # a verification by the clock would fall into somebody's round
    changes = _changes(files)
    bare.run([NFT, "-f", str(changes[_EVERYTHING].mend)], timeout=_PATIENCE)
    watched = [_watched(stack, files / "etc") for _ in range(size.services)]
    be_woken_at_once(stack)
    ours: dict[str, list[float]] = {name: [] for name in changes}
    theirs: dict[str, list[float]] = {name: [] for name in changes}
    missed, turns = 0, cycle(watched)
    for _ in range(size.rounds):
        for name, change in changes.items():
            while (seconds := next(turns).repaired(change.tampering)) is None:
                missed += 1
            ours[name].append(seconds)
            bare.run([NFT, "-f", str(change.tampering)], timeout=_PATIENCE)
            theirs[name].append(_bare_seconds(bare, change.mend))
    elsewhere = [each.elsewhere(_ELSEWHERE) for each in watched]
    return _figures(size, ours, theirs, elsewhere, missed)


@dataclass(frozen=True)
class Change:
    """Files for nft: a tampering, and what puts it right."""

    tampering: Path
    mend: Path


_ELEMENT, _RULES, _EVERYTHING = "a deleted element", "a flushed table", "`flush ruleset`"


def _changes(files: Path) -> dict[str, Change]:
    """By name. Flushing a table takes its rules and leaves its maps."""
    loaded, _ = load([str(files / "etc")])
    whole = encode((Replace(loaded.table),))
    ports = next(each for each in loaded.table.maps if each.name == "server_port")
    key, target = next(iter(ports.elements.items()))
    element = f"element inet secmarkd server_port {{ {render_key(ports, key)}"
    texts = {
        _ELEMENT: (f"delete {element} }}", f'add {element} : "{target}" }}'),
        _RULES: (
            "flush table inet secmarkd",
            "\n".join(line for line in whole.splitlines() if line.startswith("add rule ")),
        ),
        _EVERYTHING: ("flush ruleset", whole),
    }
    changes = {}
    for number, (name, (tampering, mend)) in enumerate(texts.items()):
        changes[name] = Change(files / f"tampering{number}", files / f"mend{number}")
        changes[name].tampering.write_text(f"{tampering}\n")
        changes[name].mend.write_text(f"{mend}\n")
    return changes


def _watched(stack: contextlib.ExitStack, folder: Path) -> Watched:
    namespace = stack.enter_context(Namespace())
    service = stack.enter_context(Service(namespace, [str(folder)]))
    with namespace.enter():
        events = stack.enter_context(contextlib.closing(NetlinkEvents()))
    return Watched(namespace, service, events)


def _bare_seconds(namespace: Namespace, ruleset: Path) -> float:
    with namespace.enter():
        began = time.perf_counter()
        subprocess.run([NFT, "-f", str(ruleset)], check=True, timeout=_PATIENCE)
        return time.perf_counter() - began


def _figures(
    size: Size, ours: dict[str, list[float]], theirs: dict[str, list[float]], elsewhere: Sequence[float], missed: int
) -> Section:
    one, whole = theirs[_ELEMENT], theirs[_EVERYTHING]
    element = Figure(f"{_ELEMENT}, repaired", ours[_ELEMENT], baseline=one, by_median=True)
    if size.elements <= _GOAL_ELEMENTS:
        element = replace(element, most=_GOAL_SECONDS, absolute=True)
    figures = [
        Figure("bare nft -f of one element", one),
        Figure("bare nft -f of the rules alone", theirs[_RULES]),
        Figure("bare nft -f of the whole table", whole),
        element,
        Figure(f"{_RULES}, repaired", ours[_RULES], baseline=whole, by_median=True, most=_GOAL_RATIO),
        Figure(f"{_EVERYTHING}, repaired", ours[_EVERYTHING], baseline=whole, by_median=True, most=_GOAL_RATIO),
        Figure("a change of another table: the service's CPU time", elsewhere),
    ]
    notes = [
        f"{size.rounds} rounds over {size.services} services" + ("; p99 is the largest" if size.rounds < 100 else "")
    ]
    if missed:
        notes.append(f"{missed} more of which the bench learned too late, repeated")
    return Section(
        f"from someone's commit to the repairing commit ({size.elements:,} elements)",
        "bare `nft -f` of the one element, or of the whole table; by medians",
        figures,
        notes,
        tail=True,
    )
