# SPDX-License-Identifier: GPL-2.0-or-later
"""Two ends of a TCP connection for tests: `peer.py serve HOST PORT` and `peer.py connect HOST PORT SECONDS`.

`serve` returns as soon as it listens and goes on in the background: it echoes one message per connection. `connect` sends
one message, awaits its echo and prints one word: `ok`, `timeout`, or the name of the errno (ECONNREFUSED).
"""

import contextlib
import errno
import os
import socket
import sys


def serve(host: str, port: int) -> None:
    listener = socket.create_server((host, port))
    if os.fork():
        os._exit(0)
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(null, number)
    while True:
        connection, _ = listener.accept()
        with connection, contextlib.suppress(OSError):
            connection.settimeout(10)
            connection.sendall(connection.recv(100))


def connect(host: str, port: int, seconds: float) -> str:
    try:
        with socket.create_connection((host, port), timeout=seconds) as connection:
            connection.sendall(b"hello")
            return "ok" if connection.recv(100) == b"hello" else "closed"
    except TimeoutError:
        return "timeout"
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, str(error))


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(sys.argv[2], int(sys.argv[3]))
    else:
        print(connect(sys.argv[2], int(sys.argv[3]), float(sys.argv[4])))
