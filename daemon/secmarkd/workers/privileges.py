# SPDX-License-Identifier: GPL-2.0-or-later
"""What a helper process does not need it gives up, before it reads anything that strangers wrote."""

from __future__ import annotations

import ctypes
import os

CAP_NET_ADMIN, CAP_SYS_PTRACE = 12, 19
"""Of linux/capability.h."""
_VERSION_3 = 0x20080522
_PR_SET_NO_NEW_PRIVS = 38


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Data(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


def give_up(*capabilities: int) -> None:
    """Without these capabilities from now on, and without a way to get them back by executing a program. OSError where the
    kernel refuses, which capset(2) does not say of giving up.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    _checked(libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    header, data = _Header(_VERSION_3, 0), (_Data * 2)()
    _checked(libc.capget(ctypes.byref(header), data))
    for each in capabilities:
        kept = 0xFFFFFFFF ^ (1 << each % 32)
        for name in ("effective", "permitted", "inheritable"):
            setattr(data[each // 32], name, getattr(data[each // 32], name) & kept)
    _checked(libc.capset(ctypes.byref(header), data))


def _checked(result: int) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
