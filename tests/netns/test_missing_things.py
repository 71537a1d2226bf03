# SPDX-License-Identifier: GPL-2.0-or-later
"""What the service needs and has not: a capability, a library, memory, descriptors, room in /run. A sentence, no trace."""

from __future__ import annotations

import ctypes.util
import os
import re
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from secmarkd.adapters.run.lock import holder
from secmarkd.service.exit_codes import Exit
from tests.support.capability import require
from tests.support.namespace import Namespace
from tests.support.real_service import PATIENCE, RealService

POWERLESS = ("setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin")
DAMAGE = "add rule inet secmarkd input accept"
ELEMENT = "delete element inet secmarkd server_port { tcp . 80 }"
"""Put right by raw netlink, from the kernel's events."""


def assert_a_sentence(said: str, *texts: str) -> None:
    """An error with its mend, and nothing of Python's."""
    assert "Traceback" not in said
    for text in texts:
        assert text in said


# --- capabilities ---


@pytest.mark.fault(39)
def test_without_the_capability_the_service_ends_with_its_own_code_and_is_not_restarted(service: RealService) -> None:
    service.start(*POWERLESS)
    assert service.await_exit() == Exit.NOPERM
    assert_a_sentence(service.said, "error: nftables needs the capability CAP_NET_ADMIN", "hint: run it as root")
    unit = (Path(__file__).parents[2] / "systemd/secmarkd.service").read_text()
    assert re.search(rf"^RestartPreventExitStatus=.*\b{int(Exit.NOPERM)}\b", unit, re.MULTILINE)
    assert service.table() == ""


@pytest.mark.fault(39)
@pytest.mark.parametrize("verb", ["plan", "apply", "clear"])
def test_without_the_capability_a_verb_ends_with_its_own_code(service: RealService, verb: str) -> None:
    done = service.ctl(verb, prefix=POWERLESS)
    assert done.returncode == Exit.NOPERM
    assert_a_sentence(done.stderr, "needs the capability CAP_NET_ADMIN")


@pytest.mark.fault(39)
def test_without_the_capability_the_verbs_that_do_not_need_it_work(service: RealService) -> None:
    assert service.ctl("check", prefix=POWERLESS).returncode == Exit.OK
    status = service.ctl("status", prefix=POWERLESS)
    assert (status.returncode, status.stdout.splitlines()[0]) == (Exit.FAILURE, "not running")


# --- libraries ---


def without_module(root: Path) -> dict[str, str]:
    """python3-nftables is not installed."""
    root.mkdir()
    (root / "nftables.py").write_text("raise ModuleNotFoundError(\"No module named 'nftables'\", name='nftables')\n")
    return {"PYTHONPATH": str(root)}


def without_functions(root: Path) -> dict[str, str]:
    """libnftables lacks what its Python module calls, as a much older one does."""
    other = ctypes.util.find_library("z") or ctypes.util.find_library("m")
    root.mkdir()
    (root / "libnftables.so.1").symlink_to(_path_of(other or "libm.so.6"))
    return {"LD_LIBRARY_PATH": str(root)}


def with_a_broken_library(root: Path) -> dict[str, str]:
    """libnftables is no library, as after a disk error."""
    root.mkdir()
    (root / "libnftables.so.1").write_text("no ELF\n")
    return {"LD_LIBRARY_PATH": str(root)}


def _path_of(library: str) -> str:
    ctypes.CDLL(library)
    with open("/proc/self/maps") as maps:
        return next(line.split()[-1] for line in maps if f"/{library.split('.so')[0]}" in line)


@pytest.mark.fault(41)
@pytest.mark.parametrize(
    ("remove", "said"),
    [
        (without_module, "Python's module nftables is missing"),
        (without_functions, "libnftables cannot be used: "),
        (with_a_broken_library, "libnftables cannot be used: "),
    ],
)
def test_without_its_library_the_service_ends_with_its_own_code(
    service: RealService, tmp_path: Path, remove: Callable[[Path], dict[str, str]], said: str
) -> None:
    missing = remove(tmp_path / "missing")
    missing["PYTHONPATH"] = ":".join(filter(None, (missing.get("PYTHONPATH"), service.environment["PYTHONPATH"])))
    service.start(**missing)
    assert service.await_exit() == Exit.UNAVAILABLE
    assert_a_sentence(service.said, f"err: cannot start: {said}", "(apt install ")
    service.environment |= missing
    applied = service.ctl("apply")
    assert applied.returncode == Exit.UNAVAILABLE
    assert_a_sentence(applied.stderr, f"error: {said}", "hint: apt install ")
    assert service.table() == ""


# --- resources ---


def limit(service: RealService, option: str) -> None:
    """Change a limit of the running service."""
    assert service.process is not None
    subprocess.run(["prlimit", f"--pid={service.process.pid}", option], check=True)


