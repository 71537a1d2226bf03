# SPDX-License-Identifier: GPL-2.0-or-later
"""Ways by which the machine's kernel carries packets of one host inside others: how each is set up, at either end.

Every way joins this host and the namespace `peer`, which are on one cable, by inner addresses of their own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from machine import TREE
from talking import inside

_OUTER = (("192.0.2.1", "2001:db8::1"), ("192.0.2.2", "2001:db8::2"))
_INNER = (("10.9.0.1", "fd09::1"), ("10.9.0.2", "fd09::2"))
_KEYS = (
    ("+OI0uAJOVxWHxWwgUwtPU5kagc4CvsrGI/VCvSQN1FA=", "A3fNFgoePr5rkGxSs/Cms/ELHPWnO0URG3T/BMA/pXM="),
    ("6JihvWUWI5Ihrp8/xOS0NgYFZyM1qmd/E82d0QaZaXA=", "v7mbTesONupULaoQgPyPwDIChwUdRY5Pqq5ukfJQTGE="),
)
"""Private and public keys of this host and of its peer, made for these tests."""
_SECRET = "0x" + "0123456789abcdef" * 4
_CIPHER = {
    "esp": f"enc 'cbc(aes)' {_SECRET} auth 'hmac(sha256)' {_SECRET}",
    "ah": f"auth 'hmac(sha256)' {_SECRET}",
    "comp": "comp deflate",
}


@dataclass(frozen=True, slots=True)
class End:
    """One end of a way: what its commands call the addresses, of both versions of IP."""

    netns: str
    device: str
    """Of the cable."""
    number: int

    @property
    def names(self) -> dict[str, str]:
        """The addresses by the names that a way's commands have for them."""
        here, there = _OUTER[self.number], _OUTER[1 - self.number]
        inner, far = _INNER[self.number], _INNER[1 - self.number]
        private, public = _KEYS[self.number][0], _KEYS[1 - self.number][1]
        return {
            "here": here[0], "there": there[0], "here6": here[1], "there6": there[1], "device": self.device,
            "inner": inner[0], "far": far[0], "inner6": inner[1], "far6": far[1],
            "out": f"0x{self.number + 1}", "in": f"0x{2 - self.number}", "private": private, "public": public,
            "port": str(51820 + self.number), "far_port": str(51821 - self.number),
            "pidfile": f"/run/esp-in-udp-{self.number}",
        }  # fmt: skip


ENDS = (End("", "peer", 0), End("peer", "host", 1))


@dataclass(frozen=True, slots=True)
class Way:
    """Commands for either end; `{here}` and its like are in End.names. Those of a device call it `tnl0`."""

    commands: tuple[str, ...]
    families: tuple[int, ...] = (4, 6)
    """Of the inner packets."""
    device: bool = True
    """Whether the commands make the device `tnl0`, which gets the inner addresses. Else the outer addresses are used."""
    modules: tuple[str, ...] = field(default=())

    @property
    def over_udp(self) -> bool:
        """Whether the outer packets are UDP."""
        text = " ".join(self.commands)
        return any(word in text for word in ("vxlan", "geneve", "encap fou", "encap gue", "encap udp", "wireguard"))


def _link(kind: str, families: tuple[int, ...] = (4, 6)) -> Way:
    return Way((f"ip link add tnl0 type {kind}",), families)


def _xfrm(protocol: str, mode: str, family: int) -> Way:
    """IPsec between the outer addresses in transport mode, between the inner ones in a tunnel."""
    return Way(tuple(_states(protocol, mode, family)), (family,), device=mode == "tunnel")


def _esp_in_udp(mode: str, family: int) -> Way:
    """ESP as it goes through network address translation: each end has a socket that takes it."""
    original = "0.0.0.0" if family == 4 else "::"
    states = _states("esp", mode, family, encapsulated=f" encap espinudp 4500 4500 {original}")
    return Way((_HOLDER, *states), (family,), device=mode == "tunnel")


def _states(protocol: str, mode: str, family: int, link: str = "", encapsulated: str = "") -> Iterator[str]:
    here, there = ("{here}", "{there}") if family == 4 else ("{here6}", "{there6}")
    inner, far = ("{inner}", "{far}") if family == 4 else ("{inner6}", "{far6}")
    one, other = (inner, far) if mode == "tunnel" else (here, there)
    if mode == "tunnel" and not link:
        yield "ip link add tnl0 type dummy"
    cipher = _CIPHER[protocol]
    for source, target, number in ((here, there, "{out}"), (there, here, "{in}")):
        ends = f"src {source} dst {target}"
        yield f"ip xfrm state add {ends} proto {protocol} spi {number} mode {mode} {cipher}{encapsulated}{link}"
    for source, target, direction, outer in ((one, other, "out", (here, there)), (other, one, "in", (there, here))):
        # IPComp leaves alone what does not shrink, such as neighbour discovery.
        of_tcp = "proto tcp " if protocol == "comp" else ""
        level = " level use" if protocol == "comp" and (mode, direction) != ("tunnel", "out") else ""
        selector = "" if link else f"src {source} dst {target} {of_tcp}"
        yield (
            f"ip xfrm policy add {selector}dir {direction} "
            f"tmpl src {outer[0]} dst {outer[1]} proto {protocol} mode {mode}{level}{link}"
        )


