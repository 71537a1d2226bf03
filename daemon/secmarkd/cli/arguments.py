"""What can be written after `secmarkctl`: the verbs, their arguments, and the help."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from dataclasses import dataclass
from textwrap import fill

from secmarkd.cli import check, explain, live, running, show
from secmarkd.cli.boundary import EXIT_CODES
from secmarkd.cli.tools import Tools, version
from secmarkd.service.exits import Exit
from secmarkd.service.notify import runtime_folder

WIDTH = 100
"""Characters in a line of the descriptions, which argparse leaves as they are."""

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


_VERBS = (
    Verb("check", check.check, "read the configuration and name every mistake; needs no root",
         "ok, problems (each with file, line, key, message; line 0 is the file as a whole), notes, and where there is no "
         "mistake mode, labels, rules, elements"),
    Verb("plan", live.plan, "show what would change in the kernel; exit code 3 when something would",
         "in_sync, differences (each with thing, change, name, expected, found, count)"),
    Verb("apply", live.apply, "bring the kernel's labels to the configuration, once, and verify them",
         "action (none, created, repaired or replaced), mode, labels, elements, and differences as plan has them"),
    Verb("clear", live.clear, "take all of secmarkd's labels out of the kernel",
         "removed, and where that is true objects, elements"),
    Verb("show", show.show, "show the effective label map, and where each entry is written",
         "settings, context, default, origins (of each of these: file, line, key, or null for what no file says), labels "
         "(each with name, layer, origin, replaces), rules (each with label, role, context, layer, its selectors, origin)"),
    Verb("status", running.status, "tell what the service is doing; exit code 0 when the labels are verified",
         "running, line, and what the service last said of itself: state, labels, elements, error, reload and more"),
    Verb("reload", running.reload, "have the service reload, and wait until it has taken or rejected it",
         "ok, accepted, error, hint, problems (each a line as `secmarkctl check` prints it)"),
    Verb("explain", explain.explain, "tell which label a packet gets, and why",
         "packet, assumed, context (null: the packet keeps what it has), role, why, rule (as show has it, or null), notes",
         explain.DESCRIPTION),
)  # fmt: skip


def parser() -> argparse.ArgumentParser:
    """Of the whole command line. What it returns has `action`, and the verb's arguments."""
    whole = argparse.ArgumentParser(
        prog="secmarkctl",
        description="Checks, shows and applies the label map of secmarkd.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    whole.add_argument("--version", action="version", version=version("secmarkctl"))
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
    place.add_argument("--config-dir", action="append", default=[], metavar="DIR", help="read the configuration "
                       "here (repeatable; default: /usr/lib, /run and /etc/secmarkd)")  # fmt: skip
    place.add_argument("--runtime-dir", default=runtime_folder(os.environ), metavar="DIR",
                       help="where the service keeps its lock and status (default: %(default)s)")  # fmt: skip
    form = place.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="write JSON")
    match verb.name:
        case "show":
            form.add_argument("--nft", action="store_true", help="show the nftables ruleset instead")
        case "reload":
            place.add_argument("--timeout", type=float, default=90.0, metavar="SECONDS", help="default: %(default)g")
        case "explain":
            place.add_argument("words", nargs="+", metavar="WORD", help="the packet in words, as above")
