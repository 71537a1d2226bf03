# SPDX-License-Identifier: GPL-2.0-or-later
"""What nft's syntax can say between quotation marks. Its strings have no escapes."""

from __future__ import annotations

import re

MAX_LENGTH = 255
_QUOTABLE = re.compile(rf"[ !#-~]{{1,{MAX_LENGTH}}}\Z")
"""Everything printable of ASCII but the quotation mark, which would end the string."""


def is_quotable(text: str) -> bool:
    """Whether nft can be told this text."""
    return _QUOTABLE.match(text) is not None
