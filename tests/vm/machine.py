# SPDX-License-Identifier: GPL-2.0-or-later
"""The SELinux test machine, as tests use it.

    with Machine() as vm:
        vm.run("nft list ruleset").out
        vm.enforcing()
        vm.restore()

Starting takes a second or two once the image exists (image.py), and so does restoring. Several machines run side by side.
"""

from __future__ import annotations

import fnmatch
import functools
import io
import secrets
import shlex
import signal
import socket
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import image
import qemu
from audit import Denial, packet_denials
from channel import Channel, Reply
from policy import Compiler
from recipes import EVERYDAY, Recipe

REPOSITORY = Path(__file__).resolve().parents[2]
TREE = "/root/secmarkd"  # where the project's source tree is in the machine
GRACE_SECONDS = 60.0  # what a busy host may take for the round trip, on top of a command's own time
HELLO_SECONDS = 120.0
UNPACK_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Completed:
    """How a command in the machine ended: `rc` is its status, negative for a signal; undecodable bytes are replaced."""

    cmd: str
    rc: int
    out: str
    err: str


class CommandFailed(AssertionError):
    """A command in the machine ended with another status than 0."""

    def __init__(self, done: Completed, why: str) -> None:
        super().__init__(f"{done.cmd!r} {why}\nstdout: {done.out[-4000:]}\nstderr: {done.err[-4000:]}")
        self.done = done


class CommandTimeout(CommandFailed):
    """A command took longer than its `timeout` and was killed, with its process group."""


