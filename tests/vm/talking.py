# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs in the machine with sockets that stay open, each in a domain, network namespace and user of its own.

    server, client = Talker(vm, "smd_server_t"), Talker(vm, "smd_client_t")
    server.listen(80)
    client.connect(80)
    server.accept()
    client.send("hello")
    assert server.receive() == "hello"

See guest/talker.py for what answers mean. A restore of the machine ends them, or brings back those of that state.
"""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any

from machine import TREE
from traffic import in_domain

if TYPE_CHECKING:
    from machine import Machine

PROGRAM = f"/usr/bin/python3 -B {TREE}/tests/vm/guest/talker.py"
SPAWNER = "/run/talkers"
"""Where the machine's states have a process that has such programs as children; see guest/talker.py."""
PATIENCE = 20.0
"""Seconds within which what should arrive arrives, on a busy host."""
SILENCE = 2.0
"""Seconds after which what should not arrive counts as lost: longer than TCP's first retransmissions."""

_numbers = itertools.count(1)


class Talker:
    """A program with sockets. `connection` is the name of the socket that a step is about."""

    def __init__(
        self, vm: Machine, domain: str, *, netns: str = "", uid: int = 0, gid: int = 0, prefix: str = ""
    ) -> None:
        """`netns` is a name as `ip netns` has it; `prefix` comes before the command of one that has an interpreter of its
        own, such as systemd-run's."""
        self._vm = vm
        self.domain = domain
        self._path = f"/run/talker-{next(_numbers)}"
        if prefix:
            assert not netns
            vm.run(f"{prefix} {in_domain(domain, f'{PROGRAM} {self._path} {uid} {gid}')}")
            return
        request = {"path": self._path, "uid": uid, "gid": gid, "domain": domain, "netns": netns}
        answer = vm.ask(SPAWNER, json.dumps(request))
        assert answer == "ok", f"no program in {domain}: {answer}"

    def _ask(self, op: str, **arguments: Any) -> str:
        return self._vm.ask(self._path, json.dumps({"op": op, **arguments}), timeout=60 + 2 * PATIENCE)

    def end(self) -> None:
        """End the program; its sockets are closed."""
        assert self._ask("end") == ""

    def listen(
        self, port: int, host: str = "127.0.0.1", kind: str = "tcp", connection: str = "listener", *, device: str = ""
    ) -> int:
        """Bind, to the interface `device` too where one is given, and listen where that is TCP; the port. AssertionError
        when it fails."""
        answer = self._ask("listen", name=connection, kind=kind, host=host, port=port, device=device)
        assert answer.isdigit(), f"{self.domain} cannot listen: {answer}"
        return int(answer)

    def connect(
        self, port: int, host: str = "127.0.0.1", kind: str = "tcp", connection: str = "it", seconds: float = PATIENCE,
        *, source: int = 0, device: str = "",
    ) -> str:  # fmt: skip
        """`ok`, `timeout`, or the name of the errno. From the port `source` and over `device`, where they are given."""
        return self._ask(
            "connect", name=connection, kind=kind, host=host, port=port, seconds=seconds, source=source, device=device
        )

    def accept(self, connection: str = "it", listener: str = "listener", seconds: float = PATIENCE) -> str:
        """`ok` or `timeout`."""
        return self._ask("accept", name=connection, listener=listener, seconds=seconds)

    def send(self, text: str, connection: str = "it", *, to: tuple[str, int] | None = None) -> str:
        """`ok` or the name of the errno; `to` for an unconnected socket."""
        host, port = to or ("", 0)
        return self._ask("send", name=connection, text=text, host=host, port=port)

    def receive(self, connection: str = "it", seconds: float = PATIENCE) -> str:
        """The text, `closed`, `timeout`, or the name of the errno."""
        return self._ask("receive", name=connection, seconds=seconds)

    def reply(self, text: str, connection: str = "listener") -> str:
        """To whoever sent what this unconnected socket last received."""
        return self._ask("reply", name=connection, text=text)

    def close(self, connection: str = "it") -> None:
        """Close a socket."""
        self._ask("close", name=connection)

    def echo(self, listener: str = "listener") -> None:
        """Send back whatever comes, for good."""
        self._ask("echo", name=listener)

    def flood(self, port: int, host: str = "127.0.0.1", *, again: bool) -> None:
        """Talk with an echo without pause: `again` and again in new connections, or in one."""
        self._ask("flood", host=host, port=port, again=again)

    def rounds(self) -> int:
        """How often the flood's message came back. AssertionError when anything went wrong."""
        return self._rounds(self._ask("rounds"))

    def more(self, rounds: int) -> int:
        """Wait for so many more; as `rounds`. AssertionError when they do not come."""
        return self._rounds(self._ask("more", rounds=rounds, seconds=3 * PATIENCE))

    def settle(self) -> int:
        """End the flood; as `rounds`."""
        return self._rounds(self._ask("settle"))

    def _rounds(self, answer: str) -> int:
        number, _, trouble = answer.partition(" ")
        assert number.isdigit(), answer
        assert not trouble, f"after {number} rounds: {trouble}"
        return int(number)


def open_connection(
    server: Talker, client: Talker, port: int, host: str = "127.0.0.1", name: str = "it", kind: str = "tcp",
    *, source: int = 0,
) -> None:  # fmt: skip
    """A connection between the two, called `name` at both ends, from the port `source` if given. AssertionError when it is
    refused."""
    server.listen(port, host, kind, connection=f"{name} listener")
    assert client.connect(port, host, kind, connection=name, source=source) == "ok"
    assert server.accept(connection=name, listener=f"{name} listener") == "ok"


def converse(first: Talker, second: Talker, name: str = "it") -> None:
    """Each says something and the other hears it. AssertionError when not."""
    for speaker, hearer in ((first, second), (second, first)):
        text = f"from {speaker.domain}"
        assert speaker.send(text, name) == "ok"
        assert hearer.receive(name) == text


def hang_up(first: Talker, second: Talker, name: str = "it") -> None:
    """Both close, and `second` saw the end of `first`."""
    first.close(name)
    assert second.receive(name) == "closed"
    second.close(name)


def ends(vm: Machine, *, again: bool = False) -> Talker:
    """A confined client in the middle of an endless conversation with a confined server on port 80, or of one `again` and
    again."""
    if again:  # room for all of them, which conntrack remembers for two minutes
        vm.run("sysctl --quiet net.netfilter.nf_conntrack_max=262144")
    server, client = Talker(vm, "smd_server_t"), Talker(vm, "smd_client_t")
    server.listen(80)
    server.echo()
    client.flood(80, again=again)
    client.more(10)
    return client


def start_spawner(vm: Machine) -> None:
    """Have the machine's state have the process that others are children of; the project's files are in it."""
    vm.run(f"{PROGRAM} --spawner {SPAWNER}")


def inside(netns: str) -> str:
    """What a command begins with to be run in a namespace. (`ip netns exec` would hide /sys/fs/selinux.)"""
    return f"nsenter --net=/run/netns/{netns}"
