# SPDX-License-Identifier: GPL-2.0-or-later
"""secmarkd and secmarkctl. `wiring` is the only place that knows all adapters.

starting         secmarkd from its first instruction on: signals are held before anything heavy is imported
secmarkd         puts the service together and runs it
secmarkctl       carries out one verb
arguments        the verbs, their arguments, and the help
verbs/           one file a verb
wiring           the adapters
lock_holder      the lock as the verbs meet it
running_service  where the service of this network namespace is
differences      differences between label map and kernel, as they are printed
rules            rules as they are printed
notes            notes as they are printed
cautions         what `explain` cannot know
unmatched        selectors that no packet of this host can match
packet_syntax    the grammar of a packet for explain
packet_values    what its words mean
output           writing, in colour on a terminal
error_reporting  errors as both programs print them
"""
