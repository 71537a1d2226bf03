# SPDX-License-Identifier: GPL-2.0-or-later
"""Validated files -> settings and atomic rules: one rule for each combination of what a label lists."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from secmarkd.config.files import Document, dotted
from secmarkd.config.schema import Label, Selectors, SettingsFile, Table
from secmarkd.config.selection import Selection, origin_at
from secmarkd.config.toml_positions import Path
from secmarkd.errors import Problem
from secmarkd.mistakes.advice import Mistake, prose
from secmarkd.model.context import Context, parse_context
from secmarkd.model.label_map import Defaults, LabelMap, Role, Rule, Settings
from secmarkd.model.note import Note
from secmarkd.model.sources import LabelSource, Mention, SettingSource

MAX_RULES = 1_000_000
"""Atomic rules in all. The kernel needs a few hundred bytes for each and this process about as much."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """All that the files say."""

    settings: Settings
    label_map: LabelMap
    files: tuple[str, ...]
    """What was read, settings first and then in the order of names; neither replaced nor masked files."""
    labels: tuple[LabelSource, ...]
    """By name."""
    setting_sources: tuple[SettingSource, ...]
    """All settings, as the shipped file has them in order."""
    mentions: tuple[Mention, ...] = ()
    """What of this machine the labels name."""
    notes: tuple[Note, ...] = ()
    """What the files and directories give reason to say."""


@dataclass(frozen=True, slots=True)
class Completion:
    """What completes a bare type."""

    user: str = "system_u"
    role: str = "object_r"
    level: str = "s0"

    def context(self, label: str) -> Context:
        """The context of a type or of a whole context; ValueError where the whole is too long."""
        if ":" not in label:
            return parse_context(str(Context(self.user, self.role, label, self.level)))
        return self.level_of(parse_context(label))

    def level_of(self, context: Context) -> Context:
        """The context with a level, as a policy with MLS needs one."""
        if context.level or not self.level:
            return context
        return Context(context.user, context.role, context.type, self.level)


def settings_of(file: SettingsFile) -> Settings:
    """The settings without what only completes contexts."""
    return Settings(
        mode=file.mode, on_drift=file.on_drift, on_stop=file.on_stop, resync=file.resync, ownership=file.ownership
    )


def setting_sources(file: SettingsFile, document: Document | None) -> tuple[SettingSource, ...]:
    """Every setting with its value, and where it is written."""
    tables: tuple[tuple[Path, Table], ...] = ((), file), (("context",), file.context), (("default",), file.default)
    return tuple(
        SettingSource(
            dotted((*path, key)),
            value,
            origin_at(document, (*path, key)) if document and key in table.model_fields_set else None,
        )
        for path, table in tables
        for key, value in table
        if not isinstance(value, Table)
    )


def completion_of(file: SettingsFile) -> Completion:
    """What completes the types of all labels."""
    return Completion(file.context.user, file.context.role, file.context.level)


def defaults_of(file: SettingsFile, document: Document | None, problems: list[Problem]) -> Defaults:
    """The contexts of packets that no label names. What makes no context is added to the problems."""
    completion = completion_of(file)
    contexts: dict[str, Context] = {}
    for key, label in file.default:
        try:
            contexts[key] = completion.context(label) if label else Context("", "", "")
        except ValueError as error:
            contexts[key] = Context("", "", "")
            mistake = Mistake(str(error), prose("write a shorter type"))
            problems.append(
                document.problem(("default", key), mistake) if document else Problem("", 0, key, str(mistake))
            )
    forward = contexts["forward"] if file.default.forward else None
    return Defaults(server=contexts["server"], client=contexts["client"], icmp=contexts["icmp"], forward=forward)


class RuleBuilder:
    """Collects the rules of one label after the other, and everything that is wrong with them."""

    def __init__(self, completion: Completion, limit: int = MAX_RULES) -> None:
        self._completion = completion
        self._limit = limit
        self.rules: list[Rule] = []
        self.mentions: list[Mention] = []
        self.problems: list[Problem] = []

    def add(self, name: str, label: Label, document: Document, replaced: Sequence[Document]) -> LabelSource | None:
        """The label's rules; None where a problem was found instead."""
        path: Path = ("labels", name)
        try:
            contexts = self._contexts(name, label)
        except ValueError as error:
            self.problems.append(document.problem(path, Mistake(str(error), prose("write a shorter name or type"))))
            return None
        before, wrong = len(self.rules), len(self.problems)
        selections: list[tuple[Path, Selectors]] = [(path, label)]
        if label.match:
            selections = [((*path, "match", index), entry) for index, entry in enumerate(label.match)]
        for place, selectors in selections:
            self._select(name, contexts, document, place, selectors)
        if len(self.problems) > wrong:
            return None
        return LabelSource(
            name=name,
            origin=origin_at(document, path),
            layer=document.layer,
            contexts=tuple(contexts.items()),
            rules=len(self.rules) - before,
            replaces=tuple(origin_at(other, path) for other in replaced),
        )

    def _contexts(self, name: str, label: Label) -> dict[Role, Context]:
        roles = (Role.SERVER, Role.CLIENT) if label.role == "both" else (Role(label.role),)
        if label.context is not None:
            return dict.fromkeys(roles, self._completion.level_of(label.context))
        return {role: self._completion.context(label.type or f"{name}_{role}_packet_t") for role in roles}

    def _select(
        self, name: str, contexts: dict[Role, Context], document: Document, path: Path, selectors: Selectors
    ) -> None:
        selection = Selection(document, path, selectors)
        contexts = {role: context for role, context in contexts.items() if role in selection.roles}
        combinations = selection.combinations()
        if combinations == 0:
            wrong = "no address here has the family (IPv4 or IPv6) of one in local, and no packet has one of each"
            fix = prose("write addresses of one family in both, or leave one of the keys out")
            self.problems.append(document.problem((*path, "remote"), Mistake(wrong, fix)))
        coming = len(self.rules) + combinations * len(contexts)
        if coming > self._limit:
            wrong = f"brings the label map to {coming} rules, and at most {self._limit} are accepted"
            advice = prose(
                "each combination of what is listed is a rule; write networks and ranges instead of single items"
            )
            self.problems.append(document.problem(path, Mistake(wrong, advice)))
            return
        self.rules += selection.rules(name, contexts)
        self.mentions += selection.mentions(name)
