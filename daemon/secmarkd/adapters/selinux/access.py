# SPDX-License-Identifier: GPL-2.0-or-later
"""The port `AccessQuestions` over selinuxfs: the kernel's own answer, from the policy that is in force."""

from __future__ import annotations

import os
from pathlib import Path

from secmarkd.adapters.selinux.selinuxfs import find_selinuxfs
from secmarkd.ports import Access

_ANSWER_BYTES = 4096
_PERMISSIVE = 1
"""AVD_FLAGS_PERMISSIVE of security/selinux/include/avc.h."""


class SelinuxAccess:
    """`root` is selinuxfs; without one it is looked for at each question.

    Class indexes and permission bits vary from policy to policy, and a policy may be loaded at any time: nothing is kept. A
    question costs some ten system calls.
    """

    def __init__(self, root: Path | None = None) -> None:
        self._given = root

    @property
    def _root(self) -> Path:
        return self._given if self._given is not None else find_selinuxfs()

    def unlabeled(self) -> str | None:
        """See AccessQuestions."""
        try:
            return (self._root / "initial_contexts/unlabeled").read_text().strip("\0\n ") or None
        except (OSError, ValueError):
            return None

    def access(self, source: str, target: str, tclass: str) -> Access | None:
        """See AccessQuestions."""
        try:
            root = self._root
            folder = root / "class" / tclass
            index = int((folder / "index").read_text())
            bits = {each.name: 1 << int(each.read_text()) - 1 for each in (folder / "perms").iterdir()}
            answer = _ask(root, f"{source} {target} {index}").split()
            allowed, flags = int(answer[0], 16), int(answer[5], 16)
        except (OSError, ValueError, IndexError):
            return None
        names = frozenset(name for name, bit in bits.items() if allowed & bit)
        return Access(names, permissive=bool(flags & _PERMISSIVE))


def _ask(root: Path, question: str) -> str:
    """The answer has allowed, an obsolete word, auditallow, auditdeny, sequence and flags (sel_write_access)."""
    file = os.open(root / "access", os.O_RDWR | os.O_CLOEXEC)
    try:
        os.write(file, question.encode())
        return os.read(file, _ANSWER_BYTES).decode("ascii")
    finally:
        os.close(file)
