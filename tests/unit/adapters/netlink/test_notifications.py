# SPDX-License-Identifier: GPL-2.0-or-later
"""What notifications of nf_tables say, and that half of one is never taken for all of it."""

from __future__ import annotations

from secmarkd.adapters.netlink.notifications import commits_of, touches_of
from secmarkd.change.early_repair import ElementChange
from secmarkd.netlink.codec import Message, attribute, nested, nfgenmsg, nft, number, text
from secmarkd.netlink.numbers import OF_TABLE, Gen, Nfproto, NftMsg, SetElemList
from secmarkd.ports import Committed, Touched

ELEMENTS = attribute(1, b"elem") + attribute(1, b"ents")


def commit(generation: int) -> bytes:
    body = number(Gen.ID, generation) + number(Gen.PROC_PID, 7) + text(Gen.PROC_NAME, "nft")
    return Message(nft(NftMsg.NEWGEN), 0, nfgenmsg(Nfproto.UNSPEC) + body).encoded()


def elements(table: str, generation: int) -> bytes:
    body = text(OF_TABLE, table) + text(SetElemList.SET, "m") + nested(SetElemList.ELEMENTS, ELEMENTS)
    return Message(nft(NftMsg.NEWSETELEM), 0, nfgenmsg(Nfproto.INET, generation) + body).encoded()


def test_a_datagram_says_who_committed() -> None:
    assert commits_of(commit(5) + commit(6)) == ([Committed(5, 7, "nft"), Committed(6, 7, "nft")], True)


def test_a_commit_that_is_cut_off_counts_as_lost_and_those_before_it_as_made() -> None:
    whole = commit(5) + commit(6)
    for end in range(len(commit(5)) + 1, len(whole)):
        assert commits_of(whole[:end]) == ([Committed(5, 7, "nft")], False), end


def test_a_datagram_says_which_elements_of_our_table_changed_and_nothing_of_others() -> None:
    datagram = elements("theirs", 4) + elements("secmarkd", 5)
    assert list(touches_of(datagram)) == [Touched(5, ElementChange("m", True, ELEMENTS))]


def test_a_change_that_is_cut_off_may_have_been_any_change() -> None:
    datagram = elements("secmarkd", 5)
    for end in range(1, len(datagram)):
        assert list(touches_of(datagram[:end])) == [Touched()], end
