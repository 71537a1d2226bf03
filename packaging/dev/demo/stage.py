# SPDX-License-Identifier: GPL-2.0-or-later
"""What the demonstration stands on: two hosts (network namespaces), connections between them, and the running service."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(REPOSITORY / "daemon"), "LC_ALL": "C.UTF-8"}
TABLE = "inet secmarkd"
_CLONE_NEWNET = 0x40000000
_SECONDS = 60.0
"""How long anything may take; on a slow machine the start takes some."""
_libc = ctypes.CDLL(None, use_errno=True)


class Broken(Exception):
    """The demonstration cannot go on. `hint` says what would mend it, or is empty."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


def run(argv: Sequence[str]) -> str:
    """Run a command to its end; its output. Broken, with what it said, when it fails."""
    done = subprocess.run(argv, capture_output=True, text=True, env=ENVIRONMENT, timeout=_SECONDS)
    if done.returncode:
        raise Broken(f"`{shlex.join(argv)}` failed: {(done.stderr or done.stdout).strip()}")
    return done.stdout


class Host:
    """A network namespace. Processes and sockets made in `inside` belong to it."""

    def __init__(self, name: str) -> None:
        self.name = name

    def make(self) -> None:
        """Make it, with `lo` up."""
        run(["ip", "netns", "add", self.name])
        # Neighbour discovery would count as packets that nobody in the story sent.
        with self.inside(), contextlib.suppress(FileNotFoundError):
            Path("/proc/sys/net/ipv6/conf/all/disable_ipv6").write_text("1")
        run(["ip", "-n", self.name, "link", "set", "lo", "up"])

    @property
    def prefix(self) -> list[str]:
        """What a command begins with to be run here. (`ip netns exec` would hide /sys/fs/selinux.)"""
        return ["nsenter", f"--net=/run/netns/{self.name}"]

    @contextlib.contextmanager
    def inside(self) -> Iterator[None]:
        """Have this thread in the namespace."""
        with open("/proc/thread-self/ns/net") as back, open(f"/run/netns/{self.name}") as here:
            _setns(here.fileno())
            try:
                yield
            finally:
                _setns(back.fileno())

    def join(self, other: Host, address: str, others: str) -> None:
        """A cable between the `eth0` of both."""
        run(
            [
                "ip",
                "-n",
                self.name,
                "link",
                "add",
                "eth0",
                "type",
                "veth",
                "peer",
                "name",
                "eth0",
                "netns",
                other.name,
            ]
        )
        for host, mine in ((self, address), (other, others)):
            run(["ip", "-n", host.name, "address", "add", f"{mine}/24", "dev", "eth0"])
            run(["ip", "-n", host.name, "link", "set", "eth0", "up"])

    def rules(self) -> list[str] | None:
        """All words of our table's listing, without counts and order; None where there is no table."""
        if f"table {TABLE}" not in run([*self.prefix, "nft", "list tables"]).splitlines():
            return None
        listed = run([*self.prefix, "nft", "-s", f"list table {TABLE}"])
        # What the kernel remembers of connections comes and goes (`set opened`).
        listed = re.sub(r"(set opened \{[^{}]*)elements = \{[^{}]*\}", r"\1", listed)
        return sorted(re.split(r"[\s,]+", listed))

    def counters(self) -> Counter[str]:
        """In rehearsal: packets by the type that each would have got."""
        listing = json.loads(run([*self.prefix, "nft", "-j", f"list counters table {TABLE}"]))["nftables"]
        counters = [each["counter"] for each in listing if "counter" in each]
        return Counter({each["name"].removeprefix("s_"): each["packets"] for each in counters})

    def remembered(self, connection: Connection, port: int) -> list[str]:
        """The type that conntrack has for a connection from `port`; nothing where it has none."""
        ends = f"dst={connection.address} sport={port} dport={connection.port} "
        tool = ["conntrack", "-L"] if shutil.which("conntrack") else ["cat", "/proc/net/nf_conntrack"]
        for line in run([*self.prefix, *tool]).splitlines():
            if connection.protocol in line and ends in line and (context := re.search(r"secctx=(\S+)", line)):
                return [context[1].split(":")[2]]
        return []

    def remove(self) -> None:
        """Take it away, if it is there; its sockets and processes must be gone."""
        subprocess.run(["ip", "netns", "delete", self.name], stderr=subprocess.DEVNULL)


def _setns(descriptor: int) -> None:
    if _libc.setns(descriptor, _CLONE_NEWNET):
        number = ctypes.get_errno()
        raise OSError(number, f"cannot enter a network namespace: {os.strerror(number)}")


@dataclass(frozen=True)
class Connection:
    """One connection of the story, from a host to a service at an address."""

    client: Host
    server: Host
    address: str
    protocol: str
    port: int

    def make(self) -> int:
        """Open it, say something each way, close it; the client's port."""
        kind = socket.SOCK_STREAM if self.protocol == "tcp" else socket.SOCK_DGRAM
        with contextlib.ExitStack() as open_:
            with self.server.inside():
                service = open_.enter_context(socket.socket(socket.AF_INET, kind))
            with self.client.inside():
                client = open_.enter_context(socket.socket(socket.AF_INET, kind))
            service.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            service.settimeout(_SECONDS)
            client.settimeout(_SECONDS)
            service.bind((self.address, self.port))
            if kind == socket.SOCK_STREAM:
                service.listen()
            client.connect((self.address, self.port))
            own_port: int = client.getsockname()[1]
            if kind == socket.SOCK_STREAM:
                accepted = open_.enter_context(service.accept()[0])
                accepted.settimeout(_SECONDS)
                client.sendall(b"question")
                accepted.recv(100)
                accepted.sendall(b"answer")
                client.recv(100)
                client.close()
                accepted.recv(100)
            else:
                client.send(b"question")
                _, sender = service.recvfrom(100)
                service.sendto(b"answer", sender)
                client.recv(100)
            return own_port


class Service:
    """secmarkd, running on a host as a process of its own; `lines` is what it has told the journal."""

    def __init__(self, host: Host, arguments: Sequence[str]) -> None:
        self.lines: list[str] = []
        self._ended = False
        self._news = threading.Condition()
        with host.inside():
            # A session of its own, so that Ctrl-C reaches the demonstration alone, which then stops it in order.
            self._process = subprocess.Popen(
                [sys.executable, "-m", "secmarkd.programs.secmarkd", *arguments],
                stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT, start_new_session=True,
            )  # fmt: skip
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            with self._news:
                self.lines.append(line.rstrip())
                self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()

    def wait_for(self, words: str, since: int = 0) -> bool:
        """Whether a line from number `since` on has the words; waits for it, but not for a service that has ended."""

        def said() -> bool:
            return any(words in line for line in self.lines[since:])

        with self._news:
            self._news.wait_for(lambda: said() or self._ended, timeout=_SECONDS)
            return said()

    def stop(self) -> int:
        """End it as systemd does, by SIGTERM; its exit code. Killed when it does not obey, which is -9."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
        code = self._process.wait()
        self._reader.join(_SECONDS)
        return code
