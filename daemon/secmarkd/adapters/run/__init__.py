# SPDX-License-Identifier: GPL-2.0-or-later
"""Files below /run.

lock         one writer at a time in a network namespace
claim        lock and status, made again when somebody removes them
status_file  the status, for secmarkctl
"""
