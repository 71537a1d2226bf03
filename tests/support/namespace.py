# SPDX-License-Identifier: GPL-2.0-or-later
"""Network namespaces for tests: made, used, and removed with everything that ran in them.

    with Namespace() as one, Namespace() as two:
        one.veth(two, ["192.0.2.1/24", "2001:db8::1/64"], ["192.0.2.2/24", "2001:db8::2/64"])
        one.nft("add table inet secmarkd")
        one.run("ping -c 1 192.0.2.2")
        with one.enter():
            connection = socket.create_connection(("192.0.2.2", 80))

`import nftables` binds that module to the namespace of the moment: never import it in the test's own process, not even in
`enter`. Start a child by `run` or `popen`; a child started in `enter` is in the namespace as well.
"""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import json
import os
import select
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.support.capability import IP, NFT

_CLONE_NEWNET = 0x40000000
_KILL_SECONDS = 5.0
_numbers = itertools.count(1)
_libc = ctypes.CDLL(None, use_errno=True)


def _setns(fd: int) -> None:
    """Move the calling thread; os.setns comes with Python 3.12."""
    if _libc.setns(fd, _CLONE_NEWNET):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


class CommandFailed(AssertionError):
    """A command of a test failed; the text has its output."""

    def __init__(self, argv: Sequence[str], completed: subprocess.CompletedProcess[str]) -> None:
        words = " ".join(argv)
        super().__init__(f"exit code {completed.returncode}: {words}\n{completed.stdout}{completed.stderr}".rstrip())
        self.completed = completed


def _checked(argv: Sequence[str], input: str | None = None) -> str:
    completed = subprocess.run(argv, input=input, capture_output=True, text=True, check=False)
    if completed.returncode:
        raise CommandFailed(argv, completed)
    return completed.stdout


class Namespace:
    """A network namespace of its own, with `lo` up, until `close`. Its name is unlike any other's on this machine."""

    def __init__(self) -> None:
        self.name = f"smt{os.getpid()}-{next(_numbers)}"
        """Short, so that `veth` names made of it stay within the kernel's 15 characters."""
        self.path = Path("/run/netns") / self.name
        _checked([IP, "netns", "add", self.name])
        self._open = True
        try:
            self.ip("link set lo up")
        except BaseException:
            self.close()
            raise

    def __repr__(self) -> str:
        return f"Namespace({self.name})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def argv(self, command: Sequence[str] | str) -> list[str]:
        """The command as it is run inside: a string by /bin/sh, a sequence as it is."""
        inside = ["/bin/sh", "-c", command] if isinstance(command, str) else list(command)
        return [IP, "netns", "exec", self.name, *inside]

    def run(
        self,
        command: Sequence[str] | str,
        *,
        check: bool = True,
        input: str | None = None,
        timeout: float = 60,
        env: dict[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command inside to its end. With `check`, CommandFailed with its output when it did not end with 0."""
        argv = self.argv(command)
        completed = subprocess.run(
            argv, input=input, capture_output=True, text=True, check=False, timeout=timeout, env=env
        )
        if check and completed.returncode:
            raise CommandFailed(argv, completed)
        return completed

    def popen(self, command: Sequence[str] | str, **options: Any) -> subprocess.Popen[Any]:
        """Start a command inside, with subprocess.Popen's options; `close` ends it if nobody has."""
        return subprocess.Popen(self.argv(command), **options)

    def ip(self, arguments: str) -> str:
        """Run `ip` on the namespace, such as `ip("link set lo up")`; its output."""
        return _checked([IP, "-n", self.name, *arguments.split()])

    def nft(self, text: str) -> str:
        """Run nft's native syntax as one transaction; its output. CommandFailed when nft refuses."""
        return self.run([NFT, "-f", "-"], input=text).stdout

    def nft_json(self, command: str = "list ruleset") -> list[dict[str, Any]]:
        """What nft lists, as the objects of its JSON without the leading metainfo."""
        objects: list[dict[str, Any]] = json.loads(self.run([NFT, "-j", *command.split()]).stdout)["nftables"]
        return [each for each in objects if "metainfo" not in each]

    def veth(
        self,
        other: Namespace,
        addresses: Sequence[str] = (),
        other_addresses: Sequence[str] = (),
        *,
        name: str = "veth0",
        other_name: str = "veth0",
    ) -> None:
        """Join two namespaces by a cable, both ends up, with addresses such as `192.0.2.1/24`, usable at once."""
        self.ip(f"link add {name} type veth peer name {other_name} netns {other.name}")
        ends = ((self, name, addresses), (other, other_name, other_addresses))
        for namespace, interface, _ in ends:
            namespace.ip(f"link set {interface} up")
        # Addresses come after both ends are up: an end that has its IPv6 address before its carrier ignores neighbour
        # solicitations for up to a second.
        for namespace, interface, own in ends:
            for address in own:
                namespace.ip(f"addr add {address} dev {interface}" + (" nodad" if ":" in address else ""))

    @contextlib.contextmanager
    def enter(self) -> Iterator[None]:
        """Move the calling thread into the namespace and back. Sockets and children made inside stay there."""
        back = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            inside = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                _setns(inside)
            finally:
                os.close(inside)
            try:
                yield
            finally:
                _setns(back)
        finally:
            os.close(back)

    def pids(self) -> list[int]:
        """The processes inside now, except this one."""
        return [pid for pid in map(int, _checked([IP, "netns", "pids", self.name]).split()) if pid != os.getpid()]

    def close(self) -> None:
        """Kill what still runs inside and remove the namespace; a second call does nothing.

        Whatever runs inside was started by a test, for nobody else knows the namespace's name.
        """
        if not self._open:
            return
        self._open = False
        try:
            until = time.monotonic() + _KILL_SECONDS
            while (pids := self.pids()) and time.monotonic() < until:
                _kill(pids, until)
        finally:
            _checked([IP, "netns", "delete", self.name])


def _kill(pids: Sequence[int], until: float) -> None:
    """Kill processes and wait until each is dead (a zombie of this process counts as dead)."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            handle = os.pidfd_open(pid)
            try:
                signal.pidfd_send_signal(handle, signal.SIGKILL)
                _await_exit(handle, until)
            finally:
                os.close(handle)


def _await_exit(handle: int, until: float) -> None:
    """Wait for a pidfd to say that its process ended."""
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    poll.poll(max(0.0, until - time.monotonic()) * 1000)
