# SPDX-License-Identifier: GPL-2.0-or-later
"""The agent inside the test machine: carries out requests that arrive over a virtio-serial port.

Runs as root in the unconfined SELinux context, with the guest's Python and nothing but the standard library.
The port is no network, so that it stays usable when packets are denied.

A frame is two big-endian 32-bit lengths, a JSON header and a raw payload. Requests carry an `id`, and the reply to a
request carries the same `id`; replies come in the order in which the work ends. Requests:

- `hello`: `now` (seconds since the epoch) sets the clock, the payload feeds the random pool, the audit position moves to
  the end of the log; then as `clock` with "tsc". The first request after every restore.
- `clock`: `source` is what the kernel takes the time from: "tsc", or "hpet" while a state is saved.
- `run`: `cmd` for `/bin/bash -c`, `limit` in seconds or null, the payload as standard input.
  The reply has `rc` (negative: the signal), `timed_out`, `out` (how much of the payload is standard output).
- `kill`: sends `signal` to the process group of the request `target`.
- `ask`: the payload to the UNIX socket `path`; the reply's payload is the answer. Costs no process, which under emulation
  take a tenth of a second each. OSError's text as the error, also after `limit` seconds.
- `audit`: the reply's payload is what the audit log gained since the last `audit` or `hello`.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import selectors
import signal
import socket
import struct
import subprocess
import threading
import time
from typing import IO, Any

CLOCK_SOURCE = "/sys/devices/system/clocksource/clocksource0/current_clocksource"
PORT = "/dev/virtio-ports/org.secmarkd.agent"
AUDIT_LOG = "/var/log/audit/audit.log"
LENGTHS = struct.Struct("!II")
RNDADDENTROPY = 0x40085203  # linux/random.h: credit the bytes that follow
RNDRESEEDCRNG = 0x5207
HOST_AWAY_SECONDS = 0.02
AUDIT_SECONDS = 30.0
AUDIT_POLL_SECONDS = 0.01
CHUNK = 65536
NETLINK_AUDIT = 9
NETLINK_HEAD = struct.Struct("=IHHII")
AUDIT_USER = 1005  # linux/audit.h
REQUEST, ACKNOWLEDGE = 1, 4

ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "USER": "root",
    "LOGNAME": "root",
    "SHELL": "/bin/bash",
    "LANG": "C.UTF-8",
    "TERM": "dumb",
}

Header = dict[str, Any]


class HostGone(Exception):
    """The host closed its end: whatever was half received is void."""


class Port:
    """The virtio-serial port as a stream of frames; replies may come from any thread."""

    def __init__(self, path: str) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        self._writing = threading.Lock()

    def _exactly(self, count: int) -> bytes:
        parts: list[bytes] = []
        while count:
            part = os.read(self._fd, min(count, CHUNK))
            if not part:
                raise HostGone
            parts.append(part)
            count -= len(part)
        return b"".join(parts)

    def receive(self) -> tuple[Header, bytes]:
        """The next request; HostGone when the host is not connected or left half-way."""
        header_length, payload_length = LENGTHS.unpack(self._exactly(LENGTHS.size))
        header: Header = json.loads(self._exactly(header_length))
        return header, self._exactly(payload_length)

    def send(self, header: Header, payload: bytes = b"") -> None:
        text = json.dumps(header).encode()
        rest = memoryview(LENGTHS.pack(len(text), len(payload)) + text + payload)
        with self._writing:
            while rest:
                rest = rest[os.write(self._fd, rest[:CHUNK]) :]


class Audit:
    """Reads the audit log from where it was read last."""

    def __init__(self) -> None:
        self._position = 0
        self._marks = 0

    def skip(self) -> None:
        try:
            self._position = os.stat(AUDIT_LOG).st_size
        except FileNotFoundError:
            self._position = 0

    def news(self) -> bytes:
        """All that was recorded up to now: a mark of ours, sent through the kernel's queue, shows when it is there."""
        self._marks += 1
        mark = f"secmarkd-vm-mark-{time.time_ns()}-{self._marks}"
        record(mark)
        until = time.monotonic() + AUDIT_SECONDS
        with open(AUDIT_LOG, "rb") as log:
            log.seek(self._position)
            text = b""
            while mark.encode() not in text:
                if time.monotonic() > until:
                    raise TimeoutError("the audit mark never reached the log: is auditd running?")
                if more := log.read():
                    text += more
                else:
                    time.sleep(AUDIT_POLL_SECONDS)
            text += log.readline() if not text.endswith(b"\n") else b""
        self._position += len(text)
        return text


def record(text: str) -> None:
    """Send a text to the audit log, as `auditctl -m` does. OSError when the kernel does not take it."""
    payload = text.encode() + b"\0"
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_AUDIT) as kernel:
        head = NETLINK_HEAD.pack(NETLINK_HEAD.size + len(payload), AUDIT_USER, REQUEST | ACKNOWLEDGE, 1, 0)
        kernel.send(head + payload)
        answer = kernel.recv(CHUNK)
        (number,) = struct.unpack_from("=i", answer, NETLINK_HEAD.size)
        if number:
            raise OSError(-number, os.strerror(-number))


