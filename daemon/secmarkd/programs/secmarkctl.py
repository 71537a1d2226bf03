# SPDX-License-Identifier: GPL-2.0-or-later
"""`secmarkctl`: carries out one verb."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from secmarkd.programs.arguments import Action, parse
from secmarkd.programs.error_reporting import exit_code_of
from secmarkd.programs.output import Output, output_errors
from secmarkd.programs.wiring import Tools
from secmarkd.service.exit_codes import Exit
from secmarkd.workers import trace


def main(argv: Sequence[str] | None = None, tools: Tools | None = None) -> int:
    """Carry out one verb; its exit code."""
    tools = tools or Tools()
    return exit_code_of(lambda: _carry_out(argv, tools), tools.err)


def _carry_out(argv: Sequence[str] | None, tools: Tools) -> Exit:
    try:
        with output_errors(tools.out):
            arguments = parse(argv)
    except SystemExit as end:  # after --help and --version, and of what is wrong with the words
        result = Exit(int(end.code or 0))
    else:
        if arguments.debug:
            trace.enable()
        action: Action = arguments.action
        result = action(arguments, tools)
    Output.on(tools.out).flush()
    return result


if __name__ == "__main__":
    sys.exit(main())
