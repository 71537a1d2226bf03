# SPDX-License-Identifier: GPL-2.0-or-later
"""secmarkd labels network packets for SELinux through nftables, and keeps them labelled.

    /etc/secmarkd ─load→ LabelMap ─compile→ Table (desired) ┐
                                                           ├─diff→ Drift … ─plan→ Transaction ─encode→ nft
    kernel ─netlink messages ──decode→ Table (live) | absent ┘                                          │
    journal ←─ events ←─ Outcome ←──────────── verify: read and diff again, must be empty ←─────────────┘

The directories, in reading order:

    model      what the administrator means
    evaluate   the specification: from a label map and a packet to the label
    selectors  what selects packets: one description a selector, and which of two rules wins
    mistakes   what is wrong with an item as written, and what to write instead
    config     files -> label map; pydantic lives here
    table      the values in the middle: desired and live state, and what changes it
    compiler   label map -> table
    change     table x table -> difference and transactions
    nft        values -> nft's text
    netlink    the kernel's messages <-> values
    events     every journal event
    ports      what the core needs of the world, as protocols
    reconcile  one pass: read, compare, apply, verify
    service    the state machine around it
    adapters   the ports on a real machine
    workers    processes of our own
    programs   secmarkd and secmarkctl; `programs.wiring` puts the parts together
    errors     one tree of exceptions
    throttle   how soon something may happen again
"""

__version__ = "0.1.0"
