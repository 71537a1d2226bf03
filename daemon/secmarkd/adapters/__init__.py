# SPDX-License-Identifier: GPL-2.0-or-later
"""What the ports of `ports` are on a real machine: a directory for each side of the world.

nftables/  our table, written by libnftables and read by netlink
netlink/   netlink sockets
selinux/   SELinux of the running kernel
host/      cgroups, processes, names, network namespaces
systemd/   journal and service manager
run/       files below /run
loading/   from files to the compiled table, in a process of its own
"""
