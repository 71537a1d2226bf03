# SPDX-License-Identifier: GPL-2.0-or-later
"""What pydantic found wrong -> Problems in our own words, each with its line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from secmarkd.config.files import Document
from secmarkd.config.other_words import other_setting, other_word
from secmarkd.config.schema import SELECTORS, LabelsFile, SettingsFile, Table, table_at
from secmarkd.config.toml_positions import Path
from secmarkd.config.values import EXAMPLES, list_mistake, table_mistake
from secmarkd.errors import Problem
from secmarkd.mistakes.advice import Mistake, leave_out, prose, rename, toml_key, write
from secmarkd.mistakes.contexts import role_mistake
from secmarkd.mistakes.settings import choice_mistake
from secmarkd.mistakes.words import near, short, shown

MOST_PROBLEMS = 1000
"""Of one file. Nobody reads more, and what is behind them mostly has the same cause."""

_OF_LABELS = ("type", "context", "role", "match")
"""What the entries of match cannot have."""


def problems_of(error: ValidationError, document: Document, root: type[Table]) -> list[Problem]:
    """Every mistake that pydantic found in the document; `root` is the model it was held against."""
    details = error.errors(include_url=False)
    more = len(details) - MOST_PROBLEMS
    rest = [Problem(document.path, document.last_line, "", f"{more} more mistakes in this file")] if more > 0 else []
    return rest + [
        document.problem(path, mistake if root is not LabelsFile else not_alone(mistake, path, document.data))
        for detail in details[:MOST_PROBLEMS]
        for path in [tuple(detail["loc"])]
        for mistake in [_mistake(detail, path, document, root)]
    ]


def _mistake(detail: Any, path: Path, document: Document, root: type[Table]) -> Mistake:
    value, facts = detail["input"], detail.get("ctx", {})
    key = str(path[-1]) if path else ""
    match detail["type"]:
        case "value_error":
            found = facts["error"]
            return found if isinstance(found, Mistake) else Mistake(str(found))
        case "extra_forbidden":
            return unknown_key(path, value, document, root)
        case "literal_error" if root is LabelsFile:
            label = _table(document.data, path[:-1])
            return role_mistake(value, str(path[1]), "type" in label or "context" in label)
        case "literal_error" | "enum":
            return choice_mistake(key, value, facts["expected"].replace("'", "").replace(" or ", ", ").split(", "))
        case "list_type":
            return list_mistake(key, value)
        case "too_short":
            wrong = "expected at least one item, got an empty list, which would match nothing"
            return Mistake(wrong, write(EXAMPLES[key], like=True))
        case "model_type" | "dict_type":
            return table_mistake(path, value)
        case _:  # a kind that today's models do not have
            return Mistake(f"{shown(value)} is not possible here")


def _table(data: object, path: Path) -> Mapping[str, object]:
    """The table at the path; an empty one where there is none."""
    for step in path:
        if isinstance(data, dict):
            data = data.get(str(step))
        elif isinstance(data, list) and isinstance(step, int) and step < len(data):
            data = data[step]
        else:
            return {}
    return data if isinstance(data, dict) else {}


def not_alone(mistake: Mistake, path: Path, data: object) -> Mistake:
    """The mistake, without the advice to take out the only thing that its label selects by."""
    if len(path) < 3 or not any(
        fix.whole or not (fix.items or fix.stays or fix.lines or fix.prose) for fix in mistake.fixes
    ):
        return mistake
    item = isinstance(path[-1], int) and not (len(path) == 4 and path[2] == "match")
    where = path[:-2] if item else path[:-1]
    key = path[-2] if item else path[-1]
    table = _table(data, where)
    others = _misread(table, key)
    siblings = table.get(str(key)) if item else None
    removes = [
        fix for fix in mistake.fixes
        if not (fix.items or fix.beside or fix.stays or fix.lines or fix.prose)
        and (fix.whole or not isinstance(siblings, list) or len(siblings) < 2)
    ]  # fmt: skip
    if not removes or others or (not item and key not in SELECTORS and _misread(table, key)):
        return mistake
    kept = [fix for fix in mistake.fixes if fix not in removes]
    wrong = str(mistake).split("; ")[0]
    everything = prose("write what else it selects by; what no label selects gets [default] of secmarkd.toml")
    return Mistake(wrong, *kept, everything)


def _misread(table: Mapping[str, object], key: object) -> bool:
    """Whether the table selects something without this key."""
    return any(name in table for name in (*SELECTORS, "match") if name != key)


def unknown_key(path: Path, value: object, document: Document, root: type[Table]) -> Mistake:
    """What to say of a key that its table does not have."""
    *above, last = path
    key, table = str(last), tuple(above)
    model = table_at(root, table)
    known = list(model.model_fields) if model else []
    wrong = f"unknown key {short(key)!r}"
    if meant := near(key, [name for name in known if name.lower() == key.lower()]):
        return Mistake(wrong, rename(meant, f"write {meant}"))
    if root is LabelsFile:
        return _of_label(path, value, document) if len(table) > 1 else _of_labels_file(key, value)
    if key in ("labels", "label"):
        wrong = f"{wrong}: labels belong in files of their own"
        return Mistake(wrong, prose("move them into a file labels.d/NAME.toml"))
    return _guess(wrong, key, known) or other_setting(key, ".".join(map(str, table))) or _list_of(wrong, known)


def _guess(wrong: str, key: str, known: list[str]) -> Mistake | None:
    meant = near(key, known)
    return Mistake(wrong, rename(meant, f"did you mean {meant!r}?")) if meant else None


def _list_of(wrong: str, known: list[str]) -> Mistake:
    return Mistake(f"{wrong} (expected one of {', '.join(known)})", leave_out("remove it"))


def _of_label(path: Path, value: object, document: Document) -> Mistake:
    *above, last = path
    key, table = str(last), tuple(above)
    label, in_match = str(path[1]), len(table) > 2
    wrong = f"unknown key {short(key)!r}"
    if in_match and key == "match":
        return Mistake(f"{wrong}: a selection has none of its own", leave_out("remove it"))
    if in_match and key in _OF_LABELS:
        where = f"labels.{toml_key(label)}.{key}"
        return Mistake(
            f"{wrong}: it is given once for the whole label, outside of match", rename(where, "move it there")
        )
    own = _table(document.data, path[:2])
    if mistake := other_word(key, value, label, "type" in own or "context" in own, in_match):
        return mistake
    model = table_at(LabelsFile, table)
    known = list(model.model_fields) if model else []
    if mistake := _guess(wrong, key, known):
        return mistake
    if len(table) == 2 and isinstance(value, dict):
        name = f'labels."{label}.{key}"'
        return Mistake(f"{wrong}: a label whose name has a dot is written in quotes", rename(name, f"write [{name}]"))
    return _list_of(wrong, known)


def _of_labels_file(key: str, value: object) -> Mistake:
    wrong = f"unknown key {short(key)!r}"
    if key in SettingsFile.model_fields:
        return Mistake(f"{wrong}: settings belong in secmarkd.toml", prose("move it there"))
    if key == "networks":
        advice = leave_out("remove it, and list the networks as remote or local of each label")
        return Mistake(f"{wrong}: this version has no names for networks", advice)
    if isinstance(value, dict):
        nested = bool(value) and all(isinstance(each, dict) for each in value.values())
        if nested:
            return Mistake(wrong, rename("labels", f"write [labels.{next(iter(value))}]"))
        name = f"labels.{toml_key(key)}"
        return Mistake(f"{wrong}: every label has a header of its own", rename(name, f"write [{name}]"))
    if key in SELECTORS or key in _OF_LABELS:
        return Mistake(
            f"{key} belongs to a label; no label header stands above it",
            rename(f"labels.http.{key}", "as in [labels.http] above it"),
        )
    return Mistake(f"{wrong}: a file of labels has tables such as [labels.http] only", leave_out("remove it"))
