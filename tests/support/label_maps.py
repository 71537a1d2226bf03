# SPDX-License-Identifier: GPL-2.0-or-later
"""Random label maps and packets that meet each other often: few ports, addresses, interfaces and users."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import TypeVar

from secmarkd.compiler.compile import compile_table
from secmarkd.errors import ConfigError
from secmarkd.model.address import parse_address, parse_prefix
from secmarkd.model.context import Context
from secmarkd.model.label_map import Defaults, Environment, LabelMap, Layer, Mode, Origin, Role, Rule
from secmarkd.model.names import Name, NameKind
from secmarkd.model.packet import Direction, Hook, Packet
from secmarkd.model.protocols import DCCP, OPENED_PROTOCOLS, SCTP, TCP, UDP, UDPLITE, WITH_PORTS


def existing(*cgroups: str) -> dict[str, int]:
    """These cgroups, as an Environment has them."""
    return {name: number for number, name in enumerate(cgroups, 10)}


NAMES = {
    Name(NameKind.USER, "alice"): 1000, Name(NameKind.USER, "bob"): 1001, Name(NameKind.GROUP, "staff"): 50,
    **{Name(NameKind.SERVICE, "web", protocol): 80 for protocol in WITH_PORTS.values()},
}  # fmt: skip
"""All but those of ghosts."""
ENVIRONMENT = Environment(cgroups=existing("a.slice", "a.slice/b.service"), names=NAMES)
PREFIXES = [parse_prefix(each) for each in (
    "0.0.0.0/0", "10.0.0.0/8", "10.0.0.0/30", "10.0.0.2/31", "10.0.0.1", "10.0.0.2", "192.0.2.0/24",
    "::/0", "fd00::/16", "fd00::/126", "fd00::1", "fd00::2",
)]  # fmt: skip
ADDRESSES = [parse_address(each) for each in (
    "10.0.0.1", "10.0.0.2", "10.0.0.3", "10.9.9.9", "192.0.2.7", "fd00::1", "fd00::2", "fd00::3", "2001:db8::9",
)]  # fmt: skip
INTERFACES = ["eth0", "eth1", "wg0", "wg1", "lo"]
PATTERNS = ["eth0", "wg0", "wg*", "w*", "eth*", "*"]
PORTS = [22, 80, 443, 8000, 8008, 8009, 40000, 50000]
RANGES = [
    (22, 22),
    (80, 80),
    (443, 443),
    (8008, 8009),
    (8000, 8010),
    (1, 9000),
    (1, 65535),
    (32768, 60999),
    (443, 8008),
]
PROTOCOLS = [TCP, UDP, SCTP, DCCP, UDPLITE, 1, 58, 50]
CGROUPS = ["a.slice", "a.slice/b.service", "gone.slice"]


def context(name: str) -> Context:
    return Context("system_u", "object_r", f"{name}_packet_t", "s0")


DEFAULTS = Defaults(server=context("server"), client=context("client"), icmp=context("icmp"))


def random_rule(random: Random, line: int) -> Rule:
    """One rule; its context is one of a few, so that rules of equal rank sometimes agree."""
    role = random.choice(list(Role))
    protocol = random.choice([None, TCP, TCP, UDP, *PROTOCOLS])
    with_ports = protocol in WITH_PORTS.values() and random.random() < 0.8
    remote = _sometimes(random, PREFIXES)
    local = _sometimes(random, PREFIXES)
    if remote and local and remote.family != local.family:
        local = None
    interface = _sometimes(random, PATTERNS)
    user = _sometimes(random, [1000, 1001]) if role is Role.CLIENT else None
    group = _sometimes(random, [50, 100], 0.25) if role is Role.CLIENT else None
    cgroup = _sometimes(random, CGROUPS, 0.15) if role is not Role.FORWARD else None
    if not any(each is not None for each in (protocol, remote, local, interface, user, group, cgroup)):
        protocol = TCP
    name = random.choice("abcdef")
    rule = Rule(
        label=name, context=context(name), role=role, origin=Origin("test.toml", line, name),
        layer=random.choice([Layer.VENDOR, Layer.ADMINISTRATOR]), protocol=protocol,
        ports=random.choice(RANGES) if with_ports else None,
        remote=remote, local=local, interface=interface, user=user, group=group, cgroup=cgroup,
    )  # fmt: skip
    return _by_name(rule)


def _by_name(rule: Rule) -> Rule:
    """The rule, or now and then one with names in the place of numbers; which is drawn from the rule alone."""
    random = Random(str(rule))
    if rule.user is not None and random.random() < 0.4:
        rule = replace(rule, user=None, user_name=random.choice(["alice", "alice", "bob", "ghost"]))
    if rule.group is not None and random.random() < 0.4:
        rule = replace(rule, group=None, group_name=random.choice(["staff", "staff", "ghosts"]))
    if rule.ports and rule.ports[0] == rule.ports[1] and random.random() < 0.5:
        rule = replace(rule, ports=None, service=random.choice(["web", "web", "ghost"]))
    return rule


T = TypeVar("T")


def _sometimes(random: Random, values: Sequence[T], probability: float = 0.35) -> T | None:
    return random.choice(values) if random.random() < probability else None


def random_label_map(random: Random, size: int = 14) -> LabelMap:
    """A label map that may contradict itself."""
    rules = tuple(random_rule(random, line) for line in range(1, random.randint(1, size) + 1))
    forward = context("forward") if random.random() < 0.5 else None
    return LabelMap(rules=rules, defaults=replace(DEFAULTS, forward=forward))


def without_contradictions(label_map: LabelMap, environment: Environment = ENVIRONMENT) -> LabelMap:
    """The label map less those rules that contradict earlier ones."""
    kept: list[Rule] = []
    for rule in label_map.rules:
        tried = replace(label_map, rules=(*kept, rule))
        try:
            compile_table(tried, Mode.REHEARSE, environment)
        except ConfigError:
            continue
        kept.append(rule)
    return replace(label_map, rules=tuple(kept))


def random_packet(random: Random, label_map: LabelMap, mode: Mode = Mode.LABEL) -> Packet:
    """A packet as a hook may see it, not always one that a real connection would have; often one that a rule selects.

    What is remembered of its connection is what the mode remembers: a label, or in rehearsal (and in label mode of what is
    forwarded without one) only that its opening was seen.
    """
    rule = random.choice(label_map.rules) if label_map.rules else None
    hook = random.choice(list(Hook))
    protocol = rule.protocol if rule and rule.protocol and random.random() < 0.8 else random.choice(PROTOCOLS)
    family = rule.remote.family if rule and rule.remote else random.choice([4, 6])
    addresses = [each for each in ADDRESSES if each.family == family]
    has_ports = protocol in WITH_PORTS.values()
    direction = random.choice(list(Direction))
    leaves_vrf = hook is Hook.OUTPUT and random.random() < 0.2
    if leaves_vrf and not has_ports:
        direction = Direction.UNKNOWN
    tracked, labels = direction is not Direction.UNKNOWN and not leaves_vrf, mode is Mode.LABEL
    by_label = labels and not (hook is Hook.FORWARD and label_map.defaults.forward is None)
    user = random.choice([None, 0, 1000, 1001]) if hook is not Hook.FORWARD else None
    names = [each for each in INTERFACES if hook is not Hook.FORWARD or each != "lo"]
    return Packet(
        hook=hook, direction=direction, protocol=protocol,
        source=random.choice(addresses), destination=random.choice(addresses),
        source_port=random.choice(PORTS) if has_ports else None,
        destination_port=random.choice(PORTS) if has_ports else None,
        input_interface=random.choice(names) if hook is not Hook.OUTPUT else "",
        output_interface=random.choice(names) if hook is not Hook.INPUT else "",
        opens=protocol in OPENED_PROTOCOLS and random.random() < 0.5,
        new=direction is Direction.ORIGINAL and tracked and random.random() < 0.5,
        remembered=tracked and not by_label and random.random() < 0.5,
        label=context("carried") if labels and hook is Hook.OUTPUT and random.random() < 0.05 else None,
        leaves_vrf=leaves_vrf,
        user=user,
        group=random.choice([0, 50, 100]) if user is not None else None,
        cgroup=_sometimes(random, [*CGROUPS, "a.slice/b.service/c"]) if user is not None else None,
        expected=tracked and random.random() < 0.1,
        saved=context("saved") if tracked and labels and random.random() < 0.5 else None,
    )  # fmt: skip
