# SPDX-License-Identifier: GPL-2.0-or-later
"""A program with sockets that does what it is told, one step at a time; see talking.py.

`talker.py PATH UID GID` listens on the UNIX socket PATH, becomes user UID and group GID and goes on in the background. A
connection to PATH carries one request, a JSON object with `op` and its arguments, and gets one answer, a text: what was
asked for, `ok`, `timeout`, `closed`, or the name of the errno. Its sockets stay open between requests, under the names that
requests give.

`talker.py --spawner PATH` listens on PATH for requests to have such programs: `path`, `uid`, `gid`, `domain` (an SELinux
type) and `netns`. Each is a child that goes into its namespace and its domain by itself, so that no interpreter has to
start, which takes half a second under emulation. The answer is `ok`, or what went wrong.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import os
import signal
import socket
import sys
import threading
from typing import Any

KINDS = {
    "tcp": (socket.SOCK_STREAM, 0),
    "udp": (socket.SOCK_DGRAM, 0),
    "sctp": (socket.SOCK_STREAM, socket.IPPROTO_SCTP),
    "dccp": (6, 33),  # SOCK_DCCP, IPPROTO_DCCP
}
MESSAGE = b"x" * 100
CONTEXT = "/proc/self/attr/current"
CLONE_NEWNET = 0x40000000


class Talker:
    """The requests, by name of `op`."""

    def __init__(self) -> None:
        self._sockets: dict[str, socket.socket] = {}
        self._senders: dict[str, Any] = {}
        self._rounds = 0
        self._round = threading.Condition()
        self._trouble = ""
        self._flooding = True

    def answer(self, request: dict[str, Any]) -> str:
        operation = getattr(self, f"do_{request.pop('op')}")
        try:
            return str(operation(**request) or "ok")
        except TimeoutError:
            return "timeout"
        except OSError as error:
            return errno.errorcode.get(error.errno or 0, str(error))

    def do_listen(self, name: str, kind: str, host: str, port: int, device: str) -> str:
        """A listening or receiving socket, bound to an interface where one is given; the answer is its port."""
        made = self._sockets[name] = _socket(kind, host)
        if device:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
        made.bind((host, port))
        if kind != "udp":
            made.listen()
        return str(made.getsockname()[1])

    def do_connect(self, name: str, kind: str, host: str, port: int, seconds: float, source: int, device: str) -> str:
        """From a port, and over an interface, where they are given."""
        made = self._sockets[name] = _socket(kind, host)
        if device:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
        if source:
            made.bind(("", source))
        made.settimeout(seconds)
        made.connect((host, port))
        return "ok"

    def do_accept(self, name: str, listener: str, seconds: float) -> None:
        self._sockets[listener].settimeout(seconds)
        self._sockets[name], _ = self._sockets[listener].accept()

    def do_send(self, name: str, text: str, host: str = "", port: int = 0) -> None:
        """To `host` and `port` from an unconnected socket."""
        if host:
            self._sockets[name].sendto(text.encode(), (host, port))
        else:
            self._sockets[name].sendall(text.encode())

    def do_receive(self, name: str, seconds: float) -> str:
        self._sockets[name].settimeout(seconds)
        data, self._senders[name] = self._sockets[name].recvfrom(1000)
        return data.decode() or "closed"

    def do_reply(self, name: str, text: str) -> None:
        """To whoever sent what was last received."""
        self._sockets[name].sendto(text.encode(), self._senders[name])

    def do_close(self, name: str) -> None:
        self._sockets.pop(name).close()

    def do_echo(self, name: str) -> None:
        """Serve a listening socket for good, in the background."""
        self._sockets[name].settimeout(None)
        threading.Thread(target=self._accept, args=(self._sockets[name],), daemon=True).start()

    def do_flood(self, host: str, port: int, again: bool) -> None:
        """Talk with an echo in the background: `again` and again in new connections, or in one."""
        threading.Thread(target=self._flood, args=(host, port, again), daemon=True).start()

    def do_rounds(self) -> str:
        """How often the flood's message came back, and what went wrong, if anything."""
        return f"{self._rounds} {self._trouble}".strip()

    def do_more(self, rounds: int, seconds: float) -> str:
        """Wait for so many more rounds of the flood; as `rounds`, or `timeout`."""
        with self._round:
            wanted = self._rounds + rounds
            if not self._round.wait_for(lambda: self._rounds >= wanted or self._trouble, seconds):
                raise TimeoutError
        return self.do_rounds()

    def do_end(self) -> None:
        """End, with all sockets; there is no answer."""
        os._exit(0)

    def do_settle(self) -> str:
        """End the flood; as `rounds`."""
        self._flooding = False
        return self.do_rounds()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=_echo, args=(connection,), daemon=True).start()

    def _flood(self, host: str, port: int, again: bool) -> None:
        try:
            while self._flooding:
                with _socket("tcp", host) as connection:
                    connection.settimeout(60)
                    connection.connect((host, port))
                    self._talk(connection, again)
        except OSError as error:
            with self._round:
                self._trouble = str(error)
                self._round.notify_all()

    def _talk(self, connection: socket.socket, once: bool) -> None:
        while self._flooding:
            connection.sendall(MESSAGE)
            rest = len(MESSAGE)
            while rest:
                part = connection.recv(rest)
                if not part:
                    raise ConnectionResetError("closed")
                rest -= len(part)
            with self._round:
                self._rounds += 1
                self._round.notify_all()
            if once:
                return


