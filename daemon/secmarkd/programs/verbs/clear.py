# SPDX-License-Identifier: GPL-2.0-or-later
"""The verb clear: remove our table from the kernel."""

from __future__ import annotations

import argparse
from contextlib import closing
from pathlib import Path

from secmarkd.events import count
from secmarkd.programs.lock_holder import exclusive_lock
from secmarkd.programs.output import Output
from secmarkd.programs.wiring import Tools
from secmarkd.service.adapters import remove
from secmarkd.service.exit_codes import Exit


def clear(arguments: argparse.Namespace, tools: Tools) -> Exit:
    """Remove our table, then print what was in it: a reader that goes away cannot prevent the removal."""
    out = Output.on(tools.out)
    with exclusive_lock(Path(arguments.runtime_dir), "systemctl stop secmarkd"), closing(tools.open_nft()) as nft:
        live = nft.read()
        if live is not None:
            remove(nft)
    if arguments.json:
        sizes = {"objects": len(live.objects), "elements": live.element_count()} if live else {}
        out.json({"removed": live is not None, **sizes})
    elif live is not None:
        size = f"{count(len(live.objects), 'object')}, {count(live.element_count(), 'element')}"
        out.line(f"removed table inet secmarkd: {size}, {count(len(live.chains), 'chain')}")
        out.line("packets no longer get labels from secmarkd")
    else:
        out.line("nothing to do: no table inet secmarkd")
    return Exit.OK
