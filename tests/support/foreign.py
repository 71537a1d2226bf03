# SPDX-License-Identifier: GPL-2.0-or-later
"""A ruleset of other programs around our table: every family, and every kind of thing that tables hold."""

from __future__ import annotations

import re

from tests.support.capability import NFT
from tests.support.namespace import Namespace

_EXPIRES = re.compile(r" expires \w+")
RULESET = """
table ip secmarkd {
    counter s_http_server_packet_t { packets 7 bytes 700 }
    map server_port { type inet_proto . inet_service : counter; elements = { tcp . 80 : "s_http_server_packet_t" } }
    chain input {
        type filter hook input priority 50; policy accept;
        counter name meta l4proto . th dport map @server_port
    }
    chain input_original { }
}
table ip6 secmarkd {
    chain input { type filter hook input priority 50; policy accept; accept; }
}
table arp secmarkd {
    chain input { type filter hook input priority 0; policy accept; arp operation request counter accept; }
}
table bridge secmarkd {
    chain forward { type filter hook forward priority 0; policy accept; ether type ip counter accept; }
}
table netdev secmarkd {
    chain ingress { type filter hook ingress device "lo" priority 0; policy accept; ip saddr 192.0.2.1 counter drop; }
}
table inet secmarkd2 {
    chain input { type filter hook input priority 50; policy accept; tcp dport 80 counter accept; }
}
table inet everything {
    comment "somebody else's"
    counter named { packets 12 bytes 3456 }
    quota some { over 5 mbytes used 1 mbytes }
    limit often { rate 5/second }
    ct helper ftp { type "ftp" protocol tcp; l3proto ip; }
    synproxy proxy { mss 1460; wscale 7; }
    set plain { type ipv4_addr; elements = { 192.0.2.1 comment "a comment", 192.0.2.2 } }
    set ranges { type ipv4_addr; flags interval; auto-merge; elements = { 10.0.0.0/8, 192.168.0.0-192.168.3.255 } }
    set passing { type ipv4_addr; flags timeout; timeout 1d; elements = { 192.0.2.3 timeout 12h, 192.0.2.4 } }
    set counted { type ipv4_addr; size 1000; flags dynamic; counter; elements = { 192.0.2.5 counter packets 3 bytes 4 } }
    map verdicts { type inet_service : verdict; elements = { 22 : accept, 23 : drop } }
    map marks { type ipv4_addr . inet_service : mark; flags interval; elements = { 10.0.0.0/8 . 1-9 : 0x1 } }
    chain helped {
        ct state new ct helper set "ftp" counter name "named"
    }
    chain input {
        type filter hook input priority -10; policy accept;
        tcp dport vmap @verdicts
        quota name "some" drop comment "a rule's comment"
        limit name "often" accept
        meta secmark set ct secmark
        ip saddr @passing jump helped
        update @counted { ip saddr }
    }
    chain nat { type nat hook postrouting priority 100; policy accept; masquerade random; }
}
table inet asleep {
    flags dormant
    chain input { type filter hook input priority 0; policy drop; }
}
"""

FLOWTABLE = """
table inet fast {
    flowtable path { hook ingress priority 0; devices = { lo }; }
    chain forward { type filter hook forward priority 0; policy accept; ip protocol tcp flow add @path; }
}
"""
"""Not every kernel has the module for it."""


def load(namespace: Namespace) -> None:
    """Put it into the namespace; the flowtable where the kernel has one."""
    namespace.nft(RULESET)
    tried = namespace.run([NFT, "-f", "-"], input=FLOWTABLE, check=False)
    assert tried.returncode == 0 or "Could not process rule" in tried.stderr, tried.stderr


def listing(namespace: Namespace) -> str:
    """All tables but ours as nft lists them, with handles and counters; only what a clock changes is left out.

    As text, because nft 1.0.6 breaks off its JSON at a table with flags.
    """
    tables = re.split(r"^(?=table )", namespace.run("nft -a list ruleset").stdout, flags=re.MULTILINE)
    return _EXPIRES.sub("", "".join(each for each in tables if not each.startswith("table inet secmarkd {")))
