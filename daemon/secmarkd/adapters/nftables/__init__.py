# SPDX-License-Identifier: GPL-2.0-or-later
"""Our table in the kernel: written by libnftables in a process of its own, read by raw netlink.

port      implements ports.Nft
requests  what the process with libnftables can be asked
worker    that process
reader    reads the table by raw netlink
library   libnftables, as something to load
errors    libnftables' English as typed errors
"""
