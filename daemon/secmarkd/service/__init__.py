# SPDX-License-Identifier: GPL-2.0-or-later
"""The service: a state machine among ports. It imports no adapter.

states               the states that the service can be in, with all that steers it
inputs               what can happen to it
effects              what is done then
transitions          the state machine: a table of what follows from what
machine              gives the state machine what happens
execution            carries out what it answers
loop                 the event loop that carries them
adapters             the ports that it reaches the world by
passes               passes, and what is known around them
interruption         a stop that is asked for while a pass runs
loads                loads and recompilations, which nothing waits for
verification         what is known of the ruleset without reading it
reporting            from passes to events
trouble              failed passes as one story
planned               what a pass for new labels changed, apart from drift
attribution          who is named for a change
tally                who commits most while a pass runs
busy                 others in the way of reading
contention           how soon to repair again
budget               how many lines the journal is worth
environment          when to look at what labels depend on besides the configuration, and the labels for it
environment_changes  what differs between two environments
names                when to look names up again
policy               the loaded policy under the labels
forwarding           forwarded packets and the policy
neighbours           what else sets labels on this machine
refusal              why a configuration is refused as a whole
status               what the service is doing, as it is published
summary              the published status as a function of the state
announcer            keeps service manager, status and watchdog up to date
exit_codes           exit codes of both programs
"""
