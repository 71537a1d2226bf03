# SPDX-License-Identifier: GPL-2.0-or-later
"""Labels that iptables sets, by way of nftables, are named like those of nftables' own rules."""

from __future__ import annotations

import json

from machine import Machine

CONTEXT = "system_u:object_r:ssh_server_packet_t:s0"


def test_the_targets_of_iptables_that_label_are_named_with_their_place(labelled: Machine) -> None:
    labelled.run(
        f"iptables -t security -A INPUT -p tcp --dport 22 -j SECMARK --selctx {CONTEXT} && "
        "iptables -t security -A INPUT -j CONNSECMARK --save && ip6tables -t mangle -A OUTPUT -j CONNSECMARK --restore && "
        "iptables -t mangle -A OUTPUT -j MARK --set-mark 1"
    )
    found = json.loads(labelled.run("secmarkctl plan --json").out)["other_labels"]
    assert [(one["family"], one["table"], one["chain"], one["does"], one["position"]) for one in found] == [
        ("ip", "security", "INPUT", "sets the label of packets", "after secmarkd"),  # at 150, not at 50 as of old
        ("ip", "security", "INPUT", "sets the label that is saved on connections", "after secmarkd"),
        ("ip6", "mangle", "OUTPUT", "sets the label of packets", "before secmarkd"),
    ]
