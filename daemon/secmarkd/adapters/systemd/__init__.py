# SPDX-License-Identifier: GPL-2.0-or-later
"""The journal and the service manager.

journal  events to journald, or to stderr
notify   sd_notify(3)
"""
