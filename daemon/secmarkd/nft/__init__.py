# SPDX-License-Identifier: GPL-2.0-or-later
"""From values to nft's own text, for libnftables and for people. Pure.

text          a transaction as commands; single things as nft writes them
render        single things as nft writes them
element_text  packed elements as nft writes them
names         the one gate between names in the kernel and text that nft reads as commands
"""
