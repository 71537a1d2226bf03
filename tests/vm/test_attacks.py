# SPDX-License-Identifier: GPL-2.0-or-later
"""What ended repairs, hid, or had commands carried out: against the installed service, labelling, with nft 1.1.3."""

from __future__ import annotations

import pytest
from labelling import SLOW
from machine import Machine
from service_journal import ServiceJournal
from test_contract import pytest_in

from secmarkd import events

PLAIN = "nft -s list table inet secmarkd"
TWO_CHAINS = r"""
nft add chain inet secmarkd theirs
nft -f - <<'END'
flush chain inet secmarkd input
flush chain inet secmarkd input_original
delete chain inet secmarkd input_original
rename chain inet secmarkd theirs input_original
add chain inet secmarkd input_original
add rule inet secmarkd input_original accept
add rule inet secmarkd input ct direction original goto theirs
END
"""
INJECTED = r"""
nft add table inet victim
nft add chain inet secmarkd zz
echo '{"nftables":[{"rename":{"chain":{"family":"inet","table":"secmarkd","name":"zz",
"newname":"input ; delete table inet victim"}}}]}' | nft -j -f -
"""
HYPHEN = "nft 'add chain inet secmarkd my-chain; flush chain inet secmarkd output_original'"
ONE_BYTE = r"""printf 'insert rule inet secmarkd input_original iifname "\xff\xfe" accept\n' | nft -f -"""
ATTACKS = {
    "two chains of one name": TWO_CHAINS,
    "a chain named as a command": INJECTED,
    "a chain with a hyphen beside a flushed one": HYPHEN,
    "one byte that is no text": ONE_BYTE,
}


@pytest.fixture
def vm(started: Machine) -> Machine:
    started.restore("running")
    return started


@pytest.mark.parametrize("attack", ATTACKS)
def test_what_someone_hides_is_found_and_undone(vm: Machine, attack: str) -> None:
    whole, journal = sorted(vm.run(PLAIN).out.splitlines()), ServiceJournal(vm)
    # Stopped meanwhile, so that it finds the whole of it at once.
    vm.run(f"systemctl kill -s STOP secmarkd; {ATTACKS[attack]}\nsystemctl kill -s CONT secmarkd", timeout=SLOW)
    journal.wait(events.DriftRepaired)
    assert vm.run("secmarkctl plan", timeout=SLOW).rc == 0
    assert sorted(vm.run(PLAIN).out.splitlines()) == whole
    if "victim" in ATTACKS[attack]:
        assert "table inet victim" in vm.run("nft list tables").out


@pytest.mark.slow
@pytest.mark.parametrize("suite", ["test_raw_tampering.py", "test_forged_answers.py"])
def test_the_suites_of_the_other_lane_hold_here_too(vm: Machine, suite: str) -> None:
    vm.run("systemctl stop secmarkd", timeout=SLOW)
    assert pytest_in(vm, f"tests/netns/{suite}") >= 5
