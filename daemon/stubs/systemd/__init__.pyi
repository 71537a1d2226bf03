# SPDX-License-Identifier: GPL-2.0-or-later
# The distribution's python3-systemd 235 (systemd-python).
