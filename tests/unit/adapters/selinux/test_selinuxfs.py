# SPDX-License-Identifier: GPL-2.0-or-later
"""What selinuxfs says of the running kernel."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from secmarkd.adapters.selinux.selinuxfs import SelinuxFs
from secmarkd.errors import SelinuxInactive
from secmarkd.ports import SelinuxState
from secmarkd.service.adapters import require_selinux

pytestmark = pytest.mark.fault(33)

INACTIVE = SelinuxState(active=False, enforcing=False, mls=False)


def selinux(root: Path, own: bytes = b"system_u:system_r:secmarkd_t:s0\0", **files: str) -> SelinuxFs:
    """An adapter over a directory with some of selinuxfs's files."""
    for name, content in files.items():
        (root / name).write_text(content)
    current = root / "current"
    current.write_bytes(own)
    return SelinuxFs(root, current)


def test_a_kernel_without_selinux(tmp_path: Path) -> None:
    assert SelinuxFs(tmp_path / "selinux", tmp_path / "current").state() == INACTIVE


def test_without_a_policy_it_is_not_active(tmp_path: Path) -> None:
    assert selinux(tmp_path, b"kernel\0", policyvers="33", enforce="0", mls="1").state() == INACTIVE


def test_another_security_module_is_not_selinux(tmp_path: Path) -> None:
    assert SelinuxFs(tmp_path, tmp_path).state() == INACTIVE


def mounted(folder: Path, at: Path) -> SelinuxFs:
    """An adapter that has to look for selinuxfs, which is mounted there."""
    (folder / "self").mkdir()
    (folder / "self/mountinfo").write_text(
        f"22 1 0:20 / / rw - ext4 /dev/sda1 rw\n30 22 0:27 / {at} rw,nosuid shared:9 - selinuxfs selinuxfs rw\n"
    )
    (folder / "filesystems").write_text("nodev\tsysfs\nnodev\tselinuxfs\n\text4\n")
    (folder / "current").write_bytes(b"unconfined_u:unconfined_r:unconfined_t:s0\0")
    return SelinuxFs(own_context=folder / "current", proc=folder)


@pytest.mark.parametrize("place", ["selinux", "1/root/sys/fs/selinux"])
def test_it_is_found_where_it_is_mounted_and_where_the_first_process_has_it(tmp_path: Path, place: str) -> None:
    (tmp_path / place).mkdir(parents=True)
    (tmp_path / place / "policyvers").write_text("33")
    assert mounted(tmp_path, tmp_path / "selinux").state().active


def test_where_it_is_not_to_be_found_that_is_told_from_a_kernel_without_selinux(tmp_path: Path) -> None:
    adapter = mounted(tmp_path, tmp_path / "nowhere")
    assert adapter.state() == SelinuxState(active=False, enforcing=False, mls=False, hidden=True)
    with pytest.raises(
        SelinuxInactive, match="SELinux is active on this machine, but selinuxfs is not mounted"
    ) as caught:
        require_selinux(adapter)
    assert "nsenter --net=/run/netns/" in caught.value.hint
    (tmp_path / "current").write_bytes(b"kernel\0")  # no policy is loaded
    assert adapter.state() == INACTIVE


@pytest.mark.parametrize(("enforce", "mls"), [("1", "1"), ("0", "1"), ("1", "0"), ("0", "0")])
def test_a_loaded_policy(tmp_path: Path, enforce: str, mls: str) -> None:
    state = selinux(tmp_path, policyvers="33", enforce=enforce, mls=mls).state()
    assert state == SelinuxState(active=True, enforcing=enforce == "1", mls=mls == "1")


def test_each_policy_load_has_a_number_of_its_own(tmp_path: Path) -> None:
    adapter = selinux(tmp_path, policyvers="33", enforce="1", mls="1")
    assert adapter.state().policy == 0
    (tmp_path / "status").write_bytes(struct.pack("=5I", 1, 4, 1, 7, 0))
    assert adapter.state().policy == 7
    (tmp_path / "status").write_bytes(b"short")
    assert adapter.state().policy == 0


def test_no_context_is_valid_without_selinux(tmp_path: Path) -> None:
    assert not SelinuxFs(tmp_path).valid("a:b:c")


def test_the_kernel_is_asked_for_a_context(tmp_path: Path) -> None:
    assert selinux(tmp_path, context="").valid("a:b:c:s0")
    assert (tmp_path / "context").read_bytes() == b"a:b:c:s0\0"


def test_a_refusal_to_answer_is_not_an_answer(tmp_path: Path) -> None:
    (tmp_path / "context").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        SelinuxFs(tmp_path).valid("a:b:c")
