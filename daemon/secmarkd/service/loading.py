"""Loading: from files to the compiled table, in a process of its own that ends afterwards.

pydantic and a hundred thousand parsed selectors need ten times the memory that the compiled table does; none of it stays in
the service. Of the label map the service keeps only a compressed copy, to compile it again when the machine changes: what
somebody is editing in /etc at that moment must not take effect without a reload.
"""

from __future__ import annotations

import gc
import pickle
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

from secmarkd.config.sources import LabelSource, Mention, SettingSource, Thing
from secmarkd.errors import CapabilityMissing, Problem
from secmarkd.kernel.child import Child
from secmarkd.kernel.privileges import CAP_NET_ADMIN, CAP_SYS_PTRACE, give_up
from secmarkd.kernel.serving import Final, serve
from secmarkd.model.context import Context
from secmarkd.model.labels import Environment, LabelMap, Origin, Settings, in_numbers
from secmarkd.model.names import Found, Name
from secmarkd.model.note import Note
from secmarkd.ruleset.table import Table
from secmarkd.service.environment import read_environment
from secmarkd.service.forwarding import Forwarded, forwarded_by

if TYPE_CHECKING:
    from secmarkd.config.build import Configuration  # imports pydantic, which the service does not need

DEADLINE = 120.0
"""Seconds for one load. 100,000 selectors take about five on a slow machine."""
LOOKUP_AT_LOAD = 2.0
"""Seconds that a load waits for names to be looked up. At boot no directory may answer, and labels must not wait for it."""
LOOKUP = 60.0
"""Seconds for a lookup that nothing waits for."""
_MEMORY = "100,000 selectors take some 100 MB while they are loaded; raise the memory limit, or write ranges of ports"


NOTHING_KNOWN: Mapping[Name, int] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration that was loaded and compiled without a mistake."""

    settings: Settings
    table: Table
    environment: Environment
    """What it was compiled for."""
    label_count: int
    origins: Mapping[str, str]
    """Where each context is written first."""
    cgroups: frozenset[str]
    """Those that the label map names."""
    names: frozenset[Name] = frozenset()
    """Those that the label map needs numbers for. `environment` has the numbers of those that have one."""
    missing: Mapping[Name, str] = field(default_factory=dict)
    """Why the others have none, and the fix."""
    unanswered: frozenset[Name] = frozenset()
    """The names of which nobody could say whether they exist, whatever `environment` has of them."""
    contradicting: tuple[Problem, ...] = ()
    """What by the numbers of names alone contradicts itself; the rules of these names are left out of the table."""
    mentions: tuple[Mention, ...] = ()
    """Where the label map names what it may have to wait for; in secmarkctl interfaces and local addresses as well."""
    packed: bytes = b""
    """The label map, for Loader.recompile."""
    label_sources: tuple[LabelSource, ...] = ()
    """By name. Empty in the service, which needs no more than `origins`; so are those of the settings."""
    setting_sources: tuple[SettingSource, ...] = ()
    notes: tuple[Note, ...] = ()
    """What the files and directories give reason to say."""
    forwarded: tuple[Forwarded, ...] = ()
    """The contexts that forwarded packets get."""


class Loader(Protocol):
    """Where configurations come from."""

    def load(self, known: Mapping[Name, int] = NOTHING_KNOWN, *, starting: bool = False) -> Loaded:
        """The configuration as it is in the files now. ConfigError, CapabilityMissing, or WorkerFailed.

        `known`: numbers of names, for those of which nobody can say now. `starting`: a contradiction that comes of the
        numbers of names is no ConfigError; see Loaded.
        """

    def recompile(self, loaded: Loaded, environment: Environment) -> Loaded:
        """A configuration loaded earlier, for another environment. The files are not looked at."""


# --- in the service ---


@dataclass(frozen=True, slots=True)
class _Load:
    dirs: tuple[str, ...]
    known: Mapping[Name, int]
    starting: bool


@dataclass(frozen=True, slots=True)
class LookUp:
    """The request to look names up; answered by a Found."""

    names: frozenset[Name]
    patience: float


@dataclass(frozen=True, slots=True)
class _Recompile:
    loaded: Loaded
    environment: Environment


class ChildLoader:
    """Implements Loader with one child process for each request."""

    def __init__(self, dirs: Sequence[str]) -> None:
        """`dirs` as in `load`."""
        self._dirs = tuple(dirs)

    def load(self, known: Mapping[Name, int] = NOTHING_KNOWN, *, starting: bool = False) -> Loaded:
        """See Loader."""
        return _ask(_Load(self._dirs, dict(known), starting))

    def recompile(self, loaded: Loaded, environment: Environment) -> Loaded:
        """See Loader."""
        return _ask(_Recompile(replace(loaded, table=Table()), environment))


def _ask(request: _Load | _Recompile) -> Loaded:
    with Child("secmarkd.service.loading", "the loading process", memory_hint=_MEMORY) as child:
        answer = child.request(request, DEADLINE, operation="load")
    assert isinstance(answer, Loaded)
    return answer


# --- in the child, and in secmarkctl ---


def load(dirs: Sequence[str], *, patience: float = 5.0) -> tuple[Loaded, LabelMap]:
    """Load and compile in this process, for a verb; for no `dirs` the system's folders. ConfigError with every mistake, or
    CapabilityMissing. The label map has the numbers of names that could be looked up within `patience` seconds.
    """
    configuration = _read(dirs)
    from secmarkd.kernel.names import look_up
    from secmarkd.ruleset.compile import compile_table

    label_map, settings = configuration.label_map, configuration.settings
    found = look_up(label_map.names, patience)
    environment = replace(read_environment(label_map.cgroups), names=found.numbers)
    table = compile_table(label_map, settings.mode, environment)
    loaded = _loaded(configuration, table, environment, found)
    return loaded, replace(label_map, rules=in_numbers(label_map.rules, environment))


def _load_for_service(request: _Load) -> Loaded:
    configuration = _read(request.dirs)
    from secmarkd.kernel.names import look_up
    from secmarkd.ruleset.compile import compile_table, compile_without_contradicting_names

    label_map, settings = configuration.label_map, configuration.settings
    found = look_up(label_map.names, LOOKUP_AT_LOAD)
    kept = {name: number for name, number in request.known.items() if name in found.unanswered}
    environment = replace(read_environment(label_map.cgroups), names={**found.numbers, **kept})
    contradicting: tuple[Problem, ...] = ()
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
    from secmarkd.config.folders import folders_of
    from secmarkd.config.load import load as load_files

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


def _answer(request: _Load | _Recompile | LookUp) -> Final:
    match request:
        case _Load():
            return Final(_load_for_service(request))
        case _Recompile(loaded, environment):
            from secmarkd.ruleset.compile import compile_without_contradicting_names

            label_map = pickle.loads(zlib.decompress(loaded.packed))
            settings = loaded.settings
            table, _, contradicting = compile_without_contradicting_names(
                label_map, settings.mode, environment, settings.ownership
            )
            return Final(replace(loaded, table=table, environment=environment, contradicting=contradicting))
        case LookUp(names, patience):
            from secmarkd.kernel.names import look_up

            return Final(look_up(names, patience))


def main() -> None:
    """The child's. Also that of service.lookups."""
    gc.disable()  # a fifth of the time of a large load, and this process ends anyway
    give_up(CAP_SYS_PTRACE, CAP_NET_ADMIN)
    serve(_answer)
