# SPDX-License-Identifier: GPL-2.0-or-later
"""What is in our table and is not ours, in words."""

from __future__ import annotations

import pytest

from secmarkd.table.foreign import Json, foreign, in_words


@pytest.mark.parametrize(
    ("element", "words"),
    [
        ([{"elem": {"comment": "x", "val": {"concat": [6, 8081]}}}, "s_http"], '{ 6 . 8081 comment "x" : s_http }'),
        ([{"elem": {"val": {"range": [80, 90]}, "timeout": 5}}, "s_http"], "{ 80-90 timeout 5 : s_http }"),
        ([{"prefix": {"addr": "10.0.0.0", "len": 8}}, "s_http"], "{ 10.0.0.0/8 : s_http }"),
        ([{"elem": {"val": "*"}}, None], "{ * }"),
        ([{"raw": [None, "00"]}, "s_http"], '{ {"raw": [null, "00"]} : s_http }'),
        (["wg*", "s_http"], "{ wg* : s_http }"),
    ],
)
def test_a_foreign_element_reads_as_nft_would_list_it(element: Json, words: str) -> None:
    assert in_words(foreign("element", "server_port", element)) == words


def test_any_other_foreign_thing_is_said_as_it_is() -> None:
    assert in_words(foreign("set", "bad", "type ipv4_addr")) == '"type ipv4_addr"'