_HOLDER = f"python3 {TREE}/tests/vm/guest/esp_in_udp.py {{pidfile}}"
_WIREGUARD = f"python3 {TREE}/tests/vm/guest/wireguard.py tnl0 {{port}} {{private}} {{public}}"

WAYS: dict[str, Way] = {
    "ipip": _link("ipip local {here} remote {there}", (4,)),
    "sit": _link("sit local {here} remote {there}", (6,)),
    "ip6tnl": _link("ip6tnl mode any local {here6} remote {there6}"),
    "gre": _link("gre local {here} remote {there}"),
    "gretap": _link("gretap local {here} remote {there}"),
    "erspan": _link("erspan local {here} remote {there} seq key 7 erspan_ver 1 erspan 7"),
    "ip6gre": _link("ip6gre local {here6} remote {there6}"),
    "ip6gretap": _link("ip6gretap local {here6} remote {there6}"),
    "vxlan": _link("vxlan id 7 dstport 4789 local {here} remote {there}"),
    "vxlan6": _link("vxlan id 7 dstport 4789 local {here6} remote {there6}"),
    "geneve": _link("geneve id 7 remote {there}"),
    "geneve6": _link("geneve id 7 remote {there6}"),
    "fou": Way(
        (
            "ip fou add port 5555 ipproto 4",
            "ip link add tnl0 type ipip local {here} remote {there} encap fou encap-sport auto encap-dport 5555",
        ),
        (4,),
        modules=("fou",),
    ),
    "gue": Way(
        (
            "ip fou add port 5556 gue",
            "ip link add tnl0 type gre local {here} remote {there} encap gue encap-sport auto encap-dport 5556",
        ),
        modules=("fou",),
    ),
    "l2tp over udp": Way(
        (
            "ip l2tp add tunnel tunnel_id 1 peer_tunnel_id 1 encap udp local {here} remote {there} "
            "udp_sport 1701 udp_dport 1701",
            "ip l2tp add session name tnl0 tunnel_id 1 session_id 1 peer_session_id 1",
        ),
        modules=("l2tp_eth",),
    ),
    "l2tp over ip": Way(
        (
            "ip l2tp add tunnel tunnel_id 1 peer_tunnel_id 1 encap ip local {here} remote {there}",
            "ip l2tp add session name tnl0 tunnel_id 1 session_id 1 peer_session_id 1",
        ),
        modules=("l2tp_eth", "l2tp_ip"),
    ),
    "wireguard": Way(("ip link add tnl0 type wireguard", f"{_WIREGUARD} {{there}} {{far_port}}")),
    "wireguard6": Way(("ip link add tnl0 type wireguard", f"{_WIREGUARD} {{there6}} {{far_port}}")),
    **{
        f"{protocol} {mode} IPv{family}": _xfrm(protocol, mode, family)
        for protocol in ("esp", "ah", "comp")
        for mode in ("transport", "tunnel")
        for family in (4, 6)
    },
    **{
        f"esp in udp {mode} IPv{family}": _esp_in_udp(mode, family)
        for mode in ("transport", "tunnel")
        for family in (4, 6)
    },
    "xfrm interface": Way(
        ("ip link add tnl0 type xfrm dev {device} if_id 7", *_states("esp", "tunnel", 4, " if_id 7")), (4,)
    ),
    "vti": Way(
        ("ip link add tnl0 type vti local {here} remote {there} key 7", *_states("esp", "tunnel", 4, " mark 7")),
        (4,),
    ),
    "seg6": Way(
        (
            "ip link add tnl0 type dummy",
            "sysctl -qw net.ipv6.conf.all.seg6_enabled=1 net.ipv6.conf.{device}.seg6_enabled=1",
            "ip -6 route add {far6}/128 encap seg6 mode encap segs {there6} dev {device}",
        ),
        (6,),
    ),
}


def joining(way: Way) -> str:
    """A script that sets a way up, at both ends."""
    lines = ["set -e", *(f"modprobe {each}" for each in way.modules)]
    device = (
        "ip address add {inner}/24 dev tnl0",
        "ip -6 address add {inner6}/64 dev tnl0 nodad",
        "ip link set tnl0 up",
    )
    for end in ENDS:
        commands = [*way.commands, *(device if way.device else ())]
        lines.append(_at(end, "\n".join(["set -e", *(each.format(**end.names) for each in commands)])))
    return "\n".join(lines)


def parting() -> str:
    """A script that takes any way down again, at both ends."""
    commands = (
        "kill $(cat {pidfile}); rm {pidfile}; ip link del tnl0; ip xfrm state flush; ip xfrm policy flush; "
        "ip l2tp del tunnel tunnel_id 1; ip fou del port 5555; ip fou del port 5556 gue"
    )
    return "\n".join(f"{{ {_at(end, commands.format(**end.names))}\n}} 2>/dev/null || true" for end in ENDS)


def _at(end: End, commands: str) -> str:
    return f"{inside(end.netns) if end.netns else ''} sh <<'END'\n{commands}\nEND"


def addresses(way: Way, family: int) -> tuple[str, str]:
    """Where this host and its peer are reached by the way."""
    ends = _INNER if way.device else _OUTER
    place = 0 if family == 4 else 1
    return ends[0][place], ends[1][place]
