# SPDX-License-Identifier: GPL-2.0-or-later
"""A shell in the test machine, with the project's source tree in /root/secmarkd; leaving it ends the machine."""

from __future__ import annotations

import os
import selectors
import shutil
import signal
import sys
import termios
import tty

import image
import qemu
from machine import TREE, Handle, Machine

TTY = "/run/secmarkd-vm-shell"  # holds the name of the shell's terminal, for its size
LOGIN = f"tty >{TTY}; stty rows $ROWS cols $COLUMNS; cd {TREE}; exec /bin/bash -l"


def converse(vm: Machine) -> int:
    """Join the user's terminal and a shell in the machine until that ends; its status."""
    size = shutil.get_terminal_size()
    term = os.environ.get("TERM", "dumb")
    port = f"/dev/virtio-ports/{qemu.SHELL_PORT}"
    connection = vm.shell_connection()
    environment = f"TERM={term} ROWS={size.lines} COLUMNS={size.columns} SHELL=/bin/sh"
    shell = vm.start(f"{environment} script -qfec '{LOGIN}' /dev/null <>{port} >&0")  # one opener at a time
    resized = False

    def on_resize(*_: object) -> None:
        nonlocal resized
        resized = True

    signal.signal(signal.SIGWINCH, on_resize)
    before = termios.tcgetattr(sys.stdin)
    tty.setraw(sys.stdin)
    try:
        with selectors.DefaultSelector() as selector:
            selector.register(sys.stdin, selectors.EVENT_READ)
            selector.register(connection, selectors.EVENT_READ)
            while shell.running:
                for key, _ in selector.select(0.2):
                    if key.fileobj is connection:
                        os.write(sys.stdout.fileno(), connection.recv(65536))
                    else:
                        connection.sendall(os.read(sys.stdin.fileno(), 65536))
                if resized:
                    resized = False
                    resize(vm)
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
        connection.close()
    done = shell.wait(check=False)
    sys.stderr.write(done.err)
    return done.rc


def resize(vm: Machine) -> Handle:
    size = shutil.get_terminal_size()
    return vm.start(f'stty -F "$(cat {TTY})" rows {size.lines} cols {size.columns}')


def main() -> int:
    if not sys.stdin.isatty():
        print("error: the machine's shell needs a terminal on standard input", file=sys.stderr)
        return 2
    if reason := image.missing():
        print(f"error: {reason}", file=sys.stderr)
        return 1
    try:
        with Machine() as vm:
            vm.put_project()
            print("SELinux is permissive here (setenforce 1); exit ends the machine.")
            return converse(vm)
    except (image.ImageError, qemu.QemuError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
