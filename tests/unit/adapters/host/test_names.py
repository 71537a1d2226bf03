# SPDX-License-Identifier: GPL-2.0-or-later
"""Names of users and services are looked up within a deadline, and what has no number comes with the reason and the fix."""

from __future__ import annotations

import grp
import os
import pwd
import socket
import time
from pathlib import Path

import pytest

from secmarkd.adapters.host.name_watch import NameEvents
from secmarkd.adapters.host.names import look_up
from secmarkd.adapters.host.nss import gid_of, port_of, uid_of
from secmarkd.model.names import Name, NameKind
from secmarkd.model.protocols import TCP, UDP

pytestmark = pytest.mark.fault(51)

ALICE, BOB, GHOST, ZOE = (Name(NameKind.USER, each) for each in ("alice", "bob", "ghost", "zoe"))
STAFF = Name(NameKind.GROUP, "staff")
WEB = Name(NameKind.SERVICE, "web", TCP)


def etc(folder: Path, passwd: str = "files", services: str = "files") -> Path:
    (folder / "passwd").write_text(
        "root:x:0:0::/root:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/sh\nzoe:x:1007:::/\nbad:x\n"
    )
    (folder / "group").write_text("root:x:0:\nstaff:x:50:alice,zoe\n")
    (folder / "services").write_text("# services\nweb 80/tcp www # a comment\ntime 37/udp\nodd\n")
    (folder / "nsswitch.conf").write_text(f"# nss\npasswd:  {passwd}\nservices: {services} # as ever\n")
    return folder


def nobody(name: Name) -> int | None:
    return None


def unreachable(name: Name) -> int | None:
    raise OSError(111, "Connection refused")


def test_what_the_c_library_knows() -> None:
    user = pwd.getpwuid(os.getuid())
    assert uid_of(user.pw_name) == user.pw_uid
    assert uid_of("no-user-has-this-name") is None
    group = grp.getgrgid(os.getgid())
    assert gid_of(group.gr_name) == group.gr_gid
    assert gid_of("no-group-has-this-name") is None
    assert port_of("submission", "tcp") == socket.getservbyname("submission", "tcp")
    assert port_of("submission", "dccp") is None


def test_what_has_a_number_is_found_and_what_has_none_comes_with_the_fix(tmp_path: Path) -> None:
    known = {ALICE: 1000, WEB: 80}
    found = look_up([ALICE, WEB, GHOST], 5, etc=etc(tmp_path), ask=known.get)
    assert found.numbers == known
    assert found.missing == {GHOST: "this machine has no such user; create the user, or write the uid"}
    assert found.unanswered == frozenset()


@pytest.mark.parametrize(
    ("text", "kind", "advice"),
    [
        ("alcie", NameKind.USER, "this machine has no such user; did you mean 'alice'?"),
        ("svcalice", NameKind.USER, "this machine has no such user; create the user, or write the uid"),
        ("stafff", NameKind.GROUP, "this machine has no such group; did you mean 'staff'?"),
        ("alice", NameKind.GROUP, "this machine has no such group; create the group, or write the gid"),
        ("wwww", NameKind.SERVICE, "/etc/services has no such service; did you mean 'www'?"),
        ("time", NameKind.SERVICE, "/etc/services has no such service; write the port's number"),
    ],
)
def test_a_likely_mistake_is_named_where_only_files_are_asked(
    tmp_path: Path, text: str, kind: NameKind, advice: str
) -> None:
    name = Name(kind, text, TCP if kind is NameKind.SERVICE else 0)
    assert look_up([name], 5, etc=etc(tmp_path, services="db files"), ask=nobody).missing == {name: advice}


@pytest.mark.parametrize("sources", ["files sss", "files [NOTFOUND=return] ldap", "compat winbind", "files systemd"])
def test_nobody_elses_name_is_suggested_where_a_directory_may_know_this_one(tmp_path: Path, sources: str) -> None:
    name = Name(NameKind.USER, "alcie")
    text = look_up([name], 5, etc=etc(tmp_path, passwd=sources), ask=nobody).missing[name]
    assert text.startswith("it is not known now; write the uid where users come from a directory (passwd: ")
    assert "alice" not in text


def test_a_directory_that_hangs_costs_its_own_names_alone_and_no_more_than_the_deadline(tmp_path: Path) -> None:
    def hang(name: Name) -> int | None:
        time.sleep(60 if name == BOB else 0)
        return None

    began = time.monotonic()
    found = look_up([ALICE, BOB, ZOE], 0.3, etc=etc(tmp_path, passwd="files sss"), ask=hang)
    assert time.monotonic() - began < 5
    assert found.numbers == {ZOE: 1007}  # not asked any more, and found in the file
    assert found.unanswered == {BOB}
    assert found.missing[BOB].startswith("its lookup had no answer within 0.3 s; write the uid where users come from")
    assert ALICE in found.missing  # answered, before the one that hangs


def test_of_a_directory_that_is_away_nobody_can_say_whether_it_knows_a_name(tmp_path: Path) -> None:
    found = look_up([ALICE, GHOST], 5, etc=etc(tmp_path), ask=unreachable)
    assert found.numbers == {ALICE: 1000}
    assert found.unanswered == {GHOST}
    assert "failed: Connection refused" in found.missing[GHOST]


@pytest.mark.parametrize(("name", "number"), [(ALICE, 2**32 - 1), (WEB, 0), (ALICE, -2)])
def test_a_number_that_no_packet_can_have_is_none(tmp_path: Path, name: Name, number: int) -> None:
    assert look_up([name], 5, etc=etc(tmp_path), ask=lambda _: number).numbers == {}


def test_without_names_nothing_is_asked(tmp_path: Path) -> None:
    assert look_up([], 5, etc=tmp_path, ask=unreachable).missing == {}


def test_services_are_those_of_their_protocol(tmp_path: Path) -> None:
    time_of = [Name(NameKind.SERVICE, "time", protocol) for protocol in (TCP, UDP)]
    found = look_up(time_of, 5, etc=etc(tmp_path), ask=unreachable)
    assert found.numbers == {time_of[1]: 37}


@pytest.mark.parametrize("file", ["passwd", "group", "services", "nsswitch.conf"])
def test_a_file_that_is_replaced_or_written_is_told_and_others_are_not(tmp_path: Path, file: str) -> None:
    (tmp_path / "etc").mkdir()
    etc(tmp_path / "etc")
    events = NameEvents(tmp_path)
    try:
        (tmp_path / "etc/motd").write_text("hello")
        assert not events.take()
        (tmp_path / "etc/new").write_text("")
        os.replace(tmp_path / "etc/new", tmp_path / "etc" / file)
        assert events.take()
        (tmp_path / "etc" / file).write_text("more")
        assert events.take()
        assert not events.take()
    finally:
        events.close()


def test_users_of_units_and_dropped_in_users_are_told_too(tmp_path: Path) -> None:
    for each in ("etc", "run/systemd/dynamic-uid"):
        (tmp_path / each).mkdir(parents=True)
    events = NameEvents(tmp_path)
    try:
        (tmp_path / "run/systemd/dynamic-uid/direct:svc").symlink_to("61234")
        assert events.take()
    finally:
        events.close()


def test_a_group_is_found_in_its_file_where_nobody_answers(tmp_path: Path) -> None:
    assert look_up([STAFF], 5, etc=etc(tmp_path), ask=unreachable).numbers == {STAFF: 50}
