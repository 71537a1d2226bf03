# SPDX-License-Identifier: GPL-2.0-or-later
"""Files that change, vanish or are no files while they are read."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from secmarkd.config.directories import Found
from secmarkd.config.files import (
    ATTEMPTS,
    MAX_BYTES,
    Document,
    Snapshot,
    dotted,
    read_document,
    read_stable,
    snapshot,
)
from secmarkd.errors import Problem
from secmarkd.model.label_map import Layer


def found(path: Path) -> Found:
    return Found(str(path), Layer.ADMINISTRATOR, 0)


def problem(path: Path) -> Problem:
    outcome = read_document(found(path))
    assert isinstance(outcome, Problem)
    return outcome


def sequence(*contents: bytes) -> tuple[Callable[[str], Snapshot], list[str]]:
    """A reader of a file that holds one after the other, and then the last for ever; and what it was asked for."""
    asked: list[str] = []

    def read(path: str) -> Snapshot:
        asked.append(path)
        content = contents[min(len(asked), len(contents)) - 1]
        return Snapshot((1, 2, len(content), contents.index(content)), content)

    return read, asked


def test_a_file_at_rest_is_read_twice() -> None:
    read, asked = sequence(b"a = 1\n")
    assert read_stable("x.toml", read) == b"a = 1\n"
    assert asked == ["x.toml", "x.toml"]


@pytest.mark.fault(24)
def test_a_file_that_is_being_written_is_read_until_it_rests() -> None:
    read, _ = sequence(b"", b"a =", b"a = 1\n")
    assert read_stable("x.toml", read) == b"a = 1\n"


@pytest.mark.fault(24)
def test_a_file_that_never_rests_is_refused() -> None:
    read, asked = sequence(*(b"%d" % index for index in range(100)))
    with pytest.raises(ValueError, match="keeps changing while it is read"):
        read_stable("x.toml", read)
    assert len(asked) == ATTEMPTS + 1


def test_a_file_that_is_rewritten_with_the_same_size_is_not_at_rest() -> None:
    read, asked = sequence(b"a = 1\n", b"a = 2\n")
    assert read_stable("x.toml", read) == b"a = 2\n"
    assert len(asked) == 3


@pytest.mark.fault(24)
def test_a_read_that_is_shorter_than_the_file_is_not_believed() -> None:
    with pytest.raises(ValueError, match="keeps changing"):
        read_stable("x.toml", lambda _: Snapshot((1, 2, 6, 0), b"a ="))


def test_a_pipe_is_refused_without_waiting_for_a_writer(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.toml")
    assert problem(tmp_path / "pipe.toml").message == "is not a regular file"


def test_a_file_above_the_limit_is_refused_with_its_size(tmp_path: Path) -> None:
    path = tmp_path / "large.toml"
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    assert problem(path).message == f"has {MAX_BYTES + 1} bytes; at most {MAX_BYTES} are read"


def test_a_file_that_vanished_is_a_problem(tmp_path: Path) -> None:
    assert problem(tmp_path / "gone.toml").message == "vanished while it was read"


def test_a_file_that_may_not_be_read_is_a_problem_without_a_line(tmp_path: Path) -> None:
    blocked = tmp_path / "file" / "below.toml"
    (tmp_path / "file").touch()
    assert str(problem(blocked)) == f"{blocked}: cannot be read: Not a directory"


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    path = tmp_path / "bom.toml"
    path.write_bytes(b"\xef\xbb\xbf[labels.a]\ntcp = [1]\n")
    document = read_document(found(path))
    assert isinstance(document, Document)
    assert document.data == {"labels": {"a": {"tcp": [1]}}}
    assert document.problem(("labels", "a", "tcp"), "no").line == 2


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_another_encoding_of_unicode_is_named(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "wide.toml"
    path.write_bytes("[labels.a]\ntcp = [1]\n".encode(encoding))
    assert problem(path).message == "this is not UTF-8 but UTF-16 or UTF-32; save the file as UTF-8"


def test_a_byte_of_another_encoding_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "latin.toml"
    path.write_bytes(b"# 1\n# gr\xfcn\n")
    assert problem(path).line == 2
    assert "byte 0xfc is not UTF-8" in problem(path).message


def test_a_document_knows_its_text_its_values_and_its_places(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text("\n[labels.a]\r\ntcp = [1]\n", newline="")
    document = read_document(found(path))
    assert isinstance(document, Document)
    assert document.data == {"labels": {"a": {"tcp": [1]}}}
    assert document.problem(("labels", "a", "tcp", 0), "no") == Problem(str(path), 3, "labels.a.tcp[0]", "no")


def test_the_null_device_is_an_empty_file() -> None:
    assert snapshot(os.devnull).content == b""


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ((), ""),
        (("mode",), "mode"),
        (("labels", "a", "match", 3, "tcp", 0), "labels.a.match[3].tcp[0]"),
        (("labels", "a.b", "tcp"), 'labels."a.b".tcp'),
        (("", "x"), '"".x'),
    ],
)
def test_a_path_is_written_as_in_toml(path: tuple[str | int, ...], text: str) -> None:
    assert dotted(path) == text
