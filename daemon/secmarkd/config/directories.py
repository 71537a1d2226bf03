# SPDX-License-Identifier: GPL-2.0-or-later
"""Where configuration lives, in the way of systemd drop-ins (UAPI configuration files specification)."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass

from secmarkd.errors import Problem
from secmarkd.mistakes.advice import Mistake, prose
from secmarkd.model.label_map import Layer

SETTINGS_FILE = "secmarkd.toml"
LABELS_FOLDER = "labels.d"
SUFFIX = ".toml"


@dataclass(frozen=True, slots=True)
class ConfigFolder:
    """A folder that may hold `secmarkd.toml` and `labels.d/`."""

    path: str
    layer: Layer
    required: bool = False
    """Whether its absence is a mistake: it was named, and is not one of the default folders."""


@dataclass(frozen=True, slots=True)
class Found:
    """A file to read: the one of its name in the highest folder that has it."""

    path: str
    layer: Layer
    height: int
    """Index of its folder; what stands in a higher folder replaces what stands in a lower one."""


DEFAULT_FOLDERS = (
    ConfigFolder("/usr/lib/secmarkd", Layer.VENDOR),
    ConfigFolder("/run/secmarkd", Layer.RUNTIME),
    ConfigFolder("/etc/secmarkd", Layer.ADMINISTRATOR),
)
"""From the lowest to the highest precedence, as everywhere in this package."""


def folders_of(dirs: Sequence[str]) -> tuple[ConfigFolder, ...]:
    """The folders that `--config-dir` names, from the lowest to the highest; the default folders for none.

    The last is the administrator's, the one before it the runtime's, all others are the vendor's.
    """
    if not dirs:
        return DEFAULT_FOLDERS
    layers = (Layer.ADMINISTRATOR, Layer.RUNTIME)
    return tuple(
        ConfigFolder(path, layers[above] if above < len(layers) else Layer.VENDOR, required=True)
        for above, path in zip(reversed(range(len(dirs))), dirs, strict=True)
    )


def missing_folders(folders: Sequence[ConfigFolder]) -> list[Problem]:
    """A problem for every folder that was named and is not there; for each where none of them has any configuration, which
    would mean no labels."""
    named = [folder.path for folder in folders if folder.required]
    nothing_there = not any(_has_configuration(path) for path in named)
    problems = []
    for path in named:
        wrong = "" if os.path.isdir(path) else "no such directory"
        if wrong or nothing_there:
            rule = f"--config-dir names a directory that holds {LABELS_FOLDER}/ or {SETTINGS_FILE}"
            problems.append(Problem(path, 0, "", f"{wrong or 'holds no configuration'}; {rule}"))
    return problems


def _has_configuration(path: str) -> bool:
    return any(os.path.lexists(os.path.join(path, name)) for name in (LABELS_FOLDER, SETTINGS_FILE))


def find_settings(folders: Sequence[ConfigFolder]) -> Found | None:
    """The settings file of the highest folder that has one; None, which means all defaults, where none has."""
    for height, folder in reversed(tuple(enumerate(folders))):
        path = os.path.join(folder.path, SETTINGS_FILE)
        if os.path.lexists(path):
            return Found(path, folder.layer, height)
    return None


def find_label_files(folders: Sequence[ConfigFolder]) -> tuple[list[Found], list[Problem]]:
    """The files of the label map, ordered by name, without those that are masked; and folders that cannot be read.

    Names that begin with a dot are no configuration: editors keep their locks and copies there.
    """
    by_name: dict[str, Found] = {}
    problems: list[Problem] = []
    for height, folder in enumerate(folders):
        path = os.path.join(folder.path, LABELS_FOLDER)
        try:
            names = os.listdir(path)
        except FileNotFoundError:
            if os.path.islink(path):
                problems.append(
                    Problem(path, 0, "", str(Mistake("is a symbolic link to nothing", prose("remove it"))))
                )
            continue
        except OSError as error:
            problems.append(Problem(path, 0, "", f"the directory cannot be read: {error.strerror}"))
            continue
        by_name |= {
            name: Found(os.path.join(path, name), folder.layer, height)
            for name in names
            if name.endswith(SUFFIX) and not name.startswith(".")
        }
    return [by_name[name] for name in sorted(by_name) if not _is_mask(by_name[name].path)], problems


def _is_mask(path: str) -> bool:
    """Whether the path leads to /dev/null, which masks the files of this name in lower folders."""
    try:
        found, null = os.stat(path), os.stat(os.devnull)
    except OSError:
        return False
    return stat.S_ISCHR(found.st_mode) and found.st_rdev == null.st_rdev
