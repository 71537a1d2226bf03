# SPDX-License-Identifier: GPL-2.0-or-later
"""An errno means the same, whether libnftables reports it or a socket of ours."""

from __future__ import annotations

import errno
import os

import pytest

from secmarkd.adapters.netlink.errors import kernel_error, of_socket, refused_batch, typed_errors
from secmarkd.adapters.nftables.errors import refusal
from secmarkd.errors import (
    Conflict,
    KernelError,
    ModuleMissing,
    PermissionMissing,
    StateUnknown,
    TooLarge,
    WorkerFailed,
)

COMMANDS = "add element inet secmarkd m {\n6 . 80\n}\n"
MEANINGS = {
    errno.EPERM: PermissionMissing,
    errno.ENOENT: Conflict,
    errno.EEXIST: Conflict,
    errno.EBUSY: Conflict,
    errno.EOPNOTSUPP: ModuleMissing,
    errno.EPROTONOSUPPORT: ModuleMissing,
    errno.EAFNOSUPPORT: ModuleMissing,
    errno.EMSGSIZE: TooLarge,
    errno.ENOBUFS: WorkerFailed,
    errno.ENOMEM: KernelError,
    errno.ENOSPC: KernelError,
    errno.EINVAL: KernelError,
}


@pytest.mark.parametrize(("number", "typed"), MEANINGS.items(), ids=lambda each: getattr(each, "__name__", str(each)))
def test_a_change_that_is_refused_means_the_same_on_both_ways(number: int, typed: type[KernelError]) -> None:
    text = os.strerror(number)
    said = f"/proc/self/fd/4:1:1-3: Error: Could not process rule: {text}\n"
    by_libnftables = kernel_error("commit", refusal(said, COMMANDS), capable=True)
    by_socket = refused_batch(OSError(number, text), ["m"])
    assert type(by_libnftables) is type(by_socket) is typed


def test_elements_that_are_refused_name_their_maps() -> None:
    error = refused_batch(OSError(errno.EEXIST, "File exists"), ["server_port", "client_port", "server_port"])
    assert str(error) == "nftables refused to change elements client_port,server_port: File exists"
    assert error.offender == "elements client_port,server_port"


def test_a_change_without_an_answer_leaves_in_doubt_what_happened_and_a_question_does_not() -> None:
    assert type(kernel_error("commit", of_socket(TimeoutError()), capable=True)) is WorkerFailed
    with pytest.raises(StateUnknown) as caught, typed_errors("read"):
        raise TimeoutError
    assert type(caught.value) is StateUnknown


@pytest.mark.parametrize(
    ("number", "typed"),
    [(errno.EPERM, PermissionMissing), (errno.EINVAL, ModuleMissing), (errno.EPROTONOSUPPORT, ModuleMissing),
     (errno.ENOENT, KernelError), (errno.ENOBUFS, KernelError), (errno.EPROTO, KernelError)],
)  # fmt: skip
def test_a_question_that_is_refused_changes_nothing(number: int, typed: type[KernelError]) -> None:
    with pytest.raises(KernelError) as caught, typed_errors("read"):
        raise OSError(number, os.strerror(number))
    assert type(caught.value) is typed
