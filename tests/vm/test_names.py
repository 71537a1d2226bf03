# SPDX-License-Identifier: GPL-2.0-or-later
"""A user that nobody knows yet when the service starts, as one of a directory at boot."""

from __future__ import annotations

import pytest
from labelling import LABELS, SLOW, write_labels
from machine import Machine
from running import LIST, shown, systemctl
from service_journal import ServiceJournal
from talking import Talker

from secmarkd import events
from tests.support.waiting import eventually

pytestmark = pytest.mark.fault(51)

BACKUP = """\
[labels.backup]
type = "myauth_packet_t"
role = "client"
user = ["svcbackup"]
tcp = [25]
"""


@pytest.fixture
def vm(host: Machine) -> Machine:
    """Enforcing, the service just started with a label for a user that is not there."""
    write_labels(host, BACKUP)
    host.enforcing()
    systemctl(host, "start")
    return host


def test_costs_no_other_label_and_takes_effect_when_it_is_added(vm: Machine) -> None:
    journal = ServiceJournal(vm, all=True)
    assert "in sync" in shown(vm, "StatusText")
    Talker(vm, "unconfined_t").listen(22)
    assert Talker(vm, "smd_client_t").connect(22) == "ECONNREFUSED"
    assert {each.target for each in vm.denials()} == {"ssh_client_packet_t"}
    (waits,) = journal.messages(events.NameWaits)
    assert f'{LABELS}:4: labels.backup.user: waits for the user "svcbackup"' in waits
    assert "myauth_packet_t" not in vm.run(LIST).out

    vm.run("useradd --system --uid 6001 svcbackup")
    eventually(lambda: ". 6001 " in vm.run(LIST).out, SLOW)
    assert len(journal.messages(events.NameFound)) == 1
    vm.run("userdel svcbackup")
    eventually(lambda: ". 6001 " not in vm.run(LIST).out, SLOW)
    assert len(journal.messages(events.NameWaits)) == 2
    assert shown(vm, "NRestarts") == "0"
