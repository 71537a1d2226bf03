# SPDX-License-Identifier: GPL-2.0-or-later
"""Who else may write the configuration is said, with the fix, for each file and directory on the way to it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from secmarkd.config.directories import folders_of
from secmarkd.config.load import load
from secmarkd.config.trust import writable_by_others
from secmarkd.model.note import Severity
from tests.support.capability import require

STRANGER = 65534


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    """A configuration that nobody but its owner may write."""
    (tmp_path / "etc/labels.d").mkdir(parents=True)
    (tmp_path / "etc/secmarkd.toml").write_text("")
    (tmp_path / "etc/labels.d/a.toml").write_text("[labels.a]\ntcp = [1]\n")
    return tmp_path / "etc"


def warned(etc: Path) -> dict[str, str]:
    notes = load(folders_of([str(etc)])).notes
    assert {note.severity for note in notes} <= {Severity.WARNING}
    return {note.file: note.message for note in notes}


def test_what_only_its_owner_may_write_is_no_warning(etc: Path) -> None:
    assert warned(etc) == {}


@pytest.mark.parametrize("name", [".", "secmarkd.toml", "labels.d", "labels.d/a.toml"])
@pytest.mark.parametrize(
    ("mode", "who"), [(0o777, "its group and everyone"), (0o775, "its group"), (0o757, "everyone")]
)
def test_what_others_may_write_is_one_with_the_fix(etc: Path, name: str, mode: int, who: str) -> None:
    require(os.geteuid() == 0, "needs root: a group of one's own is no other")
    place = etc / name
    place.chmod(mode)
    why = f"may be written by {who} (mode {mode:04o}), so that others decide what packets are labelled as"
    assert warned(etc) == {str(place): f"{why}; fix: chmod go-w {place}"}


def test_a_directory_above_counts_and_one_with_the_sticky_bit_does_not(etc: Path) -> None:
    etc.parent.chmod(0o777)
    assert list(warned(etc)) == [str(etc.parent)]
    etc.parent.chmod(0o1777)
    assert warned(etc) == {}
    etc.parent.chmod(0o700)


def test_what_belongs_to_somebody_else_is_one(etc: Path) -> None:
    require(os.geteuid() == 0, "needs root")
    os.chown(etc / "labels.d", STRANGER, STRANGER)
    os.chown(etc / "labels.d/a.toml", STRANGER, 0)
    (etc / "labels.d/a.toml").chmod(0o622)
    place = etc / "labels.d"
    assert warned(etc) == {
        str(place): f"belongs to uid {STRANGER}, so that others decide what packets are labelled as; "
        f"fix: chown root: {place}",
        f"{place}/a.toml": f"belongs to uid {STRANGER} and may be written by its group and everyone (mode 0622), so that "
        f"others decide what packets are labelled as; fix: chown root: {place}/a.toml && chmod go-w {place}/a.toml",
    }


def test_the_target_of_a_link_counts_and_so_do_the_directories_around_it(etc: Path) -> None:
    elsewhere = etc.parent / "else where"
    elsewhere.mkdir()
    (elsewhere / "b.toml").write_text("[labels.b]\ntcp = [2]\n")
    (etc / "labels.d/b.toml").symlink_to("../../else where/b.toml")
    assert warned(etc) == {}
    (elsewhere / "b.toml").chmod(0o666)
    elsewhere.chmod(0o777)
    found = warned(etc)
    assert list(found) == [str(elsewhere), f"{elsewhere}/b.toml"]
    assert found[str(elsewhere)].endswith(f"; fix: chmod go-w '{elsewhere}'")


def test_a_mask_is_nobodys_file_and_links_in_a_circle_end(etc: Path) -> None:
    (etc / "labels.d/masked.toml").symlink_to("/dev/null")
    assert warned(etc) == {}
    (etc / "round").symlink_to("round")
    assert writable_by_others([str(etc / "round"), str(etc / "nowhere/at/all")]) == []


def test_another_user_than_root_may_own_it_with_a_group_of_its_own(etc: Path) -> None:
    require(os.geteuid() == 0, "needs root")
    file = etc / "secmarkd.toml"
    os.chown(file, STRANGER, STRANGER)
    file.chmod(0o664)
    assert writable_by_others([str(file)], own=STRANGER, own_group=STRANGER) == []
    assert len(writable_by_others([str(file)], own=STRANGER, own_group=7)) == 1
    file.chmod(0o666)
    assert len(writable_by_others([str(file)], own=STRANGER, own_group=STRANGER)) == 1
