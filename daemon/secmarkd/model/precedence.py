# SPDX-License-Identifier: GPL-2.0-or-later
"""Which of two rules wins: a total preorder that never looks at the order of files or lines.

`kind` orders by which selectors a rule has (cgroup, user, remote, local, interface, ports, protocol: the first difference
decides), and between rules with the same ones by the depth of the cgroup and by the interface's name (literal, then
wildcards by length). `narrowness` orders the other values within one kind (longer prefix, then smaller port range), then
the layer.
"""

from __future__ import annotations

from secmarkd.model.label_map import Rule

LITERAL_INTERFACE = 1000
"""Above every wildcard, whose rank is one more than the characters before its `*` (at most 15, IFNAMSIZ - 1)."""

_SELECTORS_BEFORE_PORTS = 5
"""Of `kind`: cgroup, user, remote, local, interface."""

Kind = tuple[int, int, int, int, int, int, int, int, int]
Rank = tuple[Kind, tuple[int, int, int], int]


def interface_rank(pattern: str | None) -> int:
    """0 for none, then wildcards by their length, then literal names."""
    if pattern is None:
        return 0
    return len(pattern) if pattern.endswith("*") else LITERAL_INTERFACE


def cgroup_level(path: str | None) -> int:
    """The depth of a cgroup below the root, as `socket cgroupv2 level N` counts it; 0 for none."""
    return 0 if path is None else path.count("/") + 1


def kind(rule: Rule) -> Kind:
    """Which selectors the rule has, the most selective first; then those of their values that need a lookup each."""
    return (
        int(rule.cgroup is not None),
        int(rule.user is not None or rule.user_name is not None),
        int(rule.remote is not None),
        int(rule.local is not None),
        int(rule.interface is not None),
        int(rule.ports is not None or rule.service is not None),
        int(rule.protocol is not None),
        cgroup_level(rule.cgroup),
        interface_rank(rule.interface),
    )


def more_than_ports(rule: Rule) -> bool:
    """Whether the rule asks for anything besides protocol and ports."""
    return any(kind(rule)[:_SELECTORS_BEFORE_PORTS])


def narrowness(rule: Rule) -> tuple[int, int, int]:
    """How narrow the rule's values are; the larger, the narrower. Comparable between rules of one kind."""
    return (
        rule.remote.length if rule.remote else 0,
        rule.local.length if rule.local else 0,
        rule.ports[0] - rule.ports[1] if rule.ports else 0,
    )


def rank(rule: Rule) -> Rank:
    """The larger rank wins; equal ranks with different contexts contradict each other where both match."""
    return kind(rule), narrowness(rule), int(rule.layer)
