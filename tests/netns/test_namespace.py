# SPDX-License-Identifier: GPL-2.0-or-later
"""The tests' own network namespaces do what the other tests rely on."""

from __future__ import annotations

import os
import socket
import struct
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.capability import require_namespaces
from tests.support.namespace import CommandFailed, Namespace


def current() -> int:
    return os.stat("/proc/thread-self/ns/net").st_ino


def test_loopback_is_up_and_all_there_is(netns: Namespace) -> None:
    assert netns.run("ping -c 1 -W 2 127.0.0.1").returncode == 0
    assert netns.run(["ls", "/sys/class/net"]).stdout.split() == ["lo"]


def test_a_command_that_fails_raises_with_its_output(netns: Namespace) -> None:
    with pytest.raises(CommandFailed, match=r"exit code 3: (?s:.*)because"):
        netns.run("echo because >&2; exit 3")
    assert netns.run("exit 3", check=False).returncode == 3


def test_a_command_gets_its_input(netns: Namespace) -> None:
    assert netns.run(["cat"], input="words").stdout == "words"


def test_rules_stay_inside(netns: Namespace) -> None:
    netns.nft("add table inet inside\nadd counter inet inside hits")
    assert [next(iter(each)) for each in netns.nft_json()] == ["table", "counter"]
    with Namespace() as other:
        assert other.nft_json() == []


def test_nft_refuses_a_whole_transaction(netns: Namespace) -> None:
    with pytest.raises(CommandFailed):
        netns.nft("add table inet inside\nadd rule inet absent chain accept")
    assert netns.nft_json() == []


@pytest.mark.parametrize("address", ["192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2"])
def test_two_namespaces_talk_over_a_cable_at_once(netns: Namespace, address: str) -> None:
    with Namespace() as other:
        netns.veth(other, ["192.0.2.1/24", "2001:db8::1/64"], ["192.0.2.2/24", "2001:db8::2/64"])
        near, far = (netns, other) if address.endswith("1") else (other, netns)
        with near.enter():
            server = socket.create_server(
                (address, 8080), family=socket.AF_INET6 if ":" in address else socket.AF_INET
            )
        with server, far.enter(), socket.create_connection((address, 8080), timeout=20) as client:
            information = client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
        assert struct.unpack_from("=I", information, 100) == (0,), "packets were sent again (tcpi_total_retrans)"


def test_enter_moves_this_thread_only_and_back(netns: Namespace) -> None:
    outside = current()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(current).result()  # a thread started inside would inherit the namespace
        with netns.enter():
            assert current() == os.stat(netns.path).st_ino != outside
            assert pool.submit(current).result() == outside
    assert current() == outside


def test_a_child_started_inside_stays_inside(netns: Namespace) -> None:
    with netns.enter():
        child = subprocess.run(["stat", "-Lc", "%i", "/proc/self/ns/net"], capture_output=True, text=True, check=True)
    assert int(child.stdout) == os.stat(netns.path).st_ino


def test_enter_comes_back_after_an_error(netns: Namespace) -> None:
    outside = current()
    with pytest.raises(ZeroDivisionError), netns.enter():
        raise ZeroDivisionError
    assert current() == outside


def test_closing_ends_what_still_runs_inside_and_removes_the_namespace() -> None:
    require_namespaces()
    namespace = Namespace()
    with namespace.popen(["sleep", "1000"]) as process:
        while process.pid not in namespace.pids():
            assert process.poll() is None
        namespace.close()
        assert process.wait(5) == -9
    assert not namespace.path.exists()
    namespace.close()


def test_names_are_never_used_twice(netns: Namespace) -> None:
    with Namespace() as other:
        assert other.name != netns.name
