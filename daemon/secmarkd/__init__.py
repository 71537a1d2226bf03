"""secmarkd labels network packets for SELinux through nftables, and keeps them labelled.

    /etc/secmarkd ─load→ Configuration ─→ LabelMap ─compile→ Table (desired) ┐
                                                                            ├─diff→ Drift … ─plan→ Transaction ─encode→ nft
    kernel ─netlink messages ──decode→ Table (live) | absent ───────────────┘                                          │
    journal ←─ events ←─ Outcome ←──────────── verify: read and diff again, must be empty ←────────────────────────────┘

Reading order: `model.labels` (what an administrator means), `model.evaluate` (which label a packet gets: the
specification), `ruleset.table` (what nftables holds), `ruleset.compile` and `ruleset.chains` (from the one to the other),
`ruleset.diff` and `ruleset.plan`, `reconcile` (one pass), `service.service` (the daemon around it). `config` reads files,
`kernel` speaks with the kernel, `cli` puts the parts together.
"""

__version__ = "0.1.0"
