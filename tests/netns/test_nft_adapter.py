# SPDX-License-Identifier: GPL-2.0-or-later
"""What libnftables in its own process does that no contract can say: places of errors, memory, cgroups, permissions."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from secmarkd.adapters.netlink.query import Netlink
from secmarkd.adapters.nftables import port as nft_module
from secmarkd.adapters.nftables.port import LibNft
from secmarkd.errors import Conflict
from secmarkd.table.elements import Elements, Field
from secmarkd.table.table import Map, ObjectKind, Table
from secmarkd.table.transaction import AddElements, DeleteElements, Remove, Replace, Transaction
from tests.support.capability import require, require_bindings
from tests.support.namespace import Namespace
from tests.support.tables import find_map, full_table, make_object, replace_map, with_elements

COUNT = ObjectKind.COUNTER
FIELDS = (Field.PROTOCOL, Field.PORT)


@pytest.fixture
def nft(netns: Namespace) -> Iterator[LibNft]:
    require_bindings()
    with netns.enter():
        nft = LibNft()
        yield nft
        nft.close()


def large_table(count: int) -> Table:
    """A table with `count` elements, at most 256 * 65536."""
    keys = (number.to_bytes(3, "big") for number in range(count))
    map_ = Map("m", FIELDS, COUNT, False, Elements.of(3, dict.fromkeys(keys, "s_a")))
    return Table((make_object("s_a", COUNT), make_object("s_b", COUNT)), (map_,))


def test_an_error_in_a_large_transaction_names_the_map(nft: LibNft) -> None:
    table = large_table(10_000)  # libnftables would name some element, and a wrong one
    nft.commit((Replace(table),))
    map_ = table.maps[0]
    wrong = Elements.of(3, {**dict.fromkeys(map_.elements.as_dict(), "s_a"), bytes([0, 3, 7]): "s_b"})
    with pytest.raises(Conflict) as caught:
        nft.commit((AddElements(map_, wrong),))
    assert caught.value.offender == "element m"
    assert nft.read() == table


def test_a_deadline_is_announced_for_each_request_and_none_for_a_read(nft: LibNft) -> None:
    table, announced = large_table(1000), list[float]()
    nft.before_waiting(announced.append)
    assert nft.read() is None
    for after in (table, Table(), table):
        nft.commit((Replace(after),))
    nft.commit((AddElements(table.maps[0], Elements.of(3, {b"\xff\xff\xff": "s_a"})),))
    assert nft.read() is not None
    write, each_written = nft_module.WRITE_SECONDS, nft_module.WRITE_SECONDS_PER_ELEMENT
    assert announced == [write + each_written * count for count in (1000, 0, 1000, 1)]


@pytest.mark.slow
def test_memory_for_a_large_table_is_given_back(nft: LibNft) -> None:
    nft.commit((Replace(Table()),))
    small = _resident(nft.pid)
    table = large_table(60_000)
    nft.commit((Replace(table),))
    assert nft.read() == table
    assert _resident(nft.pid) < small + (5 << 20)
    nft.commit((Remove(),))
    assert nft.read() is None


def _resident(pid: int | None) -> int:
    """Bytes of memory of a process; none for one that has ended."""
    if pid is None:
        return 0
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmRSS:"))


def test_a_read_needs_no_libnftables(netns: Namespace, nft: LibNft) -> None:
    table = full_table()
    port = find_map(table, "m_port")
    nft.commit((Replace(table),))
    nft.close()
    netns.nft("delete element inet secmarkd m_port { tcp . 80 }")
    gone = with_elements(port, ((6, 80), "s_http"))
    left = {key: name for key, name in port.elements.items() if key not in gone.as_dict()}
    assert nft.read() == replace_map(table, "m_port", Elements.of(gone.width, left))
    nft.commit_at((AddElements(port, gone),), nft.generation())
    assert nft.read() == table
    netns.nft("add rule inet secmarkd done accept")
    assert nft.read() != table
    assert nft.pid is None


def test_its_process_can_be_started_before_it_is_asked(netns: Namespace) -> None:
    require_bindings()
    with netns.enter():
        nft = LibNft(at_once=True)
        started = nft.pid
        assert started is not None
        nft.commit((Replace(full_table()),))
        assert nft.pid == started
        nft.close()


def test_a_table_with_flags_is_read_in_full(netns: Namespace, nft: LibNft) -> None:
    table = full_table()
    nft.commit((Replace(table),))
    netns.nft("add table inet secmarkd { flags dormant; }\nadd set inet secmarkd f { type mark; }")
    live = nft.read()
    assert live is not None
    assert (live.flags, live.objects, live.maps, live.chains) == (
        ("dormant",),
        table.objects,
        table.maps,
        table.chains,
    )
    assert [each.what for each in live.foreign] == ["set"]


@pytest.mark.parametrize(
    "transaction",
    [
        (Remove(),),
        (AddElements(full_table().maps[4], full_table().maps[4].elements),),
        (DeleteElements(full_table().maps[4], with_elements(full_table().maps[4], ((1, 1), "s_http"))),),
    ],
    ids=["absent table", "same elements", "failure"],
)
def test_what_changes_nothing_is_no_new_generation(nft: LibNft, transaction: Transaction) -> None:
    if transaction != (Remove(),):
        nft.commit((Replace(full_table()),))
    with Netlink() as netlink:
        before = netlink.generation()
        nft.check(transaction) if transaction == (Remove(),) else _attempt(nft, transaction)
        nft.read()
        assert netlink.generation() == before


def _attempt(nft: LibNft, transaction: Transaction) -> None:
    try:
        nft.commit(transaction)
    except Conflict:
        return


def test_netlink_tells_the_flags_of_a_table(netns: Namespace) -> None:
    with netns.enter(), Netlink() as netlink:
        generation = netlink.generation()
        assert netlink.table_flags("secmarkd") is None
        netns.nft("add table inet secmarkd { flags dormant; }\nadd table inet other")
        assert netlink.table_flags("secmarkd") == ("dormant",)
        assert netlink.table_flags("other") == ()
        assert netlink.generation() == generation + 1


PRELUDE = f"""
import sys
sys.path[:0] = {sys.path!r}
from secmarkd.errors import SecmarkdError
from secmarkd.adapters.host.cgroups import inode
from secmarkd.adapters.nftables.port import LibNft
from secmarkd.table.table import *
from secmarkd.table.cgroups import with_cgroups
from secmarkd.table.transaction import Replace
nft = LibNft()
def cgroups(*paths):
    numbers = [inode(path) or 1 for path in paths]
    found = [CgroupId(path.count("/") + 1, number, path) for path, number in zip(paths, numbers)]
    rules = tuple((Match(Key.CGROUP, each), Verdict("accept")) for each in found)
    return Table(chains=(Chain("c", rules),))
