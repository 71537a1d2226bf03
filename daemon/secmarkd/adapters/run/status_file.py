# SPDX-License-Identifier: GPL-2.0-or-later
"""The status as a small file below /run, for secmarkctl."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path

from secmarkd.errors import SecmarkdError
from secmarkd.service.status import Reload, State, Status
from secmarkd.table.other_labels import label_from_json


class StatusFile:
    """`FOLDER/status.json`, replaced by rename, so that a reader sees a whole one. Best effort: the labels come first."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "status.json"

    def publish(self, status: Status) -> None:
        """Write it; a full or missing /run loses it."""
        beside = self._path.with_suffix(".new")
        try:
            beside.write_text(json.dumps(status.to_json()) + "\n")
            os.replace(beside, self._path)
        except OSError:
            with suppress(OSError):
                beside.unlink(missing_ok=True)

    def read(self) -> Status | None:
        """The last one written; None where there is none. SecmarkdError where it cannot be read or understood."""
        try:
            data = json.loads(self._path.read_text())
            state, last = State(data.pop("state")), data.pop("reload")
            reload = Reload(**{**last, "problems": tuple(last["problems"])}) if last else None
            data["unknown"], data["waiting"] = tuple(data["unknown"]), tuple(data.get("waiting", ()))
            data["other_labels"] = tuple(label_from_json(each) for each in data.get("other_labels", ()))
            return Status(state=state, reload=reload, **data)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise SecmarkdError(f"cannot read {self._path}: {error.strerror}") from None
        except (ValueError, TypeError, KeyError, AttributeError):
            message = f"{self._path} was not written by this version of secmarkd"
            raise SecmarkdError(message, hint="after an upgrade: systemctl restart secmarkd") from None
