# SPDX-License-Identifier: GPL-2.0-or-later
"""Who committed: from a thread's number to program, user, unit and login; and nobody rather than somebody else."""

from __future__ import annotations

import os
import shutil
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from secmarkd.adapters.host.processes import Processes, counts_as_kernel, unit_of
from secmarkd.ports import Committed, Writer
from secmarkd.service.attribution import UNATTRIBUTED, Attribution, describe
from tests.support.capability import require

HIDDEN = dict.fromkeys((0x0D, 0x0B, 0x09, 0x1C, 0x85, 0x2028), "?")
ID = "0123456789ab" + "c" * 52


@pytest.mark.parametrize(
    ("cgroup", "unit"),
    [
        ("0::/system.slice/nftables.service (deleted)\n", "nftables.service"),
        ("0::/system.slice/cron.service\n", "cron.service"),
        ("0::/user.slice/user-1000.slice/session-3.scope\n", "session-3.scope"),
        ("0::/user.slice/user-1000.slice/user@1000.service/app.slice/x.service\n", "user@1000.service/x.service"),
        ("0::/user.slice/user-1000.slice/user@1000.service/init.scope\n", "user@1000.service"),
        ("3:cpu:/a.service\n1:name=systemd:/system.slice/ssh.service\n0::/\n", "ssh.service"),
        (f"0::/system.slice/docker-{ID}.scope\n", "container docker-0123456789ab"),
        (f"0::/machine.slice/libpod-{ID}.scope/container\n", "container libpod-0123456789ab"),
        (f"0::/kubepods.slice/kubepods-x.slice/cri-containerd-{ID}.scope\n", "container cri-containerd-0123456789ab"),
        (f"0::/docker/{ID}\n", "container id-0123456789ab"),
        ("0::/lxc.payload.web/system.slice/nginx.service\n", "container lxc-web"),
        ("0::/\n", ""),
        ("0::/init.scope\n", ""),
        ("", ""),
    ],
)
def test_units_and_containers_are_named(cgroup: str, unit: str) -> None:
    assert unit_of(cgroup) == unit


class Proc:
    """A procfs, in the initial PID namespace or not."""

    def __init__(self, folder: Path, *, initial: bool = True) -> None:
        self.folder = folder
        (folder / str(os.getpid()) / "ns").mkdir(parents=True)
        (folder / "self").symlink_to(str(os.getpid()))
        target = Path("/proc/self/ns/pid") if initial else Path("/proc/self/ns/net")
        (folder / "self/ns/pid").symlink_to(target)
        self.users = folder / "passwd"
        self.users.write_text("root:x:0:0::/root:/bin/sh\nalice:x:1000:1000::/:/bin/sh\n")

    def add(self, thread: int, comm: str, **files: str) -> None:
        place = self.folder / str(thread)
        place.mkdir()
        (place / "comm").write_bytes(comm.encode() + b"\n")
        for name, text in files.items():
            (place / name).write_bytes(text.encode())
        (place / "exe").symlink_to("/usr/sbin/nft")

    def identify(self, thread: int, comm: str) -> Writer:
        return Processes(self.folder, self.users).glimpse(Committed(5, thread, comm))()


@pytest.fixture
def proc(tmp_path: Path) -> Proc:
    require(counts_as_kernel(Path("/proc")), "needs the initial PID namespace")
    return Proc(tmp_path)


def test_a_living_process_is_described(proc: Proc) -> None:
    proc.add(
        18, "nft", status="Name:\tnft\nTgid:\t17\nUid:\t1000\t0\t0\t0\n", cmdline="nft\0flush\0ruleset\0",
        cgroup="0::/user.slice/session-3.scope\n", loginuid="1000",
    )  # fmt: skip
    writer = proc.identify(18, "nft")
    assert writer == Writer(
        "nft", 17, "/usr/sbin/nft", "nft flush ruleset", "session-3.scope", 0, "root", 1000, "alice"
    )
    assert describe(writer) == "nft (process 17, /usr/sbin/nft, user root, logged in as alice, session-3.scope)"


def test_a_process_that_is_gone_keeps_its_number_and_name(proc: Proc) -> None:
    assert proc.identify(18, "nft") == Writer("nft", 18)


def test_a_successor_with_the_same_number_is_not_blamed(proc: Proc) -> None:
    proc.add(18, "innocent", status="Tgid:\t18\nUid:\t0\t0\t0\t0\n")
    assert proc.identify(18, "nft") == Writer("nft", 18)


