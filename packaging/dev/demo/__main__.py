# SPDX-License-Identifier: GPL-2.0-or-later
"""`make run`: secmarkd's main job, shown for real and checked, in network namespaces of its own.

The service starts with the shipped label map; real connections get their labels; somebody changes the rules with nft, and
the service says so and repairs them; the service stops. On a terminal it waits for Enter between steps. Exit code 0
when everything was as it says, else 1. Nothing outside of its namespaces is touched, and nothing is left behind.

    packaging/dev/demo [--rehearse]      (--rehearse: count packets instead of labelling them, also where SELinux is active)
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn

from stage import REPOSITORY, TABLE, Broken, Connection, Host, Service, run

HOST, PEER = "192.0.2.1", "192.0.2.2"


class Demo:
    """The story, step by step. `wrong` has what was not as it says."""

    def __init__(self, folder: Path, host: Host, peer: Host, label: bool) -> None:
        self.wrong: list[str] = []
        self._folder, self._host, self._peer, self._label = folder, host, peer, label
        self._waits = sys.stdin.isatty() and sys.stdout.isatty()
        self._bold = "\x1b[1m{}\x1b[0m" if sys.stdout.isatty() and not os.environ.get("NO_COLOR") else "{}"
        self._step = 0
        self._arguments = [
            "--config-dir",
            str(REPOSITORY / "config"),
            "--config-dir",
            str(folder),
            "--runtime-dir",
            str(folder / "run"),
        ]

    # --- the story ---

    def play(self, stack: contextlib.ExitStack) -> None:
        """Everything from the service's start to its stop. `stack` stops it when this is cut short."""
        self._head("The service starts with the shipped label map")
        self._type([*self._host.prefix, "secmarkd", *self._arguments])
        service = Service(self._host, self._arguments)
        stack.callback(service.stop)
        self._check(
            service.wait_for("in sync: "),
            "it is ready: the rules were read back from the kernel and are as configured",
        )
        self._journal(service, 0)
        if self.wrong:
            return
        self._tool(["status", "--runtime-dir", str(self._folder / "run")])
        if self._waits:
            print("\nIn another terminal, as root, this is a shell on that host: " + shlex.join(self._host.prefix))

        self._head("Real connections get their labels")
        self._connections()

        intact = self._host.rules()
        for title, command, found in (
            ("deletes the entry of ssh", f"delete element {TABLE} server_port {{ tcp . 22 }}", "element missing"),
            ("flushes a chain", f"flush chain {TABLE} input", "rule missing"),
            ("deletes the whole table", f"delete table {TABLE}", "table missing"),
        ):
            self._head(f"Somebody {title}")
            self._tamper(service, command, found, intact)
        self._connection(Connection(self._peer, self._host, HOST, "tcp", 22), ["ssh_server_packet_t"])

        self._head("The service stops; what happens to the labels is a setting")
        since = len(service.lines)
        self._check(service.stop() == 0, "it ended in order (systemctl stop)")
        self._journal(service, since)
        self._check(self._host.rules() == intact, 'the labels are still there: on_stop = "keep" is the default')
        self._tool(["clear", "--runtime-dir", str(self._folder / "run")])
        self._check(self._host.rules() is None, "and now they are gone")

    def _connections(self) -> None:
        host, peer = self._host, self._peer
        print(
            f"{'connection':<28} {'label of its packets on the host':<54} {'' if self._label else 'packets'}".rstrip()
        )
        self._connection(Connection(peer, host, HOST, "tcp", 22), ["ssh_server_packet_t"])
        self._connection(Connection(peer, host, HOST, "tcp", 80), ["http_server_packet_t"])
        self._connection(Connection(peer, host, HOST, "udp", 53), ["dns_server_packet_t"])
        self._connection(Connection(peer, host, HOST, "tcp", 5432), ["postgresql_server_packet_t"])
        self._connection(Connection(peer, host, HOST, "tcp", 12345), ["server_packet_t"])
        self._connection(Connection(host, peer, PEER, "tcp", 443), ["http_client_packet_t"])
        self._connection(Connection(host, peer, PEER, "udp", 123), ["ntp_client_packet_t"])
        both = ["postgresql_client_packet_t", "postgresql_server_packet_t"]
        self._connection(Connection(host, host, "127.0.0.1", "tcp", 5432), both)
        print("Nothing names port 12345: it has the default. Over loopback, both ends are on this host.")

    def _connection(self, connection: Connection, expected: list[str]) -> None:
        before = Counter[str]() if self._label else self._host.counters()
        port = connection.make()
        if self._label:
            # conntrack remembers one label of a connection: over loopback the client's.
            found = Counter(self._host.remembered(connection, port))
            expected = expected[:1]
        else:
            found = self._host.counters() - before
        client, server = ("host" if each is self._host else "peer" for each in (connection.client, connection.server))
        labels, counts = ", ".join(sorted(found)), " + ".join(str(found[each]) for each in sorted(found))
        what = f"{client} -> {server}   {connection.protocol} {connection.port}"
        print(f"{what:<28} {labels:<54} {'' if self._label else counts}".rstrip())
        if sorted(found) != sorted(expected):
            self._check(False, f"the label should be {', '.join(expected)}")

    def _tamper(self, service: Service, command: str, found: str, intact: list[str] | None) -> None:
        since = len(service.lines)
        self._type([*self._host.prefix, "nft", command])
        run([*self._host.prefix, "nft", command])
        noticed = service.wait_for(found, since)
        repaired = noticed and service.wait_for("repaired: ", since)
        self._journal(service, since)
        self._check(noticed, "the service noticed")
        self._check(repaired and self._host.rules() == intact, "and repaired it: the rules are what they were")

    # --- telling ---

    def _head(self, text: str) -> None:
        if self._waits and self._step:
            input("\nEnter goes on, Ctrl-C ends it. ")
        self._step += 1
        print("\n" + self._bold.format(f"{self._step}. {text}"))

    def _type(self, argv: Sequence[str]) -> None:
        """Show a command."""
        print("$ " + shlex.join(argv), flush=True)

    def _tool(self, arguments: Sequence[str]) -> None:
        """Show and run secmarkctl on the host."""
        self._type([*self._host.prefix, "secmarkctl", *arguments])
        print(
            run([*self._host.prefix, sys.executable, "-m", "secmarkd.programs.secmarkctl", *arguments]),
            end="",
            flush=True,
        )

    def _journal(self, service: Service, since: int) -> None:
        for line in service.lines[since:]:
            print("  | " + line)

    def _check(self, right: bool, text: str) -> None:
        print(("ok: " if right else "NOT SO: ") + text, flush=True)
        if not right:
            self.wrong.append(text)


