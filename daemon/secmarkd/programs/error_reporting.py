# SPDX-License-Identifier: GPL-2.0-or-later
"""Where errors end: `error:` and `hint:` on stderr, and an exit code."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TextIO

from secmarkd.errors import CapabilityMissing, ConfigError, SecmarkdError
from secmarkd.events import count
from secmarkd.programs.output import OutputFailed, ReaderGone, output_errors
from secmarkd.service.exit_codes import Exit, exit_for
from secmarkd.workers import trace

_PACKAGES = {
    "nftables": "apt-get install python3-nftables (Debian, Ubuntu) or dnf install python3-nftables (Fedora)",
    "pydantic": "apt-get install python3-pydantic (Debian 13 or later), or pip install 'pydantic>=2' into a venv",
}

INTERRUPTED = 130
"""As shells have it: 128, and the number of SIGINT."""

_MEANINGS = (*((int(code), code.meaning) for code in Exit), (INTERRUPTED, "interrupted (Ctrl-C)"))
EXIT_CODES = "exit codes:\n" + "\n".join(f"  {code:<3} {meaning}" for code, meaning in _MEANINGS)
"""For --help."""


def exit_code_of(action: Callable[[], Exit], err: TextIO) -> int:
    """The action's exit code, or that of its error, which is printed. A reader that went away is not an error."""
    try:
        return int(action())
    except SecmarkdError as error:
        trace.trace("error", traceback_of(error))
        print_error(error, err)
        return int(exit_for(error))
    except ModuleNotFoundError as error:
        missing = _missing_module(error)
        print_error(missing, err)
        return int(exit_for(missing))
    except ReaderGone:
        return int(Exit.OK)
    except KeyboardInterrupt:
        return INTERRUPTED


def traceback_of(error: BaseException) -> Callable[[], str]:
    """Its traceback, made only where it is asked for."""

    def text() -> str:
        import traceback  # memory that the service need not spend

        return "".join(traceback.format_exception(error))

    return text


def print_error(error: SecmarkdError, err: TextIO) -> None:
    """`error: …` and, where there is one, `hint: …`; the mistakes of a configuration each on a line of its own."""
    if isinstance(error, ConfigError):
        wrong = f"{count(len(error.problems), 'mistake')} in the configuration"
        print_problems(map(str, error.problems), wrong, error.hint, err)
    else:
        print_problems((), str(error), error.hint, err)


def print_problems(details: Iterable[str], wrong: str, hint: str, err: TextIO) -> None:
    """The details, the error and its hint, if any. Where stderr cannot be written, the exit code must do."""
    with suppress(OutputFailed, ReaderGone), output_errors(err):
        for line in (*details, f"error: {wrong}", *([f"hint: {hint}"] if hint else [])):
            print(line, file=err)
        err.flush()


def _missing_module(error: ModuleNotFoundError) -> CapabilityMissing:
    name = (error.name or "").split(".")[0]
    if name not in _PACKAGES:
        raise error
    return CapabilityMissing(f"the Python module {name} is missing", hint=_PACKAGES[name])