def _socket(kind: str, host: str) -> socket.socket:
    made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, *KINDS[kind])
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if ":" in host:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    return made


def _echo(connection: socket.socket) -> None:
    with connection, contextlib.suppress(OSError):
        while data := connection.recv(1000):
            connection.sendall(data)


def listening(path: str) -> socket.socket:
    """For requests. OSError when there is one."""
    control = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    control.bind(path)
    control.listen()
    return control


def detach() -> None:
    """Go on in the background; the parent is left to end or to go on."""
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(null, number)


def serve(control: socket.socket, uid: int, gid: int) -> None:
    """Answer for good, as that user and group."""
    if uid or gid:
        os.setgroups([])
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
    talker = Talker()
    while True:
        asker, _ = control.accept()
        with asker, asker.makefile("rw") as stream, contextlib.suppress(BrokenPipeError):
            stream.write(talker.answer(json.loads(stream.read())))


def settle(path: str, domain: str, netns: str) -> socket.socket:
    """Listen there, and then go into the namespace (a name of `ip netns`, or "") and the domain. OSError."""
    control = listening(path)
    if netns:
        with open(f"/run/netns/{netns}") as namespace:
            if ctypes.CDLL(None).setns(namespace.fileno(), CLONE_NEWNET):
                raise OSError(f"cannot enter {netns}")
    with open(CONTEXT) as context:
        user, role, mine, level = context.read().rstrip("\0\n").split(":", 3)
    if mine != domain:
        with open(CONTEXT, "w") as context:
            context.write(f"{user}:{role}:{domain}:{level}")
    return control


def spawn(spawner: socket.socket, asker: socket.socket, request: dict[str, Any]) -> None:
    """A child that answers as asked, and tells the asker when it is ready."""
    if os.fork():
        return
    spawner.close()
    try:
        control = settle(request["path"], request["domain"], request["netns"])
    except OSError as error:
        asker.sendall(str(error).encode())
        os._exit(1)
    detach()
    asker.sendall(b"ok")
    asker.shutdown(socket.SHUT_RDWR)
    serve(control, request["uid"], request["gid"])


def run_spawner(path: str) -> None:
    """Spawn programs for good."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    control = listening(path)
    if os.fork():
        os._exit(0)
    detach()
    while True:
        asker, _ = control.accept()
        with asker, asker.makefile("rb") as stream:
            spawn(control, asker, json.loads(stream.read()))


def main(path: str, uid: int, gid: int) -> None:
    """Be a program on its own."""
    control = listening(path)
    if os.fork():
        os._exit(0)
    detach()
    serve(control, uid, gid)


if __name__ == "__main__":
    if sys.argv[1] == "--spawner":
        run_spawner(sys.argv[2])
    else:
        main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
