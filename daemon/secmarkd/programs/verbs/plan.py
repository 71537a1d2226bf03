# SPDX-License-Identifier: GPL-2.0-or-later
"""The verb plan: what would change in the kernel."""

from __future__ import annotations

import argparse
from contextlib import closing
from dataclasses import replace

from secmarkd.change.diff import diff
from secmarkd.change.plan import plan as plan_of
from secmarkd.compiler.compile import OWNED
from secmarkd.errors import KernelError
from secmarkd.events import count
from secmarkd.model.label_map import Ownership
from secmarkd.programs.differences import load_for_kernel, plain, print_drifts, size_of
from secmarkd.programs.notes import notes_json, others_json, print_notes, print_others
from secmarkd.programs.output import Output
from secmarkd.programs.wiring import Tools
from secmarkd.service.exit_codes import Exit
from secmarkd.service.forwarding import notes_on
from secmarkd.service.reporting import total
from secmarkd.table.other_labels import OtherLabels
from secmarkd.table.transaction import Rebuild, Replace


def plan(arguments: argparse.Namespace, tools: Tools) -> Exit:
    """What would change, as a diff of things; nothing is changed."""
    loaded = load_for_kernel(arguments, tools)
    with closing(tools.open_nft()) as nft:
        live = nft.read()
    others = _others(tools)
    notes = tuple(notes_on(tools.open_policy(), loaded.forwarded))
    if live is not None and loaded.settings.ownership is Ownership.EXCLUSIVE:
        live = replace(
            live, flags=tuple(set(live.flags) - set(OWNED))
        )  # the service's to take, and not to be seen here
    drifts = diff(loaded.table, live)
    out = Output.on(tools.out)
    if arguments.json:
        differences = [plain(each) for each in drifts]
        out.json({
            "in_sync": not drifts, "differences": differences, "notes": notes_json(notes), **others_json(others),
        })  # fmt: skip
        return Exit.DRIFT if drifts else Exit.OK
    if drifts:
        print_drifts(drifts, out)
        transactions = plan_of(loaded.table, live, staged=True)
        commands = [each for transaction in transactions for each in transaction]
        how = "single changes"
        if any(isinstance(each, Replace) for each in commands):
            how = "replacing the table" if live is not None else "creating the table"
        elif any(isinstance(each, Rebuild) for each in commands):
            how = "rebuilding the rules"
        how = f"{how} in {count(len(transactions), 'transaction')}"
        out.line()
        out.line(f"{count(total(drifts), 'difference')}; `secmarkctl apply` would fix this by {how}")
    else:
        out.line(f"nothing to do: {size_of(loaded)}, as configured")
    print_notes(notes, out)
    print_others(others.found, others.whole, out)
    return Exit.DRIFT if drifts else Exit.OK


def _others(tools: Tools) -> OtherLabels:
    """What else sets labels; the plan is shown even if that cannot be read."""
    try:
        return tools.open_labellers().look()
    except KernelError:
        return OtherLabels(whole=False)
