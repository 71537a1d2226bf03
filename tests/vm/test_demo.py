# SPDX-License-Identifier: GPL-2.0-or-later
"""`make run` on a machine where SELinux is active: it labels, and ends by itself."""

from __future__ import annotations

from machine import TREE, Machine


def test_the_demonstration_labels_and_ends_well(vm: Machine) -> None:
    vm.enforcing()
    done = vm.run(f"make -C {TREE} run", timeout=240)
    assert 'Labelling (mode = "label")' in done.out
    assert "Everything was as it should be" in done.out
    assert vm.run("nft list ruleset; ip netns list").out == ""
    assert vm.denials() == []
