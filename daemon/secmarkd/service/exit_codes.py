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
        """What it says, for --help."""
        return _MEANINGS[self]


_MEANINGS = {
    Exit.OK: "done, or as configured",
    Exit.FAILURE: "failed, and may succeed when tried again",
    Exit.USAGE: "the command line is wrong",
    Exit.DRIFT: "what is in the kernel differs from the configuration",
    Exit.UNAVAILABLE: "something is not on this machine: SELinux, a kernel feature, a module",
    Exit.NOPERM: "this process may not do that",
    Exit.CONFIG: "the configuration is wrong",
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
