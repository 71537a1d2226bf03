"""Holds the UDP socket through which the kernel takes ESP in UDP (RFC 3948), in the background, for good."""

import os
import signal
import socket

UDP_ENCAP, UDP_ENCAP_ESPINUDP = 100, 2  # linux/udp.h

made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
made.bind(("0.0.0.0", 4500))
made.setsockopt(socket.IPPROTO_UDP, UDP_ENCAP, UDP_ENCAP_ESPINUDP)
if os.fork():
    os._exit(0)
os.setsid()
null = os.open(os.devnull, os.O_RDWR)
for number in (0, 1, 2):
    os.dup2(null, number)
signal.pause()
