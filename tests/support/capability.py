# SPDX-License-Identifier: GPL-2.0-or-later
"""What this machine can do, and what a test does where it cannot.

    require_namespaces()
    require(has_qemu(), "needs qemu-system-x86_64")

A test that lacks something is skipped on a laptop and fails in CI: there, everything has to run.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import shutil
import subprocess
from pathlib import Path

import pytest

IP = "/usr/sbin/ip"
NFT = "/usr/sbin/nft"


def in_ci() -> bool:
    """Whether a missing capability is a failure."""
    return os.environ.get("CI", "").lower() in {"1", "true", "yes"}


def require(capability: bool, reason: str) -> None:
    """Skip the calling test or fixture unless `capability`; in CI, fail it. `reason` says what is needed."""
    if capability:
        return
    if in_ci():
        pytest.fail(f"{reason} (CI must be able to run this)", pytrace=False)
    pytest.skip(reason)


@functools.cache
def has_namespaces() -> bool:
    """Root, and a kernel that lets it make network namespaces."""
    if os.geteuid() != 0 or shutil.which(IP) is None:
        return False
    return subprocess.run(["unshare", "--net", "true"], capture_output=True).returncode == 0


@functools.cache
def has_nft() -> bool:
    """The nft program, and a kernel with nf_tables."""
    if not has_namespaces() or shutil.which(NFT) is None:
        return False
    return subprocess.run(["unshare", "--net", NFT, "list", "tables"], capture_output=True).returncode == 0


@functools.cache
def has_bindings() -> bool:
    """The distribution's `nftables` module; not imported here, for an import binds it to a namespace for good."""
    return importlib.util.find_spec("nftables") is not None


@functools.cache
def has_qemu() -> bool:
    """QEMU and what builds its machine, as root."""
    tools = ("qemu-system-x86_64", "qemu-img", "mmdebstrap", "mkfs.ext4")
    return os.geteuid() == 0 and all(shutil.which(tool) for tool in tools)


def has_selinux() -> bool:
    """The running kernel enforces a loaded policy, or would."""
    return Path("/sys/fs/selinux/enforce").exists()


def require_namespaces() -> None:
    """What the `netns` fixture needs."""
    require(has_namespaces(), "needs root, iproute2 and a kernel with network namespaces")
    require(has_nft(), "needs nft and a kernel with nf_tables")


def require_bindings() -> None:
    """What the kernel adapter needs besides a namespace."""
    require(has_bindings(), "needs the nftables module: apt-get install python3-nftables")


def require_qemu() -> None:
    """What the virtual machine needs."""
    require(has_qemu(), "needs root, qemu-system-x86, qemu-utils, mmdebstrap and e2fsprogs")
