# SPDX-License-Identifier: GPL-2.0-or-later
"""What packets of a namespace can never show is read from that namespace, and said by check, show and explain."""

from __future__ import annotations

import json
import subprocess

import pytest

from tests.support.real_service import RealService

LABELS = """\
[labels.dmz]
type = "dmz_packet_t"
tcp = [80]
interface = ["e2", "br0", "enp9s9", "nope0", "ppp+"]

[labels.vip]
type = "vip_packet_t"
tcp = [443]
local = ["192.0.2.1", "198.51.100.77", "203.0.113.9", "2001:db8::1", "2001:db8::2", "255.255.255.255"]
"""


@pytest.fixture
def host(service: RealService) -> RealService:
    """A host with a bridge and its port, an interface with another name, addresses, and a network routed to itself."""
    namespace = service.namespace
    namespace.ip("link add br0 type bridge")
    namespace.ip("link add e2 type veth peer name e3")
    namespace.ip("link set e2 master br0")
    namespace.ip("link property add dev e3 altname enp9s9")
    for name in ("br0", "e2", "e3"):
        namespace.ip(f"link set {name} up")
    namespace.ip("addr add 192.0.2.1/24 dev br0")
    namespace.ip("addr add 2001:db8::1/64 dev br0 nodad")
    namespace.ip("route add local 198.51.100.0/24 dev lo")
    service.configure(LABELS)
    return service


EXPECTED = [
    (4, 'e2 is a port of the bridge br0: packets of this host enter and leave by br0; write "br0"'),
    (4, '"enp9s9" is an alternative name of e3, and rules see only that; write "e3"'),
    (4, 'there is no interface "nope0" now; the label waits for it'),
    (4, '+ is not a wildcard here, only * at the end is; write "ppp*"'),
    (9, "this host has no address 203.0.113.9 now; the label waits for one"),
    (9, "this host has no address 2001:db8::2 now; the label waits for one"),
]


@pytest.mark.parametrize("verb", ["check", "show"])
def test_check_and_show_say_so_with_the_place_and_end_well(host: RealService, verb: str) -> None:
    done = host.ctl(verb)
    assert done.returncode == 0
    notes = [line for line in done.stdout.splitlines() if line.startswith("note: ")]
    file = f"{host.root}/etc/labels.d/50-test.toml"
    key = {4: "labels.dmz.interface", 9: "labels.vip.local"}
    assert notes == [f"note: {file}:{line}: {key[line]}: {why}" for line, why in EXPECTED]
    written = json.loads(host.ctl(verb, "--json").stdout)["notes"]
    assert [(note["line"], note["message"]) for note in written] == EXPECTED


def test_explain_says_what_the_kernel_sees_in_the_place_of_a_port(host: RealService) -> None:
    words = "in tcp from 192.0.2.7:40000 to 192.0.2.1:80 on {}"
    explained = host.ctl("explain", words.format("e2")).stdout
    assert "note    e2 is a port of the bridge br0: packets of this host enter and leave by br0" in explained
    assert "is a port of" not in host.ctl("explain", words.format("br0")).stdout
    missing = host.ctl("explain", words.format("nope0")).stdout
    assert 'there is no interface "nope0" now; the label waits for it' in missing


def test_the_namespace_is_that_of_the_process_and_not_that_of_its_sys(host: RealService) -> None:
    enter = ["nsenter", f"--net={host.namespace.path}"]
    done = subprocess.run(
        [*enter, *host.command("secmarkctl", "check")], env=host.environment, capture_output=True, text=True
    )
    assert "e2 is a port of the bridge br0" in done.stdout
