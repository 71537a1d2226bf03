# SPDX-License-Identifier: GPL-2.0-or-later
"""Files that look like configuration and are not read, so that nobody wonders why they have no effect."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence

from secmarkd.config.directories import LABELS_FOLDER, SETTINGS_FILE, SUFFIX, ConfigFolder
from secmarkd.model.note import Note

_LEFT_OUT = re.compile(
    r"\.|#|README|.*(?:~|\.(?:bak|backup|orig|old|new|save|saved|sw[a-p]|tmp|temp|rej|disabled|off|sample|example|dist"
    r"|rpm(?:save|new|orig)|dpkg-[a-z]+|ucf-[a-z]+|pac(?:new|save|orig)|cfsaved|md|rst|json|[0-9]+))\Z",
    re.IGNORECASE | re.DOTALL,
)
"""Hidden files, and copies that editors, package managers and people keep: that they are not read is what is wanted."""

_MOST = 20
"""Files of one directory that are named one by one."""


def lookalikes(folders: Sequence[ConfigFolder]) -> tuple[Note, ...]:
    """A note for each file or directory that is not read, although its name or its place suggests that it were."""
    return tuple(note for folder in folders for note in (*_among_labels(folder.path), *_beside_settings(folder.path)))


def _names(path: str) -> list[str]:
    try:
        return sorted(os.listdir(path))
    except OSError:  # whoever needs the directory says so
        return []


def _among_labels(folder: str) -> Iterator[Note]:
    path = os.path.join(folder, LABELS_FOLDER)
    found = [name for name in _names(path) if not name.endswith(SUFFIX) and not _LEFT_OUT.match(name)]
    for name in found[:_MOST]:
        whole = os.path.join(path, name)
        if os.path.isdir(whole):
            yield Note(
                f"is not read: label files belong in {LABELS_FOLDER} itself, not in directories below it", whole
            )
        else:
            better = f"{re.sub(r'[.][A-Za-z0-9]{1,5}$', '', name)}{SUFFIX}"
            yield Note(f"is not read: files of labels have names that end in {SUFFIX}, such as {better}", whole)
    if len(found) > _MOST:
        yield Note(f"{len(found) - _MOST} more files are not read, whose names do not end in {SUFFIX}", path)


def _beside_settings(folder: str) -> Iterator[Note]:
    for name in _names(folder):
        whole, lower = os.path.join(folder, name), name.lower()
        if name in (SETTINGS_FILE, LABELS_FOLDER) or _LEFT_OUT.match(name):
            continue
        directory = os.path.isdir(whole)
        if lower == LABELS_FOLDER or (directory and re.fullmatch(r"labels?([._-]?d)?|conf\.d|rules\.d", lower)):
            yield Note(f"is not read: labels are read from {LABELS_FOLDER}", whole)
        elif not directory and re.fullmatch(r"secmark(d|ctl)?(\.[a-z]{1,5})?", lower):
            yield Note(f"is not read: settings are read from {SETTINGS_FILE}", whole)
        elif not directory and (lower.endswith(SUFFIX) or re.fullmatch(r"labels?(\.[a-z]{1,5})?", lower)):
            better = f"{LABELS_FOLDER}/{re.sub(r'[.][A-Za-z0-9]{1,5}$', '', name)}{SUFFIX}"
            yield Note(f"is not read: labels are read from {LABELS_FOLDER}, here {better}", whole)
