"""What pydantic found wrong -> Problems in our own words, each with its line."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from secmarkd.config.items import shown, suggestion
from secmarkd.config.reading import Document
from secmarkd.config.schema import LabelsFile, SettingsFile, Table, table_at
from secmarkd.config.toml_positions import Path
from secmarkd.errors import Problem

_OTHER_WORDS: dict[str, str] = {
    **dict.fromkeys(("port", "ports", "dport", "dports", "sport", "sports"), "ports are given by protocol: tcp = [443]"),
    **dict.fromkeys(("src", "source", "saddr", "dst", "dest", "destination", "daddr", "address"),
                    "addresses are given as remote (the other host) or local (this host)"),
    **dict.fromkeys(("iif", "oif", "iifname", "oifname", "device", "dev"), "interfaces are given as interface"),
    **dict.fromkeys(("icmp", "icmpv6", "esp", "ah", "gre"), 'protocols without ports are given as protocol = ["esp"]'),
    **dict.fromkeys(("uid", "skuid"), "users are given as user, by name or uid"),
    "selctx": "contexts are given as context",
    "direction": "give a role: server, client, both or forward",
}  # fmt: skip
"""Words of other tools, which no likeness of letters leads to ours."""


def problems_of(error: ValidationError, document: Document, root: type[Table]) -> list[Problem]:
    """Every mistake that pydantic found in the document; `root` is the model it was held against."""
    return [
        document.problem(path, _message(detail, path, root))
        for detail in error.errors(include_url=False)
        for path in [tuple(detail["loc"])]
    ]


def _message(detail: Any, path: Path, root: type[Table]) -> str:
    value, facts = detail["input"], detail.get("ctx", {})
    match detail["type"]:
        case "value_error":
            return str(facts["error"])
        case "extra_forbidden":
            return unknown_key(str(path[-1]), value, path[:-1], root)
        case "literal_error" | "enum":
            return _none_of(value, facts["expected"])
        case "list_type":
            wrong = f"must be a list, {shown(value)} is none"
            return wrong if isinstance(value, dict) else f"{wrong}; write [{shown(value)}]"
        case "too_short":
            return "is an empty list, which would match nothing; name at least one, or leave the key out"
        case "bool_type":
            return f"must be true or false, without quotes; {shown(value)} is neither"
        case "model_type" | "dict_type":
            header = ".".join(str(step) for step in path)
            place = "{ tcp = [443] }" if isinstance(path[-1], int) else f"[{header}]"
            return f"must be a table, {shown(value)} is none; write {place}"
        case _:  # a kind that today's models do not have: better pydantic's words than none
            return str(detail["msg"])


def _none_of(value: object, expected: str) -> str:
    words = expected.replace(" or ", ", ").replace("'", "").split(", ")
    near = suggestion(value, words) if isinstance(value, str) else ""
    return f"{shown(value)} is none of {', '.join(words)}{near}"


def unknown_key(key: str, value: object, table: Path, root: type[Table]) -> str:
    """What to say of a key that the table at this path does not have."""
    model = table_at(root, table)
    known = list(model.model_fields) if model else []
    wrong = f"unknown key {key!r}"
    if root is LabelsFile and len(table) > 1 and key in _OTHER_WORDS:
        return f"{wrong}; {_OTHER_WORDS[key]}"
    if near := suggestion(key, known):
        return wrong + near
    if root is LabelsFile:
        if key in SettingsFile.model_fields:
            return f"{wrong}; settings belong into secmarkd.toml"
        if table == () and isinstance(value, dict):
            return f"{wrong}; labels are written as [labels.{key}]"
        if table[:1] == ("labels",) and len(table) == 2 and isinstance(value, dict):
            return f'{wrong}; a label whose name has a dot is written in quotes: [labels."{table[1]}.{key}"]'
        if len(table) > 2 and key in ("type", "context", "role", "match"):
            return f"{wrong}; it stands beside match, once for the whole label"
    elif key in ("labels", "label"):
        return f"{wrong}; labels belong into files of their own, labels.d/*.toml"
    return f"{wrong}; known here: {', '.join(known)}"
