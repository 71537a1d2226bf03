# SPDX-License-Identifier: GPL-2.0-or-later
"""Starting one QEMU and talking to its monitor.

The arguments are the same when the image is built and when it is used: a saved machine state loads only into the same
virtual hardware. Emulation, not KVM: /dev/kvm opens on the development machines, but guests abort or hang there.
"""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

QEMU = "qemu-system-x86_64"
AGENT_PORT = "org.secmarkd.agent"
SHELL_PORT = "org.secmarkd.shell"
READY = "ready"  # the name of the saved state that every image has

# -cx16: without it a guest kernel died of a mis-emulated cmpxchg16b (QEMU 7.2).
HARDWARE = (
    "-nodefaults -no-user-config -display none -vga none -nic none "
    "-machine pc -accel tcg,thread=multi,tb-size=512 -cpu max,-cx16 -smp 2 "
    "-rtc base=utc -no-reboot"
).split()

SAVED_CLOCK = "hpet"
"""What the kernel has to take the time from in a state that is saved. QEMU never lets the TSC go back (cpu_get_ticks), not
even to a loaded state's: by it all time since the state was saved would pass in the machine at once, and watchdogs run out.
The HPET follows QEMU's virtual clock; but reading it takes long."""

KERNEL_ARGUMENTS = (
    "root=/dev/vda rw rootfstype=ext4 console=ttyS0 quiet mitigations=off nowatchdog "
    "security=selinux selinux=1 enforcing=0 audit=1 audit_backlog_limit=8192 tsc=reliable "
    "systemd.show_status=no"
)

CONNECT_SECONDS = 60.0
MONITOR_SECONDS = 300.0  # no command takes long, but a busy host may: this only keeps a hung QEMU from hanging us


class QemuError(Exception):
    """QEMU ended, did not answer or refused a command; the text says which, with the end of its log."""


class Monitor:
    """A QMP connection. Commands may come from several threads; they are answered one at a time."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        connection.settimeout(MONITOR_SECONDS)
        self._lines = connection.makefile("rb")
        self._lock = threading.Lock()
        self._read()
        self.execute("qmp_capabilities")

    def _read(self) -> dict[str, Any]:
        line = self._lines.readline()
        if not line:
            raise QemuError("QEMU closed its monitor")
        message: dict[str, Any] = json.loads(line)
        return message

    def execute(self, command: str, **arguments: Any) -> Any:
        """The command's result; QemuError when it fails. Events that arrive meanwhile are dropped."""
        with self._lock:
            self._socket.sendall(json.dumps({"execute": command, "arguments": arguments}).encode())
            while True:
                message = self._read()
                if "error" in message:
                    raise QemuError(f"{command}: {message['error']['desc']}")
                if "return" in message:
                    return message["return"]

    def human(self, line: str) -> None:
        """A command of the human monitor that is silent when it succeeds, such as savevm and loadvm."""
        if said := self.execute("human-monitor-command", **{"command-line": line}):
            raise QemuError(f"{line}: {said.strip()}")

    def close(self) -> None:
        self._lines.close()
        self._socket.close()


class Qemu:
    """One running QEMU; it dies with the thread that started it (so start it in the main thread).

    `disk` is the qcow2 overlay it writes to, above the raw root file system; `folder` holds sockets and logs.
    `memory` is in MiB. With `load`, the machine starts in that saved state. The monitor is ready when this returns.
    """

    def __init__(self, folder: Path, image: Path, disk: Path, *, memory: int, load: str | None = None) -> None:
        self.folder = folder
        self.agent_socket = folder / "agent"
        self.shell_socket = folder / "shell"
        monitor_socket = folder / "monitor"
        command = [
            *("setpriv", "--pdeathsig", "KILL", "--", QEMU, *HARDWARE, "-m", str(memory)),
            *("-kernel", str(image / "vmlinuz"), "-initrd", str(image / "initrd"), "-append", KERNEL_ARGUMENTS),
            *(
                "-blockdev",
                f"driver=file,node-name=base-file,filename={escaped(image / 'root.img')},read-only=on,locking=off",
            ),
            *("-blockdev", "driver=raw,node-name=base,file=base-file,read-only=on"),
            *("-blockdev", f"driver=file,node-name=disk-file,filename={escaped(disk)},cache.no-flush=on"),
            *("-blockdev", "driver=qcow2,node-name=disk,file=disk-file,backing=base,cache.no-flush=on"),
            *("-device", "virtio-blk-pci,drive=disk"),
            *("-serial", f"file:{escaped(folder / 'console')}"),
            *("-device", "virtio-serial-pci"),
            *("-chardev", f"socket,id=agent,path={escaped(self.agent_socket)},server=on,wait=off"),
            *("-device", f"virtserialport,chardev=agent,name={AGENT_PORT}"),
            *("-chardev", f"socket,id=shell,path={escaped(self.shell_socket)},server=on,wait=off"),
            *("-device", f"virtserialport,chardev=shell,name={SHELL_PORT}"),
            *("-qmp", f"unix:{escaped(monitor_socket)},server=on,wait=off"),
            *(("-loadvm", load) if load else ()),
        ]
        self._log = folder / "qemu.log"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )
        try:
            self.monitor = Monitor(self.connect(monitor_socket))
        except BaseException:
            self.kill()
            raise

    def connect(self, path: Path) -> socket.socket:
        """A connection to one of QEMU's sockets, which appear a moment after it starts."""
        until = time.monotonic() + CONNECT_SECONDS
        while True:
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                connection.connect(str(path))
            except (FileNotFoundError, ConnectionRefusedError):
                connection.close()
                self.check_alive()
                if time.monotonic() > until:
                    raise QemuError(
                        f"QEMU did not open {path.name} in {CONNECT_SECONDS:.0f} s; {self.last_words()}"
                    ) from None
                time.sleep(0.02)
            else:
                return connection

    def check_alive(self) -> None:
        if (status := self.process.poll()) is not None:
            raise QemuError(f"QEMU ended with status {status}; {self.last_words()}")

    def last_words(self) -> str:
        """The end of QEMU's own log and of the guest's console, for an error's text."""
        texts = []
        for path in (self._log, self.folder / "console"):
            if path.exists() and (text := path.read_text(errors="replace").strip()):
                texts.append(f"{path.name}: {text[-800:]}")
        return "\n".join(texts) or "it said nothing"

    def stop(self) -> None:
        """End the machine and wait for it; never raises because it was gone already."""
        with contextlib.suppress(QemuError, OSError):
            self.monitor.execute("quit")
        self.monitor.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


def escaped(path: Path) -> str:
    """A path inside one of QEMU's comma-separated arguments."""
    return str(path).replace(",", ",,")


def version() -> str:
    """QEMU's first line about itself: part of an image's key, since another QEMU may not load its saved state."""
    return subprocess.run([QEMU, "--version"], check=True, capture_output=True, text=True).stdout.splitlines()[0]


def run_quiet(command: Sequence[str]) -> str:
    """Run a tool of the host; its standard output, or QemuError with what it said."""
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise QemuError(f"{command[0]} failed: {done.stderr.strip()[-2000:] or done.stdout.strip()[-2000:]}")
    return done.stdout
