# SPDX-License-Identifier: GPL-2.0-or-later
"""Loading: from files to the compiled table, in a process of its own that ends afterwards.

pydantic and a hundred thousand parsed selectors need ten times the memory that the compiled table does; none of it stays in
the service. Of the label map the service keeps only a compressed copy, to compile it again when the machine changes: what
somebody is editing in /etc at that moment must not take effect without a reload.
"""

from __future__ import annotations

import gc
import pickle
import zlib
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from secmarkd.adapters.host.environment import read_environment
from secmarkd.adapters.loading.requests import Load, LookUp, Recompile
from secmarkd.compiler.loaded import Loaded
from secmarkd.errors import CapabilityMissing, Problem
from secmarkd.model.context import Context
from secmarkd.model.forwarded import forwarded_by
from secmarkd.model.label_map import Environment, LabelMap, Origin, in_numbers
from secmarkd.model.names import Found
from secmarkd.model.sources import Thing
from secmarkd.table.table import Table
from secmarkd.workers.child import Final, serve
from secmarkd.workers.privileges import CAP_NET_ADMIN, CAP_SYS_PTRACE, give_up
from secmarkd.workers.trace import timed

if TYPE_CHECKING:
    from secmarkd.config.build import Configuration  # imports pydantic, which the service does not need

LOOKUP_AT_LOAD = 2.0
"""Seconds that a load waits for names to be looked up. At boot no directory may answer, and labels must not wait for it."""


def load(dirs: Sequence[str], *, patience: float = 5.0) -> tuple[Loaded, LabelMap]:
    """Load and compile in this process, for a verb; for no `dirs` the system's folders. ConfigError with every mistake, or
    CapabilityMissing. The label map has the numbers of names that could be looked up within `patience` seconds.
    """
    configuration = _read(dirs)
    from secmarkd.adapters.host.names import look_up
    from secmarkd.compiler.compile import compile_table

    label_map, settings = configuration.label_map, configuration.settings
    with timed("load", "names"):
        found = look_up(label_map.names, patience)
    environment = replace(read_environment(label_map.cgroups), names=found.numbers)
    with timed("load", "compile"):
        table = compile_table(label_map, settings.mode, environment)
    loaded = _loaded(configuration, table, environment, found)
    return loaded, replace(label_map, rules=in_numbers(label_map.rules, environment))


def _load_for_service(request: Load) -> Loaded:
    configuration = _read(request.dirs)
    from secmarkd.adapters.host.names import look_up
    from secmarkd.compiler.compile import compile_table, compile_without_contradicting_names

    label_map, settings = configuration.label_map, configuration.settings
    with timed("load", "names"):
        found = look_up(label_map.names, LOOKUP_AT_LOAD)
    kept = {name: number for name, number in request.known.items() if name in found.unanswered}
    environment = replace(read_environment(label_map.cgroups), names={**found.numbers, **kept})
    contradicting: tuple[Problem, ...] = ()
    with timed("load", "compile"):
        if request.starting:
            table, _, contradicting = compile_without_contradicting_names(
                label_map, settings.mode, environment, settings.ownership
            )
        else:
            table = compile_table(label_map, settings.mode, environment, settings.ownership)
    return replace(
        _loaded(configuration, table, environment, found),
        contradicting=contradicting,
        mentions=tuple(each for each in configuration.mentions if each.thing in (Thing.NAME, Thing.CGROUP)),
        packed=zlib.compress(pickle.dumps(label_map), 1),
        label_sources=(),
        setting_sources=(),
    )


def _read(dirs: Sequence[str]) -> Configuration:
    _require_pydantic()
    from secmarkd.config.directories import folders_of
    from secmarkd.config.load import load as load_files

    with timed("load", "files"):
        return load_files(folders_of(dirs))


def _loaded(configuration: Configuration, table: Table, environment: Environment, found: Found) -> Loaded:
    label_map = configuration.label_map
    return Loaded(
        settings=configuration.settings,
        table=table,
        environment=environment,
        label_count=len(configuration.labels),
        origins=_origins(label_map),
        cgroups=label_map.cgroups,
        names=label_map.names,
        missing={name: why for name, why in found.missing.items() if name not in environment.names},
        unanswered=found.unanswered,
        mentions=configuration.mentions,
        label_sources=configuration.labels,
        setting_sources=configuration.setting_sources,
        notes=configuration.notes,
        forwarded=forwarded_by(label_map, configuration.setting_sources),
    )


def _require_pydantic() -> None:
    """Debian 12 has version 1, which would fail somewhere deep inside."""
    from importlib import metadata  # costs memory that the service need not spend

    hint = "on Debian 13 or later: apt-get install python3-pydantic; elsewhere: pip install 'pydantic>=2' into a venv"
    try:
        found = metadata.version("pydantic")
    except metadata.PackageNotFoundError:
        raise CapabilityMissing("the Python module pydantic is missing", hint=hint) from None
    if int(found.split(".")[0]) < 2:
        raise CapabilityMissing(f"pydantic {found} is too old; version 2 is needed", hint=hint)


def _origins(label_map: LabelMap) -> dict[str, str]:
    first: dict[Context, Origin] = {}
    defaults = label_map.defaults
    for rule in label_map.rules:
        first.setdefault(rule.context, rule.origin)
    origins = {str(context): str(origin) for context, origin in first.items()}
    for key in ("server", "client", "icmp", "forward"):
        context = getattr(defaults, key)
        if context is not None:
            origins.setdefault(str(context), f"default.{key}")
    return origins


def _answer(request: Load | Recompile | LookUp) -> Final:
    match request:
        case Load():
            return Final(_load_for_service(request))
        case Recompile(loaded, environment):
            from secmarkd.compiler.compile import compile_without_contradicting_names

            label_map = pickle.loads(zlib.decompress(loaded.packed))
            settings = loaded.settings
            with timed("load", "recompile"):
                table, _, contradicting = compile_without_contradicting_names(
                    label_map, settings.mode, environment, settings.ownership
                )
            return Final(replace(loaded, table=table, environment=environment, contradicting=contradicting))
        case LookUp(names, patience):
            from secmarkd.adapters.host.names import look_up

            return Final(look_up(names, patience))


def main() -> None:
    """The child's. Also that of adapters.loading.lookups."""
    gc.disable()  # a fifth of the time of a large load, and this process ends anyway
    give_up(CAP_SYS_PTRACE, CAP_NET_ADMIN)
    serve(_answer)
