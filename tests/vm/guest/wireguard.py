# SPDX-License-Identifier: GPL-2.0-or-later
"""Configures a WireGuard device by generic netlink, where there is no `wg`.

`wireguard.py DEVICE LISTEN_PORT PRIVATE_KEY PEER_KEY PEER_ADDRESS PEER_PORT` with keys in base64; all
addresses are the peer's. The numbers are those of linux/genetlink.h and linux/wireguard.h.
"""

import base64
import ipaddress
import socket
import struct
import sys

NETLINK_GENERIC = 16
CTRL_ID, CTRL_GETFAMILY, CTRL_ATTR_ID, CTRL_ATTR_NAME = 16, 3, 1, 2
SET_DEVICE = 1
IFNAME, PRIVATE_KEY, LISTEN_PORT, PEERS = 2, 3, 6, 8
PEER_KEY, PEER_ENDPOINT, PEER_ALLOWED = 1, 4, 9
FAMILY, ADDRESS, MASK = 1, 2, 3


def attribute(kind: int, content: bytes) -> bytes:
    length = 4 + len(content)
    return struct.pack("=HH", length, kind) + content.ljust((len(content) + 3) & ~3, b"\0")


def nested(kind: int, *content: bytes) -> bytes:
    return attribute(kind | 0x8000, b"".join(content))


def ask(link: socket.socket, family: int, command: int, flags: int, *content: bytes) -> bytes:
    body = struct.pack("=BBH", command, 1, 0) + b"".join(content)
    link.send(struct.pack("=IHHII", 16 + len(body), family, 1 | flags, 1, 0) + body)
    answer = link.recv(65536)
    (kind,) = struct.unpack_from("=H", answer, 4)
    if kind == 2 and (error := struct.unpack_from("=i", answer, 16)[0]):
        raise OSError(-error, "generic netlink refused")
    return answer[20:]


def found(content: bytes, wanted: int) -> bytes:
    while content:
        length, kind = struct.unpack_from("=HH", content)
        if kind & 0x3FFF == wanted:
            return content[4:length]
        content = content[(length + 3) & ~3 :]
    raise LookupError(wanted)


def endpoint(address: str, port: int) -> bytes:
    parsed = ipaddress.ip_address(address)
    if parsed.version == 4:
        return struct.pack("=H", socket.AF_INET) + struct.pack("!H", port) + parsed.packed + bytes(8)
    return struct.pack("=H", socket.AF_INET6) + struct.pack("!HI", port, 0) + parsed.packed + bytes(4)


def everything(family: int, width: int) -> bytes:
    fields = [struct.pack("=H", family), bytes(width), b"\0"]
    return nested(0, *(attribute(kind, value) for kind, value in zip((FAMILY, ADDRESS, MASK), fields, strict=True)))


def main(device: str, port: int, private: str, peer: str, address: str, peer_port: int) -> None:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_GENERIC) as link:
        answer = ask(link, CTRL_ID, CTRL_GETFAMILY, 0, attribute(CTRL_ATTR_NAME, b"wireguard\0"))
        (family,) = struct.unpack("=H", found(answer, CTRL_ATTR_ID))
        allowed = nested(PEER_ALLOWED, everything(socket.AF_INET, 4), everything(socket.AF_INET6, 16))
        known = nested(
            0,
            attribute(PEER_KEY, base64.b64decode(peer)),
            attribute(PEER_ENDPOINT, endpoint(address, peer_port)),
            allowed,
        )
        ask(
            link, family, SET_DEVICE, 4,
            attribute(IFNAME, device.encode() + b"\0"),
            attribute(PRIVATE_KEY, base64.b64decode(private)),
            attribute(LISTEN_PORT, struct.pack("=H", port)),
            nested(PEERS, known),
        )  # fmt: skip


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4], sys.argv[5], int(sys.argv[6]))
