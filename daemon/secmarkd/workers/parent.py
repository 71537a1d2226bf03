# SPDX-License-Identifier: GPL-2.0-or-later
"""A child process that answers requests: for work that may crash, hang, or take memory which only an exit gives back.

    parent: with Child(MODULE, "libnftables") as child: answer = child.request(question, deadline=5.0)
    child:  def main() -> None: serve(handler)  # of workers.child

The child is started by the first request and again by the next request after it has ended. It ends with its parent: its
socket closes, and the kernel is asked to kill it when the *thread* that started it ends (PR_SET_PDEATHSIG); so start it
from a thread that lasts. It is of the same version as its parent, or refused (see `version`).
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import time
from types import TracebackType
from typing import Any, NoReturn, Self

from secmarkd.errors import SecmarkdError, WorkerDied, WorkerFailed
from secmarkd.workers import trace, version
from secmarkd.workers.frames import (
    Answer,
    Ended,
    Failed,
    Late,
    Meanwhile,
    Raised,
    receive,
    receive_version,
    send,
    to_frame,
)

_CHUNK = 1 << 16
_STDERR_KEPT = 4096
"""Bytes of what a child last wrote to stderr, for the error message."""
_GRACE = 1.0
"""Seconds for a child to be gone that said it would end, or whose socket closed; then it is killed."""
_OUT_OF_MEMORY = "the kernel kills processes when memory runs out; `journalctl -k` tells whether it did"
_UNWANTED = ("NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")
"""What the service manager means for the parent alone."""
_NOT_FOR_CHILDREN = (signal.SIGHUP, signal.SIGUSR1)
_START = "import sys; sys.path[:] = sys.argv[3:]; import importlib; importlib.import_module(sys.argv[1]).main()"


class _OtherVersion(Exception):
    """The child runs another version of this program."""


class Child:
    """A process that runs `main()` of a module, which calls `serve`. Not for use by several threads at once."""

    def __init__(self, module: str, name: str, *, hint: str = "", memory_hint: str = _OUT_OF_MEMORY) -> None:
        """`name` is what messages call it; `hint` is for the error when it crashes, `memory_hint` when memory ran out."""
        self._module = module
        self._name = name
        self._hint = hint
        self._memory_hint = memory_hint
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._stderr = -1
        self._proven = False
        """Whether the process has said that it is of this version."""
        self._dying: list[subprocess.Popen[bytes]] = []
        self._begun = "", 0.0
        """What was asked with `begin`, and when."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """The process that runs now; None while there is none."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def start(self) -> None:
        """Start it unless it runs, without waiting until it has begun to answer."""
        if self.pid is None:
            self.close()
            self._start()

    def request(
        self, question: object, deadline: float, *, operation: str = "", meanwhile: Meanwhile | None = None
    ) -> Any:
        """The handler's answer; what it raises of ours is raised here. `meanwhile` is called a few times a second until it
        is there.

        WorkerFailed when the child cannot be started, crashes, raises anything else, does not answer within `deadline`
        seconds (it is killed), answers nonsense or is of another version of this program; but for the last it is then not
        known how much of the request it has done. The next request starts another one.
        """
        operation = operation or self._name
        end = time.monotonic() + deadline
        frame = to_frame(question)
        self._start_for(operation)
        self._asked(question, frame)
        with trace.timed("child", f"{self._name}: answered {type(question).__name__}"):
            return self._converse(frame, end, deadline, operation, meanwhile)

    def begin(self, question: object, patience: float = _GRACE, *, operation: str = "") -> int:
        """Send a request whose answer nobody waits for, to a child that is started for it. The descriptor that can be read
        when `finish` or `has_answer` has something to say. WorkerFailed as of `request`, and where a request that is larger
        than a socket's buffer is not taken within `patience` seconds."""
        operation = operation or self._name
        self.close()
        self._start_for(operation)
        assert self._socket is not None
        frame = to_frame(question)
        self._asked(question, frame)
        self._begun = type(question).__name__, time.monotonic()
        try:
            send(self._socket, frame, time.monotonic() + patience)
        except (Late, OSError):
            self._raise_death(operation)
        return self._socket.fileno()

    def has_answer(self) -> bool:
        """Whether `finish` need not wait for what was begun, once the descriptor can be read: the child's version comes
        before its answer."""
        if self._socket is None or self._proven:
            return True
        try:
            self._greet(time.monotonic() + _GRACE)
        except (Ended, Late, OSError, _OtherVersion):
            return True  # finish will say so
        readable = select.poll()
        readable.register(self._socket, select.POLLIN)
        return bool(readable.poll(0))

    def finish(self, deadline: float, *, operation: str = "") -> Any:
        """The answer to what was begun, as of `request`."""
        kind, since = self._begun
        with trace.timed("child", f"{self._name}: answered {kind}", since):
            return self._converse(None, time.monotonic() + deadline, deadline, operation or self._name)

    def _asked(self, question: object, frame: bytes) -> None:
        trace.trace("child", lambda: f"{self._name}: asked {type(question).__name__} ({len(frame):,} bytes)")

    def _start_for(self, operation: str) -> None:
        try:
            self.start()
        except OSError as error:
            raise WorkerFailed(f"{self._name} cannot be started: {error.strerror}", operation=operation) from error

    def _converse(
        self, frame: bytes | None, end: float, deadline: float, operation: str, meanwhile: Meanwhile | None = None
    ) -> Any:
        try:
            reply = self._exchange(frame, end, meanwhile)
        except Late:
            self.close()
            message = f"{self._name} did not answer within {deadline:g} s and was killed"
            raise WorkerFailed(message, operation=operation) from None
        except (Ended, OSError):
            self._raise_death(operation)
        except _OtherVersion:
            self.close()
            message = f"{self._name} is of another version of secmarkd than this process"
            raise WorkerFailed(message, operation=operation, hint=version.RESTART) from None
        except Exception as error:
            self.close()
            raise WorkerFailed(f"{self._name} answered nonsense: {error!r}", operation=operation) from error
        except BaseException:
            self.close()
            raise
        if isinstance(reply, Raised):
            raise _rebuilt(reply)
        if isinstance(reply, Failed):
            self.close()
            raise self._failure(reply, operation)
        if reply.final:
            self._let_end()
        return reply.answer

    def close(self) -> None:
        """End the child at once, whatever it does, and release everything. A later request starts another one."""
        process, connection, stderr = self._process, self._socket, self._stderr
        self._process, self._socket, self._stderr = None, None, -1
        if connection is not None:
            connection.close()
        if stderr >= 0:
            os.close(stderr)
        if process is not None:
            process.kill()
            self._dying.append(process)
        for each in [*self._dying]:
            # A process inside of a large transaction dies when the kernel is done with it, and no sooner.
            with contextlib.suppress(subprocess.TimeoutExpired):
                each.wait(_GRACE if each is process else 0)
                self._dying.remove(each)

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        stderr, stderr_end = os.pipe()
        # Neither end may ever wait for the other: a child that talks too much loses what it says.
        os.set_blocking(stderr, False)
        os.set_blocking(stderr_end, False)
        ours.setblocking(False)
        arguments = [self._module, str(theirs.fileno()), *sys.path]
        environment = {name: value for name, value in os.environ.items() if name not in _UNWANTED}
        # A child never takes what is meant for the service; `systemctl kill` sends it to all processes of a unit.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _NOT_FOR_CHILDREN)
        try:
            self._process = subprocess.Popen(
                [sys.executable, *_interpreter_flags(), "-c", _START, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=None if trace.SWITCH.on else stderr_end,
                pass_fds=(theirs.fileno(),),
                env={**environment, "LC_ALL": "C"},
                start_new_session=True,
            )
            self._socket, self._stderr, self._proven = ours, stderr, False
        except BaseException:
            ours.close()
            os.close(stderr)
            raise
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            theirs.close()
            os.close(stderr_end)

    def _exchange(self, frame: bytes | None, end: float, meanwhile: Meanwhile | None) -> Answer | Raised | Failed:
        connection = self._socket
        assert connection is not None
        self._greet(end, meanwhile)
        if frame is not None:
            send(connection, frame, end, meanwhile)
        reply = receive(connection, end, meanwhile)
        if not isinstance(reply, (Answer, Raised, Failed)):
            raise TypeError(f"a {type(reply).__name__}")
        return reply

    def _greet(self, end: float, meanwhile: Meanwhile | None = None) -> None:
        """Take the child's version, which it says first; _OtherVersion where it is not this process's."""
        assert self._socket is not None
        if not self._proven:
            if not version.is_ours(receive_version(self._socket, end, meanwhile)):
                raise _OtherVersion
            self._proven = True

    def _let_end(self) -> None:
        """Wait for a child that has said it ends."""
        assert self._process is not None
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_GRACE)
        self.close()

    def _failure(self, failed: Failed, operation: str) -> WorkerFailed:
        if failed.out_of_memory:
            return WorkerFailed(f"{self._name} ran out of memory", operation=operation, hint=self._memory_hint)
        error = WorkerFailed(f"{self._name} failed: {failed.summary}", operation=operation)
        trace.trace("child", f"{self._name} failed:\n{failed.trace}")
        return error

    def _raise_death(self, operation: str) -> NoReturn:
        assert self._process is not None
        try:
            status: int | None = self._process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            status = None
        said, upgraded = _last_words(self._stderr), not self._proven and not version.is_ours(version.on_disk())
        self.close()
        out_of_memory = said.startswith("MemoryError")  # while it was still importing
        cause = "ran out of memory" if out_of_memory else _cause(status) + (f": {said}" if said else "")
        message = f"{self._name} {cause}"
        hint = self._memory_hint if out_of_memory or status == -signal.SIGKILL else self._hint
        raise WorkerDied(message, operation=operation, hint=version.RESTART if upgraded else hint)


def _cause(status: int | None) -> str:
    if status is None:
        return "closed its connection"
    if status >= 0:
        return f"ended with status {status}"
    try:
        return f"died of {signal.Signals(-status).name}"
    except ValueError:
        return f"died of signal {-status}"


def _last_words(stderr: int) -> str:
    """The last line that the child wrote to stderr."""
    kept = b""
    with contextlib.suppress(BlockingIOError):
        while chunk := os.read(stderr, _CHUNK):
            kept = (kept + chunk)[-_STDERR_KEPT:]
    lines = kept.decode(errors="replace").strip().splitlines()
    return lines[-1].strip() if lines else ""


def _interpreter_flags() -> list[str]:
    """Options that make the child's interpreter treat its environment as this one does."""
    flags = sys.flags
    options = {"-I": flags.isolated, "-E": flags.ignore_environment, "-s": flags.no_user_site}
    return [option for option, wanted in options.items() if wanted] + ["-O"] * flags.optimize


def _rebuilt(raised: Raised) -> SecmarkdError:
    error = raised.kind.__new__(raised.kind, *raised.arguments)
    error.__dict__.update(raised.state)
    return error
