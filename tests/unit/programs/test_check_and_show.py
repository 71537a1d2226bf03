# SPDX-License-Identifier: GPL-2.0-or-later
"""The verbs check and show."""

from __future__ import annotations

import json

import pytest

from secmarkd.service.exit_codes import Exit
from tests.support.secmarkctl_rig import Machine, Result, Terminal


def test_check_says_what_there_is(machine: Machine) -> None:
    assert machine.ctl("check") == Result(0, "no mistakes: mode rehearse, 2 labels, 6 rules, 10 elements\n", "")


def test_check_names_every_mistake_with_its_line(machine: Machine) -> None:
    machine.write("labels.d/50-web.toml", "[labels.http]\ntcp = [70000]\nudpp = [5]\n")
    result = machine.ctl("check")
    assert result.code == Exit.CONFIG
    assert "50-web.toml:2: labels.http.tcp[0]: " in result.err
    assert "50-web.toml:3: labels.http.udpp: " in result.err
    assert result.err.endswith("error: 2 mistakes in the configuration\n")


def test_check_json_has_counts_or_problems(machine: Machine) -> None:
    good = {"ok": True, "problems": [], "notes": [], "mode": "rehearse", "labels": 2, "rules": 6, "elements": 10}
    assert json.loads(machine.ctl("check", "--json").out) == good
    machine.write("labels.d/50-web.toml", "[labels.http]\ntcp = [70000]\nudpp = [5]\n")
    result = machine.ctl("check", "--json")
    assert (result.code, result.err) == (Exit.CONFIG, "")
    checked = json.loads(result.out)
    assert checked["ok"] is False
    first, second = checked["problems"]
    assert first == {
        "file": f"{machine.root}/etc/labels.d/50-web.toml", "line": 2, "key": "labels.http.tcp[0]",
        "message": "invalid port 70000 (expected 1-65535); write a port within these bounds",
    }  # fmt: skip
    assert (second["line"], second["key"]) == (3, "labels.http.udpp")


def test_check_needs_neither_selinux_nor_kernel(machine: Machine) -> None:
    machine.write("secmarkd.toml", 'mode = "label"\n')
    machine.selinux.active = False
    assert machine.ctl("check").code == 0
    assert machine.nft.reads == 0


def test_show_names_the_origin_of_every_entry(machine: Machine) -> None:
    out = machine.ctl("show").out
    assert "  server   system_u:object_r:http_server_packet_t:s0\n" in out
    assert any(
        line.split() == ["tcp", "443", f"{machine.root}/etc/labels.d/50-web.toml:2"] for line in out.splitlines()
    )
    assert any(line.split()[:2] == ["remote", "192.0.2.0/24"] for line in out.splitlines())
    assert "\x1b" not in out


def test_show_says_of_every_setting_who_gave_it(machine: Machine) -> None:
    machine.write(
        "secmarkd.toml",
        'mode = "rehearse"\nresync = "90s"\n\n[context]\nlevel = ""\n[default]\nclient = "x_packet_t"\n',
    )
    file = f"{machine.root}/etc/secmarkd.toml"
    settings = machine.ctl("show").out.partition("http\n")[0]
    assert [line.split() for line in settings.splitlines()] == [
        ["settings"],
        ["mode", "rehearse", f"{file}:1"],
        ["on_drift", "repair", "default"],
        ["on_stop", "keep", "default"],
        ["resync", "90", "s", f"{file}:2"],
        ["ownership", "shared", "default"],
        ["context"],
        ["user", "system_u", "default"],
        ["role", "object_r", "default"],
        ["level", "none", f"{file}:5"],
        ["default"],
        ["server", "system_u:object_r:server_packet_t", "default"],
        ["client", "system_u:object_r:x_packet_t", f"{file}:7"],
        ["icmp", "system_u:object_r:icmp_packet_t", "default"],
        ["forward", "packets", "keep", "their", "label", "default"],
    ]
    shown = json.loads(machine.ctl("show", "--json").out)
    assert shown["context"] == {"user": "system_u", "role": "object_r", "level": ""}
    assert shown["origins"]["mode"] == {"file": file, "line": 1, "key": "mode"}
    assert shown["origins"]["default.client"]["line"] == 7
    assert shown["origins"]["ownership"] is None


def test_without_a_settings_file_every_setting_is_a_default(machine: Machine) -> None:
    (machine.root / "etc/secmarkd.toml").unlink()
    assert set(json.loads(machine.ctl("show", "--json").out)["origins"].values()) == {None}


def test_show_and_check_tell_which_label_another_one_replaces(machine: Machine) -> None:
    machine.write("../above/labels.d/70-own.toml", "# ours\n[labels.http]\ntcp = [8080]\n")
    above = ("--config-dir", str(machine.root / "above"))
    replaced = f"{machine.root}/etc/labels.d/50-web.toml:1"
    assert f"http\n  replaces {replaced}\n  client " in machine.ctl("show", *above).out
    label = next(each for each in json.loads(machine.ctl("show", "--json", *above).out)["labels"] if each["replaces"])
    assert (label["name"], label["layer"], label["replaces"][0]["line"]) == ("http", "administrator", 1)
    place = f"{machine.root}/above/labels.d/70-own.toml:2: labels.http"
    assert machine.ctl("check", *above).out.startswith(f"note: {place}: replaces {replaced}\n")
    assert "replaces" not in machine.ctl("show").out + machine.ctl("check").out


def test_show_puts_each_entry_below_its_own_roles(machine: Machine) -> None:
    machine.write(
        "labels.d/50-web.toml",
        '[labels.mixed]\ntype = "m_packet_t"\nmatch = [{ tcp = [1] }, { tcp = [2], user = [0] }, { tcp = [3] }]\n',
    )
    _, _, shown = machine.ctl("show").out.partition("mixed\n")
    assert [line.split()[:2] for line in shown.splitlines()] == [
        ["client", "system_u:object_r:m_packet_t:s0"],
        ["server", "system_u:object_r:m_packet_t:s0"],
        ["tcp", "1"],
        ["tcp", "3"],
        ["client", "system_u:object_r:m_packet_t:s0"],
        ["tcp", "2"],
    ]


def test_show_is_coloured_on_a_terminal_unless_told_not_to(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.out = Terminal
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[1mhttp" in machine.ctl("show").out
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in machine.ctl("show").out


def test_show_json_holds_settings_defaults_and_rules(machine: Machine) -> None:
    shown = json.loads(machine.ctl("show", "--json").out)
    assert shown["settings"]["mode"] == "rehearse"
    assert shown["default"]["forward"] is None
    rule = next(each for each in shown["rules"] if each.get("ports") == [443, 443] and each["role"] == "server")
    assert rule["context"] == "system_u:object_r:http_server_packet_t:s0"
    assert rule["origin"]["line"] == 2


def test_show_nft_is_a_ruleset(machine: Machine) -> None:
    assert "add table inet secmarkd" in machine.ctl("show", "--nft").out
