# SPDX-License-Identifier: GPL-2.0-or-later
"""What differs between two environments, in words for the journal."""

from __future__ import annotations

from collections.abc import Iterator

from secmarkd.model.label_map import Environment


def differences(before: Environment, after: Environment) -> Iterator[tuple[str, str, str]]:
    """What changed: the thing, what it was, what it is."""
    for each in sorted({*before.cgroups, *after.cgroups}):
        was, now = before.cgroups.get(each), after.cgroups.get(each)
        if was != now:
            found = "gone" if now is None else "present" if was is None else "another of that name"
            yield f"cgroup {each}", "absent" if was is None else "present", found

    for name in sorted(before.names.keys() & after.names.keys()):  # others are logged by service.names
        if before.names[name] != after.names[name]:
            yield str(name), str(before.names[name]), str(after.names[name])


def only_made_anew(before: Environment, after: Environment) -> bool:
    """Whether nothing changed but that cgroups were removed and made again: the label map compiles to the same table but
    for their numbers."""
    return before.names == after.names and before.cgroups.keys() == after.cgroups.keys()
