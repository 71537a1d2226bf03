"""Verbs that only read files: check, show."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any

from secmarkd.cli.output import Colour, Output
from secmarkd.cli.tools import Tools
from secmarkd.errors import ConfigError
from secmarkd.events import count
from secmarkd.model.evaluate import exists
from secmarkd.model.labels import Environment, LabelMap, Rule
from secmarkd.model.protocols import protocol_name
from secmarkd.ruleset.encode import encode
from secmarkd.ruleset.transaction import Replace
from secmarkd.service.exits import Exit, exit_for
from secmarkd.service.loading import Loaded, load


def check(arguments: argparse.Namespace, tools: Tools) -> Exit:
    """Load and compile. Mistakes are printed by the boundary, or are a part of the JSON."""
    out = Output.on(tools.out)
    try:
        loaded, label_map = load(arguments.config_dir)
    except ConfigError as error:
        if not arguments.json:
            raise
        out.json({"ok": False, "problems": [asdict(each) for each in error.problems], "notes": []})
        return exit_for(error)
    notes = list(_waiting(loaded, label_map))
    counts = {
        "labels": loaded.label_count, "rules": len(label_map.rules), "elements": loaded.table.element_count(),
    }  # fmt: skip
    if arguments.json:
        out.json({"ok": True, "problems": [], "notes": notes, "mode": loaded.settings.mode, **counts})
        return Exit.OK
    for note in notes:
        out.line(f"note: {note}")
    sizes = ", ".join(count(number, what.removesuffix("s")) for what, number in counts.items())
    out.line(f"no mistakes: mode {loaded.settings.mode}, {sizes}")
    return Exit.OK


def _waiting(loaded: Loaded, label_map: LabelMap) -> Iterator[str]:
    """Where labels name cgroups that do not exist now, one line for each label and cgroup."""
    missing = loaded.cgroups.difference(loaded.environment.cgroups)
    said: set[tuple[str, str]] = set()
    for rule in label_map.rules if missing else ():
        if rule.cgroup in missing and (rule.label, rule.cgroup) not in said:
            said.add((rule.label, rule.cgroup))
            place = f"{rule.origin.file}:{rule.origin.line}: labels.{rule.label}"
            yield f"{place}: waits for the cgroup {rule.cgroup}, which does not exist now"


def show(arguments: argparse.Namespace, tools: Tools) -> Exit:
    """The effective label map, or the ruleset made of it."""
    loaded, label_map = load(arguments.config_dir)
    out = Output.on(tools.out)
    if arguments.nft:
        out.write(encode((Replace(loaded.table),)).rstrip("\n") + "\n")
    elif arguments.json:
        out.json(_json(loaded, label_map))
    else:
        _show_text(loaded, label_map, out)
    return Exit.OK


def _show_text(loaded: Loaded, label_map: LabelMap, out: Output) -> None:
    settings, defaults = loaded.settings, label_map.defaults
    out.line("settings", Colour.HEAD)
    out.line(f"  mode {settings.mode}, on_drift {settings.on_drift}, on_stop {settings.on_stop}")
    out.line("default", Colour.HEAD)
    for key in ("server", "client", "icmp", "forward"):
        out.line(f"  {key:<8} {getattr(defaults, key) or 'packets keep what they have'}")
    by_label: dict[str, list[Rule]] = {}
    for rule in label_map.rules:
        by_label.setdefault(rule.label, []).append(rule)
    for name in sorted(by_label):
        out.line(name, Colour.HEAD)
        for role, context in sorted({(rule.role, str(rule.context)) for rule in by_label[name]}):
            out.line(f"  {role:<8} {context}")
        for what, where in _entries(by_label[name], loaded.environment):
            out.line(f"    {what:<40} {out.paint(where, Colour.FAINT)}")


def _entries(rules: Iterable[Rule], environment: Environment) -> Iterator[tuple[str, str]]:
    """What is selected and where that is written; once for both roles."""
    seen: set[tuple[str, str]] = set()
    for rule in rules:
        waits = "" if exists(rule, environment) else " (waits: no such cgroup now)"
        entry = selectors(rule) + waits, f"{rule.origin.file}:{rule.origin.line}"
        if entry not in seen:
            seen.add(entry)
            yield entry


def selectors(rule: Rule) -> str:
    """A rule's selectors in words: `tcp 443 remote 192.0.2.0/24 on eth0`."""
    words = [protocol_name(rule.protocol)] if rule.protocol is not None else []
    if rule.ports:
        low, high = rule.ports
        words.append(str(low) if low == high else f"{low}-{high}")
    named = (("remote", rule.remote), ("local", rule.local), ("on", rule.interface), ("user", rule.user))
    words += [f"{word} {value}" for word, value in (*named, ("cgroup", rule.cgroup)) if value is not None]
    return " ".join(words) or "everything"


def _json(loaded: Loaded, label_map: LabelMap) -> dict[str, Any]:
    settings, defaults = loaded.settings, label_map.defaults
    return {
        "settings": {
            "mode": settings.mode, "on_drift": settings.on_drift, "on_stop": settings.on_stop,
            "resync_seconds": settings.resync, "ownership": settings.ownership,
        },
        "default": {key: _text(getattr(defaults, key)) for key in ("server", "client", "icmp", "forward")},
        "rules": [
            rule_json(rule) | ({} if exists(rule, loaded.environment) else {"waits_for_cgroup": True})
            for rule in label_map.rules
        ],
    }  # fmt: skip


def rule_json(rule: Rule) -> dict[str, Any]:
    """An atomic rule with its origin; selectors that are not given are left out."""
    given = {
        "protocol": protocol_name(rule.protocol) if rule.protocol is not None else None,
        "ports": list(rule.ports) if rule.ports else None,
        "remote": _text(rule.remote), "local": _text(rule.local), "interface": rule.interface,
        "user": rule.user, "cgroup": rule.cgroup,
    }  # fmt: skip
    origin = {"file": rule.origin.file, "line": rule.origin.line, "key": rule.origin.key}
    return {
        "label": rule.label, "role": rule.role, "context": str(rule.context), "layer": rule.layer.name.lower(),
        **{key: value for key, value in given.items() if value is not None}, "origin": origin,
    }  # fmt: skip


def _text(value: object) -> str | None:
    return None if value is None else str(value)
