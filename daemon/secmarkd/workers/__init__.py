# SPDX-License-Identifier: GPL-2.0-or-later
"""Processes of our own, for work that may crash, hang or take memory.

parent      the parent's end
child       the child's end
frames      values between the two
trace       what a developer sees with --debug
privileges  what a child gives up first
version     whether the program on disk is still the one that runs
"""
