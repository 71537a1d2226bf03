# SPDX-License-Identifier: GPL-2.0-or-later
"""What the administrator means: labels, the packets they select, and which label wins. Pure.

label_map   the label map: atomic rules with their origins, settings and defaults
context     security contexts
address     addresses and prefixes as integers
protocols   protocol numbers, and which have ports
names       names of users, groups and services, which this machine turns into numbers
quoting     what nft can quote
packet      a packet as a netfilter hook sees it
sources     where labels and settings come from, for people
forwarded   the contexts of forwarded packets
host        what of this host's network packets can show
note        what is worth knowing about a configuration without a mistake
"""