def play(label: bool) -> list[str]:
    """Set the stage, play, clear the stage; what was not as the story says."""
    with contextlib.ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="secmarkd-demo-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        mode = "label" if label else "rehearse"
        (folder / "secmarkd.toml").write_text(f'mode = "{mode}"\nresync = "1s"\n')
        host, peer = Host(f"secmarkd-{os.getpid()}"), Host(f"peer-{os.getpid()}")
        for each in (host, peer):
            stack.callback(each.remove)
            each.make()
        host.join(peer, HOST, PEER)
        demo = Demo(folder, host, peer, label)
        demo.play(stack)
        return demo.wrong


def choose(arguments: Sequence[str]) -> bool:
    """Whether to label, with a word on why."""
    from secmarkd.adapters.selinux.selinuxfs import SelinuxFs

    if os.geteuid():
        raise Broken("network namespaces need root", "run it as root: sudo make run")
    if "--rehearse" in arguments:
        print("Rehearsing, as asked: packets are counted under the label that they would get.")
        return False
    if not SelinuxFs().state().active:
        print(
            'Rehearsing (mode = "rehearse"), because SELinux is not active on this machine: packets are counted under'
        )
        print("the label that they would get, and none is labelled.")
        return False
    print(
        'Labelling (mode = "label"), because SELinux is active on this machine. Until this ends SELinux checks packets on'
    )
    print("the whole machine, not only those of this demonstration; `packaging/dev/demo --rehearse` only counts.")
    return True


def _end(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001
    sys.exit(128 + number)


def main(arguments: Sequence[str]) -> int:
    """Play; the exit code."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)
    try:
        wrong = play(choose(arguments))
    except Broken as error:
        print(f"error: {error}" + (f"\nhint: {error.hint}" if error.hint else ""), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nended; everything is cleaned up", file=sys.stderr)
        return 130
    print(
        f"\nNot as it should be: {'; '.join(wrong)}."
        if wrong
        else "\nEverything was as it should be. All is cleaned up."
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
