# SPDX-License-Identifier: GPL-2.0-or-later
"""Keys of other tools, which no likeness of letters leads to ours: what is said of each, and what to write instead."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from secmarkd.config.values import EXAMPLES, like, listed
from secmarkd.errors import Fix
from secmarkd.mistakes.advice import Mistake, instead_of_key, leave_out, rename, toml
from secmarkd.mistakes.contexts import role_mistake
from secmarkd.mistakes.ports import service_names
from secmarkd.mistakes.words import short
from secmarkd.model.context import is_identifier
from secmarkd.model.protocols import WITHOUT_PORTS

_PORTS = """port ports dport dports dst_port dst_ports dest_port destination_port destination_ports to_port service_port
listen listen_port listen_ports lport server_port server_ports remote_port rport tcp_port tcp_ports tcp_dport
multiport portrange port_range ports_tcp tcp4 tcp6 local_port portnumber"""
_UDP_PORTS = "udp_port udp_ports udp_dport udp4 udp6 ports_udp"
_SOURCE_PORTS = """sport sports source_port source_ports src_port src_ports from_port client_port client_ports spt tcp_sport
udp_sport"""
_EITHER_ADDRESS = """src source sources saddr srcaddr source_address source_ip source_ips src_ip from dst dest destination
destinations daddr dstaddr destination_address destination_ip dest_ip dst_ip to address addresses addr addrs ip
ips ipaddr ip_address ip_addresses host hosts hostname subnet subnets network networks net nets cidr cidrs
prefix prefixes ip4 ip6 ipv4 ipv6 iprange ip_range range ranges allow allow_from src_range dst_range"""
_REMOTE = """peer peers remotes remote_address remote_addresses remote_ip remote_ips raddr remote_host remote_hosts foreign
client_ip"""
_LOCAL = (
    "locals local_address local_addresses local_ip local_ips laddr bind bind_address listen_address listen_addresses"
)
_EXCEPT = "except exclude excludes excluding excluded exclusion exclusions not negate deny ignore unless without"
_INTERFACES = """iif oif iifname oifname in out in_interface out_interface input_interface output_interface inif outif
ifname iface ifaces interfaces device devices dev devs nic nics link physdev physdev_in physdev_out bridge_port
port_name netdev"""
_USERS = "uid uids users skuid uid_owner owner owners username usernames login account accounts euid fsuid"
_GROUPS = "groups gid gids skgid gid_owner supplementary_groups"
_PROGRAMS = "domain process program exe comm command cmd binary executable pid app application sid selinux_domain"
_CGROUPS = """unit units service services systemd systemd_unit systemd_units systemd_service slice slices scope cgroups
cgroupv2 cgroup2 cgroup_path container containers pod"""
_TYPES = """label labels selctx secmark seclabel secctx setype seltype selinux selinux_type packet_type ctx security_context
secontext selinux_context target set_label types contexts mark_as"""
_LEVELS = "level levels mls mcs category categories serange selevel sensitivity"
_CONTEXT_PARTS = {"seuser": "user", "serole": "role", "selinux_user": "user", "selinux_role": "role"}
_NAMES = "name names id title"
_COMMENTS = "comment comments description desc note notes doc docs info about summary remark _comment help"
_ROLES = "direction dir chain chains hook hooks side way flow roles"
_VERDICTS = "action actions verdict jump accept drop allow_all reject policy permit"
_SWITCHES = "enabled enable disabled disable active state_enabled"
_ORDERS = "priority order weight precedence rank position before after index"
_MARKS = "mark marks fwmark connmark ctmark nfmark meta_mark ct_mark packet_mark"
_SETS = "set sets ipset ipsets match_set namedset set_name"
_ICMP = "icmp icmpv6 icmp6 icmp_type icmp_types icmpv6_type icmpv6_types icmp6_type icmp_code ping"
_ZONES = "zone zones firewalld_zone"
_VLANS = "vlan vlans vlan_id vid"
_MACS = "mac macs mac_source mac_address source_mac ether ether_saddr lladdr hwaddr hw_address"
_LATER = "fallback rehearse enters leaves replace helper helpers ct_helper"
_NOT_SELECTED = """dscp tos ecn ttl hoplimit length size tcp_flags flags syn state states ctstate conntrack ct_state limit
rate quota log counter time times time_start time_stop weekday weekdays days hours date schedule geoip country
countries asn string u32 bpf statistic random pkttype recent addrtype fragment fragments ipsec tunnel payload
tcp_option family address_family netns namespace vrf pkt_type connbytes connlimit"""

_Answer = Callable[[str, object], Mistake]


def other_word(key: str, value: object, label: str, named: bool, in_match: bool) -> Mistake | None:
    """What to say of a key of a label that other tools have; None where none is known to have it.

    `named`: whether the label has a type or a context; `in_match`: whether the key stands in an entry of match.
    """
    word = key.lower().replace("-", "_").strip("_") or key
    if word in _WORDS["role"] or word in ("server", "client", "forward", "both"):
        wrong = f"unknown key {short(key)!r}: which side opens the connection is given as role"
        if in_match:
            return Mistake(f"{wrong}, once for the whole label beside match", _remove())
        said = value if word in _WORDS["role"] else word
        fixes = role_mistake(said, label, named).fixes
        pairs = [("role", fix.items[0]) for fix in fixes if fix.items] + [
            pair for fix in fixes for pair in fix.beside
        ]
        return Mistake(wrong, instead_of_key(*(pairs or [("role", '"server"')])))
    if word in _WORDS["type"]:
        return _type(key, value, in_match)
    if word.startswith(("not_", "no_", "except_", "exclude_", "non_")) or key.startswith("!"):
        word = "except"
    answer = _ANSWERS.get(word)
    return answer(key, value) if answer else None


def _remove(words: str = "remove it") -> Fix:
    return leave_out(words)


def _ports(protocol: str) -> _Answer:
    def answer(key: str, value: object) -> Mistake:
        wrong = f"unknown key {short(key)!r}: ports are given by protocol"
        return Mistake(wrong, instead_of_key((protocol, like(protocol, value))))

    return answer


def _either_address(key: str, value: object) -> Mistake:
    wrong = f"unknown key {short(key)!r}: addresses are given as remote (the other host) or local (this host)"
    return Mistake(
        wrong, instead_of_key(("remote", like("remote", value))), instead_of_key(("local", like("local", value)))
    )


def _to(target: str, what: str) -> _Answer:
    def answer(key: str, value: object) -> Mistake:
        return Mistake(f"unknown key {short(key)!r}: {what}", instead_of_key((target, like(target, value))))

    return answer


def _none(why: str, advice: str = "remove it") -> _Answer:
    def answer(key: str, _: object) -> Mistake:
        return Mistake(f"unknown key {short(key)!r}: {why}", _remove(advice))

    return answer


def _interface_of_vlan(key: str, value: object) -> Mistake:
    number = value[0] if isinstance(value, list) and value else value
    name = f"eth0.{number}" if type(number) is int and 0 < number < 4095 else "eth0.5"
    wrong = f"unknown key {short(key)!r}: a VLAN is selected by its interface"
    return Mistake(wrong, instead_of_key(("interface", f"[{toml(name)}]"), like=True))


def _cgroup(key: str, value: object) -> Mistake:
    """A unit's cgroup; or a service of /etc/services, which `service` may mean as well."""
    units = [each for each in (value if isinstance(value, list) else [value]) if isinstance(each, str) and each]
    if (
        key.lower() in ("service", "services")
        and units
        and all(unit.lower() in service_names("tcp") for unit in units)
    ):
        wrong = f"unknown key {short(key)!r}: services are given by protocol, like ports"
        return Mistake(wrong, instead_of_key(("tcp", toml([unit.lower() for unit in units]))))
    paths = listed("cgroup", [_path_of(unit) for unit in units]) or EXAMPLES["cgroup"]
    return Mistake(f"unknown key {short(key)!r}: a unit is selected by its cgroup", instead_of_key(("cgroup", paths)))


