# SPDX-License-Identifier: GPL-2.0-or-later
"""The command: chooses what is measured, and writes the figures as tables and as JSON."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.bench import drift, elsewhere, foreign, idle, loading, packets, repairs, starting, tampering
from tests.bench.figures import Section, machine

BENCHES: dict[str, Callable[[bool], Iterator[Section]]] = {
    "start": starting.sections,
    "packets": packets.sections,
    "load": loading.sections,
    "drift": drift.sections,
    "foreign": foreign.sections,
    "elsewhere": elsewhere.sections,
    "tampering": tampering.sections,
    "repairs": repairs.sections,
    "idle": idle.sections,
}


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench", description="Measures the figures of ARCHITECTURE.md."
    )
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"what to measure: {', '.join(BENCHES)} (default: all)"
    )
    parser.add_argument("--quick", action="store_true", help="smaller sizes, fewer rounds: minutes, not an hour")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every sample there, too")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(BENCHES):
        parser.error(f"no such figures: {', '.join(sorted(unknown))}")
    if os.geteuid():
        print("error: network namespaces need root\nhint: sudo make bench", file=sys.stderr)
        return 1
    facts, start = machine(), time.monotonic()
    print("\n".join(f"{name:<7} {value}" for name, value in facts.items()), flush=True)
    sections = []
    for name in arguments.names or BENCHES:
        for section in BENCHES[name](arguments.quick):
            section.print()
            sections.append(section)
    print(f"\n{time.monotonic() - start:.0f} s; load now {machine()['load']}")
    if arguments.json:
        content = {"machine": facts, "quick": arguments.quick, "sections": [each.plain() for each in sections]}
        arguments.json.write_text(json.dumps(content, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
