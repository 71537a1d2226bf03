# SPDX-License-Identifier: GPL-2.0-or-later
"""What can be written after `secmarkctl`: the verbs, their arguments, and the help."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from textwrap import fill

from secmarkd.adapters.systemd.notify import runtime_folder
from secmarkd.programs.error_reporting import EXIT_CODES
from secmarkd.programs.verbs import apply, check, clear, explain, plan, reload, show, status
from secmarkd.programs.wiring import DEBUG, Tools, version
from secmarkd.service.exit_codes import Exit

WIDTH = 100
"""Characters in a line of the descriptions, which argparse leaves as they are."""

_CONFIG_DIR = (
    "read the configuration here (repeatable; a later one has precedence; default: /usr/lib, /run and /etc/secmarkd)"
)
_RUNTIME_DIR = "where the service keeps its lock and status (default: /run/secmarkd, or systemd's RUNTIME_DIRECTORY)"

Action = Callable[[argparse.Namespace, Tools], Exit]


@dataclass(frozen=True, slots=True)
class Verb:
    """One verb."""

    name: str
    action: Action
    text: str
    json: str
    """What the object has that it writes with --json."""
    description: str = ""
    """Instead of the text, where there is more to say."""
    folders: str = ""
    """Why --config-dir has no effect, where it has none. It is taken all the same, so that one prefix fits all verbs."""


_VERBS = (
    Verb("check", check.check, "read the configuration and name every mistake; needs no root",
         "ok, problems (each with file, line, key, message; line 0 is the file as a whole), notes (as problems, with "
         "severity: note or warning), and where there is no mistake mode, labels, rules, elements"),
    Verb("plan", plan.plan, "show what would change in the kernel; exit code 3 when something would",
         "in_sync, differences (each with thing, change, name, expected, found, count), notes (as check has them), "
         "other_labels (what else sets labels: family, table, chain, hook, priority, does, position), other_labels_whole"),
    Verb("apply", apply.apply, "bring the kernel's labels to the configuration, once, and verify them",
         "action (none, created, repaired, rebuilt or replaced), mode, labels, elements, and differences as plan has them"),
    Verb("clear", clear.clear, "take all of secmarkd's labels out of the kernel",
         "removed, and where that is true objects, elements",
         folders="what is in the kernel is taken out, whatever is configured"),
    Verb("show", show.show, "show the effective label map, and where each entry is written",
         "settings, context, default, origins (of each of these: file, line, key, or null for what no file says), labels "
         "(each with name, layer, origin, replaces), rules (each with label, role, context, layer, its selectors, origin), "
         "notes (as check has them)"),
    Verb("status", status.status, "tell what the service is doing; exit code 0 when the labels are verified",
         "running, line, and what the service last said of itself: state, labels, elements, error, reload and more",
         folders="the service tells of the folders that it was started with"),
    Verb("reload", reload.reload, "have the service reload, and wait until it has taken or rejected it",
         "ok, accepted, error, hint, problems (each a line as `secmarkctl check` prints it)",
         folders="the service reads the folders that it was started with"),
    Verb("explain", explain.explain, "tell which label a packet gets, and why",
         "packet, assumed, context (null: the packet keeps what it has), role, why, rule (as show has it, or null), notes",
         explain.DESCRIPTION),
)  # fmt: skip


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """What was written: `action`, and its arguments. SystemExit, after the help or what is wrong was printed."""
    arguments = _parser().parse_args(argv)
    arguments.config_dir = [*arguments.config_dir_before, *arguments.config_dir]
    return arguments


def _parser() -> argparse.ArgumentParser:
    whole = argparse.ArgumentParser(
        prog="secmarkctl",
        description="Checks, shows and applies the label map of secmarkd.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    whole.add_argument("--version", action="version", version=version("secmarkctl"))
    # argparse has a verb's values replace those that stand before it: a list needs a name of its own
    whole.add_argument("--config-dir", dest="config_dir_before", action="append", default=[], metavar="DIR",
                       help=f"as after the verb: {_CONFIG_DIR}")  # fmt: skip
    whole.add_argument("--debug", action="store_true", help=DEBUG)
    whole.add_argument("--runtime-dir", default=runtime_folder(os.environ), metavar="DIR", help=_RUNTIME_DIR)
    places = whole.add_subparsers(metavar="VERB", required=True)
    for verb in _VERBS:
        description = verb.description or f"{verb.text[0].upper()}{verb.text[1:]}.\n"
        each = places.add_parser(
            verb.name,
            help=verb.text,
            description=f"{description}\n{fill(f'With --json it writes one object: {verb.json}.', WIDTH)}",
            epilog=EXIT_CODES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        each.set_defaults(action=verb.action)
        _add_arguments(verb, each)
    return whole


def _add_arguments(verb: Verb, place: argparse.ArgumentParser) -> None:
    no_effect = f"no effect on this verb: {verb.folders}"
    place.add_argument("--config-dir", action="append", default=[], metavar="DIR",
                       help=no_effect if verb.folders else _CONFIG_DIR)  # fmt: skip
    place.add_argument("--runtime-dir", default=argparse.SUPPRESS, metavar="DIR", help=_RUNTIME_DIR)
    place.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    form = place.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="write JSON")
    match verb.name:
        case "show":
            form.add_argument("--nft", action="store_true", help="show the nftables ruleset instead")
        case "reload":
            place.add_argument("--timeout", type=float, default=90.0, metavar="SECONDS", help="default: %(default)g")
        case "explain":
            place.add_argument("words", nargs="+", metavar="WORD", help="the packet, in the grammar above")
