"""What labels depend on besides the configuration: the machine's cgroups, and the ports in use."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from secmarkd.kernel.cgroups import ROOT, inode
from secmarkd.model.labels import Environment
from secmarkd.model.protocols import TCP, UDP
from secmarkd.ruleset.plan import InUse

PROC = Path("/proc")


def read_environment(named: Collection[str], cgroups: str = ROOT) -> Environment:
    """The environment now; `named` are the cgroups that the label map names. OSError where it cannot be read."""
    found = {each: inode(each, cgroups) for each in sorted(named)}
    there = {each: number for each, number in found.items() if number is not None}
    return Environment(cgroups=there)


def differences(before: Environment, after: Environment) -> Iterator[tuple[str, str, str]]:
    """What changed: the thing, what it was, what it is."""
    for each in sorted({*before.cgroups, *after.cgroups}):
        was, now = before.cgroups.get(each), after.cgroups.get(each)
        if was != now:
            found = "gone" if now is None else "there" if was is None else "another of that name"
            yield f"cgroup {each}", "absent" if was is None else "there", found

    for name in sorted(before.names.keys() & after.names.keys()):  # others are logged by service.names
        if before.names[name] != after.names[name]:
            yield str(name), str(before.names[name]), str(after.names[name])


def only_made_anew(before: Environment, after: Environment) -> bool:
    """Whether nothing changed but that cgroups were removed and made again: the label map compiles to the same table but
    for their numbers."""
    return before.names == after.names and before.cgroups.keys() == after.cgroups.keys()


def ports_in_use(proc: Path = PROC) -> InUse:
    """Protocol and port, at either end, of every TCP and UDP socket of this network namespace."""
    found: set[tuple[int, int]] = set()
    for name, protocol in (("tcp", TCP), ("tcp6", TCP), ("udp", UDP), ("udp6", UDP)):
        try:
            with open(proc / "net" / name) as file:
                next(file, None)
                for line in file:
                    found.update((protocol, int(end.rpartition(":")[2], 16)) for end in line.split(None, 3)[1:3])
        except OSError:
            continue
    return frozenset(found)
