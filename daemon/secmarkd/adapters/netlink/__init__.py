# SPDX-License-Identifier: GPL-2.0-or-later
"""Netlink sockets.

socket         the one place where datagrams are received: the kernel's are believed, and nobody else's
query          which generation is it, and which flags has our table
dump           whole lists
batch          a few elements, written within a millisecond
notifications  who committed, and whether it touched our table
labellers      what else sets labels
rtnetlink      interfaces and addresses
errors         errors of a socket as typed ones
"""
