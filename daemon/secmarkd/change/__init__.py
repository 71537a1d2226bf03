# SPDX-License-Identifier: GPL-2.0-or-later
"""From two tables to their difference, and to the transactions that remove it. Pure.

diff             every difference between two tables, each once
plan             from a difference to the smallest safe transactions
element_changes  how a map's elements become the desired ones
rebuild          one table made of another within its base chains
staged_reload    the tables to pass through, so that no packet falls to a default on the way
early_repair     single elements repaired from the kernel's notifications, before anything is read
"""