def ask(path: str, question: bytes, limit: float) -> bytes:
    """Send a question to a UNIX socket and read the answer to its end. OSError, TimeoutError."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(limit)
        connection.connect(path)
        connection.sendall(question)
        connection.shutdown(socket.SHUT_WR)
        parts = []
        while part := connection.recv(CHUNK):
            parts.append(part)
        return b"".join(parts)


class Command:
    """One command and what it has said so far."""

    def __init__(self, cmd: str) -> None:
        self.process = subprocess.Popen(
            ["/bin/bash", "-c", cmd],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd="/root",
            env=ENVIRONMENT,
            start_new_session=True,
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self._stdin = self.process.stdin
        self._texts: dict[IO[bytes], bytearray] = {self.process.stdout: bytearray(), self.process.stderr: bytearray()}
        self._selector = selectors.DefaultSelector()

    def signal(self, number: int) -> None:
        """Signal its process group, if there is one."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)

    def converse(self, stdin: bytes, limit: float | None) -> tuple[bool, bytes, bytes]:
        """Feed and read it until it ends, not until its pipes close: a daemon it left behind may hold those.

        After `limit` seconds its process group is killed. Returns whether that happened, stdout and stderr.
        """
        pidfd = os.pidfd_open(self.process.pid)
        with self._selector:
            self._register(pidfd, stdin)
            timed_out = self._until_end(pidfd, memoryview(stdin), limit)
        os.close(pidfd)
        self.process.wait()
        for pipe, text in self._texts.items():
            while drain(pipe, text):
                pass
            pipe.close()
        self._close_stdin()
        out, err = self._texts.values()
        return timed_out, bytes(out), bytes(err)

    def _register(self, pidfd: int, stdin: bytes) -> None:
        self._selector.register(pidfd, selectors.EVENT_READ)
        for pipe in self._texts:
            os.set_blocking(pipe.fileno(), False)
            self._selector.register(pipe, selectors.EVENT_READ)
        os.set_blocking(self._stdin.fileno(), False)
        if stdin:
            self._selector.register(self._stdin, selectors.EVENT_WRITE)
        else:
            self._close_stdin()

    def _until_end(self, pidfd: int, rest: memoryview, limit: float | None) -> bool:
        until = None if limit is None else time.monotonic() + limit
        timed_out = False
        while True:
            ready = self._selector.select(None if until is None else max(0.0, until - time.monotonic()))
            if until is not None and time.monotonic() >= until:
                timed_out, until = True, None
                self.signal(signal.SIGKILL)
            for key, _ in ready:
                if key.fileobj == pidfd:
                    return timed_out
                if key.fileobj is self._stdin:
                    rest = feed(self._stdin, rest)
                    if not rest:
                        self._selector.unregister(self._stdin)
                        self._close_stdin()
                else:
                    self._read(key.fileobj)

    def _read(self, source: object) -> None:
        for pipe, text in self._texts.items():
            if pipe is source and not drain(pipe, text):
                self._selector.unregister(pipe)

    def _close_stdin(self) -> None:
        with contextlib.suppress(BrokenPipeError):
            self._stdin.close()


def feed(pipe: IO[bytes], rest: memoryview) -> memoryview:
    """Write what fits; what is left, nothing when the reader is gone."""
    try:
        return rest[os.write(pipe.fileno(), rest[:CHUNK]) :]
    except BlockingIOError:
        return rest
    except BrokenPipeError:
        return rest[:0]


def drain(pipe: IO[bytes], text: bytearray) -> int:
    """Read one chunk into `text`; its length, 0 at the end of the stream or when nothing is there."""
    try:
        part = os.read(pipe.fileno(), CHUNK)
    except BlockingIOError:
        return 0
    text += part
    return len(part)


class Agent:
    """Dispatches requests; each has a thread of its own."""

    def __init__(self, port: Port) -> None:
        self._port = port
        self._audit = Audit()
        self._running: dict[int, Command] = {}

    def serve(self) -> None:
        """For ever."""
        while True:
            try:
                header, payload = self._port.receive()
            except HostGone:
                time.sleep(HOST_AWAY_SECONDS)
                continue
            if header["op"] == "run":
                # here, not in the thread: a request to kill it may be the next
                self._running[header["id"]] = Command(header["cmd"])
            threading.Thread(target=self._answer, args=(header, payload), daemon=True).start()

    def _answer(self, header: Header, payload: bytes) -> None:
        reply: Header = {"id": header["id"]}
        result = b""
        try:
            match header["op"]:
                case "hello":
                    self._hello(header["now"], payload)
                case "clock":
                    _take_time_from(header["source"])
                case "run":
                    command = self._running[header["id"]]
                    timed_out, out, err = command.converse(payload, header["limit"])
                    del self._running[header["id"]]
                    reply.update(rc=command.process.returncode, timed_out=timed_out, out=len(out))
                    result = out + err
                case "kill":
                    if target := self._running.get(header["target"]):
                        target.signal(header["signal"])
                case "ask":
                    result = ask(header["path"], payload, header["limit"])
                case "audit":
                    result = self._audit.news()
                case other:
                    raise ValueError(f"unknown request {other!r}")
        except Exception as error:
            reply["error"] = f"{type(error).__name__}: {error}"
        self._port.send(reply, result)

    def _hello(self, now: float, entropy: bytes) -> None:
        _take_time_from("tsc")
        time.clock_settime(time.CLOCK_REALTIME, now)
        with open("/dev/random", "wb", buffering=0) as pool:
            fcntl.ioctl(pool, RNDADDENTROPY, struct.pack("ii", 8 * len(entropy), len(entropy)) + entropy)
            fcntl.ioctl(pool, RNDRESEEDCRNG)
        self._audit.skip()


def _take_time_from(source: str) -> None:
    with open(CLOCK_SOURCE, "w") as file:
        file.write(source)


if __name__ == "__main__":
    Agent(Port(PORT)).serve()
