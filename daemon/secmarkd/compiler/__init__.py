# SPDX-License-Identifier: GPL-2.0-or-later
"""From a label map to the table that carries it out. Nobody outside needs more than `compile`. Pure.

compile        the whole way
grouping       rules by kind of selector: each kind becomes one lookup
overlap        overlapping rules of one kind become disjoint cells
contradiction  two rules, one packet, two labels: both places and a counterexample
lookups        the lookups of one role, as rules
vrf            the chains for what leaves by a VRF, which conntrack does not know yet
chains         from hook and conntrack direction to the lookups of a role, to a default
names          names of objects in the kernel, made from contexts alone
loaded         a configuration that was loaded and compiled
"""
