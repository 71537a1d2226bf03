# SPDX-License-Identifier: GPL-2.0-or-later
"""Services of a Debian server, in enforcing and with the shipped labels; only when asked, by `make test-server`."""
