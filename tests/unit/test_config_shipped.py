"""The files that are shipped: settings, curated labels, examples."""

from __future__ import annotations

import shutil
import subprocess
import tomllib
from itertools import combinations
from pathlib import Path

import pytest

from secmarkd.config.folders import folders_of
from secmarkd.config.load import load
from secmarkd.config.schema import SettingsFile
from secmarkd.model.labels import Environment, LabelMap, Mode, Role
from secmarkd.ruleset.compile import compile_table
from tests.support.label_maps import existing

CONFIG = Path(__file__).parents[2] / "config"
EXAMPLES = sorted((CONFIG / "examples").glob("*.toml"))
LABELS = sorted((CONFIG / "labels.d").glob("*.toml"))


def shipped() -> LabelMap:
    return load(folders_of([str(CONFIG)])).label_map


def test_every_line_of_the_shipped_settings_is_a_default() -> None:
    lines = (CONFIG / "secmarkd.toml").read_text().splitlines()
    uncommented = "\n".join(line[1:] if " = " in line and line[:2] != "# " else line for line in lines)
    settings = SettingsFile.model_validate(tomllib.loads(uncommented))
    assert settings == SettingsFile()
    assert settings.model_fields_set == set(SettingsFile.model_fields), "every setting is shown"
    for table in (settings.context, settings.default):
        assert table.model_fields_set == set(type(table).model_fields), "every key is shown"


def test_the_readme_sets_rehearsal_in_the_shipped_settings_and_changes_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "secmarkd.toml"
    lines = (CONFIG.parent / "README.md").read_text().splitlines()
    (command,) = (line for line in lines if line.startswith("sed -i ") and line.endswith("/secmarkd.toml"))
    command = command.replace("/etc/secmarkd/secmarkd.toml", str(file))
    before = (CONFIG / "secmarkd.toml").read_text().splitlines()
    for mode in ('#mode = "label"', 'mode = "label"', 'mode = "rehearse"'):
        file.write_text("\n".join(mode if line == '#mode = "label"' else line for line in before) + "\n")
        subprocess.run(command, shell=True, check=True)
        assert load(folders_of([str(tmp_path)])).settings.mode is Mode.REHEARSE
        changed = [(was, now) for was, now in zip(before, file.read_text().splitlines(), strict=True) if was != now]
        assert changed == [('#mode = "label"', 'mode = "rehearse"')]


def test_shipped_labels_are_names_and_ports_of_both_roles() -> None:
    rules = shipped().rules
    for rule in rules:
        assert rule.ports is not None
        assert rule.context.type == f"{rule.label}_{rule.role}_packet_t"
        assert (rule.remote, rule.local, rule.interface, rule.user, rule.cgroup) == (None,) * 5
    assert {rule.role for rule in rules} == {Role.SERVER, Role.CLIENT}


def test_shipped_labels_do_not_overlap() -> None:
    served = [rule for rule in shipped().rules if rule.role is Role.SERVER]
    for one, other in combinations(served, 2):
        assert one.ports is not None
        assert other.ports is not None
        apart = one.protocol != other.protocol or one.ports[1] < other.ports[0] or other.ports[1] < one.ports[0]
        assert apart, f"{one.origin} and {other.origin}"


@pytest.mark.parametrize("mode", list(Mode))
def test_shipped_labels_compile(mode: Mode) -> None:
    compile_table(shipped(), mode, Environment())


@pytest.mark.parametrize(
    "service", "ssh http dns ntp smtp pop ldap kerberos postgresql mysqld nfs dhcpd isakmp".split()
)
def test_common_services_are_among_them(service: str) -> None:
    assert service in {rule.label for rule in shipped().rules}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_a_configuration_that_compiles(path: Path, tmp_path: Path) -> None:
    (tmp_path / "labels.d").mkdir()
    shutil.copy(path, tmp_path / "labels.d")
    configuration = load(folders_of([str(tmp_path)]))
    assert configuration.label_map.rules
    cgroups = existing(*{rule.cgroup for rule in configuration.label_map.rules if rule.cgroup})
    compile_table(configuration.label_map, Mode.LABEL, Environment(cgroups=cgroups))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_works_beside_the_shipped_labels(path: Path, tmp_path: Path) -> None:
    (tmp_path / "labels.d").mkdir()
    shutil.copy(path, tmp_path / "labels.d")
    configuration = load(folders_of([str(CONFIG), str(tmp_path)]))
    compile_table(configuration.label_map, Mode.LABEL, Environment())


@pytest.mark.parametrize("path", [*LABELS, *EXAMPLES, CONFIG / "secmarkd.toml"], ids=lambda path: path.name)
def test_every_shipped_file_names_its_schema_and_says_what_it_is_for(path: Path) -> None:
    schema = "secmarkd" if path.stem == "secmarkd" else "labels"
    first, second, third, *_ = path.read_text().splitlines()
    assert first == f"#:schema file:///usr/share/secmarkd/{schema}.schema.json"
    assert second == "#"
    assert third.startswith("# ")
