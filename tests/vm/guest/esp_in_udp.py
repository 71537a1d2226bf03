# SPDX-License-Identifier: GPL-2.0-or-later
"""Holds the UDP sockets through which the kernel takes ESP in UDP (RFC 3948), in the background: `esp_in_udp.py PIDFILE`.

An outer packet is itself one between the two hosts, so a policy that asks for ESP between them drops it before the socket
can unpack it (udp_queue_rcv_one_skb asks the policy first). So the sockets have a policy of their own that lets everything
pass, as those of IKE daemons do.
"""

import os
import signal
import socket
import struct
import sys

UDP_ENCAP, UDP_ENCAP_ESPINUDP = 100, 2  # linux/udp.h
IP_XFRM_POLICY, IPV6_XFRM_POLICY = 17, 35  # linux/in.h, linux/in6.h
PORT = 4500
IN, OUT, ALLOW = 0, 1, 0  # enum of linux/xfrm.h


def policy(family: int, direction: int) -> bytes:
    """A struct xfrm_userpolicy_info that selects everything and asks for nothing."""
    selector = struct.pack("=40xH10xI", family, 0)
    lifetimes = bytes(64 + 32)
    return selector + lifetimes + struct.pack("=IIBBBB4x", 0, 0, direction, ALLOW, 0, 0)


def hold(family: int, host: str, level: int, option: int) -> socket.socket:
    """The socket of one version of IP."""
    made = socket.socket(family, socket.SOCK_DGRAM)
    if family == socket.AF_INET6:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    made.bind((host, PORT))
    for direction in (IN, OUT):
        made.setsockopt(level, option, policy(family, direction))
    made.setsockopt(socket.IPPROTO_UDP, UDP_ENCAP, UDP_ENCAP_ESPINUDP)
    return made


held = [
    hold(socket.AF_INET, "0.0.0.0", socket.IPPROTO_IP, IP_XFRM_POLICY),
    hold(socket.AF_INET6, "::", socket.IPPROTO_IPV6, IPV6_XFRM_POLICY),
]
if os.fork():
    os._exit(0)
os.setsid()
null = os.open(os.devnull, os.O_RDWR)
for number in (0, 1, 2):
    os.dup2(null, number)
with open(sys.argv[1], "w") as file:
    file.write(str(os.getpid()))
signal.pause()
