# SPDX-License-Identifier: GPL-2.0-or-later
"""Asks multicast DNS for the IPv4 address of a name, as responders ask: from port 5353, with the answer to the group.

Usage: ask_mdns.py OWN_ADDRESS NAME. Prints the address; exit status 1 when nobody answers.
"""

from __future__ import annotations

import socket
import struct
import sys
import time

GROUP, PORT = "224.0.0.251", 5353
SECONDS, AGAIN = 60.0, 2.0


def main(own: str, name: str) -> int:
    encoded = b"".join(bytes([len(part)]) + part.encode() for part in name.split(".")) + b"\0"
    question = struct.pack("!6H", 0, 0, 1, 0, 0, 0) + encoded + struct.pack("!2H", 1, 1)
    link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    link.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    link.bind(("", PORT))
    link.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(GROUP) + socket.inet_aton(own))
    link.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(own))
    link.settimeout(AGAIN)
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        link.sendto(question, (GROUP, PORT))
        try:
            while True:
                answer, (sender, _) = link.recvfrom(9000)
                found = answer.find(encoded + struct.pack("!H", 1))
                if sender != own and struct.unpack_from("!H", answer, 2)[0] & 0x8000 and found >= 0:
                    start = found + len(encoded) + 10  # type, class, time to live and length
                    print(socket.inet_ntoa(answer[start : start + 4]))
                    return 0
        except TimeoutError:
            continue
    return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
