# SPDX-License-Identifier: GPL-2.0-or-later
"""libnftables, as something to load."""

from __future__ import annotations

from typing import TYPE_CHECKING

from secmarkd.errors import CapabilityMissing

if TYPE_CHECKING:
    from nftables import Nftables


def open_context() -> Nftables:
    """A new context of libnftables, with nothing by name that a file in /etc could name otherwise."""
    try:
        from nftables import Nftables
    except ImportError as error:
        raise CapabilityMissing("Python's module nftables is missing", hint="apt install python3-nftables") from error
    try:
        nft = Nftables()
    except (OSError, AttributeError) as error:  # the second where the library lacks a function
        message = f"libnftables cannot be used: {error}"
        raise CapabilityMissing(message, hint="apt install --reinstall libnftables1 python3-nftables") from error
    nft.set_numeric_proto_output(True)
    nft.set_stateless_output(True)
    return nft
