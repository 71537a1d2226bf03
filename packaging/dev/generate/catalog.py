# SPDX-License-Identifier: GPL-2.0-or-later
"""The catalog file of systemd/ from the events: the texts that `journalctl -x` shows below each.

`PYTHONPATH=daemon python packaging/dev/generate/catalog.py > systemd/secmarkd.catalog`, which is `make catalog`; a test
fails when the file is stale.
"""

from __future__ import annotations

import sys
import textwrap

from secmarkd.events import EVENTS


def render() -> str:
    """The catalog file (https://systemd.io/CATALOG)."""
    entries = ["# Made by `make catalog` from daemon/secmarkd/events; do not edit.\n"]
    for kind in EVENTS:
        subject, text = kind.CATALOG
        paragraphs = [textwrap.fill(each, 79, break_on_hyphens=False) for each in text.split("\n\n")]
        body = "\n\n".join(paragraphs)
        entries.append(f"-- {kind.MESSAGE_ID}\nSubject: {subject}\nDefined-By: secmarkd\n\n{body}\n")
    return "\n".join(entries)


if __name__ == "__main__":
    sys.stdout.write(render())
