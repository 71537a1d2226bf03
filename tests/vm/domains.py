# SPDX-License-Identifier: GPL-2.0-or-later
"""Confined test domains and packet types, in CIL.

A test domain may do everything but use packets: for class `packet` it has what it was given and nothing else. So a
refused connection is the work of a label, never of some other rule of the policy. Run programs in one with `runcon`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from machine import Machine

ANYTHING_BUT_PACKETS = "smd_confined"  # the attribute of all test domains

PRELOADED_TYPES = ("myauth_packet_t", "intranet_packet_t")

PRELOADED_DOMAINS: Mapping[str, Mapping[str, str]] = {
    "smd_client": {"http_client_packet_t": "send recv"},
    "smd_server": {"http_server_packet_t": "send recv"},
    "smd_auth": {"myauth_packet_t": "send recv"},
    "smd_none": {},
}
"""In every image: the domain's name without _t, and what it may do with which packet type."""


def base_module(classes: Iterable[str]) -> str:
    """The module below all others; `classes` are all object classes of the policy."""
    rules = [
        f"(typeattribute {ANYTHING_BUT_PACKETS})",
        f"(typeattributeset domain ({ANYTHING_BUT_PACKETS}))",
        "(typeattribute smd_everything)",
        "(typeattributeset smd_everything (all))",
        # how unconfined_t gets there by runcon, and how the test ends it again
        f"(allow unconfined_t {ANYTHING_BUT_PACKETS} (process (all)))",
        f"(allow unconfined_t {ANYTHING_BUT_PACKETS} (fd (use)))",
    ]
    rules += [f"(allow {ANYTHING_BUT_PACKETS} smd_everything ({name} (all)))" for name in classes if name != "packet"]
    return "\n".join(rules) + "\n"


def type_module(name: str) -> str:
    """A packet type: the policy's own rules for all packet types (relabelto, unconfined domains) then apply to it."""
    return f"(type {name})\n(roletype object_r {name})\n(typeattributeset packet_type ({name}))\n"


def domain_module(name: str, allow: Mapping[str, str]) -> str:
    """The domain `name`_t, with the permissions (separated by blanks) on the packet types in `allow`."""
    rules = [
        f"(type {name}_t)",
        f"(typeattributeset {ANYTHING_BUT_PACKETS} ({name}_t))",
        *(f"(roletype {role} {name}_t)" for role in ("unconfined_r", "system_r")),
        *(f"(allow {name}_t {packet_type} (packet ({permissions})))" for packet_type, permissions in allow.items()),
    ]
    return "\n".join(rules) + "\n"


def preloaded(classes: Iterable[str]) -> dict[str, str]:
    """The modules in every image: name and CIL."""
    modules = {"smd_base": base_module(classes)}
    modules |= {name: type_module(name) for name in PRELOADED_TYPES}
    modules |= {name: domain_module(name, allow) for name, allow in PRELOADED_DOMAINS.items()}
    return modules


def confined(vm: Machine, name: str, allow: Mapping[str, str], *, types: Iterable[str] = ()) -> None:
    """Give the machine the domain `name`_t (or change it), and the packet types `types` first if it has them not.

    About 5 s, most of it a compilation on the host that is remembered: for each set of rules once per session.
    Until the next restore. PolicyError when a packet type in `allow` does not exist.
    """
    modules = {packet_type: type_module(packet_type) for packet_type in types}
    vm.change_policy(add=modules | {name: domain_module(name, allow)})
