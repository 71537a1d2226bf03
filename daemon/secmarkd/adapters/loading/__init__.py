# SPDX-License-Identifier: GPL-2.0-or-later
"""From files to the compiled table, in a process of its own that ends afterwards.

requests  what that process can be asked
question  a request to that process that nothing waits for
loader    implements ports.Loader
lookups   implements ports.Lookups
process   what that process does; `load` does the same for the verbs
"""
