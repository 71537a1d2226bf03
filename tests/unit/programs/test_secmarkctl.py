# SPDX-License-Identifier: GPL-2.0-or-later
"""Usage, help and where the options stand."""

from __future__ import annotations

import pytest

from secmarkd.programs.secmarkctl import main
from secmarkd.service.exit_codes import Exit
from tests.support.secmarkctl_rig import Machine


def test_usage_errors_exit_with_2(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    assert machine.ctl("nonsense").code == Exit.USAGE
    assert machine.ctl("show", "--nft", "--json").code == Exit.USAGE
    assert main([]) == Exit.USAGE
    assert main(["--help"]) == 0
    assert "78  invalid configuration" in capsys.readouterr().out


@pytest.mark.parametrize("verb", ["check", "plan", "apply", "clear", "show", "status", "reload", "explain"])
def test_help_tells_what_json_a_verb_writes(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([verb, "--help"]) == 0
    assert "With --json, prints one object with: " in capsys.readouterr().out


def test_folders_may_stand_before_the_verb_and_count_in_their_order(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.write("../above/secmarkd.toml", 'mode = "label"\n')
    below, above = (["--config-dir", str(machine.root / name)] for name in ("etc", "above"))
    for words in (["check", *below, *above], [*below, "check", *above], [*below, *above, "check"]):
        assert main(words) == 0
        assert capsys.readouterr().out.startswith("no mistakes: mode label, 2 labels")


@pytest.mark.parametrize("before", [True, False])
def test_the_folder_of_lock_and_status_may_stand_before_the_verb(
    running: Machine, before: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = ["--runtime-dir", str(running.runtime)]
    assert main([*folder, "status"] if before else ["status", *folder]) == 0
    assert capsys.readouterr().out.startswith("running ")


@pytest.mark.parametrize(
    ("verb", "told"),
    [
        ("check", "later ones take precedence"),
        ("status", "ignored by this verb: the service reports on the directories that it was started with"),
        ("reload", "ignored by this verb: the service reads the directories that it was started with"),
        ("clear", "ignored by this verb: it removes what is in the kernel, whatever the configuration"),
    ],
)
def test_help_tells_what_config_dir_does_or_that_it_does_nothing(
    verb: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([verb, "--help"]) == 0
    assert told in " ".join(capsys.readouterr().out.split())


def test_an_interrupt_has_an_exit_code_of_its_own(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    machine.nft.interlopers.append(interrupt)
    assert machine.ctl("apply").code == 130
    assert main(["--help"]) == 0
    assert "130 interrupted" in capsys.readouterr().out
