# SPDX-License-Identifier: GPL-2.0-or-later
"""The kernel's events of SELinux where there are none; where there are some: tests/vm/test_surroundings.py."""

from __future__ import annotations

import errno
import socket

import pytest

from secmarkd.programs.wiring import Tools


def test_without_selinux_in_the_kernel_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> socket.socket:
        raise OSError(errno.EPROTONOSUPPORT, "Protocol not supported")

    monkeypatch.setattr(socket, "socket", refused)
    assert Tools().open_selinux_events() is None
