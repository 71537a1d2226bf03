# SPDX-License-Identifier: GPL-2.0-or-later
"""All selectors. Whoever asks for one of them by name asks here."""

from __future__ import annotations

from secmarkd.selectors.cgroup import CGROUP
from secmarkd.selectors.group import GROUP
from secmarkd.selectors.interface import INTERFACE
from secmarkd.selectors.local import LOCAL
from secmarkd.selectors.ports import PORTS
from secmarkd.selectors.protocol import PROTOCOL
from secmarkd.selectors.remote import REMOTE
from secmarkd.selectors.user import USER

SELECTORS = (PORTS, PROTOCOL, REMOTE, LOCAL, INTERFACE, USER, GROUP, CGROUP)
"""In the order in which they are documented."""
IN_WORDS = tuple(sorted(SELECTORS, key=lambda each: each is not PROTOCOL))
"""In the order in which a rule is said: the protocol before its ports."""
BY_WEIGHT = tuple(sorted(SELECTORS, key=lambda each: -each.weight))
"""The most selective first."""
BY_PROCESS = tuple(each for each in SELECTORS if each.by_process)
ITEMS = {item.key: item for selector in SELECTORS for item in selector.items}
"""The keys of a label that select, by name."""
SELECTOR_OF = {item.key: selector for selector in SELECTORS for item in selector.items}
