# SPDX-License-Identifier: GPL-2.0-or-later
"""What selects packets: one description a selector, and everything else about selectors is derived from these. Pure.

selector    what a description says
fields      which field of a map's key each of nft's keys is
ports       tcp, udp, sctp, dccp, udplite: the service's port
protocol    the protocol as a whole
remote      the other host's address
local       this host's address
addresses   what remote and local have in common
interface   the interface of this host
user        the local process's user
group       the local process's group
cgroup      the local process's cgroup
accounts    what users and groups have in common
every       the list of all of them
precedence  which of two rules wins
"""
