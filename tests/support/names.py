# SPDX-License-Identifier: GPL-2.0-or-later
"""Names of things that an attacker gives: the kernel takes them all, most of them nft's grammar does not."""

from __future__ import annotations

STRANGE = (
    "", " ", "a b", "input ; delete table inet victim", 'input;include"/tmp/e.nft"', "a\nadd table inet victim", "a\x1b[2J",
    "drop", "secmark", "icmp", "set", "element", "9chain", "_x", "-x", "/x", "a*", "a;b", "a{", "a}", "a#b", 'a"b', "a'b",
    "@a", "$a", "a$b", "a,b", "a:b", "a=b", "a|b", "a\\b", "a\tb",
    "ä", "a\udcff", "a" * 128, "a" * 200, "__chain0", "\udcff",
)  # fmt: skip
FINE = ("my-chain", "my.chain", "a/b", "x", "X9", "input", "server_port", "a" * 127, "Drop", "next_x", "a-1.b/c_d")
