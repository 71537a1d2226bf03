# SPDX-License-Identifier: GPL-2.0-or-later
"""libnftables' English becomes errors of ours in one place. The texts are those of nft 1.0.6 and 1.1.3."""

from __future__ import annotations

import errno
import os

import pytest

from secmarkd.adapters.netlink.errors import kernel_error, typed_errors
from secmarkd.adapters.nftables.errors import refusal
from secmarkd.errors import (
    CgroupMissing,
    Conflict,
    ContextRejected,
    KernelError,
    ModuleMissing,
    NotSupported,
    PermissionMissing,
    RelabelDenied,
    SelinuxInactive,
    TooLarge,
    WorkerFailed,
)

COMMANDS = """\
add table inet secmarkd
add secmark inet secmarkd s_x { "a:b:c:s0" }
add rule inet secmarkd c socket cgroupv2 level 1 "a" goto done
add element inet secmarkd m {
6 . 80 : "s_x",
6 . 81 : "s_x"
}
delete secmark inet secmarkd s_y
"""
AT = "/proc/self/fd/4"


def translated(said: str, *, operation: str = "commit", capable: bool = True) -> KernelError:
    """The error for what libnftables said about COMMANDS."""
    return kernel_error(operation, refusal(said, COMMANDS), capable=capable)


@pytest.mark.fault(16)
@pytest.mark.parametrize(
    ("said", "kind", "offender"),
    [
        (f"{AT}:2:1-40: Error: Could not process rule: Invalid argument\nadd …", ContextRejected, "a:b:c:s0"),
        (f"{AT}:2:1-40: Error: Could not process rule: Permission denied\n", RelabelDenied, "a:b:c:s0"),
        (f"{AT}:2:1-40: Error: Could not process rule: No such file or directory\n", SelinuxInactive, "a:b:c:s0"),
        (f"{AT}:2:18-25: Error: No such file or directory\n", Conflict, "secmark s_x"),
        (f"{AT}:6:1-6: Error: Could not process rule: File exists\n", Conflict, 'm { 6 . 81 : "s_x" }'),
        (f"{AT}:5:1-6: Error: Could not process rule: No such file or directory\n", Conflict, 'm { 6 . 80 : "s_x" }'),
        (f"{AT}:5:1-6: Error: interval overlaps with an existing one\n", Conflict, 'm { 6 . 80 : "s_x" }'),
        (f"{AT}:8:30-32: Error: Could not process rule: Device or resource busy\n", Conflict, "secmark s_y"),
        (f"{AT}:3:50-54: Error: cgroupv2 path fails: No such file or directory\n", CgroupMissing, "rule c"),
        (f"{AT}:3:26-40: Error: Could not process rule: No such file or directory\n", ModuleMissing, "rule c"),
        (
            f"{AT}:1:1-3: Error: Could not process rule: Address family not supported by protocol\n",
            ModuleMissing,
            "table",
        ),
        (f"{AT}:1:1-3: Error: syntax error, unexpected comma\n", NotSupported, "add table inet secmarkd"),
        ("Error: Could not process rule: File exists\nadd …\n", Conflict, ""),
        ("netlink: Error: cache initialization failed: Operation not permitted\n", PermissionMissing, "table"),
        ("netlink: Error: Could not process rule: Message too long\n", TooLarge, ""),
        ("netlink: Error: Could not process rule: No buffer space available\n", WorkerFailed, ""),
        ("", KernelError, ""),
        ("something else", KernelError, ""),
        (f"{AT}:99:1-3: Error: Could not process rule: Cannot allocate memory\n", KernelError, ""),
    ],
)
def test_an_error_has_a_type_and_names_the_offender(said: str, kind: type[KernelError], offender: str) -> None:
    error = translated(said)
    assert type(error) is kind
    assert error.operation == "commit"
    assert error.offender.startswith(offender) if offender else error.offender == ""


def test_the_first_of_several_errors_counts() -> None:
    busy = f"{AT}:8:30-32: Error: Could not process rule: Device or resource busy\n"
    exists = f"{AT}:6:1-6: Error: Could not process rule: File exists\n6 . 81\n^^^\n"
    assert translated(exists + busy).offender == 'm { 6 . 81 : "s_x" }'


@pytest.mark.parametrize(("count", "offender"), [(250, "m { 7 }"), (251, "element m")])
def test_an_element_is_named_only_where_libnftables_is_certain_of_it(count: int, offender: str) -> None:
    commands = "add element inet secmarkd m {\n" + ",\n".join(map(str, range(count))) + "\n}\n"
    refused = refusal(f"{AT}:9:1-6: Error: Could not process rule: File exists\n", commands)
    assert kernel_error("commit", refused, capable=True).offender == offender


@pytest.mark.fault(38)
@pytest.mark.parametrize(
    ("command", "reason", "part"),
    [
        (
            'add rule inet secmarkd c socket cgroupv2 level 1 "a" goto x',
            "No such file or directory",
            "CONFIG_NFT_SOCKET",
        ),
        ("add rule inet secmarkd c counter name th dport map @m", "No such file or directory", "nft_objref"),
        ('add rule inet secmarkd c meta secmark set "s_x"', "Operation not supported", "CONFIG_NETWORK_SECMARK"),
        ("add rule inet secmarkd c ct direction original", "No such file or directory", "CONFIG_NFT_CT"),
        ("add rule inet secmarkd c accept", "Protocol not supported", "a part of nf_tables"),
        ("add table inet secmarkd", "Address family not supported by protocol", "CONFIG_NF_TABLES_INET"),
    ],
)
def test_what_the_kernel_lacks_is_named(command: str, reason: str, part: str) -> None:
    error = kernel_error(
        "commit", refusal(f"{AT}:1:24-40: Error: Could not process rule: {reason}\n", command), capable=True
    )
    assert type(error) is ModuleMissing
    assert error.hint.startswith("the kernel may lack ")
    assert part in error.hint


@pytest.mark.fault(38)
def test_a_kernel_without_nf_tables_is_said_to_be() -> None:
    for number in (errno.EINVAL, errno.EPROTONOSUPPORT):
        with pytest.raises(ModuleMissing) as caught, typed_errors("generation"):
            raise OSError(number, os.strerror(number))
        assert "CONFIG_NF_TABLES" in caught.value.hint


@pytest.mark.fault(37)
def test_a_label_that_the_policy_denies_names_the_permission_and_where_to_look() -> None:
    error = translated(f"{AT}:2:1-40: Error: Could not process rule: Permission denied\n")
    assert "a:b:c:s0" in str(error)
    assert "packet relabelto" in error.hint
    assert "ausearch" in error.hint


def test_no_permission_says_whether_the_capability_is_missing_or_the_table_is_owned() -> None:
    said = f"{AT}:1:1-3: Error: Could not process rule: Operation not permitted\n"
    assert "CAP_NET_ADMIN" in str(translated(said, capable=False))
    assert "another process owns the table" in str(translated(said, capable=True))


def test_a_lost_answer_to_a_check_leaves_nothing_in_doubt() -> None:
    said = "netlink: Error: Could not process rule: No buffer space available\n"
    assert type(translated(said, operation="check")) is KernelError
