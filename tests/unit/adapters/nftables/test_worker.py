# SPDX-License-Identifier: GPL-2.0-or-later
"""The process that writes stays as long as the service: it carries nothing that it does not use."""

from __future__ import annotations

import subprocess
import sys

from secmarkd.adapters.nftables.requests import MODULE

_UNUSED = (
    "secmarkd.ports",
    "secmarkd.events",
    "secmarkd.change",
    "secmarkd.netlink.table",
    "secmarkd.netlink.expression",
)


def test_the_process_that_writes_loads_neither_the_decoder_nor_the_service_s_events() -> None:
    code = f"import sys, {MODULE}; print(*(each for each in {_UNUSED!r} if each in sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert loaded.stdout.split() == []
