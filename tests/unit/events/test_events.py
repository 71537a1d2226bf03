# SPDX-License-Identifier: GPL-2.0-or-later
"""The catalogue of events: ids, fields, sentences, and the file for `journalctl -x`."""

from __future__ import annotations

import dataclasses
import inspect
import re
from uuid import UUID

import pytest

from generate.catalog import render
from secmarkd import events
from secmarkd.events import EVENTS, DriftDetected, Event, Priority, duration
from tests.support.paths import REPOSITORY

CATALOG = REPOSITORY / "systemd" / "secmarkd.catalog"


def example(kind: type[Event]) -> Event:
    values = {"str": "text", "int": 2, "float": 1.5}
    return kind(**{each.name: values[str(each.type)] for each in dataclasses.fields(kind)})


def test_every_event_is_in_the_catalogue() -> None:
    kinds = [each for _, each in inspect.getmembers(events, inspect.isclass) if issubclass(each, Event)]
    assert {each.__name__ for each in kinds} - {"Event"} == {each.__name__ for each in EVENTS}


def test_ids_are_random_uuids_and_unlike_each_other() -> None:
    ids = [each.MESSAGE_ID for each in EVENTS]
    assert len(set(ids)) == len(ids)
    assert all(UUID(each).version == 4 and UUID(each).hex == each for each in ids)


@pytest.mark.parametrize("kind", EVENTS)
def test_an_event_is_one_line_with_upper_case_fields(kind: type[Event]) -> None:
    event = example(kind)
    assert str(event)
    assert "\n" not in str(event)
    assert not str(event).endswith(".")
    assert all(re.fullmatch(r"SECMARKD_[A-Z_]+", name) for name in event.fields())


@pytest.mark.parametrize("kind", EVENTS)
def test_texts_name_only_fields_that_the_event_has(kind: type[Event]) -> None:
    subject, body = kind.CATALOG
    named = set(re.findall(r"@([A-Z_]+)@", subject + body))
    assert named <= set(example(kind).fields())


def test_empty_fields_are_left_out() -> None:
    drift = DriftDetected("element", "missing", "server_port: tcp . 80", "s_http", "", "repaired")
    assert "SECMARKD_FOUND" not in drift.fields()
    assert drift.fields()["SECMARKD_EXPECTED"] == "s_http"
    assert str(drift) == "drift: element missing: server_port: tcp . 80; expected s_http"


def test_what_is_said_while_all_is_well_is_information() -> None:
    quiet = {"Started", "Ready", "Reloaded", "Stopped", "EnvironmentChanged", "CgroupAbsent"}
    assert {each.__name__ for each in EVENTS if each.PRIORITY is Priority.INFO} == quiet


def test_the_catalog_file_is_not_stale() -> None:
    assert CATALOG.read_text() == render(), "run: make catalog"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0123, "12 ms"),
        (1.0, "1 s"),
        (1.25, "1.2 s"),
        (90, "90 s"),
        (300, "5 min"),
        (10800, "3 h"),
        (864000, "10 d"),
    ],
)
def test_durations_are_said_as_people_say_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text
