# SPDX-License-Identifier: GPL-2.0-or-later
"""The one gate between names that are in the kernel and text that nft reads as commands.

The kernel bounds names by their length only, so that `input ; delete table inet x` can be the name of a chain. nft's lexer
takes a letter, then letters, digits and `_ - . /` (and `\\`, which is left out here); words of its grammar it takes for
something else. What cannot be named is never named: it goes with the whole table (`plan`).
"""

from __future__ import annotations

import re

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_./-]{0,126}\Z")
"""At most 127 characters: NFT_NAME_MAXLEN is 256, and libnftables 1.0.6 has other, smaller limits."""

_RESERVED = frozenset(
    """
    a a-rwnd abort accept ackseq add addr ah all and arp asconf asconf-ack asterisk auto-merge avgpkt bridge burst
    bypass bytes cfi cgroup cgroupv2 chain chains checksum chunk classid code colon comma comment comp constant continue
    cookie-ack cookie-echo count counter counters cpi cpu create csumcov ct cum-tsn-ack cwr daddr data day dccp define
    dei delete describe destroy device devices direction dnat doff dport drop dscp dst dup dynamic echo ecn ecne element
    elements end eol eq error esp ether event exists expectation expiration expires export exthdr fanout fastopen fib
    file flags flow flowlabel flowtable flowtables flush forward-tsn frag frag-off fully-random fwd gateway gc-interval
    ge geneve get goto gre gretap group gt handle hbh hdrlength heartbeat heartbeat-ack helper helpers hlen hook hooks
    hoplimit hour htype ibriport ibrname icmp icmpv6 icmpx id igmp iif iifgroup iifname iiftype import in inc include
    index inet init init-ack init-tag initial-tsn insert interval invalid ip ip6 ipsec jhash json jump junk l3proto
    label last last-entry le left length level limit limits line list ll log lowest-tsn lshift lsrr lt map maps mark
    masquerade max-delay md5sig memory meta meter meters mh minute missing mod monitor more-fragments mptcp mrt mss mtu
    name ne netdev never new-cum-tsn newline nexthdr nexthop nftrace nh nop not notrack num num-dup-tsns
    num-gap-ack-blocks num-inbound-streams num-outbound-streams number numgen obriport obrname of offload offset oif
    oifgroup oifname oiftype operation option options or original osf out over packets param-problem pcp performance
    persistent pkttype plen policy port position ppid prefix priority proto-dst proto-src protocol ptr ptype queue
    queue-threshold quota quotas quoted ra random rate redefine redirect reject rename replace reply reqid reserved
    reserved2 reset return right rr rshift rt rt0 rt2 rtclassid rule rules ruleset sack sack-permitted sack0 sack1 sack2
    sack3 saddr sctp secmark secmarks second seed seg-left semicolon seq seqno set sets shutdown shutdown-ack
    shutdown-complete sid size skgid skuid snaplen snat socket spi spnum sport srh ssn ssrr state status stream string
    subtype symhash synproxy synproxys table tables taddr tag tcp th time timeout timestamp to token tproxy trace
    trailing transparent tsecr tsn tsval ttl type typeof udp udplite undefine until update urgptr used value version
    vlan vm vmap vni vtag vxlan week wildcard window with wscale xml xor xt zone
    """.split()
)
"""Words of the grammars of nft 1.0.6 and 1.1.3: every name of a token in libnftables' parser, and what else nft was seen
not to take for a name (tests/netns/test_nft_names.py asks the nft of the machine)."""


def can_be_named(name: str) -> bool:
    """Whether a command of nft may name a thing so, whatever kind of thing it is."""
    return _NAME.match(name) is not None and name not in _RESERVED


def named(name: str) -> str:
    """The name, to be a part of a command. ValueError for one that cannot be."""
    if not can_be_named(name):
        raise ValueError(f"{name!r} cannot be a name in nft")
    return name
