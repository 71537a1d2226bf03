# SPDX-License-Identifier: GPL-2.0-or-later
"""A child process that crashes, hangs or talks nonsense costs one request, and nothing else."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from secmarkd.errors import Conflict, WorkerFailed
from secmarkd.workers.parent import Child
from secmarkd.workers.privileges import CAP_NET_ADMIN, CAP_SYS_PTRACE
from tests.support.capability import require
from tests.support.waiting import eventually

DEADLINE = 30.0
NET_ADMIN, SYS_PTRACE = 1 << CAP_NET_ADMIN, 1 << CAP_SYS_PTRACE


@pytest.fixture
def child() -> Iterator[Child]:
    with Child("tests.support.child_probe", "the probe", hint="mend the probe") as probe:
        yield probe


def test_it_answers(child: Child) -> None:
    assert child.request(("echo", {"a": [1, b"2"]}), DEADLINE) == {"a": [1, b"2"]}


def test_it_takes_and_gives_megabytes(child: Child) -> None:
    large = os.urandom(5 << 20)
    assert child.request(("echo", large), DEADLINE) == large


def test_it_starts_with_the_first_request_and_lasts(child: Child) -> None:
    pids = [child.pid]
    for _ in range(2):
        child.request(("echo", 1), DEADLINE)
        pids.append(child.pid)
    assert pids[0] is None
    assert pids[1] is not None
    assert pids[1] == pids[2]


def test_an_error_of_ours_arrives_with_all_that_it_says(child: Child) -> None:
    with pytest.raises(Conflict, match="refused") as caught:
        child.request(("refuse", "it"), DEADLINE)
    assert (caught.value.operation, caught.value.offender, caught.value.hint) == ("probe", "it", "ask otherwise")
    assert child.request(("echo", 1), DEADLINE) == 1


def test_any_other_error_is_a_failure_that_says_where_it_happened(child: Child) -> None:
    with pytest.raises(
        WorkerFailed, match=r"^the probe failed: RuntimeError: broken \(child_probe\.py:\d+\)"
    ) as caught:
        child.request(("fail", "broken"), DEADLINE, operation="failing")
    assert caught.value.operation == "failing"
    assert child.request(("echo", 1), DEADLINE) == 1


@pytest.mark.fault(44)
def test_a_child_that_lacks_memory_is_a_failure(child: Child) -> None:
    with pytest.raises(WorkerFailed, match="the probe ran out of memory"):
        child.request(("allocate", 1 << 62), DEADLINE)
    assert child.request(("echo", 1), DEADLINE) == 1


@pytest.mark.fault(44)
@pytest.mark.parametrize(
    ("number", "hint"),
    [(signal.SIGSEGV, "mend the probe"), (signal.SIGABRT, "mend the probe"), (signal.SIGKILL, "memory runs out")],
)
def test_a_crash_names_the_signal_and_the_next_request_works(child: Child, number: signal.Signals, hint: str) -> None:
    with pytest.raises(WorkerFailed) as caught:
        child.request(("die", number), DEADLINE, operation="dying")
    assert str(caught.value) == f"the probe died of {number.name}"
    assert caught.value.operation == "dying"
    assert hint in caught.value.hint
    assert child.request(("echo", 1), DEADLINE) == 1


@pytest.mark.fault(44)
def test_a_child_that_cannot_be_started_is_a_failure_of_the_request_alone() -> None:
    program = (
        "import resource; from secmarkd.workers.parent import Child; from secmarkd.errors import WorkerFailed;"
        "soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE);"
        "child = Child('tests.support.child_probe', 'the probe')\n"
        "for number in (4, 4, soft):\n"
        "    resource.setrlimit(resource.RLIMIT_NOFILE, (number, hard))\n"
        "    try:\n"
        "        print(child.request(('echo', 1), 30))\n"
        "    except WorkerFailed as error:\n"
        "        print(error)\n"
        "child.close()"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment)
    refused = "the probe cannot be started: Too many open files"
    assert said.stdout.splitlines() == [refused, refused, "1"], said.stderr


def test_an_exit_names_the_status(child: Child) -> None:
    with pytest.raises(WorkerFailed, match="the probe ended with status 3"):
        child.request(("exit", 3), DEADLINE)


def test_the_last_line_of_stderr_is_told(child: Child) -> None:
    with pytest.raises(WorkerFailed, match=r"ended with status 1: BUG: invalid operation 4$"):
        child.request(("say and exit", "noise\n" * 3000 + "BUG: invalid operation 4\n"), DEADLINE)


def test_output_goes_nowhere(child: Child) -> None:
    assert child.request(("print", "x" * 100_000), DEADLINE) is None


def test_a_child_that_hangs_is_killed_at_the_deadline(child: Child) -> None:
    child.request(("echo", 1), DEADLINE)
    pid = child.pid
    with pytest.raises(WorkerFailed, match=r"did not answer within 0\.1 s and was killed"):
        child.request(("hang", None), 0.1)
    assert not Path(f"/proc/{pid}").exists()
    assert child.request(("echo", 1), DEADLINE) == 1


@pytest.mark.parametrize("garbage", [b"\xff" * 100, b"\0\0\0\0\0\0\0\x04abcd", b"\0\0\0\0\0\0\0\x02N."])
def test_nonsense_is_noticed(child: Child, garbage: bytes) -> None:
    with pytest.raises(WorkerFailed, match="answered nonsense"):
        child.request(("garbage", garbage), DEADLINE)
    assert child.request(("echo", 1), DEADLINE) == 1


def test_an_answer_that_cannot_be_sent_is_an_error_and_not_the_end(child: Child) -> None:
    with pytest.raises(WorkerFailed, match="pickle"):
        child.request(("unpicklable", None), DEADLINE)
    assert child.request(("echo", 1), DEADLINE) == 1


def test_a_final_answer_ends_the_child_before_it_is_given(child: Child) -> None:
    assert child.request(("final", "bye"), DEADLINE) == "bye"
    assert child.pid is None
    assert child.request(("echo", 1), DEADLINE) == 1


def test_a_child_that_died_between_requests_is_replaced(child: Child) -> None:
    child.request(("echo", 1), DEADLINE)
    assert child.pid is not None
    handle = os.pidfd_open(child.pid)
    os.kill(child.pid, signal.SIGKILL)
    select.select([handle], [], [])
    os.close(handle)
    assert child.request(("echo", 2), DEADLINE) == 2


def test_it_looks_for_modules_where_the_parent_does(child: Child) -> None:
    assert child.request(("path", None), DEADLINE) == sys.path


def test_it_does_not_see_what_the_service_manager_means_for_the_parent(
    child: Child, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", "/run/notify")
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    assert child.request(("environment", "NOTIFY_SOCKET"), DEADLINE) is None
    assert child.request(("environment", "LC_ALL"), DEADLINE) == "C"


def test_it_inherits_nothing_but_its_own_ends(child: Child, tmp_path: Path) -> None:
    with open(tmp_path / "open", "w") as file:
        os.set_inheritable(file.fileno(), True)
        assert len(child.request(("descriptors", None), DEADLINE)) == 4


def test_closing_leaves_nothing_open(child: Child) -> None:
    child.request(("echo", 1), DEADLINE)
    child.close()
    before = os.listdir("/proc/self/fd")
    child.request(("echo", 1), DEADLINE)
    child.close()
    assert os.listdir("/proc/self/fd") == before


def test_it_ends_with_its_parent() -> None:
    program = (
        "import sys; from secmarkd.workers.parent import Child; child = Child('tests.support.child_probe', 'x');"
        "child.request(('echo', 1), 30); print(child.pid, flush=True); child.request(('hang', None), 30)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, env=environment) as parent:
        assert parent.stdout is not None
        handle = os.pidfd_open(int(parent.stdout.readline()))
        parent.kill()
    ended, _, _ = select.select([handle], [], [], DEADLINE)
    os.close(handle)
    assert ended


def test_what_it_gives_up_it_cannot_get_back(child: Child) -> None:
    before = int(child.request(("status", None), DEADLINE)["CapEff"], 16)
    child.request(("give up", (CAP_NET_ADMIN, CAP_SYS_PTRACE)), DEADLINE)
    after = child.request(("status", None), DEADLINE)
    assert [int(after[name], 16) for name in ("CapEff", "CapPrm")] == [before & ~(NET_ADMIN | SYS_PTRACE)] * 2
    (of_program,) = re.findall(r"CapEff:\t(\w+)", child.request(("status of a program", None), DEADLINE))
    assert int(of_program, 16) & (NET_ADMIN | SYS_PTRACE) == 0


@pytest.mark.parametrize(
    ("module", "kept"),
    [("secmarkd.adapters.nftables.worker", NET_ADMIN), ("secmarkd.adapters.loading.process", 0)],
)
def test_a_helper_keeps_only_what_it_needs(module: str, kept: int) -> None:
    require(os.geteuid() == 0, "needs root")
    with Child(module, "the helper") as helper:
        helper.start()
        eventually(lambda: _capabilities(helper.pid) & (NET_ADMIN | SYS_PTRACE) == kept, DEADLINE)


def _capabilities(pid: int | None) -> int:
    (found,) = re.findall(r"CapPrm:\t(\w+)", Path(f"/proc/{pid}/status").read_text())
    return int(found, 16)
