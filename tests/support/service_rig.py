# SPDX-License-Identifier: GPL-2.0-or-later
"""A service among fakes, and configurations for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from secmarkd.compiler.compile import compile_table
from secmarkd.compiler.loaded import Loaded
from secmarkd.events import Event
from secmarkd.model.context import Context, parse_context
from secmarkd.model.label_map import (
    Defaults,
    Environment,
    LabelMap,
    Mode,
    OnDrift,
    OnStop,
    Origin,
    Ownership,
    Role,
    Rule,
    Settings,
)
from secmarkd.model.names import Found
from secmarkd.model.protocols import TCP
from secmarkd.ports import CgroupNews
from secmarkd.service.adapters import Adapters
from secmarkd.service.machine import Service
from secmarkd.service.status import Status
from secmarkd.table.elements import Elements
from secmarkd.table.table import Table
from tests.fakes.access import FakeAccess
from tests.fakes.cgroups import FakeCgroupEvents
from tests.fakes.changes import FakeChanges
from tests.fakes.claim import FakeClaim
from tests.fakes.labellers import FakeLabellers
from tests.fakes.names import FakeLookups, FakeNameEvents
from tests.fakes.nft import FakeNft
from tests.fakes.selinux import FakeSelinux, FakeSelinuxEvents
from tests.fakes.service import FakeClock, FakeJournal, FakeLoader, FakeNotifier
from tests.fakes.writers import FakeWriters

DEFAULTS = Defaults(
    server=parse_context("system_u:object_r:server_packet_t:s0"),
    client=parse_context("system_u:object_r:client_packet_t:s0"),
    icmp=parse_context("system_u:object_r:icmp_packet_t:s0"),
)
HTTP = Context("system_u", "object_r", "http_server_packet_t", "s0")


def configuration(
    *ports: int,
    cgroup: str | None = None,
    context: Context = HTTP,
    environment: Environment | None = None,
    **settings: object,
) -> Loaded:
    """One label `http` for servers at TCP ports."""
    environment = environment or Environment()
    rules = tuple(
        Rule(
            label="http", context=context, role=Role.SERVER, origin=Origin("50-web.toml", 2, "labels.http.tcp"),
            protocol=TCP, ports=(port, port), cgroup=cgroup,
        )
        for port in ports
    )  # fmt: skip
    chosen = replace(Settings(), **settings)  # type: ignore[arg-type]
    return Loaded(
        settings=chosen,
        table=compile_table(LabelMap(rules=rules, defaults=DEFAULTS), chosen.mode, environment, chosen.ownership),
        environment=environment,
        label_count=1,
        origins={str(context): "50-web.toml:2: labels.http.tcp"},
        cgroups=frozenset({cgroup} if cgroup else ()),
    )


class Rig:
    """A service that nothing has happened to yet."""

    def __init__(
        self,
        loaded: Loaded | None = None,
        *,
        watchdog: float | None = None,
        table: Table | None = None,
        nft: FakeNft | None = None,
    ) -> None:
        self.nft = nft or FakeNft(table)
        self.events = FakeChanges(self.nft)
        self.writers = FakeWriters()
        self.clock = FakeClock()
        self.journal = FakeJournal()
        self.notifier = FakeNotifier()
        self.selinux = FakeSelinux()
        self.selinux_events = FakeSelinuxEvents()
        self.claim = FakeClaim(self.journal, self.clock)
        self.policy = FakeAccess()
        self.forwards = False
        self.labellers = FakeLabellers()
        self.configuration: Loaded | Exception = loaded or configuration(80, 443)
        self.loader = FakeLoader(self._load)
        self.environment = Environment()
        self.read_environment: Callable[[], Environment] = lambda: self.environment
        self.cgroup_events = FakeCgroupEvents()
        self.lookups = FakeLookups()
        self.name_events = FakeNameEvents()
        self.published: list[Status] = []
        self.wakes = 0
        """How often time woke the service in `run`."""
        adapters = Adapters(
            nft=self.nft, events=self.events, writers=self.writers,
            loader=self.loader, selinux=self.selinux, policy=self.policy, labellers=self.labellers,
            cgroup_events=self.cgroup_events,
            journal=self.journal, notifier=self.notifier,
            clock=self.clock, read_environment=lambda _: self.read_environment(), ports_in_use=frozenset,
            forwards=lambda: self.forwards,
            publish=self._publish, give_back=lambda: None,
            lookups=self.lookups, name_events=self.name_events, selinux_events=self.selinux_events, claim=self.claim,
        )  # fmt: skip
        self.service = Service(adapters, pid=42, folders="/etc/secmarkd", watchdog=watchdog)

    def _publish(self, status: Status) -> None:
        self.published.append(status)
        self.claim.write_status()

    def _load(self) -> Loaded:
        if isinstance(self.configuration, Exception):
            raise self.configuration
        return self.configuration

    def started(self) -> Rig:
        """Bring it to READY and forget what was said."""
        self.service.tick()
        assert self.service.status.state == "in sync"
        self.journal.take()
        self.notifier.take()
        return self

    def run(self, seconds: float) -> None:
        """Let time pass, ticking whenever the service asks for it."""
        end = self.clock.now + seconds
        while self.service.running and self.service.due() <= end:
            self.clock.now = max(self.clock.now, self.service.due())
            self.wakes += 1
            self.service.tick()
        self.clock.now = max(self.clock.now, end)

    def hear(self) -> None:
        """The kernel's events arrive, and what is due at once is done. Without this they are late."""
        self.service.changed()
        self.run(0)

    def hear_of_cgroups(self, **news: bool) -> None:
        """The kernel tells of cgroups, and what is due at once is done."""
        self.cgroup_events.news = CgroupNews(**{"came": False, "went": False, **news})
        self.service.cgroups_changed()
        self.run(0)

    def answer(self, answer: Found | Exception) -> None:
        """The lookup that is under way is answered, and what is due at once is done."""
        self.lookups.reply(answer)
        self.service.names_answered()
        self.run(0)

    def reload(self, configuration: Loaded | Exception) -> list[Event]:
        """A reload of another configuration, and what was said."""
        self.configuration = configuration
        self.service.ask_reload()
        self.service.tick()
        return self.journal.take()

    def drop_element(self) -> None:
        """Someone deletes one map element."""
        self.nft.change(_without_an_element)

    def retarget(self) -> None:
        """Someone empties every map."""
        self.nft.change(_without_elements)

    @property
    def says(self) -> str:
        """What the service manager shows."""
        return self.service.status.line(self.clock.now)


def _without_an_element(table: Table) -> Table:
    first, *rest = (each for each in table.maps if len(each.elements))
    entries = list(first.elements.items())[1:]
    changed = replace(first, elements=Elements.of(first.elements.width, entries))
    return replace(table, maps=tuple(sorted((changed, *rest), key=lambda each: each.name)))


def _without_elements(table: Table) -> Table:
    return replace(table, maps=tuple(replace(each, elements=Elements(each.elements.width)) for each in table.maps))


__all__ = ["HTTP", "Mode", "OnDrift", "OnStop", "Ownership", "Rig", "configuration"]
