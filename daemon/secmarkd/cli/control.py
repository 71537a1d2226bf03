"""`secmarkctl`: its verbs and their arguments."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence

from secmarkd.cli import explain, files, live, running
from secmarkd.cli.boundary import EXIT_CODES, guarded
from secmarkd.cli.output import Output, failing
from secmarkd.cli.tools import Tools, version
from secmarkd.service.exits import Exit
from secmarkd.service.notify import runtime_folder

Verb = Callable[[argparse.Namespace, Tools], Exit]


def main(argv: Sequence[str] | None = None, tools: Tools | None = None) -> int:
    """Carry out one verb; its exit code."""
    tools = tools or Tools()
    return guarded(lambda: _carry_out(argv, tools), tools.err)


def _carry_out(argv: Sequence[str] | None, tools: Tools) -> Exit:
    try:
        with failing(tools.out):
            arguments = _parser().parse_args(argv)
    except SystemExit as end:  # after --help and --version, and of what is wrong with the words
        result = Exit(int(end.code or 0))
    else:
        verb: Verb = arguments.verb
        result = verb(arguments, tools)
    Output.on(tools.out).flush()
    return result


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="secmarkctl",
        description="Checks, shows and applies the label map of secmarkd.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=version("secmarkctl"))
    verbs = parser.add_subparsers(metavar="VERB", required=True)

    def add(name: str, verb: Verb, text: str, description: str = "") -> argparse.ArgumentParser:
        each = verbs.add_parser(
            name,
            help=text,
            description=description or f"{text[0].upper()}{text[1:]}.",
            epilog=EXIT_CODES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        each.set_defaults(verb=verb)
        each.add_argument("--config-dir", action="append", default=[], metavar="DIR", help="read the configuration "
                          "here (repeatable; default: /usr/lib, /run and /etc/secmarkd)")  # fmt: skip
        each.add_argument("--runtime-dir", default=runtime_folder(os.environ), metavar="DIR",
                          help="where the service keeps its lock and status (default: %(default)s)")  # fmt: skip
        return each

    add("check", files.check, "read the configuration and name every mistake; needs no root")
    _json(add("plan", live.plan, "show what would change in the kernel; exit code 3 when something would"))
    add("apply", live.apply, "bring the kernel's labels to the configuration, once, and verify them")
    _json(add("clear", live.clear, "take all of secmarkd's labels out of the kernel"))
    show = _json(add("show", files.show, "show the effective label map, and where each entry is written"))
    show.add_argument("--nft", action="store_true", help="show the nftables ruleset instead")
    _json(add("status", running.status, "tell what the service is doing; exit code 0 when the labels are verified"))
    reload = add("reload", running.reload, "have the service reload, and wait until it has taken or rejected it")
    reload.add_argument("--timeout", type=float, default=90.0, metavar="SECONDS", help="default: %(default)g")
    packet = _json(add("explain", explain.explain, "tell which label a packet gets, and why", explain.DESCRIPTION))
    packet.add_argument("words", nargs="+", metavar="WORD", help="the packet in words, as above")
    return parser


def _json(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument("--json", action="store_true", help="write JSON")
    return parser


if __name__ == "__main__":
    sys.exit(main())