def _path_of(unit: str) -> str:
    if "/" in unit or unit.endswith((".slice", ".scope")):
        return unit
    return f"system.slice/{unit}" if "." in unit else f"system.slice/{unit}.service"


def _type(key: str, value: object, in_match: bool) -> Mistake:
    target = "context" if isinstance(value, str) and ":" in value else "type"
    wrong = f"unknown key {short(key)!r}: what packets are labelled with is given as type, or context for the whole"
    if in_match:
        return Mistake(f"{wrong}, once for the whole label beside match", _remove())
    usable = isinstance(value, str) and (is_identifier(value) if target == "type" else value.count(":") >= 2)
    if target == "type" and isinstance(value, str) and value.endswith("_port_t"):
        usable = False
    return Mistake(wrong, instead_of_key((target, toml(value) if usable else EXAMPLES[target]), like=not usable))


def _icmp(key: str, _: object) -> Mistake:
    names = ["icmpv6"] if "6" in key else ["icmp", "icmpv6"] if key.lower() == "ping" else ["icmp"]
    wrong = f"unknown key {short(key)!r}: this version selects ICMP as a whole, not by its types"
    return Mistake(wrong, instead_of_key(("protocol", toml(names))))


def _protocol_as_key(key: str, _: object) -> Mistake:
    wrong = f"unknown key {short(key)!r}: protocols without ports are given as protocol"
    return Mistake(wrong, instead_of_key(("protocol", toml([key.lower()]))))


def _context_part(part: str) -> _Answer:
    return _none(
        f"the SELinux {part} of all packets is {part} of [context] in secmarkd.toml, or a part of context here"
    )


_WORDS: Mapping[str, frozenset[str]] = {"role": frozenset(_ROLES.split()), "type": frozenset(_TYPES.split())}

