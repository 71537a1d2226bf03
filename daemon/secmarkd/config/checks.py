"""What one key of a label cannot know of another, and what one file cannot know of another.

These look at the tables as TOML yields them, so that a label with a mistake in one value is still checked as a whole and
every mistake is reported at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from secmarkd.config.reading import Document
from secmarkd.config.schema import SELECTORS, Label
from secmarkd.config.toml_positions import Path
from secmarkd.errors import Problem
from secmarkd.model.context import is_identifier

Complaint = tuple[Path, str]


def label_tables(document: Document) -> Iterator[tuple[str, Mapping[str, object]]]:
    """The `[labels.NAME]` tables of a document; what is no table there is left to the models to report."""
    labels = document.data.get("labels")
    if isinstance(labels, dict):
        yield from ((name, table) for name, table in labels.items() if isinstance(table, dict))


def check_labels(document: Document) -> dict[str, list[Problem]]:
    """Every contradiction between keys of the same label, by the names of the labels that have any."""
    found = {
        name: [document.problem(("labels", name, *path), message) for path, message in _check_label(name, table)]
        for name, table in label_tables(document)
    }
    return {name: problems for name, problems in found.items() if problems}


def check_policy_ports(document: Document) -> list[Problem]:
    """The place of a feature to come: asking for it is an error, not silently ignored."""
    if document.data.get("policy_ports") is not True:
        return []
    wrong = "this version does not derive labels from the policy yet; remove the line, or write false"
    return [document.problem(("policy_ports",), wrong)]


def repeated_labels(
    documents: Sequence[Document],
) -> tuple[dict[str, Document], dict[str, list[Document]], list[Problem]]:
    """Which document has the last word on each label, whom it replaces (the highest first), and names given twice.

    A label in a higher folder replaces the label of the same name in lower ones, as files do. Within one folder nothing
    says which is meant.
    """
    by_name: dict[str, list[Document]] = {}
    for document in documents:
        for name, _ in label_tables(document):
            by_name.setdefault(name, []).append(document)
    winners: dict[str, Document] = {}
    replaced: dict[str, list[Document]] = {}
    problems: list[Problem] = []
    for name, found in by_name.items():
        if len(found) > 1:
            found.sort(key=lambda document: -document.height)
            problems += _twice(name, found)
            replaced[name] = found[1:]
        winners[name] = found[0]
    return winners, replaced, problems


def _twice(name: str, found: Sequence[Document]) -> Iterator[Problem]:
    path = ("labels", name)
    for above, below in pairwise(found):
        if above.height == below.height:
            first = f"{above.path}:{above.positions.line(path)}"
            wrong = f"label {name!r} is also defined at {first}"
            yield below.problem(
                path, f"{wrong}; write one label with all of its selectors, or use another name and type"
            )


def _check_label(name: str, table: Mapping[str, object]) -> Iterator[Complaint]:
    if not is_identifier(name):
        yield (), f"{name!r} cannot name a label; write a letter, then letters, digits, '_', '.' and '-'"
    role = table.get("role", "both")
    named = "type" in table or "context" in table
    if "type" in table and "context" in table:
        yield ("context",), "type is given as well; keep one of the two"
    if role == "forward" and not named:
        yield ("role",), "forwarded packets have no type by convention; give type or context"
    beside = [key for key in SELECTORS if key in table]
    entries = table.get("match")
    if "match" not in table:
        yield from _check_selectors((), table, tuple(Label.model_fields), role)
        return
    for key in beside:
        yield (key,), "stands beside match; move it into the entries of match that need it"
    for index, entry in enumerate(entries if isinstance(entries, list) else ()):
        if isinstance(entry, dict):
            yield from _check_selectors(("match", index), entry, SELECTORS, role)


def _check_selectors(
    path: Path, table: Mapping[str, object], known: Sequence[str], role: object
) -> Iterator[Complaint]:
    if not any(key in table for key in SELECTORS) and all(key in known for key in table):
        yield path, f"selects nothing; give at least one of {', '.join(SELECTORS)}"
    if "user" in table and role in ("server", "forward"):
        yield (
            (*path, "user"),
            f'role is {role!r}, and only the client\'s role knows the user; remove user, or write role = "client"',
        )
    if "cgroup" in table and role == "forward":
        yield (*path, "cgroup"), "forwarded packets belong to no process of this host; remove cgroup"
