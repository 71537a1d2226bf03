# SPDX-License-Identifier: GPL-2.0-or-later
"""The numbers of the kernel's headers: messages, their attributes and flags, a table for each enum.

A name here is the header's without the table's prefix: SetElem.KEY is NFTA_SET_ELEM_KEY of linux/netfilter/nf_tables.h.
tests/unit/netlink/test_numbers.py holds them against the headers, as tests/golden/kernel/numbers.txt has recorded them.
"""

from __future__ import annotations

from typing import ClassVar


class Numbers:
    """A table of numbers whose names in the headers begin alike."""

    prefix: ClassVar[str]

    def __init_subclass__(cls, *, prefix: str) -> None:
        cls.prefix = prefix


# --- linux/netlink.h, linux/netfilter/nfnetlink.h ---


class Nlmsg(Numbers, prefix="NLMSG_"):
    """Messages of netlink itself."""

    ERROR, DONE = 2, 3


class NlmF(Numbers, prefix="NLM_F_"):
    """Flags of messages. DUMP_INTR: what is listed changed meanwhile."""

    REQUEST, ACK, DUMP_INTR, DUMP, CREATE = 0x1, 0x4, 0x10, 0x300, 0x400


class NlaF(Numbers, prefix="NLA_F_"):
    """Flags in an attribute's type."""

    NESTED, NET_BYTEORDER = 1 << 15, 1 << 14


class Netlink(Numbers, prefix="NETLINK_"):
    """Protocols, and options of sockets."""

    ROUTE, SELINUX, NETFILTER = 0, 7, 12
    ADD_MEMBERSHIP, GET_STRICT_CHK = 1, 12


class Nfnl(Numbers, prefix="NFNL_"):
    """Subsystems of netfilter, and the frame of a transaction."""

    SUBSYS_NFTABLES = 10
    MSG_BATCH_BEGIN, MSG_BATCH_END = 0x10, 0x11
    BATCH_GENID = 1


class Nfnlgrp(Numbers, prefix="NFNLGRP_"):
    """Groups that are told of changes."""

    NFTABLES = 7


class Nfproto(Numbers, prefix="NFPROTO_"):
    """Families of tables."""

    UNSPEC, INET, IPV4, ARP, NETDEV, BRIDGE, IPV6 = 0, 1, 2, 3, 5, 7, 10


# --- linux/netfilter/nf_tables.h: messages ---


class NftMsg(Numbers, prefix="NFT_MSG_"):
    """Messages of nf_tables; on the wire with its subsystem, see `codec.nft`."""

    NEWTABLE, GETTABLE, DELTABLE = 0, 1, 2
    NEWCHAIN, GETCHAIN = 3, 4
    NEWRULE, GETRULE, DELRULE = 6, 7, 8
    NEWSET, GETSET = 9, 10
    NEWSETELEM, GETSETELEM, DELSETELEM = 12, 13, 14
    NEWGEN, GETGEN = 15, 16
    NEWOBJ, GETOBJ = 18, 19
    GETFLOWTABLE = 23


OF_TABLE = 1
"""The table's name, in messages of every kind: Table.NAME, Chain.TABLE, Rule.TABLE, Set.TABLE, SetElemList.TABLE, Obj.TABLE
and Flowtable.TABLE."""


# --- linux/netfilter/nf_tables.h: attributes ---


class Gen(Numbers, prefix="NFTA_GEN_"):
    """Of a generation: its number, and the thread that committed it."""

    ID, PROC_PID, PROC_NAME = 1, 2, 3


class Table(Numbers, prefix="NFTA_TABLE_"):
    """Of a table."""

    NAME, FLAGS, USE, HANDLE, PAD, USERDATA, OWNER = 1, 2, 3, 4, 5, 6, 7


class Chain(Numbers, prefix="NFTA_CHAIN_"):
    """Of a chain."""

    TABLE, HANDLE, NAME, HOOK, POLICY, USE, TYPE, COUNTERS, PAD, FLAGS, ID, USERDATA = range(1, 13)


class Hook(Numbers, prefix="NFTA_HOOK_"):
    """Of where a chain is hooked."""

    HOOKNUM, PRIORITY = 1, 2


