"""Protocol numbers (IANA) that this program knows by name, and which of them have ports."""

from __future__ import annotations

TCP, UDP, DCCP, SCTP, UDPLITE = 6, 17, 33, 132, 136
ICMP, ICMPV6 = 1, 58

WITH_PORTS: dict[str, int] = {"tcp": TCP, "udp": UDP, "sctp": SCTP, "dccp": DCCP, "udplite": UDPLITE}
"""The protocols whose labels name ports, by the key that the label map has for each."""

ICMP_PROTOCOLS = (ICMP, ICMPV6)

WITHOUT_PORTS: dict[str, int] = {
    "icmp": ICMP, "igmp": 2, "ipip": 4, "ipv6": 41, "rsvp": 46, "gre": 47, "esp": 50, "ah": 51, "icmpv6": ICMPV6,
    "ipv6-icmp": ICMPV6, "eigrp": 88, "ospf": 89, "pim": 103, "vrrp": 112, "l2tp": 115,
}  # fmt: skip
"""Names for `protocol = [...]`; kept here so that a label means the same on machines without /etc/protocols."""

_NAMES = {number: name for name, number in reversed((WITH_PORTS | WITHOUT_PORTS).items())}


def protocol_name(number: int) -> str:
    """The protocol's name, or its number in digits where this program has no name for it."""
    return _NAMES.get(number, str(number))
