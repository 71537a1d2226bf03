# SPDX-License-Identifier: GPL-2.0-or-later
"""The verb apply: one verified pass."""

from __future__ import annotations

import argparse
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from secmarkd.adapters.host.environment import ports_in_use
from secmarkd.compiler.compile import OWNED
from secmarkd.compiler.loaded import Loaded
from secmarkd.events import count
from secmarkd.model.label_map import Ownership
from secmarkd.ports import Nft
from secmarkd.programs.differences import load_for_kernel, plain, print_few, size_of
from secmarkd.programs.lock_holder import exclusive_lock
from secmarkd.programs.output import Output
from secmarkd.programs.wiring import Tools
from secmarkd.reconcile import Action, reconcile
from secmarkd.service.exit_codes import Exit
from secmarkd.service.forwarding import denied_by, refuse_the_end_of_forwarding
from secmarkd.service.reporting import total
from secmarkd.table.table import Table


def apply(arguments: argparse.Namespace, tools: Tools) -> Exit:
    """One verified pass."""
    out = Output.on(tools.out)
    with exclusive_lock(Path(arguments.runtime_dir), "systemctl reload secmarkd"):
        loaded = load_for_kernel(arguments, tools)
        _require_forwarding(loaded, tools)
        with closing(tools.open_nft()) as nft:
            outcome = reconcile(nft, _adoptable(loaded, nft), in_use=ports_in_use, staged=True)
    if outcome.error is not None:
        raise outcome.error
    if arguments.json:
        sizes = {"labels": loaded.label_count, "elements": loaded.table.element_count()}
        differences = [plain(each) for each in outcome.drifts]
        out.json({"action": outcome.action, "mode": loaded.settings.mode, **sizes, "differences": differences})
        return Exit.OK
    number = count(total(outcome.drifts), "difference")
    match outcome.action:
        case Action.NONE:
            out.line(f"nothing to do: {size_of(loaded)}, as configured")
        case Action.CREATED:
            out.line(f"created: {size_of(loaded)}, read back and verified")
        case _:
            print_few(outcome.drifts, out)
            out.line(f"{outcome.action}: {number}; {size_of(loaded)}, read back and verified")
    return Exit.OK


def _adoptable(loaded: Loaded, nft: Nft) -> Table:
    """The table as it is wanted of a verb. One that the service left behind under exclusive ownership keeps its flag: the
    service can take it over then as it is, and nothing has to be replaced."""
    exclusive = loaded.settings.ownership is Ownership.EXCLUSIVE
    left_behind = tuple(each for each in OWNED if each != "owner")
    return replace(loaded.table, flags=left_behind) if exclusive and nft.flags() == left_behind else loaded.table


def _require_forwarding(loaded: Loaded, tools: Tools) -> None:
    """ConfigError where the labels would end all forwarding of packets on this machine now."""
    denied = tuple(denied_by(tools.open_policy(), loaded.forwarded))
    if denied:
        enforcing = tools.open_selinux().state().enforcing
        refuse_the_end_of_forwarding(denied, loaded.settings.mode, enforcing=enforcing, forwarding=tools.forwards())
