# SPDX-License-Identifier: GPL-2.0-or-later
"""The files that are shipped: settings, curated labels, examples."""

from __future__ import annotations

import shutil
import subprocess
import tomllib
from itertools import combinations
from pathlib import Path

import pytest

from secmarkd.compiler.compile import compile_table
from secmarkd.config.directories import folders_of
from secmarkd.config.load import load
from secmarkd.config.schema import SettingsFile
from secmarkd.evaluate import evaluate
from secmarkd.model.label_map import Environment, LabelMap, Mode, Role
from secmarkd.programs.packet_values import parse_packet
from tests.support.label_maps import existing
from tests.support.paths import REPOSITORY

CONFIG = REPOSITORY / "config"
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
    lines = [line.strip() for line in (CONFIG.parent / "README.md").read_text().splitlines()]
    (command,) = (line for line in lines if line.startswith("sed -i ") and line.endswith("/secmarkd.toml"))
    command = command.replace("/etc/secmarkd/secmarkd.toml", str(file))
    before = (CONFIG / "secmarkd.toml").read_text().splitlines()
    for mode in ('#mode = "label"', 'mode = "label"', 'mode = "rehearse"'):
        file.write_text("\n".join(mode if line == '#mode = "label"' else line for line in before) + "\n")
        subprocess.run(command, shell=True, check=True)
        assert load(folders_of([str(tmp_path)])).settings.mode is Mode.REHEARSE
        changed = [(was, now) for was, now in zip(before, file.read_text().splitlines(), strict=True) if was != now]
        assert changed == [('#mode = "label"', 'mode = "rehearse"')]


ONE_TYPE = {
    "howl": "howl_server_packet_t",
    "nmbd": "nmbd_server_packet_t",
    "isakmp": "isakmp_server_packet_t",
    "ipsecnat": "ipsecnat_server_packet_t",
    "l2tp": "l2tp_server_packet_t",
    "router": "router_server_packet_t",
    "dhcpc": "dhcpd_client_packet_t",
    "dhcpc_answers": "dhcpd_server_packet_t",
    "resolved_stub": "dns_client_packet_t",
}
"""Labels whose protocol has one type at whichever end, because the policy gives its programs no other."""


def test_shipped_labels_are_names_and_ports_of_both_roles() -> None:
    rules = shipped().rules
    for rule in rules:
        assert rule.ports is not None
        assert rule.context.type == ONE_TYPE.get(rule.label, f"{rule.label}_{rule.role}_packet_t")
        assert (rule.remote, rule.interface, rule.user, rule.cgroup) == (None,) * 4
        assert (rule.local is not None) == (rule.label == "resolved_stub")
    assert {rule.role for rule in rules} == {Role.SERVER, Role.CLIENT}


def test_shipped_labels_do_not_overlap() -> None:
    served = [rule for rule in shipped().rules if rule.role is Role.SERVER and rule.local is None]
    for one, other in combinations(served, 2):
        assert one.ports is not None
        assert other.ports is not None
        apart = one.protocol != other.protocol or one.ports[1] < other.ports[0] or other.ports[1] < one.ports[0]
        assert apart, f"{one.origin} and {other.origin}"


def label_of(words: str) -> str:
    packet, _ = parse_packet(words.split())
    context = evaluate(shipped(), packet, Environment()).context
    assert context is not None
    return context.type


@pytest.mark.parametrize("stub", ["127.0.0.53", "127.0.0.54"])
@pytest.mark.parametrize("protocol", ["udp", "tcp"])
def test_both_ends_of_a_question_to_the_stub_of_resolved_are_a_dns_clients(stub: str, protocol: str) -> None:
    question, answer = f"from 127.0.0.1:40000 to {stub}:53", f"from {stub}:53 to 127.0.0.1:40000 reply"
    for words in (f"out {protocol} {question}", f"in {protocol} {question}",
                  f"out {protocol} {answer}", f"in {protocol} {answer}"):  # fmt: skip
        assert label_of(words) == "dns_client_packet_t", words


def test_another_dns_server_on_loopback_is_none_of_resolveds() -> None:
    assert label_of("in udp from 127.0.0.1:40000 to 127.0.0.1:53") == "dns_server_packet_t"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("out udp from 192.0.2.1:5353 to 224.0.0.251:5353", "howl_server_packet_t"),
        ("in udp from 192.0.2.2:5353 to 224.0.0.251:5353", "howl_server_packet_t"),
        ("out udp from 192.0.2.1:138 to 192.0.2.255:138", "nmbd_server_packet_t"),
        ("out udp from 192.0.2.1:500 to 192.0.2.2:500", "isakmp_server_packet_t"),
        ("out udp from 192.0.2.1:520 to 224.0.0.9:520", "router_server_packet_t"),
        ("out udp from 192.0.2.1:68 to 255.255.255.255:67", "dhcpd_client_packet_t"),
        ("in udp from 192.0.2.2:67 to 255.255.255.255:68", "dhcpd_client_packet_t"),
        ("in udp from [fe80::2]:547 to [fe80::1]:546", "dhcpd_client_packet_t"),
        ("in udp from 192.0.2.2:68 to 255.255.255.255:67", "dhcpd_server_packet_t"),
        ("out udp from 192.0.2.1:67 to 255.255.255.255:68", "dhcpd_server_packet_t"),
        ("out udp from [fe80::1]:547 to [fe80::2]:546", "dhcpd_server_packet_t"),
    ],
)
def test_a_protocol_without_a_client_has_one_type_whoever_begins(words: str, expected: str) -> None:
    assert label_of(words) == expected


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
