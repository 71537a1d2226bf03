# SPDX-License-Identifier: GPL-2.0-or-later
"""The values in the middle: what nftables holds of ours, desired and live, and what changes it. Pure.

table         a table and its parts; desired and live state are values of these types
elements      the elements of a map, packed
cgroups       the cgroups that a table's rules name, by path and by number
foreign       what is in our table and is not ours
drift         a difference between the desired table and the live one
transaction   what one nftables transaction does
generation    the number of the ruleset's last transaction
other_labels  what sets labels of packets outside of our table
"""
