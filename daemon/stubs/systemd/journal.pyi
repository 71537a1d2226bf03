# SPDX-License-Identifier: GPL-2.0-or-later
# python3-systemd, what is used of it.

# Sends one entry of `FIELD=value`; field names are upper-case.
def sendv(*fields: str | bytes) -> None: ...
