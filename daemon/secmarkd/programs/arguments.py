# SPDX-License-Identifier: GPL-2.0-or-later
"""The command line of `secmarkctl`: the verbs, their arguments, and the help."""

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
    "read the configuration here (repeatable; later ones take precedence; default: /usr/lib, /run and /etc/secmarkd)"
)
_RUNTIME_DIR = "the directory of the service's lock and status (default: RUNTIME_DIRECTORY, or else /run/secmarkd)"

Action = Callable[[argparse.Namespace, Tools], Exit]


@dataclass(frozen=True, slots=True)
class Verb:
    """One verb."""

    name: str
    action: Action
    text: str
    json: str
    """What the object holds that it prints with --json."""
    description: str = ""
    """Instead of the text, for a longer one."""
    ignores_directories: str = ""
    """Why the verb ignores --config-dir, if it does. It accepts it, so that one prefix fits all verbs."""


_VERBS = (
    Verb("check", check.check, "check the configuration and report every mistake; needs no root",
         "ok, problems (each with file, line, key, message; line 0 means the whole file), notes (like problems, and "
         "severity: note or warning); without mistakes also mode, labels, rules, elements"),
    Verb("plan", plan.plan, "show what apply would change in the kernel; exit code 3 if anything",
         "in_sync, differences (each with thing, change, name, expected, found, count), notes (as in check), "
         "other_labels (what else sets labels: family, table, chain, hook, priority, does, position), other_labels_whole"),
    Verb("apply", apply.apply, "apply the configuration to the kernel once, and verify the result",
         "action (none, created, repaired, rebuilt or replaced), mode, labels, elements, differences (as in plan)"),
    Verb("clear", clear.clear, "remove secmarkd's table, and with it all its labels, from the kernel",
         "removed; if true also objects, elements",
         ignores_directories="it removes what is in the kernel, whatever the configuration"),
    Verb("show", show.show, "show the effective label map, and where each entry is defined",
         "settings, context, default, origins (of each of these: file, line, key; null if no file sets it), labels "
         "(each with name, layer, origin, replaces), rules (each with label, role, context, layer, its selectors, origin), "
         "notes (as in check)"),
    Verb("status", status.status, "show what the service is doing; exit code 0 if the labels are verified",
         "running, line, and the service's last status: state, labels, elements, error, reload and more",
         ignores_directories="the service reports on the directories that it was started with"),
    Verb("reload", reload.reload, "reload the service and wait for the result",
         "ok, accepted, error, hint, problems (each a line as printed by `secmarkctl check`)",
         ignores_directories="the service reads the directories that it was started with"),
    Verb("explain", explain.explain, "show which label a packet gets, and why",
         "packet, assumed, context (null: the packet keeps its label), role, why, rule (as in show, or null), notes",
         explain.DESCRIPTION),
)  # fmt: skip


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """`action` and its arguments. Raises SystemExit after printing the help or an error."""
    arguments = _parser().parse_args(argv)
    arguments.config_dir = [*arguments.config_dir_before, *arguments.config_dir]
    return arguments


def _parser() -> argparse.ArgumentParser:
    whole = argparse.ArgumentParser(
        prog="secmarkctl",
        description="Check, show and apply the label map of secmarkd.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    whole.add_argument("--version", action="version", version=version("secmarkctl"))
    # argparse has a verb's values replace those that stand before it: a list needs a name of its own
    whole.add_argument("--config-dir", dest="config_dir_before", action="append", default=[], metavar="DIR",
                       help=_CONFIG_DIR)  # fmt: skip
    whole.add_argument("--debug", action="store_true", help=DEBUG)
    whole.add_argument("--runtime-dir", default=runtime_folder(os.environ), metavar="DIR", help=_RUNTIME_DIR)
    places = whole.add_subparsers(metavar="VERB", required=True)
    for verb in _VERBS:
        description = verb.description or f"{verb.text[0].upper()}{verb.text[1:]}.\n"
        each = places.add_parser(
            verb.name,
            help=verb.text,
            description=f"{description}\n{fill(f'With --json, prints one object with: {verb.json}.', WIDTH)}",
            epilog=EXIT_CODES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        each.set_defaults(action=verb.action)
        _add_arguments(verb, each)
    return whole


def _add_arguments(verb: Verb, place: argparse.ArgumentParser) -> None:
    no_effect = f"ignored by this verb: {verb.ignores_directories}"
    place.add_argument("--config-dir", action="append", default=[], metavar="DIR",
                       help=no_effect if verb.ignores_directories else _CONFIG_DIR)  # fmt: skip
    place.add_argument("--runtime-dir", default=argparse.SUPPRESS, metavar="DIR", help=_RUNTIME_DIR)
    place.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    form = place.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON")
    match verb.name:
        case "show":
            form.add_argument("--nft", action="store_true", help="print the nftables ruleset instead")
        case "reload":
            place.add_argument(
                "--timeout",
                type=float,
                default=90.0,
                metavar="SECONDS",
                help="seconds to wait (default: %(default)g)",
            )
        case "explain":
            place.add_argument("words", nargs="+", metavar="WORD", help="the packet, in the grammar above")
