# SPDX-License-Identifier: GPL-2.0-or-later
"""A text that is no TOML: where, why, and what to write instead, in our own words. What the parser says is never passed on.

tokens     strings, comments, brackets and the rest of a text, in one pass
limits     what would take the parser, or our own positions, too long: refused before
values     one value as people write it -> the TOML that it must mean
lines      one line that is no TOML -> the line that it must mean
blocks     lists, tables and strings over several lines
twice      what is written a second time
diagnosis  the parser's refusal -> a Problem
"""
