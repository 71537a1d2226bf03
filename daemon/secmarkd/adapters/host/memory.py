# SPDX-License-Identifier: GPL-2.0-or-later
"""Memory that is free goes back to the kernel: after a large pass libc and Python keep tens of megabytes for later."""

from __future__ import annotations

import ctypes
import gc


def give_back() -> None:
    """Collect garbage and trim libc's heap. Takes a few milliseconds; does nothing more where libc is not glibc."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
