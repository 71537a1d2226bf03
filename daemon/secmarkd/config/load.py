# SPDX-License-Identifier: GPL-2.0-or-later
"""All folders -> one Configuration, or every mistake of every file at once."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain

from pydantic import ValidationError

from secmarkd.compiler.compile import compile_table
from secmarkd.config.build import (
    MAX_RULES,
    Configuration,
    RuleBuilder,
    completion_of,
    defaults_of,
    setting_sources,
    settings_of,
)
from secmarkd.config.checks import check_labels, label_tables, repeated_labels
from secmarkd.config.directories import (
    DEFAULT_FOLDERS,
    ConfigFolder,
    Found,
    find_label_files,
    find_settings,
    missing_folders,
)
from secmarkd.config.files import Document, read_document
from secmarkd.config.lookalikes import lookalikes
from secmarkd.config.schema import Label, LabelsFile, SettingsFile
from secmarkd.config.trust import warnings_about
from secmarkd.config.validation import problems_of
from secmarkd.errors import ConfigError, Problem
from secmarkd.mistakes.advice import MOST, patience
from secmarkd.model.label_map import Environment, LabelMap, Mode
from secmarkd.model.sources import LabelSource


def load(folders: Sequence[ConfigFolder] = DEFAULT_FOLDERS, *, limit: int = MAX_RULES) -> Configuration:
    """What the folders, from the lowest to the highest, say; `limit` is on the label map's atomic rules.

    Raises ConfigError with every problem of every file: a mistake anywhere rejects the whole, never a part. Files are
    read; nothing else of the machine is touched, and no name looked up.
    """
    with _no_collection(), patience(MOST):
        return _load(folders, limit)


@contextmanager
def _no_collection() -> Iterator[None]:
    """Keep the cyclic garbage collector from walking over a million fresh objects, again and again: 40 % of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _load(folders: Sequence[ConfigFolder], limit: int) -> Configuration:
    problems = missing_folders(folders)
    found = find_settings(folders)
    settings_read = _read([found] if found else [], problems)
    settings_document = settings_read[0] if settings_read else None
    settings_file = _settings_file(settings_document, problems)
    defaults = defaults_of(settings_file, settings_document, problems)
    contexts_known = not problems
    label_files, unreadable = find_label_files(folders)
    problems += unreadable
    documents = _read(label_files, problems)
    builder = RuleBuilder(completion_of(settings_file), limit)
    labels = _labels(documents, builder, problems)
    problems += builder.problems
    label_map = LabelMap(rules=tuple(builder.rules), defaults=defaults)
    if problems:
        raise ConfigError(problems + (_contradictions(label_map) if contexts_known else []))
    return Configuration(
        settings=settings_of(settings_file),
        label_map=label_map,
        files=tuple(document.path for document in (*settings_read, *documents)),
        labels=tuple(sorted(labels, key=lambda label: label.name)),
        setting_sources=setting_sources(settings_file, settings_document),
        mentions=tuple(builder.mentions),
        notes=(*warnings_about(folders), *lookalikes(folders)),
    )


def _contradictions(label_map: LabelMap) -> list[Problem]:
    """Those between labels that have no mistake by themselves: they need not wait until the others are mended."""
    try:
        compile_table(label_map, Mode.REHEARSE, Environment())
    except ConfigError as error:
        return list(error.problems)
    return []


def _read(found: Sequence[Found], problems: list[Problem]) -> list[Document]:
    read = [read_document(file) for file in found]
    problems += (document for document in read if isinstance(document, Problem))
    return [document for document in read if isinstance(document, Document)]


def _settings_file(document: Document | None, problems: list[Problem]) -> SettingsFile:
    """The settings; with a mistake in them the defaults, so that labels can be checked all the same."""
    if document is None:
        return SettingsFile()
    try:
        return SettingsFile.model_validate(document.data)
    except ValidationError as error:
        problems += problems_of(error, document, SettingsFile)
        return SettingsFile()


def _labels(documents: Sequence[Document], builder: RuleBuilder, problems: list[Problem]) -> list[LabelSource]:
    winners, replaced, twice = repeated_labels(documents)
    problems += twice
    sources: list[LabelSource] = []
    for document in documents:
        flawed = check_labels(document)
        problems += chain.from_iterable(flawed.values())
        for name, label in _valid_labels(document, problems).items():
            # a flawed label has no one meaning: what would follow from it only repeats the complaint
            if name not in flawed and winners[name] is document:
                source = builder.add(name, label, document, replaced.get(name, ()))
                sources += [source] if source else []
    return sources


def _valid_labels(document: Document, problems: list[Problem]) -> dict[str, Label]:
    """The labels of a file that have no mistake by themselves; mistakes are added to the problems."""
    try:
        return LabelsFile.model_validate(document.data).labels
    except ValidationError as error:
        problems += problems_of(error, document, LabelsFile)
        wrong = {
            detail["loc"][1]
            for detail in error.errors(include_url=False, include_input=False)
            if len(detail["loc"]) > 1
        }
    return {name: Label.model_validate(table) for name, table in label_tables(document) if name not in wrong}
