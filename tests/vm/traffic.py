# SPDX-License-Identifier: GPL-2.0-or-later
"""TCP between programs in chosen domains of the machine; see guest/peer.py."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from machine import Machine

PEER = "/usr/bin/python3 /usr/local/lib/secmarkd-vm/peer.py"


def in_domain(domain: str, command: str) -> str:
    """A shell command that runs `command` in an SELinux type such as smd_client_t."""
    return f"runcon -u unconfined_u -r unconfined_r -t {domain} -- {command}"


def serve(vm: Machine, domain: str, port: int, *, host: str = "127.0.0.1", prefix: str = "") -> None:
    """Listen and echo in the background, until the machine is restored; listening when this returns.

    `prefix` comes before the command, for example `ip netns exec other`.
    """
    vm.run(f"{prefix} {in_domain(domain, f'{PEER} serve {shlex.quote(host)} {port}')}")


def connect(
    vm: Machine, domain: str, port: int, *, host: str = "127.0.0.1", seconds: float = 10.0, prefix: str = ""
) -> str:
    """Connect, send, await the echo: `ok`, `timeout` after `seconds`, or the name of the errno.

    A denied send is ECONNREFUSED for the sender of the first packet; a denied recv is silence, so `timeout`.
    """
    command = f"{PEER} connect {shlex.quote(host)} {port} {seconds}"
    return vm.run(f"{prefix} {in_domain(domain, command)}", timeout=60 + 2 * seconds).out.strip()
