# SPDX-License-Identifier: GPL-2.0-or-later
"""The diagram of the service's states in ARCHITECTURE.md, from the table of transitions.

`PYTHONPATH=daemon python packaging/dev/generate/states.py`, which is `make states`; a test fails when it is stale.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from secmarkd.service.inputs import Ended, Input
from secmarkd.service.states import Loading, Running, State, Stopped
from secmarkd.service.transitions import TABLE

ARCHITECTURE = Path(__file__).resolve().parents[3] / "ARCHITECTURE.md"
BEGIN = "<!-- made by `make states` from daemon/secmarkd/service/transitions.py; do not edit -->\n"
END = "<!-- end of what `make states` made -->\n"
RUNNING = get_args(Running)


def render() -> str:
    """A Mermaid state diagram. The running states are one box, within which every pass decides again."""
    lines = ["stateDiagram-v2", f"    [*] --> {Loading.__name__}"]
    lines += ["    state Running {", *(f"        {each.__name__}" for each in RUNNING)]
    lines += [f"        {line}" for line in _edges(within=True)]
    lines += ["    }", *(f"    {line}" for line in _edges(within=False)), f"    {Stopped.__name__} --> [*]"]
    return "\n".join(["```mermaid", *lines, "```"]) + "\n"


def _edges(*, within: bool) -> Iterator[str]:
    """`from --> to: inputs`, one for each pair of boxes: those that are within Running, or all others."""
    labels: dict[tuple[str, str], list[str]] = {}
    for (state, happened), transition in TABLE.items():
        for target in transition.to:
            inside = state in RUNNING and target in RUNNING
            if inside != within or (inside and state is target):
                continue
            edge = (state.__name__, target.__name__) if within else (_box(state), _box(target))
            names = labels.setdefault(edge, [])
            if happened.__name__ not in names:
                names.append(happened.__name__)
    for (source, destination), names in labels.items():
        yield f"{source} --> {destination}: {', '.join(names)}"


def _box(state: type[State]) -> str:
    return "Running" if state in RUNNING else state.__name__


def stays() -> str:
    """The inputs that leave the service in the running state in which it is."""
    names: list[type[Input]] = [
        happened
        for (state, happened), transition in TABLE.items()
        if state is RUNNING[0] and transition.to == (state,)
    ]
    return ", ".join(each.__name__ for each in names if each is not Ended)


def with_diagram(text: str) -> str:
    """The document with the diagram as it is now."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    unchanged = f"In a running state these change nothing by themselves: {stays()}."
    return f"{before}{BEGIN}\n{render()}\n{unchanged}\n\n{END}{after}"


if __name__ == "__main__":
    ARCHITECTURE.write_text(with_diagram(ARCHITECTURE.read_text()))
