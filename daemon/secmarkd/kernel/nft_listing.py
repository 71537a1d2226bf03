"""Our table but for the elements of its maps, as libnftables lists it.

Elements are left out by the flag for terse output. 1.1.3 then does not fetch them; 1.0.6 does for `list table` (1.1 s for
30,000 in JSON; 2.6 s with them), and only `list ruleset`, which others' rules can crash, would spare it that.
"""

from __future__ import annotations

import errno
import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from secmarkd.errors import NotSupported, StateUnknown
from secmarkd.kernel.nft_errors import Refusal, no_permission, refusal
from secmarkd.kernel.nft_library import open_context
from secmarkd.ruleset.decode import decode
from secmarkd.ruleset.decode_statement import with_cgroup_levels
from secmarkd.ruleset.table import FAMILY, NAME, Chain, Key, Match, Table

if TYPE_CHECKING:
    from nftables import Nftables

_HERE = f"{FAMILY} {NAME}"
_CGROUP_LEVEL = re.compile(r"socket cgroupv2 level (\d+)")
_PART = re.compile(r"^\t((?:ct )?[a-z]+) (\S+) \{", re.MULTILINE)
"""The head of a part of a table in nft's text listing."""
_OUR_PARTS = ("chain", "map", "counter", "secmark")
_JSON = 1
"""JSON_SCHEMA_VERSION of libnftables 1.0.6 and 1.1.3."""


def list_structure(flags: tuple[str, ...]) -> Table | None:
    """The table with empty maps; None when it is not there. `flags` are those that the kernel tells.

    By a context of its own: libnftables takes an old state for the present one when 65,536 transactions lie between (it
    compares 16 bits), and keeps all that it has read.
    """
    nft = open_context()
    nft.set_terse_output(True)
    listing = _listing(nft, in_parts=bool(flags))
    if listing is None:
        return None
    try:
        table = decode(listing, flags=flags)
    except ValueError as error:
        raise StateUnknown(
            f"libnftables listed the table as nobody can read it: {error}", operation="read"
        ) from error
    return replace(table, chains=tuple(_with_levels(nft, each) for each in table.chains))


def _listing(nft: Nftables, *, in_parts: bool) -> list[Any] | None:
    """The entries of the table's listing; None when there is no table.

    In parts for a table with flags: before 1.1.0 libnftables frees these too early and breaks the listing of the table
    as a whole (fixed by b04512cf).
    """
    if not in_parts:
        return _entries(nft, f"list table {_HERE}")
    status, heads, said = nft.cmd(f"list table {_HERE}".encode())
    if status != 0:
        _require_absence(refusal(said.decode(errors="replace")))
        return None
    entries: list[Any] = [{"table": {"family": FAMILY, "name": NAME}}]
    for kind, name in _PART.findall(heads.decode(errors="surrogateescape")):
        part: list[Any] | None = [{kind: {"family": FAMILY, "table": NAME, "name": name}}]
        if kind in _OUR_PARTS:
            part = _entries(nft, f"list {kind} {_HERE} {name}")
        if part is None:
            return None
        entries += part
    return entries


def _entries(nft: Nftables, command: str) -> list[Any] | None:
    nft.set_json_output(True)
    try:
        status, output, said = nft.cmd(command.encode(errors="surrogateescape"))
    finally:
        nft.set_json_output(False)
    if status != 0:
        _require_absence(refusal(said.decode(errors="replace")))
        return None
    try:
        listing = json.loads(output)
    except ValueError as error:
        raise StateUnknown(f"libnftables answered with broken JSON: {error}", operation="read") from error
    entries = listing.get("nftables") if isinstance(listing, dict) else None
    if not isinstance(entries, list):
        raise StateUnknown("libnftables answered with JSON that is no listing", operation="read")
    _require_known_json(entries)
    return entries


def _require_known_json(entries: list[Any]) -> None:
    """NotSupported for a listing whose form is not the one that is known here."""
    for entry in entries[:1]:
        about = entry.get("metainfo") if isinstance(entry, dict) else None
        if isinstance(about, dict) and about.get("json_schema_version", _JSON) != _JSON:
            message = f"libnftables {about.get('version')} lists in JSON of version {about['json_schema_version']}"
            hint = f"this secmarkd understands version {_JSON}; upgrade it, or install an older libnftables"
            raise NotSupported(message, operation="read", offender="libnftables", hint=hint)


def _require_absence(refused: Refusal) -> None:
    """Return where libnftables says that there is no such thing; raise for every other refusal."""
    if refused.number == errno.EPERM:
        raise no_permission("read", owned=False)
    if refused.number != errno.ENOENT:
        raise StateUnknown(f"libnftables cannot read the table: {refused.reason}", operation="read")


def _with_levels(nft: Nftables, chain: Chain) -> Chain:
    """The chain with its cgroup matches checked against nft's text, the only listing that has their levels."""
    if not any(isinstance(each, Match) and each.key is Key.CGROUP for rule in chain.rules for each in rule):
        return chain
    _, text, _ = nft.cmd(f"list chain {_HERE} {chain.name}")
    return with_cgroup_levels(chain, [int(level) for level in _CGROUP_LEVEL.findall(text)])
