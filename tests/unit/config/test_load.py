# SPDX-License-Identifier: GPL-2.0-or-later
"""Loading as a whole: folders, limits, names that the machine knows. What files say is in tests/golden/config."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest

from secmarkd.config.directories import DEFAULT_FOLDERS, ConfigFolder, folders_of
from secmarkd.config.load import load
from secmarkd.errors import ConfigError
from secmarkd.model.label_map import Layer


def write(folder: Path, text: str, name: str = "10-a.toml") -> None:
    (folder / "labels.d").mkdir(parents=True, exist_ok=True)
    (folder / "labels.d" / name).write_text(text)


def problems(folder: Path, **options: int) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        load(folders_of([str(folder)]), **options)
    return [str(problem).removeprefix(f"{folder}/labels.d/") for problem in raised.value.problems]


def test_without_folders_named_the_default_folders_are_read() -> None:
    assert folders_of([]) == DEFAULT_FOLDERS
    assert [folder.path for folder in DEFAULT_FOLDERS] == ["/usr/lib/secmarkd", "/run/secmarkd", "/etc/secmarkd"]


@pytest.mark.parametrize(
    ("count", "layers"),
    [
        (1, [Layer.ADMINISTRATOR]),
        (2, [Layer.RUNTIME, Layer.ADMINISTRATOR]),
        (3, [Layer.VENDOR, Layer.RUNTIME, Layer.ADMINISTRATOR]),
        (4, [Layer.VENDOR, Layer.VENDOR, Layer.RUNTIME, Layer.ADMINISTRATOR]),
    ],
)
def test_the_last_folder_named_is_the_administrators(count: int, layers: list[Layer]) -> None:
    assert [folder.layer for folder in folders_of([f"/{index}" for index in range(count)])] == layers


@pytest.mark.fault(23)
def test_a_default_folder_may_be_missing(tmp_path: Path) -> None:
    configuration = load((ConfigFolder(str(tmp_path / "gone"), Layer.VENDOR),))
    assert configuration.files == ()


def test_a_folder_that_was_named_must_exist(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gone: no such directory; --config-dir names a directory that"):
        load(folders_of([str(tmp_path), str(tmp_path / "gone")]))


def test_of_the_folders_that_were_named_one_must_have_a_configuration(tmp_path: Path) -> None:
    (tmp_path / "10-web.toml").write_text("[labels.http]\ntcp = [80]\n")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError) as caught:
        load(folders_of([str(tmp_path), str(tmp_path / "empty")]))
    assert [problem.message.split(";")[0] for problem in caught.value.problems] == ["holds no configuration"] * 2
    (tmp_path / "labels.d").mkdir()
    load(folders_of([str(tmp_path), str(tmp_path / "empty")]))


def test_more_rules_than_the_limit_are_refused_with_their_number(tmp_path: Path) -> None:
    write(tmp_path, '[labels.a]\ntcp = ["1-9"]\n\n[labels.b]\ntcp = [1, 2, 3]\nremote = ["::1", "127.0.0.1"]\n')
    assert len(load(folders_of([str(tmp_path)]), limit=14).label_map.rules) == 14
    [problem] = problems(tmp_path, limit=13)
    assert problem.startswith(
        "10-a.toml:4: labels.b: brings the label map to 14 rules, and at most 13 are accepted; "
    )


@pytest.mark.fault(26)
def test_a_limit_is_checked_before_the_rules_are_made(tmp_path: Path) -> None:
    addresses = ", ".join(f'"10.0.{index >> 8}.{index & 255}"' for index in range(2000))
    ports = ", ".join(str(index) for index in range(1, 2001))
    write(tmp_path, f"[labels.a]\nremote = [{addresses}]\nlocal = [{addresses}]\ntcp = [{ports}]\n")
    [problem] = problems(tmp_path)
    assert "16000000000 rules, and at most 1000000" in problem


def test_whether_a_name_is_known_makes_no_configuration_wrong(tmp_path: Path) -> None:
    write(
        tmp_path, '[labels.a]\nrole = "client"\ntype = "a_t"\nuser = ["no-such", "DOM\\\\a b"]\ntcp = ["no-such"]\n'
    )
    configuration = load(folders_of([str(tmp_path)]))
    assert {str(name) for name in configuration.label_map.names} == {
        'tcp service "no-such"', 'user "no-such"', 'user "DOM\\a b"',
    }  # fmt: skip
    places = {(str(mention.value), mention.origin.line, mention.origin.key) for mention in configuration.mentions}
    assert places == {
        ('user "no-such"', 4, "labels.a.user"), ('user "DOM\\a b"', 4, "labels.a.user"),
        ('tcp service "no-such"', 5, "labels.a.tcp"),
    }  # fmt: skip


def test_a_flawed_label_does_not_hide_the_flaws_of_its_neighbours(tmp_path: Path) -> None:
    write(tmp_path, '[labels.a]\ntpc = [1]\n\n[labels.b]\nremote = ["::1"]\nlocal = ["127.0.0.1"]\n')
    assert [problem.split(":")[1] for problem in problems(tmp_path)] == ["2", "5"]


def test_a_label_that_is_replaced_is_checked_all_the_same(tmp_path: Path) -> None:
    write(tmp_path / "low", "[labels.a]\ntcp = [0]\n")
    write(tmp_path / "high", "[labels.a]\ntcp = [1]\n", "20-b.toml")
    with pytest.raises(ConfigError, match="invalid port 0"):
        load(folders_of([str(tmp_path / "low"), str(tmp_path / "high")]))


def test_loading_leaves_the_garbage_collector_as_it_was(tmp_path: Path) -> None:
    write(tmp_path, "[labels.a]\ntcp = [0]\n")
    assert gc.isenabled()
    problems(tmp_path)
    assert gc.isenabled()
    gc.disable()
    try:
        problems(tmp_path)
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_a_folder_of_labels_that_is_a_dangling_link_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "labels.d").symlink_to("nowhere")
    with pytest.raises(ConfigError, match=r"labels\.d: is a symbolic link to nothing"):
        load(folders_of([str(tmp_path)]))
