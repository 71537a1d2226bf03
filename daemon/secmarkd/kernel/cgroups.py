"""Where cgroups are, and which one has a name now."""

from __future__ import annotations

import os
import stat

ROOT = "/sys/fs/cgroup"
"""Where nft looks for the paths after `socket cgroupv2` (libnftables, SYSFS_CGROUP_PATH)."""


def inode(cgroup: str, root: str = ROOT) -> int | None:
    """The number by which the kernel's rules hold the cgroup of this name; None where there is none. OSError where that
    cannot be said.
    """
    try:
        found = os.stat(os.path.join(root, cgroup))
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_ino if stat.S_ISDIR(found.st_mode) else None
