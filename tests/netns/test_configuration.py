# SPDX-License-Identifier: GPL-2.0-or-later
"""Configurations that are wrong, unreadable, empty or huge, and the real service that reads them."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from secmarkd.config.files import MAX_BYTES
from secmarkd.service.exit_codes import Exit
from tests.bench.maps import port_tuples, write_ports
from tests.support.capability import has_selinux, require
from tests.support.real_service import RealService, unit_capabilities

UNIT_CAPABILITIES = unit_capabilities()
"""As the unit leaves them: this root may not read what its mode forbids."""
MEMORY = 320 << 20
"""Bytes of data for each process of a service with 100,000 elements."""


def syntax(file: Path, label: str) -> None:
    file.write_text(f"[labels.{label}]\ntcp = [80\n")


def unknown_key(file: Path, label: str) -> None:
    file.write_text(f"[labels.{label}]\ntpc = [80]\n")


def port_of_none(file: Path, label: str) -> None:
    file.write_text(f"[labels.{label}]\ntcp = [70000]\n")


def repeated_key(file: Path, label: str) -> None:
    file.write_text(f"[labels.{label}]\ntcp = [80]\ntcp = [81]\n")


def contradiction(file: Path, label: str) -> None:
    file.write_text('[labels.other]\ntype = "other_packet_t"\nrole = "server"\ntcp = [80]\n')


def unreadable(file: Path, label: str) -> None:
    file.write_text(f"[labels.{label}]\ntcp = [22]\n")
    file.chmod(0)


def dangling_link(file: Path, label: str) -> None:
    file.symlink_to("nothing")


def input_output_error(file: Path, label: str) -> None:
    """A regular file that the kernel answers with EIO: nothing is mapped at a process's address 0 (proc_pid_mem(5))."""
    file.symlink_to("/proc/self/mem")


def too_large(file: Path, label: str) -> None:
    with file.open("wb") as writing:
        writing.truncate(MAX_BYTES + 1)


def too_many(file: Path, label: str) -> None:
    ports = ", ".join(str(port) for port in range(1, 2001))
    remotes = ", ".join(f'"10.0.{number >> 8}.{number & 255}"' for number in range(1000))
    file.write_text(f"[labels.{label}]\ntcp = [{ports}]\nremote = [{remotes}]\n")


FAULTS: dict[str, tuple[Callable[[Path, str], None], str]] = {
    "syntax": (syntax, r"FILE:2: not TOML: .*has no closing \]"),
    "unknown key": (unknown_key, r"FILE:2: labels\.LABEL\.tpc: .*tcp"),
    "port 70000": (port_of_none, r"FILE:2: labels\.LABEL\.tcp\[0\]: invalid port 70000"),
    "repeated key": (repeated_key, r"FILE:3: not TOML: .*is given twice"),
    "contradiction": (contradiction, r"50-test\.toml:2.*FILE:4|FILE:4.*50-test\.toml:2"),
    "unreadable": (unreadable, r"FILE: cannot be read: Permission denied"),
    "dangling link": (dangling_link, r"FILE: is a symbolic link to nothing"),
    "EIO": (input_output_error, r"FILE: cannot be read: Input/output error"),
    "too large": (too_large, rf"FILE: has {MAX_BYTES + 1} bytes; at most {MAX_BYTES} are read"),
    "too many": (too_many, r"FILE:1: labels\.LABEL: brings the label map to \d+ rules, and at most 1000000"),
}


def pattern(said: str, file: Path, label: str) -> str:
    return said.replace("FILE", re.escape(file.name)).replace("LABEL", label)


@pytest.mark.fault(20, 21, 23, 26)
def test_at_the_start_every_mistake_of_every_file_is_told_and_nothing_is_done(service: RealService) -> None:
    alone = {name: fault for name, fault in FAULTS.items() if name != "contradiction"}
    files = [service.root / f"etc/labels.d/{number}-bad.toml" for number in range(60, 60 + len(alone))]
    for number, (file, (write, _)) in enumerate(zip(files, alone.values(), strict=True)):
        write(file, f"label{number}")
    service.start(*UNIT_CAPABILITIES)
    assert service.await_exit() == Exit.CONFIG
    for number, (file, (_, said)) in enumerate(zip(files, alone.values(), strict=True)):
        assert re.search(f"err: .*{pattern(said, file, f'label{number}')}", service.said), service.said
    assert f"err: cannot start: {len(alone)} mistakes in the configuration" in service.said
    assert service.table() == ""


@pytest.mark.fault(21)
def test_a_contradiction_of_two_good_files_ends_the_start_too(service: RealService) -> None:
    write, said = FAULTS["contradiction"]
    file = service.root / "etc/labels.d/60-bad.toml"
    write(file, "other")
    service.start()
    assert service.await_exit() == Exit.CONFIG
    assert re.search(pattern(said, file, "other"), service.said), service.said
    assert service.table() == ""


