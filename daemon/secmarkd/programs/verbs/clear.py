# SPDX-License-Identifier: GPL-2.0-or-later
"""The verb clear: our table out of the kernel."""

from __future__ import annotations

import argparse
from contextlib import closing
from pathlib import Path

from secmarkd.events import count
from secmarkd.programs.lock_holder import alone
from secmarkd.programs.output import Output
from secmarkd.programs.wiring import Tools
from secmarkd.service.adapters import remove
from secmarkd.service.exit_codes import Exit


def clear(arguments: argparse.Namespace, tools: Tools) -> Exit:
    """Take our table out, and say what was in it. Nothing is said before, so that no reader who goes away prevents it."""
    out = Output.on(tools.out)
    with alone(Path(arguments.runtime_dir), "systemctl stop secmarkd"), closing(tools.open_nft()) as nft:
        live = nft.read()
        if live is not None:
            remove(nft)
    if arguments.json:
        sizes = {"objects": len(live.objects), "elements": live.element_count()} if live else {}
        out.json({"removed": live is not None, **sizes})
    elif live is not None:
        size = f"{count(len(live.objects), 'object')}, {count(live.element_count(), 'element')}"
        out.line(f"removed table inet secmarkd: {size}, {count(len(live.chains), 'chain')}")
        out.line("packets keep no label of secmarkd's")
    else:
        out.line("nothing to do: there is no table inet secmarkd")
    return Exit.OK