@pytest.mark.fault(44)
@pytest.mark.parametrize("damage", [DAMAGE, ELEMENT], ids=["a rule", "an element"])
def test_without_descriptors_for_a_worker_the_labels_stay_and_it_is_tried_again(
    service: RealService, damage: str
) -> None:
    service.start()
    service.await_told("READY=1")
    whole = service.table()
    assert service.process is not None
    (worker,) = set(service.namespace.pids()) - {service.process.pid}
    handle = os.pidfd_open(worker)
    limit(service, f"--nofile={len(os.listdir(f'/proc/{service.process.pid}/fd'))}:1024")
    os.kill(worker, signal.SIGKILL)
    select.select([handle], [], [], PATIENCE)
    os.close(handle)
    service.namespace.nft(damage)
    said = service.await_line("warning: degraded")
    assert_a_sentence(said, "err: ", "Too many open files")
    limit(service, "--nofile=1024:1024")
    service.await_line("notice: recovered")
    assert service.table() == whole


@pytest.mark.fault(44)
def test_without_memory_for_a_reload_it_is_rejected_and_the_labels_stay(service: RealService) -> None:
    service.start()
    service.await_told("READY=1")
    whole = service.table()
    service.configure("[labels.dns]\nudp = [53]\n")
    assert service.process is not None
    status = Path(f"/proc/{service.process.pid}/status").read_text()
    (size,) = re.findall(r"VmSize:\s*(\d+) kB", status)
    limit(service, f"--as={int(size) * 1024 + (1 << 20)}:unlimited")
    failed = service.ctl("reload")
    assert failed.returncode == Exit.FAILURE
    assert_a_sentence(failed.stderr, "reload rejected, the labels stay as they were", "the loading process ")
    assert service.table() == whole
    limit(service, "--as=unlimited:unlimited")
    assert service.ctl("reload").returncode == Exit.OK
    assert service.table() != whole


FULL = """
mkdir -p "$1" && mount -t tmpfs -o size=4k tmpfs "$1" && dd if=/dev/zero of="$1/filling" bs=4096 count=1 status=none
shift
exec "$@"
"""


@pytest.mark.fault(44)
def test_without_room_in_its_folder_the_service_works_and_says_less(service: RealService) -> None:
    service.start("unshare", "--mount", "sh", "-ec", FULL, "sh", str(service.runtime_folder))
    service.await_told("READY=1")
    assert service.process is not None
    inside = ("nsenter", "--mount", f"--target={service.process.pid}")
    whole = service.table()
    service.namespace.nft(DAMAGE)
    service.await_line("notice: repaired")
    assert service.table() == whole
    reloaded = service.ctl("reload", prefix=inside)
    assert reloaded.returncode == Exit.FAILURE
    assert_a_sentence(reloaded.stderr, "does not contain the service's process id", "hint: ")
    folder = f"/proc/{service.process.pid}/root{service.runtime_folder}"
    assert holder(Path(folder)) == 0

    subprocess.run([*inside, "mount", "-t", "tmpfs", "-o", "ro", "tmpfs", str(service.runtime_folder)], check=True)
    service.configure("[labels.dns]\nudp = [53]\n")
    service.signal(signal.SIGHUP)
    service.await_line("configuration reloaded")
    assert service.table() != whole


# --- user namespaces ---

PROGRAM = f"""
import sys
sys.path[:0] = {sys.path!r}
from contextlib import closing
from pathlib import Path
from secmarkd.errors import TooLarge
from secmarkd.adapters.nftables.port import LibNft
from secmarkd.reconcile import reconcile
from secmarkd.table.elements import Elements, Field
from secmarkd.table.table import Map, ObjectKind, Table
from secmarkd.table.transaction import Replace

from tests.support.tables import make_object

NAME = "s" * 127

most = int(Path("/proc/sys/net/core/wmem_max").read_text()) * 2  # SO_SNDBUF doubles what it is given
count = most // 150  # an element takes more than that of a message
with closing(LibNft()) as nft:
    keys = (number.to_bytes(4, "big") for number in range(count))
    ports = Map("m", (Field.IPV4,), ObjectKind.COUNTER, False, Elements.of(4, dict.fromkeys(keys, NAME)))
    wanted = Table((make_object(NAME, ObjectKind.COUNTER),), (ports,))
    try:
        nft.commit((Replace(wanted),))
    except TooLarge as error:
        print(error.hint, nft.read())
    before = nft.generation()
    print(reconcile(nft, wanted).action, nft.generation() - before > 2, nft.read() == wanted)
"""


@pytest.mark.fault(40)
@pytest.mark.slow
def test_in_a_user_namespace_many_labels_come_in_parts_and_what_must_be_whole_is_refused(netns: Namespace) -> None:
    unshared = ["unshare", "--user", "--map-root-user", "--net"]
    require(netns.run([*unshared, "true"], check=False).returncode == 0, "needs user namespaces")
    most = int(Path("/proc/sys/net/core/wmem_max").read_text())
    require(most < 1 << 24, "needs a net.core.wmem_max of less than 16 MiB")
    refused, created = netns.run([*unshared, sys.executable, "-c", PROGRAM]).stdout.splitlines()
    assert refused.startswith("in a user namespace net.core.wmem_max is the limit; ")
    assert refused.endswith(" None")
    assert created == "created True True"
