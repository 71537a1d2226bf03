# SPDX-License-Identifier: GPL-2.0-or-later
"""What is no user and no cgroup as it stands, and which one it means."""

from __future__ import annotations

import re
from dataclasses import dataclass

from secmarkd.errors import Fix
from secmarkd.mistakes.advice import (
    Mistake,
    Reader,
    leave_out,
    looks_into,
    prose,
    settled,
    settled_all,
    take_out,
    write,
)
from secmarkd.mistakes.ports import EVERYTHING
from secmarkd.mistakes.words import plain, shown
from secmarkd.model.quoting import MAX_LENGTH

MAX_NUMBER = 2**32 - 2
"""The last uid and gid; the one after it means "nobody in particular" to the kernel."""

_MOST = 64
"""Of a range of numbers that is written out."""
_CGROUP_LIKE = '"system.slice/nginx.service"'


@dataclass(frozen=True, slots=True)
class Accounts:
    """One kind of account that is listed by name or number."""

    what: str
    """One of them; it is the key too."""
    number: str


UIDS = Accounts("user", "uid")
GIDS = Accounts("group", "gid")


@looks_into
def account_mistake(value: object, accounts: Accounts, read: Reader) -> Mistake | None:
    """Why the value can be no account of any machine; None for what may be a name that is not known here."""
    what, number = accounts.what, accounts.number
    match value:
        case int() if not isinstance(value, bool):
            return Mistake(
                f"invalid {number} {shown(value)} (expected 0-{MAX_NUMBER})",
                prose(f"write a {number} within these bounds"),
            )
        case float() if value.is_integer() and 0 <= value <= MAX_NUMBER:
            return Mistake(f"{shown(value)} has a decimal point, and {number}s have none", write(str(int(value))))
        case list() if items := settled_all(read, [item for item in value if type(item) in (int, str)]):
            return Mistake(f"a list inside the list of {what}s", write(*items))
        case str():
            return _account_text(value, plain(value), accounts, read)
        case _:
            return Mistake(f"expected a {what}, got {shown(value)}", write('"root"', "0", like=True))


def _account_text(value: str, text: str, accounts: Accounts, read: Reader) -> Mistake | None:
    what, number = accounts.what, accounts.number
    if text.lower() in EVERYTHING or not text:
        return Mistake(f"expected a {what}, got {shown(value)}", leave_out(f"leave {what} out for all of them"))
    if re.match(r"[!^~]|not\s", text):
        wrong = f"{shown(value)} leaves a {what} out, which no list can"
        return Mistake(wrong, take_out(f"take it out, and give that {what} a label of its own"))
    if found := re.match(r"[:%@]+", text):
        bare = settled(read, text[found.end() :])
        if accounts is GIDS and bare:
            return Mistake(f"{shown(value)} has a sign in front of the group's name", write(*bare))
        if accounts is UIDS:
            return Mistake(f"{shown(value)} is a group, not a user", take_out("take it out, and list it under group"))
    if found := re.fullmatch(r"([0-9]{1,10})\s*[-:]\s*([0-9]{1,10})", text):
        first, last = int(found[1]), int(found[2])
        if 0 <= last - first < _MOST and last <= MAX_NUMBER:
            return Mistake(f"{shown(value)} is a range of {number}s", write(*map(str, range(first, last + 1))))
        wrong = f"{shown(value)} is a range of {number}s, and {what}s are listed one by one"
        return Mistake(wrong, write(*map(str, range(first, first + 2)), like=True))
    if re.fullmatch(r"[0-9]+", text):
        digits = text.lstrip("0") or "0"
        if len(digits) > 10 or int(digits) > MAX_NUMBER:
            wrong = f"invalid {number} {shown(value)} (expected 0-{MAX_NUMBER})"
            return Mistake(wrong, prose(f"write a {number} within these bounds"))
        return Mistake(f"{shown(value)} is a number in quotes", write(digits))
    return _account_name(value, text, accounts, read)


def _account_name(value: str, text: str, accounts: Accounts, read: Reader) -> Mistake | None:
    """Why the text is no name; None where it may be one."""
    parts = [part.strip() for part in re.split(r"[,;|]+", text) if part.strip()]
    if len(parts) > 1:
        items = settled_all(
            read, [int(part) if part.isdecimal() and len(part) < 10 else part for part in parts[:1000]]
        )
        if items:
            return Mistake(f"{shown(value)} is several {accounts.what}s in one string", write(*items))
    if text != value and (items := settled(read, text)):
        return Mistake(f"{shown(value)} has blanks or look-alikes of plain characters", write(*items))
    if ":" in text and (items := settled(read, text.split(":")[0])):
        return Mistake(f"{shown(value)} is a {accounts.what} and more", write(*items))
    if not text.isprintable() or re.search(r"[:,/]", text):
        return Mistake(f"{shown(value)} can be the name of no {accounts.what}", write('"root"', "0", like=True))
    return None


@looks_into
def cgroup_mistake(value: object, read: Reader) -> Mistake:
    """Why the value is no path of a cgroup; `read` is the reader that refused it."""
    if isinstance(value, list) and value:
        texts = [item for item in value if isinstance(item, str)]
        if len(texts) == len(value) and (items := settled_all(read, texts)):
            return Mistake("a list inside the list of cgroups", write(*items))
    if not isinstance(value, str):
        return Mistake(f"expected a cgroup's path in quotes, got {shown(value)}", write(_CGROUP_LIKE, like=True))
    text = value.strip()
    found = re.fullmatch(r"([0-9]+):([^:]*):(/.*)", text)  # as /proc/PID/cgroup has it
    if found and (items := settled(read, found[3])):
        return Mistake(f"{shown(value)} is more than the cgroup's path", write(*items))
    path = text.removeprefix("/sys/fs/cgroup/").strip("/")
    if not path or path == "*":
        wrong = f"{shown(value)} is the root, which every process is in"
        return Mistake(wrong, leave_out("leave cgroup out for that"))
    steps = _steps(path)
    if steps != path.split("/"):
        wrong = f'{shown(value)} has an empty, "." or ".." part'
        return Mistake(wrong, *([write(*items)] if (items := settled(read, "/".join(steps))) else [_like()]))
    if path.endswith("/*") and (items := settled(read, path.removesuffix("/*"))):
        return Mistake(f"{shown(value)}: a cgroup stands for those below it as well", write(*items))
    parts = [part for part in re.split(r"[,;\s]+", text) if part]
    if 1 < len(parts) <= 1000 and (items := settled_all(read, parts)):
        return Mistake(f"{shown(value)} is several cgroups in one string", write(*items))
    rule = f"at most {MAX_LENGTH} characters, no quotes, and only ASCII"
    return Mistake(f"{shown(value)} cannot be written in nft: {rule}", prose("write the cgroup above it"))


def _like() -> Fix:
    return write(_CGROUP_LIKE, like=True)


def _steps(path: str) -> list[str]:
    """The path's parts without those that lead nowhere."""
    steps: list[str] = []
    for part in path.split("/"):
        if part == "..":
            steps = steps[:-1]
        elif part not in ("", "."):
            steps.append(part)
    return steps