"""


def test_without_the_capability_the_error_says_so(netns: Namespace) -> None:
    require_bindings()
    program = (
        PRELUDE + "try:\n    nft.read()\nexcept SecmarkdError as error:\n    print(type(error).__name__, error)\n"
    )
    dropped = ["setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin", sys.executable, "-c", program]
    said = netns.run(dropped).stdout
    assert said == "PermissionMissing nftables needs the capability CAP_NET_ADMIN\n"


CGROUPS = r"""
import os
for path in ("secmarkd-test/b", "secmarkd-test/system-x\\x2dy.slice"):
    os.makedirs("/sys/fs/cgroup/" + path)
try:
    table = cgroups("secmarkd-test", "secmarkd-test/b", "secmarkd-test/system-x\\x2dy.slice")
    nft.commit((Replace(table),))
    print(nft.read() == table)
    os.system('nft replace rule inet secmarkd c handle 3 socket cgroupv2 level 1 \\"secmarkd-test/b\\" accept')
    found = nft.read().chains[0].rules[1][0]
    print(found.value.level, found.value.inode == inode("secmarkd-test/b"), found == table.chains[0].rules[1][0])
    try:
        nft.commit((Replace(cgroups("no/such")),))
    except SecmarkdError as error:
        print(type(error).__name__)
    os.rmdir("/sys/fs/cgroup/secmarkd-test/b")
    os.mkdir("/sys/fs/cgroup/secmarkd-test/b")
    try:
        nft.commit((Replace(table),))  # nft would take the other one of that name
    except SecmarkdError as error:
        print(type(error).__name__)
    now = with_cgroups(table, {"secmarkd-test/b": inode("secmarkd-test/b")})
    nft.commit((Replace(now),))
    print(nft.read() == now != table)
finally:
    nft.close()
    for path in ("secmarkd-test/b", "secmarkd-test/system-x\\x2dy.slice", "secmarkd-test"):
        os.rmdir("/sys/fs/cgroup/" + path)
"""


def test_cgroups_are_matched_at_the_depth_of_their_path(netns: Namespace) -> None:
    require_bindings()
    mounted = netns.run("mount -t cgroup2 none /sys/fs/cgroup", check=False)
    require(mounted.returncode == 0, "needs a kernel with cgroup2")
    script = 'mount -t cgroup2 none /sys/fs/cgroup && exec "$0" -c "$1"'
    said = netns.run(["sh", "-c", script, sys.executable, PRELUDE + CGROUPS]).stdout.splitlines()
    assert said == ["True", "1 True False", "CgroupMissing", "CgroupMissing", "True"]
