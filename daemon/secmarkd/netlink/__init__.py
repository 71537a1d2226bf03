# SPDX-License-Identifier: GPL-2.0-or-later
"""Between the kernel's own messages about nf_tables and our values: the wire. Pure.

numbers         the numbers of the kernel's headers, a table for each enum
codec           messages and attributes: their bytes, in both directions
structure       what the messages say of a table's things, elements aside
table           a whole table of them
sets            a set or map, its elements aside
rule            a rule as the statements that the compiler writes
registers       a rule's expressions, carried out on symbols
loads           the expressions that load a value, and that change it
arguments       the attributes of one expression, taken one by one
expression      the values that expressions are read as
forms           which key of nft each source of a value is
words           our own words for what is not ours
layout          how the kernel keeps the keys of our maps
elements        the elements of a map, packed
element         one element, whatever it is
groups          elements of one length together
elements_write  elements as the kernel takes them
labelling       what labels packets in other tables
"""
