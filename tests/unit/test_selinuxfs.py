"""What selinuxfs says of the running kernel."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from secmarkd.kernel.selinuxfs import SelinuxFs
from secmarkd.ports import SelinuxState

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
