# SPDX-License-Identifier: GPL-2.0-or-later
"""Protocol numbers (IANA) that this program knows by name, and which of them have ports."""

from __future__ import annotations

TCP, UDP, DCCP, SCTP, UDPLITE = 6, 17, 33, 132, 136
ICMP, ICMPV6 = 1, 58

WITH_PORTS: dict[str, int] = {"tcp": TCP, "udp": UDP, "sctp": SCTP, "dccp": DCCP, "udplite": UDPLITE}
"""The protocols whose labels name ports, by the key that the label map has for each."""

OPENED_PROTOCOLS = frozenset({TCP, SCTP, DCCP})
"""Those of which a packet says by itself that it opens a connection: SYN, INIT, Request."""
DATAGRAM_PROTOCOLS = frozenset({UDP, UDPLITE})
"""Those with ports whose connections nothing opens."""

ICMP_PROTOCOLS = (ICMP, ICMPV6)

WITHOUT_PORTS: dict[str, int] = {
    "icmp": ICMP, "igmp": 2, "ggp": 3, "ipencap": 4, "st": 5, "egp": 8, "igp": 9, "pup": 12, "hmp": 20, "xns-idp": 22,
    "rdp": 27, "iso-tp4": 29, "xtp": 36, "ddp": 37, "idpr-cmtp": 38, "ipv6": 41, "idrp": 45, "rsvp": 46, "gre": 47,
    "esp": 50, "ah": 51, "skip": 57, "icmpv6": ICMPV6, "ipv6-icmp": ICMPV6, "rspf": 73, "vmtp": 81, "eigrp": 88,
    "ospf": 89, "ax.25": 93, "etherip": 97, "encap": 98, "pim": 103, "ipcomp": 108, "vrrp": 112, "l2tp": 115,
    "isis": 124, "fc": 133, "mobility-header": 135, "mpls-in-ip": 137, "manet": 138, "hip": 139, "shim6": 140,
    "wesp": 141, "rohc": 142, "ethernet": 143,
}  # fmt: skip
"""Names for `protocol = [...]`, as IANA's registry and /etc/protocols have them; kept here so that a label means the same
on machines without /etc/protocols. Without IPv6's extension headers, which nftables looks past, and without `ipip`, see
`AMBIGUOUS`."""

AMBIGUOUS = {"ipip": (4, 94)}
"""Names that mean one protocol to Linux (IPPROTO_IPIP of linux/in.h) and another to /etc/protocols."""

_NAMES = {number: name for name, number in reversed((WITH_PORTS | WITHOUT_PORTS).items())}


def protocol_name(number: int) -> str:
    """The protocol's name, or its number in digits where this program has no name for it."""
    return _NAMES.get(number, str(number))
