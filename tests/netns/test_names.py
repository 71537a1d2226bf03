# SPDX-License-Identifier: GPL-2.0-or-later
"""The real service beside users and services that come, change and go: with an /etc of its own."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.real_service import RealService
from tests.support.waiting import eventually

pytestmark = pytest.mark.fault(51)

LABELS = """\
[labels.http]
tcp = [80]

[labels.backup]
type = "backup_packet_t"
role = "client"
user = ["svcbackup"]
tcp = ["backupd"]
"""
USER = "svcbackup:x:{}:100::/:/bin/false\n"
PORT = "backupd {}/tcp\n"


@dataclass
class Etc:
    """The /etc that the service and secmarkctl see."""

    folder: Path

    @property
    def prefix(self) -> tuple[str, ...]:
        """A command's beginning that runs it with this /etc."""
        return "unshare", "--mount", "sh", "-c", 'mount --bind "$0" /etc && exec "$@"', str(self.folder)

    def write(self, *, user: int | None, port: int | None, sources: str = "files") -> None:
        """Each file by renaming it into place, as useradd does."""
        root = "root:x:0:0:root:/root:/bin/sh\n"
        files = {
            "nsswitch.conf": f"passwd: {sources}\nservices: {sources}\n",
            "passwd": root + (USER.format(user) if user else ""),
            "services": "http 80/tcp\n" + (PORT.format(port) if port else ""),
        }
        for name, text in files.items():
            (self.folder / "new").write_text(text)
            os.replace(self.folder / "new", self.folder / name)


@pytest.fixture
def etc(tmp_path: Path) -> Etc:
    folder = tmp_path / "machine-etc"
    folder.mkdir()
    for name in ("ld.so.cache", "ld.so.conf"):
        if Path("/etc", name).exists():
            shutil.copy(Path("/etc", name), folder / name)
    return Etc(folder)


def elements(service: RealService) -> str:
    """The elements of the map that has the user's rule; empty where there is none."""
    listed = service.namespace.run("nft -n list map inet secmarkd client_user_port", check=False).stdout
    return listed.partition("elements = {")[2].partition("}")[0].strip()


def test_a_name_that_nobody_knows_at_the_start_costs_nothing_else_and_is_followed_from_then_on(
    service: RealService, etc: Etc
) -> None:
    service.configure(LABELS)
    etc.write(user=None, port=None)
    service.start(*etc.prefix)
    service.await_told("READY=1")
    assert "s_http_server_packet_t" in service.table()
    assert elements(service) == ""
    said = service.await_line('waits for the user "svcbackup"')
    place = f"{service.root}/etc/labels.d/50-test.toml"
    assert f'warning: {place}:8: labels.backup.tcp: waits for the tcp service "backupd": /etc/services has no' in said
    assert f'warning: {place}:7: labels.backup.user: waits for the user "svcbackup": this machine has no such' in said
    status = service.ctl("status")
    assert status.returncode == 0
    assert f"note: {place}:7: labels.backup.user: waits for the user" in status.stdout
    assert len(json.loads(service.ctl("status", "--json").stdout)["waiting"]) == 2

    etc.write(user=6001, port=7001)
    service.await_line('the user "svcbackup" is 6001 now: its labels take effect')
    eventually(lambda: elements(service) == '6 . 7001 . 6001 : "s_backup_packet_t"', 20, lambda: elements(service))
    assert json.loads(service.ctl("status", "--json").stdout)["waiting"] == []

    etc.write(user=6002, port=7001)
    eventually(lambda: "6 . 7001 . 6002" in elements(service), 20, lambda: elements(service))

    size = len(service.said)
    etc.write(user=None, port=7001)
    service.await_line('waits for the user "svcbackup"', size)
    eventually(lambda: elements(service) == "", 20, lambda: elements(service))
    assert "s_http_server_packet_t" in service.table()


def test_a_reload_beside_a_name_that_nobody_knows_is_taken(service: RealService, etc: Etc) -> None:
    etc.write(user=None, port=None)
    service.start(*etc.prefix)
    service.await_told("READY=1")
    service.configure(LABELS)
    done = service.ctl("reload")
    assert (done.returncode, done.stdout) == (0, "reloaded\n")
    assert "s_http_server_packet_t" in service.table()


def test_a_number_that_contradicts_another_label_costs_that_name_alone(service: RealService, etc: Etc) -> None:
    other = '\n[labels.other]\ntype = "other_packet_t"\nrole = "client"\nuser = [6001]\ntcp = [7001]\n'
    service.configure(LABELS + other)
    etc.write(user=None, port=7001)
    assert service.ctl("check", prefix=etc.prefix).returncode == 0
    etc.write(user=6001, port=7001)
    service.start(*etc.prefix)
    service.await_told("READY=1")
    assert "s_http_server_packet_t" in service.table()
    assert elements(service) == '6 . 7001 . 6001 : "s_other_packet_t"'
    assert "the same packet would get" in service.said
    checked = service.ctl("check", prefix=etc.prefix)
    assert checked.returncode == 78
    assert "the same packet would get" in checked.stderr
    assert "the same packet would get" in service.ctl("status").stdout


def test_check_show_and_explain_name_what_waits(service: RealService, etc: Etc) -> None:
    service.configure(LABELS)
    etc.write(user=None, port=7001, sources="files sss")
    checked = service.ctl("check", prefix=etc.prefix)
    assert checked.returncode == 0
    (note,) = [line for line in checked.stdout.splitlines() if line.startswith("note: ")]
    assert note.endswith(
        'labels.backup.user: waits for the user "svcbackup": it is not known now; write the uid where users come from '
        "a directory (passwd: files sss in /etc/nsswitch.conf)"
    )
    assert (
        'user svcbackup (waits: the user "svcbackup" cannot be looked up)'
        in service.ctl("show", prefix=etc.prefix).stdout
    )
    words = "out tcp from 192.0.2.1 to 192.0.2.2:7001 user svcbackup".split()
    explained = service.ctl("explain", *words, prefix=etc.prefix).stdout
    assert "client_packet_t" in explained
    assert (
        'once the user "svcbackup" can be looked up, the label is system_u:object_r:backup_packet_t:s0' in explained
    )
    unknown = service.ctl("explain", *words[:-1], "svcbakcup", prefix=etc.prefix)
    assert unknown.returncode == 2
    assert 'unknown user "svcbakcup"' in unknown.stderr
