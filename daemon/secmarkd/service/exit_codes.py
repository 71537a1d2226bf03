# SPDX-License-Identifier: GPL-2.0-or-later
"""Exit codes of both programs, and which error means which."""

from __future__ import annotations

from enum import IntEnum

from secmarkd.errors import (
    CapabilityMissing,
    ConfigError,
    ContextRejected,
    NotSupported,
    PermissionMissing,
    RelabelDenied,
    SecmarkdError,
    SelinuxInactive,
    UsageError,
)


class Exit(IntEnum):
    """Small numbers as diff and grep use them, the others as in sysexits.h. The unit does not restart on 2, 69, 77, 78."""

    OK = 0
    FAILURE = 1
    USAGE = 2
    DRIFT = 3
    UNAVAILABLE = 69
    NOPERM = 77
    CONFIG = 78

    @property
    def meaning(self) -> str:
        """In words, for --help."""
        return _MEANINGS[self]


_MEANINGS = {
    Exit.OK: "success",
    Exit.FAILURE: "failed; trying again may succeed",
    Exit.USAGE: "invalid command line",
    Exit.DRIFT: "the kernel's labels differ from the configuration",
    Exit.UNAVAILABLE: "missing SELinux, kernel feature or library",
    Exit.NOPERM: "permission denied",
    Exit.CONFIG: "invalid configuration",
}


def exit_for(error: SecmarkdError) -> Exit:
    """The exit code with which a program ends because of an error."""
    match error:
        case ConfigError() | ContextRejected():
            return Exit.CONFIG
        case UsageError():
            return Exit.USAGE
        case PermissionMissing() | RelabelDenied():
            return Exit.NOPERM
        case SelinuxInactive() | NotSupported() | CapabilityMissing():
            return Exit.UNAVAILABLE
        case _:
            return Exit.FAILURE
