# SPDX-License-Identifier: GPL-2.0-or-later
"""A stop that is asked for while a pass runs."""

from __future__ import annotations

from dataclasses import replace

from secmarkd.events import LabelsReplaced, Reloaded, Stopped
from secmarkd.service.exit_codes import Exit
from secmarkd.table.table import Table
from tests.fakes.nft import FakeNft
from tests.support.service_rig import OnStop, Rig, configuration


class Signalled(FakeNft):
    """A signal comes right before the ruleset's generation is asked for, which is before a read."""

    rig: Rig | None = None

    def generation(self) -> int:
        if self.rig is not None:
            self.rig.service.ask_stop()
        return super().generation()


def test_a_pass_that_has_written_nothing_is_abandoned_at_its_next_read() -> None:
    nft = Signalled()
    rig = Rig(nft=nft).started()
    reads = nft.reads
    nft.change(lambda table: replace(table, chains=()))
    drifted, nft.rig = nft.table, rig
    rig.service.ask_verify()
    rig.run(0)
    assert rig.service.exit_status is Exit.OK
    assert (nft.reads, nft.table) == (reads, drifted)
    assert rig.journal.take() == [Stopped("kept")]


def test_an_abandoned_first_pass_ends_the_service_without_labels() -> None:
    nft = Signalled()
    rig = Rig(nft=nft)
    nft.rig = rig
    rig.journal.take()
    rig.run(0)
    assert rig.service.exit_status is Exit.OK
    assert (nft.reads, nft.table) == (0, None)
    assert rig.journal.take() == [Stopped("kept")]
    assert not any("READY" in each for each in rig.notifier.take())


def test_a_table_that_is_to_be_removed_is_removed_after_an_abandoned_pass() -> None:
    nft = Signalled()
    rig = Rig(configuration(80, on_stop=OnStop.REMOVE), nft=nft).started()
    nft.rig = rig
    rig.service.ask_verify()
    rig.run(0)
    assert nft.table is None
    assert rig.journal.take() == [Stopped("removed")]


def test_a_pass_that_has_only_read_is_abandoned_before_it_writes() -> None:
    class SignalledByRead(FakeNft):
        rig: Rig | None = None

        def read(self) -> Table | None:
            if self.rig is not None:
                self.rig.service.ask_stop()
            return super().read()

    nft = SignalledByRead()
    rig = Rig(nft=nft).started()
    nft.rig, before, commits = rig, nft.table, len(nft.commits)
    rig.configuration = configuration(8080)
    rig.service.ask_reload()
    rig.run(0)
    assert (nft.table, len(nft.commits)) == (before, commits)
    assert rig.journal.take() == [Stopped("kept")]


def test_what_was_written_is_read_back_and_logged_before_the_service_ends() -> None:
    rig = Rig().started()
    rig.nft.interlopers.append(rig.service.ask_stop)
    rig.configuration = configuration(8080)
    rig.service.ask_reload()
    rig.run(0)
    assert rig.nft.table == configuration(8080).table
    assert [type(each) for each in rig.journal.take()] == [LabelsReplaced, Reloaded, Stopped]
