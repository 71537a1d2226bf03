# SPDX-License-Identifier: GPL-2.0-or-later
"""The label map that is shipped loads into a kernel with Debian's policy, type by type."""

from __future__ import annotations

import json

from machine import Machine

# Prints the contexts that the kernel does not take.
CHECK = """
import sys
for context in sys.stdin.read().split():
    try:
        with open("/sys/fs/selinux/context", "w") as file:
            file.write(context)
    except OSError as error:
        print(context, error.strerror)
"""


def test_every_context_of_the_shipped_labels_is_known_to_the_policy(host: Machine) -> None:
    shown = json.loads(host.run("secmarkctl show --json").out)
    contexts = {rule["context"] for rule in shown["rules"]} | {each for each in shown["default"].values() if each}
    assert len(contexts) > 140
    host.put(CHECK, "/root/check.py")
    assert host.run("python3 /root/check.py", input="\n".join(sorted(contexts))).out == ""


def test_all_shipped_labels_load_when_enforcing(labelled: Machine) -> None:
    shown = json.loads(labelled.run("secmarkctl show --json").out)
    wanted = {rule["context"] for rule in shown["rules"]} | {each for each in shown["default"].values() if each}
    listing = json.loads(labelled.run("nft -j list table inet secmarkd").out)["nftables"]
    assert {each["secmark"]["context"] for each in listing if "secmark" in each} == wanted


def test_the_policy_knows_the_server_of_each_service_by_the_same_ports(host: Machine) -> None:
    """Each port of a shipped label is one that the policy names for that service: NAME_port_t, of the label where it has a
    type of its own."""
    shown = json.loads(host.run("secmarkctl show --json").out)
    ports = host.run(
        "python3 -c 'import setools\n"
        'for each in setools.SELinuxPolicy("/sys/fs/selinux/policy").portcons():\n'
        "    print(each.protocol.name, each.ports.low, each.ports.high, each.context.type_)'"
    ).out
    named: dict[tuple[str, int], str] = {}
    widths: dict[tuple[str, int], int] = {}
    for line in ports.splitlines():
        protocol, low, high, port_type = line.split()
        for port in range(int(low), int(high) + 1):
            width = int(high) - int(low)
            if width <= widths.get((protocol, port), 65536):
                named[protocol, port], widths[protocol, port] = port_type, width
    wrong = []
    for rule in shown["rules"]:
        if rule["role"] != "server" or "local" in rule:
            continue
        name = rule["label"]
        for port in range(rule["ports"][0], rule["ports"][1] + 1):
            found = named.get((rule["protocol"], port), "")
            if found != f"{name}_port_t":
                wrong.append(f"{rule['label']}: {rule['protocol']} {port} is {found}")
    assert wrong == []
