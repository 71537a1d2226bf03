# SPDX-License-Identifier: GPL-2.0-or-later
"""The verbs of secmarkctl, one file each.

check    read the configuration and name every mistake
show     the effective label map
explain  which label a packet gets, and why
plan     what would change in the kernel
apply    one verified pass
clear    our table out of the kernel
status   what the service is doing
reload   have the service reload, and wait for the result
"""
