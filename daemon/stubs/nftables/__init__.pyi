# SPDX-License-Identifier: GPL-2.0-or-later
# The distribution's python3-nftables, 1.0.6 to 1.1.x; only what exists in all of them.

from .nftables import Nftables as Nftables
