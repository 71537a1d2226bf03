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
from dataclasses import dataclass, replace
from typing import Protocol

from secmarkd.config.sources import LabelSource, SettingSource
from secmarkd.errors import CapabilityMissing
from secmarkd.kernel.child import Child
from secmarkd.kernel.privileges import CAP_NET_ADMIN, CAP_SYS_PTRACE, give_up
from secmarkd.kernel.serving import Final, serve
from secmarkd.model.context import Context
from secmarkd.model.labels import Environment, LabelMap, Origin, Ownership, Settings
from secmarkd.model.note import Note
from secmarkd.ruleset.table import Table
from secmarkd.service.environment import read_environment

DEADLINE = 120.0
"""Seconds for one load. 100,000 selectors take about five on a slow machine."""
_MEMORY = "100,000 selectors take some 100 MB while they are loaded; raise the memory limit, or write ranges of ports"


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
    packed: bytes = b""
    """The label map, for Loader.recompile."""
    label_sources: tuple[LabelSource, ...] = ()
    """By name. Empty in the service, which needs no more than `origins`; so are those of the settings."""
    setting_sources: tuple[SettingSource, ...] = ()
    notes: tuple[Note, ...] = ()
    """What the files and directories give reason to say."""


class Loader(Protocol):
    """Where configurations come from."""

    def load(self) -> Loaded:
        """The configuration as it is in the files now. ConfigError, CapabilityMissing, or WorkerFailed."""

    def recompile(self, loaded: Loaded, environment: Environment) -> Loaded:
        """A configuration loaded earlier, for another environment. The files are not looked at."""


# --- in the service ---


@dataclass(frozen=True, slots=True)
class _Load:
    dirs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Recompile:
    loaded: Loaded
    environment: Environment


class ChildLoader:
    """Implements Loader with one child process for each request."""

    def __init__(self, dirs: Sequence[str]) -> None:
        """`dirs` as in `load`."""
        self._dirs = tuple(dirs)

    def load(self) -> Loaded:
        """See Loader."""
        return _ask(_Load(self._dirs))

    def recompile(self, loaded: Loaded, environment: Environment) -> Loaded:
        """See Loader."""
        return _ask(_Recompile(replace(loaded, table=Table()), environment))


def _ask(request: _Load | _Recompile) -> Loaded:
    with Child("secmarkd.service.loading", "the loading process", memory_hint=_MEMORY) as child:
        answer = child.request(request, DEADLINE, operation="load")
    assert isinstance(answer, Loaded)
    return answer


# --- in the child, and in secmarkctl ---


def load(dirs: Sequence[str], *, owning: bool = False) -> tuple[Loaded, LabelMap]:
    """Load and compile in this process; for no `dirs` the system's folders. ConfigError with every mistake, or
    CapabilityMissing. `owning`: the table is for the service, which alone can own it as the settings may ask.
    """
    _require_pydantic()
    from secmarkd.config.folders import folders_of
    from secmarkd.config.load import load as load_files
    from secmarkd.ruleset.compile import compile_table

    configuration = load_files(folders_of(dirs))
    label_map, settings = configuration.label_map, configuration.settings
    cgroups = label_map.cgroups
    environment = read_environment(cgroups)
    ownership = settings.ownership if owning else Ownership.SHARED
    return Loaded(
        settings=settings,
        table=compile_table(label_map, settings.mode, environment, ownership),
        environment=environment,
        label_count=len(configuration.labels),
        origins=_origins(label_map),
        cgroups=cgroups,
        label_sources=configuration.labels,
        setting_sources=configuration.setting_sources,
        notes=configuration.notes,
    ), label_map


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


def _answer(request: _Load | _Recompile) -> Final:
    from secmarkd.ruleset.compile import compile_table

    match request:
        case _Load(dirs):
            loaded, label_map = load(dirs, owning=True)
            packed = zlib.compress(pickle.dumps(label_map), 1)
            return Final(replace(loaded, packed=packed, label_sources=(), setting_sources=()))
        case _Recompile(loaded, environment):
            label_map = pickle.loads(zlib.decompress(loaded.packed))
            settings = loaded.settings
            table = compile_table(label_map, settings.mode, environment, settings.ownership)
            return Final(replace(loaded, table=table, environment=environment))


def main() -> None:
    """The child's."""
    gc.disable()  # a fifth of the time of a large load, and this process ends anyway
    give_up(CAP_SYS_PTRACE, CAP_NET_ADMIN)
    serve(_answer)
