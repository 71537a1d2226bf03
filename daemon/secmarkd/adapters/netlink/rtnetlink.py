# SPDX-License-Identifier: GPL-2.0-or-later
"""Interfaces and local addresses of this process's network namespace, by rtnetlink(7).

Not from /sys/class/net: that shows the namespace that its /sys was mounted in, which after `nsenter --net` is another. The
constants are those of linux/rtnetlink.h and linux/if_link.h. Anyone may ask.
"""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace

from secmarkd.adapters.netlink.socket import Link, open_link
from secmarkd.model.address import Prefix
from secmarkd.model.host import HostNetwork, Interface
from secmarkd.netlink.codec import Message, as_text, attributes
from secmarkd.netlink.numbers import Netlink, NlmF

_SOL_NETLINK = 270
_RTM_GETLINK, _RTM_GETADDR, _RTM_GETROUTE = 18, 22, 26
_LINK, _ADDRESS, _ROUTE = struct.Struct("=BxHiII"), struct.Struct("=BBBBI"), struct.Struct("=BBBBBBBBI")
_IFLA_IFNAME, _IFLA_MASTER, _IFLA_LINKINFO, _IFLA_PROP_LIST, _IFLA_ALT_IFNAME = 3, 10, 18, 52, 53
_IFLA_INFO_KIND = 1
_IFA_ADDRESS, _IFA_LOCAL = 1, 2
_RTA_DST = 1
_RTN_LOCAL, _RTN_BROADCAST, _RTN_ANYCAST = 2, 3, 4
_FAMILIES: dict[int, int] = {socket.AF_INET: 4, socket.AF_INET6: 6}
_BUFFER = 1 << 17
_PATIENCE = 5.0


@dataclass(frozen=True, slots=True)
class _Numbered:
    """An interface whose master is still a number."""

    number: int
    interface: Interface
    master: int


def read_network() -> HostNetwork:
    """The network namespace of this process, now. OSError where the kernel does not answer."""
    connection = open_link(Netlink.ROUTE)
    # Linux 4.20: only what is asked for is listed; before, a type of route is no filter, and is looked at here alone
    with contextlib.suppress(OSError):
        connection.setsockopt(_SOL_NETLINK, Netlink.GET_STRICT_CHK, 1)
    link = Link(connection, patience=_PATIENCE, buffer=_BUFFER)
    try:
        return HostNetwork(tuple(_interfaces(link)), tuple(sorted({*_addresses(link), *_routes(link)})))
    finally:
        link.close()


def _interfaces(link: Link) -> Iterator[Interface]:
    found = [_interface(body) for body in _dump(link, _RTM_GETLINK, _LINK.pack(0, 0, 0, 0, 0))]
    names = {each.number: each.interface.name for each in found}
    for each in found:
        yield replace(each.interface, master=names.get(each.master, ""))


def _interface(body: bytes) -> _Numbered:
    _, _, number, _, _ = _LINK.unpack_from(body)
    found = dict(attributes(body[_LINK.size :]))
    kinds = (as_text(each) for inner, each in attributes(found.get(_IFLA_LINKINFO, b"")) if inner == _IFLA_INFO_KIND)
    others = (
        as_text(each) for inner, each in attributes(found.get(_IFLA_PROP_LIST, b"")) if inner == _IFLA_ALT_IFNAME
    )
    (master,) = struct.unpack("=I", found.get(_IFLA_MASTER, bytes(4)))
    return _Numbered(
        number, Interface(as_text(found[_IFLA_IFNAME]), next(kinds, ""), other_names=tuple(others)), master
    )


def _addresses(link: Link) -> Iterator[Prefix]:
    for body in _dump(link, _RTM_GETADDR, _ADDRESS.pack(0, 0, 0, 0, 0)):
        family = _FAMILIES.get(body[0])
        found = dict(attributes(body[_ADDRESS.size :]))
        # of a point-to-point link IFA_ADDRESS is the other end
        value = found.get(_IFA_LOCAL, found.get(_IFA_ADDRESS))
        if family is not None and value is not None:
            yield Prefix(family, int.from_bytes(value, "big"), len(value) * 8)


def _routes(link: Link) -> Iterator[Prefix]:
    for family in _FAMILIES:
        for kind in (_RTN_LOCAL, _RTN_BROADCAST, _RTN_ANYCAST):
            yield from _routes_of(link, family, kind)


def _routes_of(link: Link, family: int, kind: int) -> Iterator[Prefix]:
    for body in _dump(link, _RTM_GETROUTE, _ROUTE.pack(family, 0, 0, 0, 0, 0, 0, kind, 0)):
        _, length, _, _, _, _, _, found_kind, _ = _ROUTE.unpack_from(body)
        value = next((each for number, each in attributes(body[_ROUTE.size :]) if number == _RTA_DST), b"")
        if found_kind == kind:
            yield Prefix(_FAMILIES[family], int.from_bytes(value, "big"), length)


def _dump(link: Link, question: int, body: bytes) -> list[bytes]:
    """The bodies of all messages of a dump."""
    listed, _ = link.list_all(Message(question, NlmF.REQUEST, body))
    return [each.body for each in listed]