_NOT_YET = "this version does not have it yet"
_ANSWERS: Mapping[str, _Answer] = {
    word: answer
    for words, answer in (
        (" ".join(name for name in WITHOUT_PORTS if is_identifier(name)), _protocol_as_key),
        (_PORTS, _ports("tcp")),
        (_UDP_PORTS, _ports("udp")),
        (_SOURCE_PORTS, _none("the port that a connection is opened from selects nothing, because whoever opens it chooses "
                              "that port, and would choose the label with it; the service's port is given by protocol")),
        (_EITHER_ADDRESS, _either_address),
        (_REMOTE, _to("remote", "addresses of the other host are given as remote")),
        (_LOCAL, _to("local", "addresses of this host are given as local")),
        (_EXCEPT, _none("this version has no exceptions; what is to be left out gets a narrower label, which wins")),
        ("proto protocols l4proto ip_protocol ip_proto nexthdr transport",
         _to("protocol", "protocols without ports are given as protocol")),
        (_INTERFACES, _to("interface", "interfaces are given as interface")),
        (_USERS, _to("user", "users are given as user, by name or uid")),
        (_GROUPS, _to("group", "groups are given as group, by name or gid")),
        (_PROGRAMS, _none("nftables does not see the program; its unit is selected as cgroup, and its user as user")),
        (_CGROUPS, _cgroup),
        (_LEVELS, _none("the level of all packets is level of [context] in secmarkd.toml, or a part of context here")),
        *((word, _context_part(part)) for word, part in _CONTEXT_PARTS.items()),
        (_NAMES, _none("the name of a label is in its header, as in [labels.http]")),
        (_COMMENTS, _none("comments begin with #", "write it behind a #")),
        (_VERDICTS, _none("a label decides nothing; which program may use the packets is up to the SELinux policy")),
        (_SWITCHES, _none("labels are not switched", "remove it, and remove the label to turn it off")),
        (_ORDERS, _none("labels have no order: the more selective one wins, and then the narrower one")),
        (_MARKS, _none(f"packets are not selected by marks; {_NOT_YET}")),
        (_SETS, _none("sets of other tables cannot be used; networks are listed as remote or local")),
        (_ICMP, _icmp),
        (_ZONES, _none("there are no zones; the zone's interfaces are listed as interface, and its sources as remote")),
        (_VLANS, _interface_of_vlan),
        (_MACS, _none("packets are selected by IP addresses, not by MAC addresses")),
        (_LATER, _none(_NOT_YET)),
        (_NOT_SELECTED, _none("packets are not selected by this")),
    )
    for word in words.split()
}  # fmt: skip

_SETTINGS: Mapping[str, tuple[str, str, str]] = {
    **dict.fromkeys("interval resync_interval period refresh poll check_interval verify resync_time".split(),
                    ("verifications are timed by resync", "resync", '"5min"')),
    **dict.fromkeys("dry_run dryrun rehearse rehearsal test permissive".split(),
                    ("counting without marking is a mode", "mode", '"rehearse"')),
    **dict.fromkeys("enforce enforcing selinux".split(), ("marking packets is a mode", "mode", '"label"')),
    **dict.fromkeys("drift repair auto_repair".split(), ("what a difference leads to is on_drift", "on_drift", '"repair"')),
    **dict.fromkeys("stop cleanup remove_on_stop".split(), ("what happens at a stop is on_stop", "on_stop", '"remove"')),
    **dict.fromkeys("owner exclusive".split(), ("who may write to the table is ownership", "ownership", '"exclusive"')),
}  # fmt: skip
_NO_SETTING: Mapping[str, str] = {
    **dict.fromkeys("log_level loglevel log debug verbose verbosity logging log_file syslog".split(),
                    "there are no levels of logging; the journal shows and filters what the service says"),
    **dict.fromkeys("table family chain priority hook backend".split(), "the table and its hooks are fixed"),
    **dict.fromkeys("include includes labels_dir labels_d config_dir files".split(),
                    "labels are read from labels.d of /etc/secmarkd, /run/secmarkd and /usr/lib/secmarkd"),
    **dict.fromkeys("first_label containers".split(), _NOT_YET),
    **dict.fromkeys("policy_ports policy_port policyports".split(), "this version does not derive labels from the policy"),
    **dict.fromkeys("comment description name version enabled enable".split(), "there is no such setting"),
}  # fmt: skip


def other_setting(key: str, table: str) -> Mistake | None:
    """What to say of a key of secmarkd.toml that other programs have; `table` is empty for those above all tables."""
    word = key.lower().replace("-", "_")
    if not table and word in ("user", "role", "level"):
        return Mistake(
            f"unknown key {short(key)!r}: it belongs below [context]", rename(f"context.{word}", "move it there")
        )
    if not table and word in ("server", "client", "icmp", "forward"):
        return Mistake(
            f"unknown key {short(key)!r}: it belongs below [default]", rename(f"default.{word}", "move it there")
        )
    if table == "context" and word in ("type", "context"):
        wrong = f"unknown key {short(key)!r}: the type is each label's own"
        return Mistake(wrong, leave_out("remove it, and give labels a type where their name does not say it"))
    if not table and word in _SETTINGS:
        what, target, value = _SETTINGS[word]
        return Mistake(f"unknown key {short(key)!r}: {what}", instead_of_key((target, value), like=True))
    if word in _NO_SETTING:
        return Mistake(f"unknown key {short(key)!r}: {_NO_SETTING[word]}", _remove())
    return None
