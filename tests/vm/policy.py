# SPDX-License-Identifier: GPL-2.0-or-later
"""Changing the loaded policy of a running machine in seconds.

`semodule` in the machine takes 25 s under emulation. So the image keeps the policy's CIL and Debian 13's own secilc with
its libraries, which compile it on the host in 4 s; the machine's kernel then loads the result directly, in 0.2 s.
The machine's module store does not learn of it: a `semodule` there undoes what was loaded here.
"""

from __future__ import annotations

import bz2
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

STORE = "var/lib/selinux/default/active/modules"
FOLDER = "policy"  # in an image
# What the kernel of Debian 13 reads at most; libselinux converts the installed policy.34, a direct load must fit.
POLICY_VERSION = 33


class PolicyError(Exception):
    """secilc refused the modules; the text is what it said."""


def keep(root: Path, image: Path, added: Mapping[str, str]) -> None:
    """Take from an installed root file system what is needed later; `added` are the modules that we put there."""
    folder = image / FOLDER
    (folder / "added").mkdir(parents=True)
    disabled = {path.name for path in (root / STORE / "disabled").iterdir()}
    with (folder / "base.cil").open("wb") as base:
        for path in sorted((root / STORE).glob("[0-9]*/*/cil")):
            if path.parent.name not in disabled and path.parent.name not in added:
                text = path.read_bytes()
                base.write(bz2.decompress(text) if text.startswith(b"BZh") else text)
                base.write(b"\n")
    for name, module in added.items():
        (folder / "added" / f"{name}.cil").write_text(module)
    shutil.copy(root / "usr/bin/secilc", folder)
    for library in (
        "lib64/ld-linux-x86-64.so.2",
        "lib/x86_64-linux-gnu/libsepol.so.2",
        "lib/x86_64-linux-gnu/libc.so.6",
    ):
        shutil.copy(root / library, folder)


class Compiler:
    """Compiles the image's policy with other modules; remembers what it compiled."""

    def __init__(self, image: Path) -> None:
        self._folder = image / FOLDER
        self._compiled: dict[frozenset[tuple[str, str]], bytes] = {}

    def preloaded(self) -> dict[str, str]:
        """The modules that the image came with: name and CIL."""
        return {path.stem: path.read_text() for path in (self._folder / "added").glob("*.cil")}

    def compile(self, modules: Mapping[str, str]) -> bytes:
        """The binary policy of Debian's modules and these, name and CIL. PolicyError; about 4 s, or none if known."""
        key = frozenset(modules.items())
        if key not in self._compiled:
            self._compiled[key] = self._secilc("".join(f"; {name}\n{text}\n" for name, text in modules.items()))
        return self._compiled[key]

    def _secilc(self, text: str) -> bytes:
        with tempfile.TemporaryDirectory(prefix="secmarkd-vm-policy-") as name:
            work = Path(name)
            (work / "added.cil").write_text(text)
            loader = [str(self._folder / "ld-linux-x86-64.so.2"), "--library-path", str(self._folder)]
            # as libsemanage does it in Debian: MLS, unknown classes allowed, repeated declarations, no neverallow
            options = f"--mls true --handle-unknown allow --policyvers {POLICY_VERSION} -m -N".split()
            files = ["-o", "policy", "-f", "/dev/null", str(self._folder / "base.cil"), "added.cil"]
            done = subprocess.run(
                [*loader, str(self._folder / "secilc"), *options, *files], cwd=work, capture_output=True, text=True
            )
            if done.returncode:
                raise PolicyError(explained(text, (done.stdout + done.stderr).strip()[-2000:]))
            return (work / "policy").read_bytes()


def explained(text: str, said: str) -> str:
    """What secilc said, with the lines of ours that it names."""
    lines = text.splitlines()
    named = [lines[int(number) - 1] for number in dict.fromkeys(re.findall(r"added\.cil:(\d+)", said))]
    return "\n".join([said, *named])
