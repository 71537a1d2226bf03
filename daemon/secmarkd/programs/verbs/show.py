# SPDX-License-Identifier: GPL-2.0-or-later
"""The verb show: the effective label map, and where each entry and setting is defined."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import Any

from secmarkd.adapters.loading.process import load
from secmarkd.compiler.loaded import Loaded
from secmarkd.events import duration
from secmarkd.model.label_map import Defaults, Environment, LabelMap, Rule
from secmarkd.model.sources import LabelSource, SettingSource
from secmarkd.nft.text import encode
from secmarkd.programs.notes import notes_json, notes_of, print_notes
from secmarkd.programs.output import Colour, Output
from secmarkd.programs.rules import origin_json, place, rule_json, selectors, text_or_none
from secmarkd.programs.wiring import Tools
from secmarkd.service.exit_codes import Exit
from secmarkd.table.transaction import Replace

Roles = tuple[tuple[str, str], ...]
"""Roles, each with its context."""


def show(arguments: argparse.Namespace, tools: Tools) -> Exit:
    """The effective label map, or the ruleset made of it."""
    loaded, label_map = load(arguments.config_dir)
    out = Output.on(tools.out)
    if arguments.nft:
        out.write(encode((Replace(loaded.table),)).rstrip("\n") + "\n")
    elif arguments.json:
        out.json(
            _json(loaded, label_map)
            | {"notes": notes_json(notes_of(loaded, tools.read_network(), tools.open_policy()))}
        )
    else:
        _show_text(loaded, label_map, out)
        print_notes(notes_of(loaded, tools.read_network(), tools.open_policy(), replaced=False), out)
    return Exit.OK


def _show_text(loaded: Loaded, label_map: LabelMap, out: Output) -> None:
    table = ""
    out.line("settings", Colour.HEAD)
    for setting in loaded.setting_sources:
        if setting.table != table:
            table = setting.table
            out.line(table, Colour.HEAD)
        _entry(f"  {setting.name:<12} {_value(setting, label_map.defaults)}", _origin(setting), out)
    rules: dict[str, list[Rule]] = {label.name: [] for label in loaded.label_sources}
    for rule in label_map.rules:
        rules[rule.label].append(rule)
    for label in loaded.label_sources:
        _show_label(label, rules[label.name], loaded.environment, out)


def _value(setting: SettingSource, defaults: Defaults) -> str:
    match setting.value:
        case _ if setting.table == "default":
            return str(getattr(defaults, setting.name) or "packets keep their label")
        case bool(value):
            return "true" if value else "false"
        case float(seconds):
            return duration(seconds)
        case value:
            return str(value) or "none"


def _origin(setting: SettingSource) -> str:
    return place(setting.origin) if setting.origin else "default"


def _show_label(label: LabelSource, rules: Iterable[Rule], environment: Environment, out: Output) -> None:
    """Its entries below the roles that they have: where one knows the user, it has the client's only."""
    out.line(label.name, Colour.HEAD)
    for each in label.replaces:
        out.line(f"  replaces {place(each)}", Colour.FAINT)
    roles_of: dict[tuple[str, str], Roles] = {}
    for rule in rules:
        waits = _waits(rule, environment)
        entry = selectors(rule) + waits, place(rule.origin)
        own = str(rule.role), str(rule.context)
        roles_of[entry] = tuple(sorted({*roles_of.get(entry, ()), own}))
    by_roles: dict[Roles, list[tuple[str, str]]] = {}
    for entry, roles in roles_of.items():
        by_roles.setdefault(roles, []).append(entry)
    for roles, entries in by_roles.items():
        for role, context in roles:
            out.line(f"  {role:<8} {context}")
        for what, where in entries:
            _entry(f"    {what}", where, out)


def _waits(rule: Rule, environment: Environment) -> str:
    missing = ["the cgroup does not exist"] if _no_cgroup(rule, environment) else []
    missing += [f"the {name} cannot be looked up" for name in rule.names if name not in environment.names]
    return f" (waits: {', '.join(missing)})" if missing else ""


def _waits_json(rule: Rule, environment: Environment) -> dict[str, Any]:
    cgroup = {"waits_for_cgroup": True} if _no_cgroup(rule, environment) else {}
    names = [str(name) for name in rule.names if name not in environment.names]
    return cgroup | ({"waits_for_names": names} if names else {})


def _no_cgroup(rule: Rule, environment: Environment) -> bool:
    return rule.cgroup is not None and rule.cgroup not in environment.cgroups


def _entry(what: str, where: str, out: Output) -> None:
    out.line(f"{what:<60} {out.paint(where, Colour.FAINT)}")


def _json(loaded: Loaded, label_map: LabelMap) -> dict[str, Any]:
    settings, defaults = loaded.settings, label_map.defaults
    context = {each.name: each.value for each in loaded.setting_sources if each.table == "context"}
    return {
        "settings": {
            "mode": settings.mode, "on_drift": settings.on_drift, "on_stop": settings.on_stop,
            "resync_seconds": settings.resync, "ownership": settings.ownership,
        },
        "context": context,
        "default": {key: text_or_none(getattr(defaults, key)) for key in ("server", "client", "icmp", "forward")},
        "origins": {each.key: origin_json(each.origin) if each.origin else None for each in loaded.setting_sources},
        "labels": [_label_json(label) for label in loaded.label_sources],
        "rules": [
            rule_json(rule) | _waits_json(rule, loaded.environment)
            for rule in label_map.rules
        ],
    }  # fmt: skip


def _label_json(label: LabelSource) -> dict[str, Any]:
    return {
        "name": label.name,
        "layer": label.layer.name.lower(),
        "origin": origin_json(label.origin),
        "replaces": [origin_json(each) for each in label.replaces],
    }
