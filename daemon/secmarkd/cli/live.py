"""Verbs that look at the kernel: plan, apply, clear."""

from __future__ import annotations

import argparse
from collections import Counter
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from secmarkd.cli.notes import notes_json, others_json, print_notes, print_others
from secmarkd.cli.occupied import alone
from secmarkd.cli.output import Colour, Output
from secmarkd.cli.tools import Tools
from secmarkd.errors import KernelError
from secmarkd.events import count
from secmarkd.model.labels import Mode, Ownership
from secmarkd.ports import Nft
from secmarkd.reconcile import Action, reconcile
from secmarkd.ruleset.compile import OWNED
from secmarkd.ruleset.diff import diff
from secmarkd.ruleset.drift import Change, Drift, Thing
from secmarkd.ruleset.other_labels import OtherLabels
from secmarkd.ruleset.plan import plan as plan_of
from secmarkd.ruleset.table import Table
from secmarkd.ruleset.transaction import Rebuild, Replace
from secmarkd.service.environment import ports_in_use
from secmarkd.service.exits import Exit
from secmarkd.service.forwarding import denied_by, notes_on, refuse_the_end_of_forwarding
from secmarkd.service.loading import Loaded, load
from secmarkd.service.reporting import total
from secmarkd.service.world import remove, require_selinux

MOST_LINES = 40
"""Of what one `apply` changed."""

_SIGNS = {
    Change.MISSING: ("+", Colour.GOOD),
    Change.ADDED: ("-", Colour.BAD),
    Change.CHANGED: ("~", Colour.CHANGED),
    Change.RETARGETED: ("~", Colour.CHANGED),
    Change.MOVED: ("~", Colour.CHANGED),
}


def plan(arguments: argparse.Namespace, tools: Tools) -> Exit:
    """What would change, as a diff of things; nothing is changed."""
    loaded = _load(arguments, tools)
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
        differences = [_plain(each) for each in drifts]
        out.json({
            "in_sync": not drifts, "differences": differences, "notes": notes_json(notes), **others_json(others),
        })  # fmt: skip
        return Exit.DRIFT if drifts else Exit.OK
    if drifts:
        _print_drifts(drifts, out)
        transactions = plan_of(loaded.table, live, staged=True)
        whole = any(isinstance(each, Replace | Rebuild) for transaction in transactions for each in transaction)
        how = f"{'the table made anew' if whole else 'single changes'} in {count(len(transactions), 'transaction')}"
        out.line()
        out.line(f"{count(total(drifts), 'difference')}; would be put right by {how} (`secmarkctl apply`)")
    else:
        out.line(f"nothing to do: {_size(loaded)}, as configured")
    print_notes(notes, out)
    print_others(others.found, others.whole, out)
    return Exit.DRIFT if drifts else Exit.OK


def apply(arguments: argparse.Namespace, tools: Tools) -> Exit:
    """One verified pass."""
    out = Output.on(tools.out)
    with alone(Path(arguments.runtime_dir), "systemctl reload secmarkd"):
        loaded = _load(arguments, tools)
        _require_forwarding(loaded, tools)
        with closing(tools.open_nft()) as nft:
            outcome = reconcile(nft, _adoptable(loaded, nft), in_use=ports_in_use, staged=True)
    if outcome.error is not None:
        raise outcome.error
    if arguments.json:
        sizes = {"labels": loaded.label_count, "elements": loaded.table.element_count()}
        differences = [_plain(each) for each in outcome.drifts]
        out.json({"action": outcome.action, "mode": loaded.settings.mode, **sizes, "differences": differences})
        return Exit.OK
    number = count(total(outcome.drifts), "difference")
    match outcome.action:
        case Action.NONE:
            out.line(f"nothing to do: {_size(loaded)}, as configured")
        case Action.CREATED:
            out.line(f"created: {_size(loaded)}, read back and verified")
        case _:
            _print_few(outcome.drifts, out)
            out.line(f"{outcome.action}: {number}; {_size(loaded)}, read back and verified")
    return Exit.OK


