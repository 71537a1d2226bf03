# SPDX-License-Identifier: GPL-2.0-or-later
"""Who is to be named for a change: words for the sentence, values for the fields."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from secmarkd.events import count
from secmarkd.ports import Writer

MOST = 5
"""Writers that are named for one change."""
_PLAIN = re.compile(r"(?:container )?[\w./+@:\\-]+(?: \(deleted\))?")
"""Names that cannot be taken for a part of the sentence around them: those of programs and units are free text."""


@dataclass(frozen=True, slots=True)
class Attribution:
    """Those who touched our table since it was last known to be right: one of them changed what differs, or several did.

    Processes that differ in their number alone, as those of a script that calls nft in a loop, are one.
    """

    writers: tuple[tuple[Writer, int], ...] = ()
    """Each, the latest last, with how many processes of its kind there were."""
    more: int = 0
    """How many commits besides were not looked into, or are not told of."""
    generation: int | None = None
    """The number of the last of these commits."""
    lost: bool = False
    """Whether the kernel had to drop events, so that it may have been anyone else: whoever was merely busy is not named."""

    def with_writer(self, writer: Writer) -> Attribution:
        """One more commit."""
        alike = replace(writer, pid=None)
        seen = sum(number for each, number in self.writers if replace(each, pid=None) == alike)
        others = tuple(each for each in self.writers if replace(each[0], pid=None) != alike)
        again = (writer, 0) in ((each, 0) for each, _ in self.writers)
        return replace(self, writers=(*others, (writer, seen if again else seen + 1)))

    def limited(self, more: int) -> Attribution:
        """The last few of them; `more` commits were not looked into."""
        left_out = sum(number for _, number in self.writers[:-MOST])
        return replace(self, writers=self.writers[-MOST:], more=more + left_out)

    @property
    def text(self) -> str:
        """`nft (process 17, /usr/sbin/nft, user root, cron.service)`; empty where nobody is known, `unknown (events were
        lost)` where that is why."""
        named = [describe(each, number) for each, number in self.writers]
        if self.more:
            named.append(f"{self.more} more")
        if self.lost:
            named.append(f"{'others ' if named else ''}unknown (events were lost)")
        if len(named) < 2:
            return "".join(named)
        return f"one of {', '.join(named[:-1])} and {named[-1]}"

    def fields(self) -> dict[str, str]:
        """The fields of events.Attributed; several values with commas between, those that have one in quotes."""
        return {
            "by": self.text,
            "by_pid": self._values(lambda each: each.pid),
            "by_comm": self._values(lambda each: each.comm),
            "by_exe": self._values(lambda each: each.exe),
            "by_command": self._values(lambda each: each.command),
            "by_unit": self._values(lambda each: each.unit),
            "by_uid": self._values(lambda each: each.uid),
            "by_loginuid": self._values(lambda each: each.loginuid),
            "generation": "" if self.generation is None else str(self.generation),
        }

    def _values(self, value_of: Callable[[Writer], object]) -> str:
        found = (value_of(writer) for writer, _ in self.writers)
        values = dict.fromkeys(str(value) for value in found if value not in (None, ""))
        return ",".join(_quoted(each) if "," in each and len(values) > 1 else each for each in values)


UNATTRIBUTED = Attribution()


@dataclass(frozen=True, slots=True)
class Commotion:
    """What others committed while a pass ran, to whatever tables: often enough to be in its way."""

    commits: int
    """How many, those that were not heard of included."""
    seconds: float
    """How long the pass took."""
    attribution: Attribution
    """Those who made most of them."""

    @property
    def rate(self) -> int:
        """Commits in a second, to one digit: a figure that does not change at every look."""
        each_second = self.commits / max(self.seconds, 0.001)
        unit = float(f"1e{max(0, len(str(int(each_second))) - 1)}")
        return max(1, int(round(each_second / unit) * unit))

    @property
    def by(self) -> str:
        """Who it is, in words."""
        named = [describe(each, number) for each, number in self.attribution.writers]
        return " and ".join(named) or "unknown programs"

    @property
    def text(self) -> str:
        """`nft (process 17), some 800 commits a second`."""
        return f"{self.by}, some {count(self.rate, 'commit')} a second"

    def fields(self) -> dict[str, str]:
        """The fields of events.Attributed."""
        return {**self.attribution.fields(), "by": self.by}


def describe(writer: Writer, processes: int = 1) -> str:
    """One writer, in words."""
    return f"{_named(writer.comm) or 'a nameless thread'} ({', '.join(_details(writer, processes))})"


def _details(writer: Writer, processes: int) -> Iterable[str]:
    if writer.pid is None:
        yield "process unknown from inside this PID namespace"
    elif processes > 1:
        yield f"{processes} processes, the last {writer.pid}"
    else:
        yield f"process {writer.pid}"
    if writer.exe:
        yield _named(writer.exe)
    if writer.uid is not None:
        yield f"user {writer.user or writer.uid}"
    if writer.loginuid is not None and writer.loginuid != writer.uid:
        yield f"logged in as {writer.login or writer.loginuid}"
    if writer.unit:
        yield _named(writer.unit)


def _named(name: str) -> str:
    return name if not name or _PLAIN.fullmatch(name) else _quoted(name)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
