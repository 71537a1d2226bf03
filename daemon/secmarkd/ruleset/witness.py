"""A contradiction, told with both places and one packet that both rules match, in the words of `secmarkctl explain`."""

from __future__ import annotations

from secmarkd.errors import Problem
from secmarkd.model.address import format_address
from secmarkd.model.labels import Role
from secmarkd.model.protocols import TCP, protocol_name
from secmarkd.ruleset.kinds import Group, Selector
from secmarkd.ruleset.resolve import Clash

_EXAMPLE_REMOTE = {4: "192.0.2.1", 6: "2001:db8::1"}
_EXAMPLE_LOCAL = {4: "198.51.100.1", 6: "2001:db8:ffff::1"}
_EXAMPLE_PORT = 40000


def describe_clash(clash: Clash, group: Group) -> Problem:
    """The problem at the first place, naming the second."""
    first, second = sorted((clash.first, clash.second), key=lambda rule: rule.origin)
    packet = witness(clash, group)
    message = (
        f"labels a packet as {first.context}, which {second.origin} labels as {second.context}; "
        f"both match `{packet}`. Make one of them narrower, or remove it"
    )
    return Problem(first.origin.file, first.origin.line, first.origin.key, message)


def witness(clash: Clash, group: Group) -> str:
    """A packet that both rules match, as `secmarkctl explain` takes it."""
    ranges = dict(zip(group.ranged, clash.ranges, strict=True))
    exact = dict(zip(group.exact, clash.exact, strict=True))
    family = group.family or 4
    remote = _address(ranges.get(Selector.REMOTE), family, _EXAMPLE_REMOTE)
    local = _address(ranges.get(Selector.LOCAL), family, _EXAMPLE_LOCAL)
    protocol = exact.get(Selector.PROTOCOL, TCP)
    service = ranges[Selector.PORT][0] if Selector.PORT in ranges else None
    outgoing = clash.first.role is Role.CLIENT
    source, destination = (local, remote) if outgoing else (remote, local)
    hook = {Role.SERVER: "in", Role.CLIENT: "out", Role.FORWARD: "forward"}[clash.first.role]
    words = [hook, protocol_name(int(protocol)), "from", _with_port(source, _EXAMPLE_PORT if service else None)]
    words += ["to", _with_port(destination, service)]
    interface = exact.get(Selector.INTERFACE) or (group.pattern and group.pattern.replace("*", "0"))
    if interface:
        words += ["on", str(interface)]
    if Selector.USER in exact:
        words += ["user", str(exact[Selector.USER])]
    if group.cgroup:
        words += ["cgroup", group.cgroup]
    return " ".join(words)


def _address(range_: tuple[int, int] | None, family: int, example: dict[int, str]) -> str:
    return format_address(family, range_[0]) if range_ else example[family]


def _with_port(address: str, port: int | None) -> str:
    if port is None:
        return address
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
