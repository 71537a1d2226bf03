# SPDX-License-Identifier: GPL-2.0-or-later
"""Where cgroups are, and which one has a name now."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Collection

_NONE = (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP, errno.EACCES)
ROOT = "/sys/fs/cgroup"
"""Where nft looks for the paths after `socket cgroupv2` (libnftables, SYSFS_CGROUP_PATH)."""


def inode(cgroup: str, root: str = ROOT) -> int | None:
    """The number by which the kernel's rules hold the cgroup of this name; None where there is none that this process could
    find. OSError where that cannot be said for a reason that has nothing to do with the name.
    """
    try:
        found = os.stat(os.path.join(root, cgroup))
    except OSError as error:
        if error.errno in _NONE:
            return None
        raise
    return found.st_ino if stat.S_ISDIR(found.st_mode) else None


def paths(numbers: Collection[int], root: str = ROOT) -> dict[int, str]:
    """The names of cgroups by these numbers, of those that are there. A walk through all cgroups: milliseconds."""
    found: dict[int, str] = {}
    waiting = [""] if numbers else []
    while waiting and len(found) < len(numbers):
        above = waiting.pop()
        try:
            with os.scandir(os.path.join(root, above)) as entries:
                below = [(entry.name, entry.inode()) for entry in entries if entry.is_dir(follow_symlinks=False)]
        except OSError:  # gone meanwhile
            continue
        for name, number in below:
            path = os.path.join(above, name)
            if number in numbers:
                found[number] = path
            waiting.append(path)
    return found
