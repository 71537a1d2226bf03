# SPDX-License-Identifier: GPL-2.0-or-later
"""This machine: cgroups, processes, names, network namespaces.

environment   what labels depend on besides the configuration
cgroups       where cgroups are, and which has a name now
cgroup_watch  cgroups that come and go
names         users' and services' names to numbers
nss           the C library's lookup
name_watch    the files that names are looked up in
processes     who a committing thread is
netns         which network namespace this is
forwarding    whether this host forwards packets
inotify       inotify(7)
memory        free memory back to the kernel
"""