@pytest.mark.fault(20, 21, 22, 23)
def test_one_bad_file_among_many_rejects_the_whole_reload_and_the_labels_stay(service: RealService) -> None:
    service.start(*UNIT_CAPABILITIES)
    service.await_told("READY=1")
    before, file = service.table(), service.root / "etc/labels.d/60-bad.toml"
    service.configure("[labels.http]\ntcp = [80, 443]\n[labels.ssh]\ntcp = [22]\n")
    for name in ("unknown key", "unreadable", "EIO"):  # all of them take the way that the start takes
        write, said = FAULTS[name]
        write(file, "bad")
        failed = service.ctl("reload")
        assert failed.returncode == Exit.CONFIG, (name, failed.stderr)
        assert re.search(pattern(said, file, "bad"), failed.stderr), (name, failed.stderr)
        assert service.table() == before, name
        told = service.await_told("READY=1")
        assert any("in sync" in each and "last reload rejected" in each for each in told), name
        file.unlink()
    shutil.move(service.root / "etc", service.root / "gone")
    failed = service.ctl("reload")
    assert (failed.returncode, service.table()) == (Exit.CONFIG, before)
    assert "no such directory" in failed.stderr
    shutil.move(service.root / "gone", service.root / "etc")
    assert service.ctl("reload").returncode == Exit.OK
    assert "s_ssh_server_packet_t" in service.table()


def test_files_that_others_may_write_are_taken_with_a_warning_that_no_reload_repeats(service: RealService) -> None:
    file = service.root / "etc/labels.d/50-test.toml"
    file.chmod(0o666)
    service.start()
    service.await_told("READY=1")
    warning = f"warning: {file}: may be written by its group and everyone (mode 0666), so that others decide"
    assert warning in service.said
    assert f"fix: chmod go-w {file}" in service.said
    for _ in range(3):
        assert service.ctl("reload").returncode == 0
    assert service.said.count(warning) == 1
    (service.root / "etc/labels.d").chmod(0o777)
    assert service.ctl("reload").returncode == 0
    assert f"warning: {service.root}/etc/labels.d: may be written by" in service.said
    assert service.said.count(warning) == 1


@pytest.mark.fault(27)
def test_an_empty_label_map_is_a_valid_one_and_said_to_be(service: RealService) -> None:
    service.configure("")
    service.start()
    told = service.await_told("READY=1")
    assert "STATUS=rehearsing, in sync: 0 labels, 0 elements; last drift never" in told
    assert "info: in sync: 0 labels, 0 elements, rehearsing" in service.said
    assert "table inet secmarkd" in service.table()


@pytest.mark.fault(33)
def test_labelling_without_selinux_ends_with_the_mend_and_no_table(service: RealService) -> None:
    require(not has_selinux(), "needs a machine without SELinux; the VM has one with it")
    (service.root / "etc/secmarkd.toml").write_text('mode = "label"\n')
    service.start()
    assert service.await_exit() == Exit.UNAVAILABLE
    assert (
        'cannot start: SELinux is not active on this machine, so packets cannot be labelled (set mode = "rehears'
        in (service.said)
    )
    assert service.table() == ""


@pytest.mark.fault(25)
@pytest.mark.slow
def test_a_hundred_thousand_elements_start_within_a_memory_limit_under_an_impatient_watchdog(
    service: RealService,
) -> None:
    shutil.rmtree(service.root / "etc/labels.d")
    write_ports(service.root / "etc", port_tuples(50_000))  # each for servers and for clients
    service.manager.settimeout(120)
    service.start("prlimit", f"--data={MEMORY}", WATCHDOG_USEC="300000")
    told = service.await_told("READY=1")
    assert "STATUS=rehearsing, in sync: 200 labels, 100000 elements; last drift never" in told
    # Both long pieces of work are announced before they begin. While the configuration is loaded the loop feeds the
    # watchdog; for the pass it is made patient, and as impatient as before after it.
    extended, patience = "EXTEND_TIMEOUT_USEC=150000000", ["WATCHDOG_USEC=150000000", "WATCHDOG_USEC=300000"]
    assert [each for each in told if each.startswith(("EXTEND", "WATCHDOG_USEC"))] == [extended, extended, *patience]
    loading = told[told.index(extended) : len(told) - told[::-1].index(extended)]
    assert loading.count("WATCHDOG=1") > 3
    assert " err: " not in service.said


@pytest.mark.fault(25)
def test_a_label_map_that_needs_more_memory_than_there_is_is_rejected_and_the_service_lives(
    service: RealService,
) -> None:
    service.start()
    service.await_told("READY=1")
    assert service.process is not None
    before = service.table()

    def limit(data: str) -> None:
        subprocess.run(["prlimit", f"--pid={service.process.pid}", f"--data={data}:"], check=True)  # type: ignore[union-attr]

    shutil.rmtree(service.root / "etc/labels.d")
    write_ports(service.root / "etc", port_tuples(20_000))
    limit(str(36 << 20))
    failed = service.ctl("reload")
    assert failed.returncode == Exit.FAILURE
    assert "reload rejected, the labels stay as they were: the loading process" in failed.stderr
    assert "memory" in failed.stderr
    assert service.table() == before
    limit("unlimited")
    shutil.rmtree(service.root / "etc/labels.d")
    service.configure("[labels.dns]\nudp = [53]\n")
    assert service.ctl("reload").returncode == Exit.OK
    assert "s_dns_server_packet_t" in service.table()
