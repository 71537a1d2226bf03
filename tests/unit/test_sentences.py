# SPDX-License-Identifier: GPL-2.0-or-later
"""The golden files of sentences are made from the source, and hold to the glossary."""

from __future__ import annotations

import re

import pytest

from generate.sentences import FILES, GOLDEN, render

RELAPSES = re.compile(
    r"\b(anew|folders?|mend|told|nobody|is none|surroundings|blame|whose doing|not on this machine|may not do)\b"
)
"""What the glossary has other words for."""


@pytest.mark.parametrize("name", FILES)
def test_a_golden_file_is_what_the_source_prints(name: str) -> None:
    assert (GOLDEN / name).read_text(encoding="utf-8") == render(FILES[name]), "run `make sentences`"


@pytest.mark.parametrize("name", FILES)
def test_sentences_use_the_words_of_the_glossary(name: str) -> None:
    lines = (GOLDEN / name).read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if RELAPSES.search(re.sub(r"\{.*?\}", "", line))] == []  # no names of the code
