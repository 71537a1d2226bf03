# SPDX-License-Identifier: GPL-2.0-or-later
"""Every folder of tests/golden/config is a configuration and what becomes of it; adding a test is adding files.

`input/` is the configuration folder, or holds several, whose names begin with a digit: the lowest precedence first.
`expected.txt` has the problems, one a line, or `expected.json` the configuration. `GOLDEN=write pytest …` writes both.
`fixed/` is the same configuration after a person followed what the messages advise.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from secmarkd.config.build import Configuration
from secmarkd.config.directories import folders_of
from secmarkd.config.load import load
from secmarkd.errors import ConfigError
from secmarkd.model.label_map import Origin, Rule
from secmarkd.model.protocols import protocol_name
from tests.support.advice import followed, variants
from tests.support.paths import GOLDEN

CASES = GOLDEN / "config"


@pytest.mark.fault(20, 27)
@pytest.mark.parametrize("case", sorted(path.name for path in CASES.iterdir()))
def test_configuration_becomes_what_is_expected(case: str) -> None:
    name, text = _outcome(CASES / case / "input")
    expected = CASES / case / name
    if os.environ.get("GOLDEN") == "write":
        expected.write_text(text, encoding="utf-8")
    assert {path.name for path in (CASES / case).iterdir()} - {"fixed"} == {"input", name}
    assert text == expected.read_text(encoding="utf-8")


@pytest.mark.parametrize("case", sorted(path.name for path in CASES.glob("bad-*")))
def test_a_configuration_loads_once_the_advice_is_followed(case: str, tmp_path: Path) -> None:
    """By whatever of it is data, and `fixed/` where the rest needs a person."""
    shutil.copytree(CASES / case / "input", tmp_path / "input", symlinks=True)
    name, _ = _outcome(tmp_path / "input")
    while name == "expected.txt" and _follow_one(tmp_path / "input"):
        name, _ = _outcome(tmp_path / "input")
    fixed = CASES / case / "fixed"
    assert fixed.exists() == (name == "expected.txt"), _outcome(tmp_path / "input")
    if fixed.exists():
        assert _outcome(fixed)[0] == "expected.json", _outcome(fixed)


def _follow_one(folder: Path) -> bool:
    """Whether some advice was followed that needs nobody."""
    layers = sorted(str(path) for path in folder.iterdir() if path.name[0].isdigit())
    with pytest.raises(ConfigError) as caught:
        load(folders_of(layers or [str(folder)]))
    for problem in caught.value.problems:
        for fix in problem.fixes:
            if not fix.prose:
                path = Path(problem.file)
                text = path.read_text(encoding="utf-8")
                path.write_text(followed(text, problem, variants(fix)[0]), encoding="utf-8")
                return True
    return False


def _outcome(folder: Path) -> tuple[str, str]:
    layers = sorted(str(path) for path in folder.iterdir() if path.name[0].isdigit())
    start = f"{folder}/"
    try:
        configuration = load(folders_of(layers or [str(folder)]))
    except ConfigError as error:
        return "expected.txt", "".join(f"{problem}\n".replace(start, "") for problem in error.problems)
    return "expected.json", json.dumps(_plain(configuration), indent=1).replace(start, "") + "\n"


def _plain(configuration: Configuration) -> dict[str, object]:
    settings, defaults = configuration.settings, configuration.label_map.defaults
    return {
        "settings": {
            "mode": settings.mode,
            "on_drift": settings.on_drift,
            "on_stop": settings.on_stop,
            "resync": settings.resync,
            "ownership": settings.ownership,
        },
        "defaults": {
            "server": str(defaults.server),
            "client": str(defaults.client),
            "icmp": str(defaults.icmp),
            "forward": None if defaults.forward is None else str(defaults.forward),
        },
        "files": configuration.files,
        "labels": {
            label.name: {
                "origin": _place(label.origin),
                "layer": label.layer.name,
                "contexts": {role: str(context) for role, context in label.contexts},
                "replaces": [_place(origin) for origin in label.replaces],
                "rules": label.rules,
            }
            for label in configuration.labels
        },
        "rules": [_words(rule) for rule in configuration.label_map.rules],
    }


def _place(origin: Origin) -> str:
    return f"{origin.file}:{origin.line} {origin.key}"


def _words(rule: Rule) -> str:
    service = "" if rule.protocol is None else protocol_name(rule.protocol)
    if rule.ports:
        service += f" {rule.ports[0]}-{rule.ports[1]}"
    if rule.service:
        service += f" {rule.service}"
    selectors = {
        "remote": rule.remote,
        "local": rule.local,
        "interface": rule.interface,
        "user": rule.user if rule.user_name is None else repr(rule.user_name),
        "cgroup": rule.cgroup,
    }
    words = [f"{rule.label} {rule.role}:", service, *(f"{k} {v}" for k, v in selectors.items() if v is not None)]
    return " ".join([*filter(None, words), "->", str(rule.context), rule.layer.name, "at", _place(rule.origin)])