def _adoptable(loaded: Loaded, nft: Nft) -> Table:
    """The table as it is wanted of a verb. One that the service left behind under exclusive ownership keeps its flag: the
    service can take it over then as it is, and nothing has to be replaced."""
    exclusive = loaded.settings.ownership is Ownership.EXCLUSIVE
    left_behind = tuple(each for each in OWNED if each != "owner")
    return replace(loaded.table, flags=left_behind) if exclusive and nft.flags() == left_behind else loaded.table


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


def _load(arguments: argparse.Namespace, tools: Tools) -> Loaded:
    loaded, _ = load(arguments.config_dir)
    if loaded.settings.mode is Mode.LABEL:
        require_selinux(tools.open_selinux())
    return loaded


def _others(tools: Tools) -> OtherLabels:
    """What else sets labels; what of it cannot be found out is no reason to show no plan."""
    try:
        return tools.open_labellers().look()
    except KernelError:
        return OtherLabels(whole=False)


def _require_forwarding(loaded: Loaded, tools: Tools) -> None:
    """ConfigError where the labels would end all forwarding of packets on this machine now."""
    denied = tuple(denied_by(tools.open_policy(), loaded.forwarded))
    if denied:
        enforcing = tools.open_selinux().state().enforcing
        refuse_the_end_of_forwarding(denied, loaded.settings.mode, enforcing=enforcing, forwarding=tools.forwards())


def _size(loaded: Loaded) -> str:
    rehearsing = ", rehearsing" if loaded.settings.mode is Mode.REHEARSE else ""
    return f"{count(loaded.label_count, 'label')}, {count(loaded.table.element_count(), 'element')}{rehearsing}"


def _print_drifts(drifts: tuple[Drift, ...], out: Output) -> None:
    for each in drifts:
        sign, colour = _SIGNS[each.change]
        out.line(f"{sign} {each.name}", colour)
        match each.change:
            case Change.MISSING if each.expected:
                out.line(f"      {each.expected}")
            case Change.ADDED if each.found:
                out.line(f"      {each.found}")
            case Change.CHANGED | Change.RETARGETED | Change.MOVED:
                out.line(f"      is        {each.found}")
                out.line(f"      should be {each.expected}")
            case _:
                pass


def _print_few(drifts: tuple[Drift, ...], out: Output) -> None:
    """Each, or where there are many a count of each kind, by the label where it is known; `plan` has the rest."""
    if len(drifts) <= MOST_LINES:
        _print_drifts(drifts, out)
        return
    counts: Counter[tuple[Change, str]] = Counter()
    for each in drifts:
        counts[each.change, _kind(each)] += each.count
    for (change, kind), number in counts.most_common(MOST_LINES):
        sign, colour = _SIGNS[change]
        out.line(f"{sign} {kind.replace('(s)', '' if number == 1 else 's', 1)}: {number}", colour)
    if len(counts) > MOST_LINES:
        out.line(f"  … and {len(counts) - MOST_LINES} kinds more", Colour.FAINT)


def _kind(drift: Drift) -> str:
    """What a drift is counted under: an element by its label's type, all else by the kind of thing."""
    if drift.thing is Thing.ELEMENT and drift.change is Change.RETARGETED:
        return f"element(s) from {_label(drift.found)} to {_label(drift.expected)}"
    if drift.thing is Thing.ELEMENT and (drift.expected or drift.found):
        return f"element(s) of {_label(drift.expected or drift.found)}"
    return f"{drift.thing}(s)"


def _label(target: str) -> str:
    """The object that an element leads to, without the letter for its kind."""
    return target.removeprefix("s_").removeprefix("c_")


def _plain(drift: Drift) -> dict[str, str | int]:
    return {
        "thing": str(drift.thing), "change": str(drift.change), "name": drift.name,
        "expected": drift.expected, "found": drift.found, "count": drift.count,
    }  # fmt: skip