class Rule(Numbers, prefix="NFTA_RULE_"):
    """Of a rule."""

    TABLE, CHAIN, HANDLE, EXPRESSIONS, COMPAT, POSITION, USERDATA, PAD = range(1, 9)


class Expr(Numbers, prefix="NFTA_EXPR_"):
    """Of an expression in a rule."""

    NAME, DATA = 1, 2


class Set(Numbers, prefix="NFTA_SET_"):
    """Of a set or map."""

    TABLE, NAME, FLAGS, KEY_TYPE, KEY_LEN, DATA_TYPE, DATA_LEN, POLICY, DESC, ID = range(1, 11)
    TIMEOUT, GC_INTERVAL, USERDATA, PAD, OBJ_TYPE, HANDLE, EXPR, EXPRESSIONS, TYPE, COUNT = range(11, 21)


class SetDesc(Numbers, prefix="NFTA_SET_DESC_"):
    """Of what a set is to hold."""

    SIZE, CONCAT = 1, 2


class SetField(Numbers, prefix="NFTA_SET_FIELD_"):
    """Of a field of a concatenation."""

    LEN = 1


class SetFlag(Numbers, prefix="NFT_SET_"):
    """Flags of a set."""

    ANONYMOUS, CONSTANT, INTERVAL, MAP, TIMEOUT, EVAL, OBJECT, CONCAT, EXPR = (1 << bit for bit in range(9))


class SetElemList(Numbers, prefix="NFTA_SET_ELEM_LIST_"):
    """Of elements of a set, where they are sent."""

    TABLE, SET, ELEMENTS = 1, 2, 3


class List(Numbers, prefix="NFTA_LIST_"):
    """Of a list."""

    ELEM = 1


class SetElem(Numbers, prefix="NFTA_SET_ELEM_"):
    """Of an element."""

    KEY, DATA, FLAGS, TIMEOUT, EXPIRATION, USERDATA, EXPR, PAD, OBJREF, KEY_END, EXPRESSIONS = range(1, 12)


class SetElemFlag(Numbers, prefix="NFT_SET_ELEM_"):
    """Flags of an element."""

    INTERVAL_END, CATCHALL = 1, 2


class Data(Numbers, prefix="NFTA_DATA_"):
    """Of a value."""

    VALUE, VERDICT = 1, 2


class Obj(Numbers, prefix="NFTA_OBJ_"):
    """Of an object."""

    TABLE, NAME, TYPE, DATA, USE, HANDLE, PAD, USERDATA = range(1, 9)


class Secmark(Numbers, prefix="NFTA_SECMARK_"):
    """Of a secmark object's data."""

    CTX = 1


class Flowtable(Numbers, prefix="NFTA_FLOWTABLE_"):
    """Of a flowtable."""

    TABLE, NAME = 1, 2


class Object(Numbers, prefix="NFT_OBJECT_"):
    """Kinds of objects."""

    COUNTER, QUOTA, CT_HELPER, LIMIT, CONNLIMIT, TUNNEL, CT_TIMEOUT, SECMARK, CT_EXPECT, SYNPROXY = range(1, 11)


class MetaKey(Numbers, prefix="NFT_META_"):
    """What of a packet `meta` reads or sets."""

    IIFNAME, OIFNAME, SKUID, SECMARK, NFPROTO, L4PROTO = 6, 7, 10, 14, 15, 16


class CtKey(Numbers, prefix="NFT_CT_"):
    """What of a connection `ct` reads or sets."""

    STATE, DIRECTION, STATUS, SECMARK, ID = 0, 1, 2, 4, 23


class Meta(Numbers, prefix="NFTA_META_"):
    """Of the expression `meta`."""

    DREG, KEY, SREG = 1, 2, 3


class Ct(Numbers, prefix="NFTA_CT_"):
    """Of the expression `ct`."""

    DREG, KEY, DIRECTION, SREG = 1, 2, 3, 4


class Objref(Numbers, prefix="NFTA_OBJREF_"):
    """Of the expression `objref`."""

    IMM_TYPE, IMM_NAME, SET_SREG, SET_NAME = 1, 2, 3, 4


class Target(Numbers, prefix="NFTA_TARGET_"):
    """Of the expression `target`: a target of iptables."""

    NAME, REV, INFO = 1, 2, 3
