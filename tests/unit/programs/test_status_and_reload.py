# SPDX-License-Identifier: GPL-2.0-or-later
"""The verbs status and reload."""

from __future__ import annotations

import json
import os
from dataclasses import replace

from secmarkd.service.exit_codes import Exit
from secmarkd.service.status import Reload, State, Status
from tests.support.secmarkctl_rig import Machine, Result, publish


def test_status_without_a_service_fails_with_a_hint(machine: Machine) -> None:
    result = machine.ctl("status")
    assert result.code == Exit.FAILURE
    assert result.out.startswith("not running\n")


def test_status_of_a_service_that_died_is_not_believed(machine: Machine) -> None:
    publish(machine, Status(pid=1, state=State.IN_SYNC))
    assert machine.ctl("status").code == Exit.FAILURE


def test_status_tells_what_the_service_does(running: Machine) -> None:
    result = running.ctl("status")
    assert result.code == 0
    assert "rehearsing, in sync: 2 labels, 5 elements; last drift never\n" in result.out
    publish(running, Status(pid=os.getpid(), state=State.DRIFT))
    assert running.ctl("status").code == Exit.DRIFT
    publish(running, Status(pid=os.getpid(), state=State.DEGRADED, error="starved"))
    assert running.ctl("status").code == Exit.FAILURE
    assert json.loads(running.ctl("status", "--json").out)["error"] == "starved"


def test_reload_without_a_service_says_so(machine: Machine) -> None:
    result = machine.ctl("reload")
    assert result.code == Exit.FAILURE
    assert "error: the service is not running" in result.err


def test_reload_waits_for_a_reload_that_began_after_it_asked(running: Machine) -> None:
    before = Status(pid=os.getpid(), state=State.IN_SYNC, reload=Reload(running.clock.now - 1, False, 78, "old"))
    publish(running, before)

    def later(seconds: float) -> None:
        running.clock.now += seconds
        if running.clock.now > 1000.1:
            publish(running, replace(before, reload=Reload(1000.05, True)))

    running.clock.sleep = later  # type: ignore[method-assign]
    assert running.ctl("reload") == Result(0, "reloaded\n", "")
    assert running.signals == [(os.getpid(), 1)]


def test_a_rejected_reload_fails_and_repeats_why(running: Machine) -> None:
    rejected = Reload(running.clock.now, False, 78, "1 mistake in the configuration", "", ("a.toml:1: x: wrong",))
    running.on_signal = lambda: publish(running, Status(pid=os.getpid(), reload=rejected))
    result = running.ctl("reload")
    assert result.code == Exit.CONFIG
    assert result.err == (
        "a.toml:1: x: wrong\nerror: reload rejected, the labels stay as they were: 1 mistake in the configuration\n"
    )


def test_reload_json_has_the_answer(running: Machine) -> None:
    rejected = Reload(
        running.clock.now, False, 78, "1 mistake in the configuration", "mend it", ("a.toml:1: x: wrong",)
    )
    running.on_signal = lambda: publish(running, Status(pid=os.getpid(), reload=rejected))
    result = running.ctl("reload", "--json")
    assert (result.code, result.err) == (Exit.CONFIG, "")
    assert json.loads(result.out) == {
        "ok": False, "accepted": False, "error": "1 mistake in the configuration", "hint": "mend it",
        "problems": ["a.toml:1: x: wrong"],
    }  # fmt: skip
    running.on_signal = lambda: publish(running, Status(pid=os.getpid(), reload=Reload(running.clock.now, True)))
    result = running.ctl("reload", "--json")
    assert (result.code, json.loads(result.out)["ok"]) == (0, True)


def test_a_service_that_does_not_answer_is_a_failure(running: Machine) -> None:
    result = running.ctl("reload", "--timeout", "5")
    assert result.code == Exit.FAILURE
    assert "did not answer within 5 s" in result.err
