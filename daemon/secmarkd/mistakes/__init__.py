# SPDX-License-Identifier: GPL-2.0-or-later
"""What is wrong with one item, and what to write instead: a sentence for each of the mistakes that people make. Pure.

    advice      a Mistake, whose advice is data: what a message says is what a test writes into the file
    words       how values are shown, and which known word is so near that it must be meant
    ports       of tcp, udp, sctp, dccp and udplite
    addresses   of remote and local
    interfaces  of interface
    protocols   of protocol
    processes   of accounts and cgroup
    contexts    of type, context, level, role and the names of labels
    settings    of secmarkd.toml

The readers of `selectors` and of `config.items` call these only for what they do not accept, and hand themselves over:
whatever is advised was
read by the same reader before.
"""
