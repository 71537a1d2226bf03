# SPDX-License-Identifier: GPL-2.0-or-later
"""What one key of a label cannot know of another, and what one file cannot know of another.

These look at the tables as TOML yields them, so that a label with a mistake in one value is still checked as a whole and
every mistake is reported at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice, pairwise

from secmarkd.config.files import Document
from secmarkd.config.schema import SELECTORS, Label
from secmarkd.config.toml_positions import Path
from secmarkd.config.validation import MOST_PROBLEMS, not_alone
from secmarkd.errors import Problem
from secmarkd.mistakes.advice import Mistake, add, leave_out, prose, toml, write
from secmarkd.mistakes.contexts import derived_name_mistake, label_name_mistake
from secmarkd.model.context import is_identifier
from secmarkd.model.label_map import Role
from secmarkd.selectors.every import SELECTOR_OF

Complaint = tuple[Path, Mistake]


def label_tables(document: Document) -> Iterator[tuple[str, Mapping[str, object]]]:
    """The `[labels.NAME]` tables of a document; what is no table there is left to the models to report."""
    labels = document.data.get("labels")
    if isinstance(labels, dict):
        yield from ((name, table) for name, table in labels.items() if isinstance(table, dict))


def check_labels(document: Document) -> dict[str, list[Problem]]:
    """Every contradiction between keys of the same label, by the names of the labels that have any."""
    found = {
        name: [
            document.problem(whole, not_alone(mistake, whole, document.data))
            for path, mistake in islice(_check_label(name, table), MOST_PROBLEMS)
            for whole in [("labels", name, *path)]
        ]
        for name, table in label_tables(document)
    }
    return {name: problems for name, problems in found.items() if problems}


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
            yield below.problem(
                path,
                Mistake(
                    f"label {name!r} is also defined at {first}",
                    prose("write one label with all of its selectors, or use another name and type"),
                ),
            )


def _check_label(name: str, table: Mapping[str, object]) -> Iterator[Complaint]:
    role = table.get("role", "both")
    named = "type" in table or "context" in table
    if not is_identifier(name):
        yield (), label_name_mistake(name)
    elif not named and (mistake := derived_name_mistake(name, role)):
        yield (), mistake
    if "type" in table and "context" in table:
        yield ("context",), Mistake("type is given as well", leave_out("keep one of the two"))
    if role == "forward" and not named:
        wrong = "forwarded packets have no type by convention"
        pair = ("type", toml(f"{name}_packet_t"))
        yield ("role",), Mistake(wrong, add(f"add a type or a context, as in type = {pair[1]}", pair))
    beside = [key for key in SELECTORS if key in table]
    entries = table.get("match")
    if "match" not in table:
        yield from _check_selectors((), table, tuple(Label.model_fields), role)
        return
    for key in beside:
        yield (
            (key,),
            Mistake("cannot be combined with match", prose("move it into the entries of match that need it")),
        )
    for index, entry in enumerate(entries if isinstance(entries, list) else ()):
        if isinstance(entry, dict):
            yield from _check_selectors(("match", index), entry, SELECTORS, role)


def _check_selectors(
    path: Path, table: Mapping[str, object], known: Sequence[str], role: object
) -> Iterator[Complaint]:
    if not any(key in table for key in SELECTORS) and all(key in known for key in table):
        wrong = f"selects nothing (expected at least one of {', '.join(SELECTORS)})"
        example = write("{ tcp = [443] }", like=True) if path else add("as in tcp = [443]", ("tcp", "[443]"))
        yield path, Mistake(wrong, example)
    for key in (key for key in SELECTORS if key in table):
        roles = SELECTOR_OF[key].roles
        impossible = isinstance(role, str) and role in set(Role) - roles
        if impossible and roles == {Role.CLIENT}:
            wrong = f"{key} applies to the client role only, and role is {role!r}"
            client = [] if path or role == "forward" else [add('write role = "client"', ("role", '"client"'))]
            yield (*path, key), Mistake(wrong, leave_out(f"remove {key}"), *client)
        elif impossible:
            wrong = "forwarded packets belong to no process of this host"
            yield (*path, key), Mistake(wrong, leave_out(f"remove {key}"))