class Handle:
    """A command that runs in the background. A restore of the machine voids it: `wait` then raises ChannelError."""

    def __init__(self, channel: Channel, cmd: str, stdin: bytes, limit: float | None) -> None:
        self.cmd = cmd
        self._limit = limit
        self._channel = channel
        self._number: int
        self._reply: Future[Reply]
        self._number, self._reply = channel.request("run", stdin, cmd=cmd, limit=limit)

    def wait(self, timeout: float = 60, *, check: bool = True) -> Completed:
        """Its end. TimeoutError after `timeout` seconds (it runs on); with `check`, CommandFailed unless rc is 0."""
        reply = self._reply.result(timeout)
        split = reply.header["out"]
        out, err = (part.decode(errors="replace") for part in (reply.payload[:split], reply.payload[split:]))
        done = Completed(self.cmd, reply.header["rc"], out, err)
        if reply.header["timed_out"]:
            raise CommandTimeout(done, f"was killed after {self._limit} s")
        if check and done.rc != 0:
            raise CommandFailed(done, f"ended with {done.rc}")
        return done

    @property
    def running(self) -> bool:
        return not self._reply.done()

    def kill(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Signal its process group; nothing happens when it has ended."""
        self._channel.ask("kill", target=self._number, signal=int(number), timeout=GRACE_SECONDS)


class Machine:
    """A running machine in the image's saved state; a context manager.

    Commands run as root in unconfined_u:unconfined_r:unconfined_t:s0-s0:c0.c1023, in /root, with a small clean
    environment, and may run at once. The machine has no network but lo. It begins permissive. It dies with the
    thread that created it. ImageError, QemuError when it cannot be built or started.
    """

    def __init__(self, recipe: Recipe = EVERYDAY) -> None:
        """A machine of that recipe's image, which is built first if need be."""
        image_folder = image.ensure(recipe)
        self._folder = tempfile.TemporaryDirectory(prefix="secmarkd-vm-", ignore_cleanup_errors=True)
        here = Path(self._folder.name)
        disk = here / "disk.qcow2"
        # a copy: a saved state lives in its qcow2 file and cannot be loaded through another overlay
        qemu.run_quiet(["cp", "--reflink=auto", "--sparse=always", str(image_folder / "ready.qcow2"), str(disk)])
        self._compiler = compiler(image_folder)
        self._modules = self._compiler.preloaded()
        self._state = qemu.READY
        self._saved = {self._state: self._modules}
        self._qemu = qemu.Qemu(here, image_folder, disk, memory=recipe.memory, load=qemu.READY)
        try:
            disk.unlink()  # QEMU holds it open; so it is gone whatever becomes of us
            self._channel = Channel(self._qemu.connect(self._qemu.agent_socket))
            self._hello()
        except BaseException:
            self._qemu.kill()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def shell_connection(self) -> socket.socket:
        """The host's end of the second virtio-serial port, which nothing in the machine has open; see shell.py."""
        return self._qemu.connect(self._qemu.shell_socket)

    def close(self) -> None:
        """End the machine; its QEMU is gone when this returns."""
        self._channel.close()
        self._qemu.stop()
        self._folder.cleanup()

    def _hello(self) -> None:
        """Set the clock, which stood still while the state was saved, and make the random numbers new."""
        try:
            self._channel.ask("hello", secrets.token_bytes(64), now=time.time(), timeout=HELLO_SECONDS)
        except TimeoutError:
            self._qemu.check_alive()
            raise qemu.QemuError(f"no answer from the machine; {self._qemu.last_words()}") from None

    # -- states

    def snapshot(self, name: str) -> None:
        """Save the state under `name`, a word; restore() goes back to it from now on. No command may be running."""
        self._channel.ask("clock", source=qemu.SAVED_CLOCK, timeout=GRACE_SECONDS)
        self._qemu.monitor.execute("stop")
        self._qemu.monitor.human(f"savevm {name}")
        self._qemu.monitor.execute("cont")
        self._channel.ask("clock", source="tsc", timeout=GRACE_SECONDS)
        self._state = name
        self._saved[name] = self._modules

    def restore(self, name: str | None = None) -> None:
        """Back to a saved state, by default the one last saved or restored. Voids running commands.

        The image's own state is "ready".
        """
        self._state = name or self._state
        self._channel.close()
        self._qemu.monitor.execute("stop")
        self._qemu.monitor.human(f"loadvm {self._state}")
        self._modules = self._saved[self._state]
        self._channel = Channel(self._qemu.connect(self._qemu.agent_socket))
        self._qemu.monitor.execute("cont")
        self._hello()

    # -- commands

    def start(self, cmd: str, *, timeout: float | None = None, input: bytes | str | None = None) -> Handle:
        """Run `cmd` by /bin/bash -c in the background; killed after `timeout` seconds, if given."""
        stdin = input.encode() if isinstance(input, str) else input or b""
        return Handle(self._channel, cmd, stdin, timeout)

    def run(self, cmd: str, timeout: float = 60, check: bool = True, input: bytes | str | None = None) -> Completed:
        """Run `cmd` by /bin/bash -c to its end; a daemon it leaves behind does not hold it up.

        CommandTimeout after `timeout` seconds; with `check`, CommandFailed unless its status is 0.
        """
        handle = self.start(cmd, timeout=timeout, input=input)
        try:
            return handle.wait(timeout + GRACE_SECONDS, check=check)
        except TimeoutError:
            self._qemu.check_alive()
            raise qemu.QemuError(f"no answer from the machine to {cmd!r}; {self._qemu.last_words()}") from None

    def ask(self, path: str, question: str, *, timeout: float = 60) -> str:
        """What the program that listens on a UNIX socket in the machine answers. ChannelError when nobody does in time."""
        reply = self._channel.ask("ask", question.encode(), path=path, limit=timeout, timeout=timeout + GRACE_SECONDS)
        return reply.payload.decode()

    # -- files

    def put(self, what: Path | bytes | str, remote: str, *, mode: int = 0o644) -> None:
        """Write a local file (Path) or text to `remote`, whose folder is made if need be."""
        data = what.read_bytes() if isinstance(what, Path) else what.encode() if isinstance(what, str) else what
        target = shlex.quote(remote)
        self.run(f'mkdir -p "$(dirname {target})" && cat >{target} && chmod {mode:o} {target}', input=data)

    def put_tree(
        self, local: Path, remote: str, *, exclude: Sequence[str] = (".git",), only: Iterable[Path] | None = None
    ) -> None:
        """Copy a folder's content into `remote`, owned by root.

        `exclude` are patterns for the names of files and folders to leave out; `only` are the files to take instead of
        all, relative to `local`.
        """
        archive = io.BytesIO()

        def filtered(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
            if any(fnmatch.fnmatch(Path(entry.name).name, pattern) for pattern in exclude):
                return None
            entry.uid = entry.gid = 0
            entry.uname = entry.gname = "root"
            return entry

        with tarfile.open(fileobj=archive, mode="w") as tar:
            for path in [Path(".")] if only is None else only:
                tar.add(local / path, str(path), recursive=only is None, filter=filtered)
        target = shlex.quote(remote)
        self.run(f"mkdir -p {target} && tar -x -C {target}", timeout=UNPACK_SECONDS, input=archive.getvalue())

    def put_project(self) -> None:
        """Copy this repository's files into TREE."""
        self.put_tree(REPOSITORY, TREE, only=source_files(REPOSITORY))

    # -- SELinux

    def enforcing(self) -> None:
        self.run("setenforce 1")

    def permissive(self) -> None:
        self.run("setenforce 0")

    def change_policy(self, *, add: Mapping[str, str] | None = None, remove: Iterable[str] = ()) -> None:
        """Load a policy with other modules on top of Debian's, until the next restore. PolicyError; see policy.py.

        `add` are modules by name, in CIL, and replace those of the same name; `remove` are names (a type that another
        module uses cannot go). What is there at first: domains.py.
        """
        modules = {name: text for name, text in self._modules.items() if name not in set(remove)} | dict(add or {})
        binary = self._compiler.compile(modules)
        # one write: the kernel takes a policy whole
        self.run("dd bs=64M iflag=fullblock of=/sys/fs/selinux/load status=none", input=binary)
        self._modules = modules

    def audit(self) -> str:
        """What the audit log gained since the last call, of this or denials(), or the last restore; complete up to now."""
        return self._channel.ask("audit", timeout=GRACE_SECONDS).payload.decode(errors="replace")

    def denials(self) -> list[Denial]:
        """The packet denials among audit(). When permissive, the kernel reports each kind of denial once."""
        return packet_denials(self.audit())


@functools.cache
def compiler(image_folder: Path) -> Compiler:
    """One for all machines of an image, so that each policy is compiled once."""
    return Compiler(image_folder)


def source_files(repository: Path) -> list[Path]:
    """Git's tracked files and those untracked that it does not ignore, as they are now; relative to `repository`."""
    command = ["git", "-C", str(repository), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, check=True, capture_output=True).stdout.decode()
    paths = sorted({Path(name) for name in listed.split("\0") if name})
    return [path for path in paths if (repository / path).is_symlink() or (repository / path).is_file()]
