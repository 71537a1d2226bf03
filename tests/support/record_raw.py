# SPDX-License-Identifier: GPL-2.0-or-later
"""Records what nf_tables says of tables that this machine's nft has written: `python3 -m tests.support.record_raw`.

It makes and deletes `table inet secmarkd`, so it belongs into a namespace of its own or the test machine. Prints JSON for
tests/golden/raw, by the name of the table of `raw_forms`: messages in hex by kind, and elements of anonymous sets.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import closing
from dataclasses import astuple

from secmarkd.adapters.netlink.dump import NetlinkDump
from secmarkd.nft.text import encode
from secmarkd.table.table import NAME, ObjectKind
from secmarkd.table.transaction import Remove, Replace
from tests.support.raw_forms import CGROUPS, forms_table
from tests.support.tables import full_table


def record(commands: str) -> dict[str, object]:
    """What the kernel says of the table that these commands make."""
    subprocess.run(["nft", "-f", "-"], input=commands.encode(), check=True)
    with closing(NetlinkDump()) as lists:
        structure = lists.structure(NAME)
        anonymous = [f"__set{number}" for number in range(64)]
        elements = {}
        for name in anonymous:
            try:
                elements[name] = [each.hex() for each in lists.elements(NAME, name)]
            except FileNotFoundError:
                continue
    subprocess.run(["nft", "-f", "-"], input=encode((Remove(),)).encode(), check=True)
    return {"structure": [[each.hex() for each in part] for part in astuple(structure)], "elements": elements}


def main() -> None:
    """Print everything as JSON."""
    version = subprocess.run(["nft", "--version"], capture_output=True, check=True, text=True).stdout.split()[1]
    kinds = [ObjectKind.COUNTER] + ([ObjectKind.SECMARK] if "secmark" in sys.argv else [])
    cgroups = {}
    if "cgroups" in sys.argv:
        for path in CGROUPS:
            os.makedirs(f"/sys/fs/cgroup/{path}", exist_ok=True)
            cgroups[path] = os.stat(f"/sys/fs/cgroup/{path}").st_ino
    tables = {f"full {kind}": encode((Replace(full_table(kind)),)) for kind in kinds}
    tables["forms"] = encode((Replace(forms_table(cgroups)),))
    recorded = {name: record(commands) for name, commands in tables.items()}
    print(
        json.dumps({"nft": version, "kernel": os.uname().release, "cgroups": cgroups, "tables": recorded}, indent=1)
    )


if __name__ == "__main__":
    main()
