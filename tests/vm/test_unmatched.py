# SPDX-License-Identifier: GPL-2.0-or-later
"""Which interface packets show on a kernel that has them all: bridges, bonds, VRF."""

from __future__ import annotations

import pytest
from labelling import write_labels
from machine import Machine

LABELS = """\
[labels.dmz]
type = "intranet_packet_t"
tcp = [80]
interface = [{}]
"""


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("bridge", 'port is a port of the bridge over: packets of this host enter and leave by over; write "over"'),
        ("bond", 'port is a port of the bond over: packets of this host enter and leave by over; write "over"'),
        (
            "vrf table 10",
            "port is in the VRF over: packets enter by over, and leave by over and then by port; name both",
        ),
    ],
)
def test_a_port_is_said_to_be_one(host: Machine, kind: str, said: str) -> None:
    host.run(
        f"ip link add over type {kind} && ip link add port type veth peer name other && ip link set port master over"
    )
    write_labels(host, LABELS.format('"port"'))
    assert f":4: labels.dmz.interface: {said}" in host.run("secmarkctl check").out
    words = "in tcp from 192.0.2.7:40000 to 192.0.2.1:80 on port"
    assert f"note    {said}" in host.run(f"secmarkctl explain {words}").out
    write_labels(host, LABELS.format('"over", "port"' if kind.startswith("vrf") else '"over"'))
    assert "note" not in host.run("secmarkctl check").out