def test_a_process_that_no_login_started_has_none(proc: Proc) -> None:
    proc.add(18, "nft", loginuid="4294967295")
    writer = proc.identify(18, "nft")
    assert (writer.loginuid, writer.uid, writer.pid) == (None, None, 18)


def test_in_another_pid_namespace_nobody_is_named(tmp_path: Path) -> None:
    proc = Proc(tmp_path, initial=False)
    proc.add(18, "nft", status="Tgid:\t18\nUid:\t0\t0\t0\t0\n")
    writer = proc.identify(18, "nft")
    assert writer == Writer("nft")
    assert describe(writer) == "nft (process unknown from inside this PID namespace)"


def test_names_that_others_chose_stay_on_one_line(proc: Proc) -> None:
    proc.add(18, "a", cmdline="a\0evil\nwarning: \x1b[31m\0")
    assert proc.identify(18, "a").command == "a evil?warning: ?[31m"


def test_no_name_of_a_process_makes_its_status_unreadable(proc: Proc) -> None:
    name = "a\rUid:\t7\x0b\x1c\x85\u2028b"
    proc.add(
        18,
        name,
        status=f"Name:\t{name}\nTgid:\t17\nUid:\t1000\t0\t0\t0\nCut in the mid",
        cgroup="0::\n:\n0::/a\r.scope\n",
    )
    assert proc.identify(18, name) == Writer(
        name.translate(HIDDEN), 17, "/usr/sbin/nft", unit="a?.scope", uid=0, user="root"
    )


@given(st.binary(max_size=200), st.binary(max_size=60), st.binary(max_size=30))
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_nothing_that_procfs_says_is_too_odd(proc: Proc, status: bytes, cgroup: bytes, number: bytes) -> None:
    shutil.rmtree(proc.folder / "18", ignore_errors=True)
    proc.add(18, "nft")
    for name, content in (("status", status), ("cgroup", cgroup), ("loginuid", number), ("cmdline", status)):
        (proc.folder / "18" / name).write_bytes(content)
    assert describe(proc.identify(18, "nft")).isprintable()


def test_a_name_cannot_pass_for_a_part_of_the_sentence() -> None:
    forged = Writer("nft", 17, exe="/tmp/nft, user root, cron.service) and (x", uid=1000, user="bob")
    assert describe(forged) == 'nft (process 17, "/tmp/nft, user root, cron.service) and (x", user bob)'
    assert describe(Writer('a "b', 5)) == '"a \\"b" (process 5)'
    assert describe(Writer("nft", 5, exe="/usr/sbin/nft (deleted)")) == "nft (process 5, /usr/sbin/nft (deleted))"
    both = UNATTRIBUTED.with_writer(Writer("a,b", 1)).with_writer(Writer("c", 2))
    assert both.fields()["by_comm"] == '"a,b",c'
    assert UNATTRIBUTED.with_writer(Writer("a,b", 1)).fields()["by_comm"] == "a,b"


def test_long_command_lines_are_cut(proc: Proc) -> None:
    proc.add(18, "a", cmdline="x" * 3000)
    assert len(proc.identify(18, "a").command) == 120


def test_this_very_thread_is_found_in_the_real_procfs() -> None:
    require(counts_as_kernel(Path("/proc")), "needs the initial PID namespace")
    found: list[Writer] = []

    def look() -> None:
        comm = Path("/proc/thread-self/comm").read_text().strip()
        found.append(Processes().glimpse(Committed(1, threading.get_native_id(), comm))())

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert found[0].pid == os.getpid()
    assert found[0].uid == os.geteuid()
    assert found[0].exe == os.readlink("/proc/self/exe")


def test_processes_that_differ_in_number_only_are_one_writer() -> None:
    attribution = UNATTRIBUTED
    for pid in (10, 11, 11, 12):
        attribution = attribution.with_writer(Writer("nft", pid))
    assert attribution.text == "nft (3 processes, the last 12)"
    assert attribution.fields()["by_pid"] == "12"


def test_several_writers_are_all_named() -> None:
    attribution = Attribution().with_writer(Writer("nft", 10, uid=0)).with_writer(Writer("python3", 11, uid=0))
    assert attribution.text == "one of nft (process 10, user 0) and python3 (process 11, user 0)"
    assert attribution.fields()["by_comm"] == "nft,python3"
    assert attribution.fields()["by_uid"] == "0"
    assert UNATTRIBUTED.text == ""
