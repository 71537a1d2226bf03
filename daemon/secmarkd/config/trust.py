# SPDX-License-Identifier: GPL-2.0-or-later
"""Who else may write the configuration: whoever can decides what packets are labelled as."""

from __future__ import annotations

import os
import shlex
import stat
from collections.abc import Iterable, Iterator, Sequence

from secmarkd.config.directories import LABELS_FOLDER, ConfigFolder, find_label_files, find_settings
from secmarkd.model.note import Note, Severity

_ROOT = 0
_MOST_LINKS = 40
"""As many symbolic links as the kernel follows in one path."""


def warnings_about(folders: Sequence[ConfigFolder]) -> list[Note]:
    """What `writable_by_others` says of all that decides which configuration is read: the folders and their files."""
    places = [path for folder in folders for path in (folder.path, os.path.join(folder.path, LABELS_FOLDER))]
    settings, (labels, _) = find_settings(folders), find_label_files(folders)
    return writable_by_others([*places, *(found.path for found in ([settings] if settings else []) + labels)])


def writable_by_others(paths: Iterable[str], *, own: int | None = None, own_group: int | None = None) -> list[Note]:
    """A warning for each file and directory on the way to these paths that somebody else may write, each once.

    Somebody else is everyone but root and, for other users than root, the one that this process runs as. Links are
    followed, and what is not there is left out.
    """
    own = os.geteuid() if own is None else own
    own_group = os.getegid() if own_group is None else own_group
    found: dict[str, Note] = {}
    for path in paths:
        for place, status in _way(path):
            if place not in found and (message := _complaint(place, status, own, own_group)):
                found[place] = Note(message, place, severity=Severity.WARNING)
    return [found[place] for place in sorted(found)]


def _complaint(path: str, status: os.stat_result, own: int, own_group: int) -> str:
    """What is wrong with who may write it, and the fix; empty where nothing is."""
    mode = status.st_mode
    if not (stat.S_ISDIR(mode) or stat.S_ISREG(mode)):
        return ""
    foreign = status.st_uid not in (_ROOT, own)
    # in a directory with the sticky bit others can neither replace nor remove what is not theirs
    sticky = stat.S_ISDIR(mode) and bool(mode & stat.S_ISVTX)
    # many systems give each user a group of their own, and let it write
    private = own != _ROOT and (status.st_uid, status.st_gid) == (own, own_group)
    who = ["its group"] if mode & stat.S_IWGRP and not sticky and not private else []
    who += ["everyone"] if mode & stat.S_IWOTH and not sticky else []
    wrong = [f"belongs to uid {status.st_uid}"] if foreign else []
    wrong += [f"may be written by {' and '.join(who)} (mode {stat.S_IMODE(mode):04o})"] if who else []
    quoted = shlex.quote(path)
    fixes = [f"chown root: {quoted}"] if foreign else []
    fixes += [f"chmod go-w {quoted}"] if who else []
    if not wrong:
        return ""
    return f"{' and '.join(wrong)}, so that others decide what packets are labelled as; fix: {' && '.join(fixes)}"


def _way(path: str) -> Iterator[tuple[str, os.stat_result]]:
    """Every directory and file that opening the path passes, with its status; those of links are passed over."""
    here, left, links = "/", _parts(os.path.abspath(path)), 0
    try:
        yield here, os.lstat(here)
        while left:
            name = left.pop(0)
            if name == "..":
                here = os.path.dirname(here)
                continue
            place = os.path.join(here, name)
            status = os.lstat(place)
            if not stat.S_ISLNK(status.st_mode):
                here = place
                yield here, status
                continue
            links += 1
            if links > _MOST_LINKS:
                return
            target = os.readlink(place)
            here = "/" if target.startswith("/") else here
            left[:0] = _parts(target)
    except OSError:
        return


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part not in ("", ".")]
