# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the source tree is, for tests that read its files."""

from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
GOLDEN = REPOSITORY / "tests/golden"
