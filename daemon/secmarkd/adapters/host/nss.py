# SPDX-License-Identifier: GPL-2.0-or-later
"""Lookup of users, groups and services by the C library, as nsswitch.conf(5) says. Any call may wait for a network.

getpwnam_r, getgrnam_r and getservbyname_r, unlike what Python has of them, tell "there is none" from "nobody could say":
they return 0 without a result for the former, and an error number where the last source that was asked was not to be had
(glibc, nss/getXXbyYY_r.c).
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket

_PLENTY = 1 << 20
"""Bytes of one entry, at most."""


class _Passwd(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p), ("password", ctypes.c_char_p), ("uid", ctypes.c_uint32), ("gid", ctypes.c_uint32),
        ("gecos", ctypes.c_char_p), ("home", ctypes.c_char_p), ("shell", ctypes.c_char_p),
    )  # fmt: skip


class _Group(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p), ("password", ctypes.c_char_p), ("gid", ctypes.c_uint32), ("members", ctypes.c_void_p),
    )  # fmt: skip


class _Service(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p), ("aliases", ctypes.c_void_p), ("port", ctypes.c_int), ("protocol", ctypes.c_char_p),
    )  # fmt: skip


def uid_of(user: str) -> int | None:
    """The uid; None where there is no such user. OSError where nobody could say."""
    entry = _Passwd()
    found = _ask("getpwnam_r", entry, os.fsencode(user))
    return int(entry.uid) if found else None


def gid_of(group: str) -> int | None:
    """The gid; None where there is no such group. OSError where nobody could say."""
    entry = _Group()
    found = _ask("getgrnam_r", entry, os.fsencode(group))
    return int(entry.gid) if found else None


def port_of(service: str, protocol: str) -> int | None:
    """The port; None where there is no such service. OSError where nobody could say."""
    entry = _Service()
    found = _ask("getservbyname_r", entry, os.fsencode(service), protocol.encode())
    return socket.ntohs(entry.port & 0xFFFF) if found else None


def _ask(function: str, entry: ctypes.Structure, *arguments: bytes) -> bool:
    call = getattr(ctypes.CDLL(None, use_errno=True), function)
    size, result = 4096, ctypes.c_void_p()
    while True:
        room = ctypes.create_string_buffer(size)
        number = call(*arguments, ctypes.byref(entry), room, ctypes.c_size_t(size), ctypes.byref(result))
        if number == errno.ERANGE and size < _PLENTY:
            size *= 4
        elif number:
            raise OSError(number, os.strerror(number))
        else:
            return bool(result.value)
