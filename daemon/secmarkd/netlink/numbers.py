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

    IIFNAME, OIFNAME, SKUID, SKGID, SECMARK, NFPROTO, L4PROTO, IIFKIND, OIFKIND = 6, 7, 10, 11, 14, 15, 16, 26, 27


class CtKey(Numbers, prefix="NFT_CT_"):
    """What of a connection `ct` reads or sets."""

    STATE, DIRECTION, STATUS, SECMARK, ID = 0, 1, 2, 4, 23


class SocketKey(Numbers, prefix="NFT_SOCKET_"):
    """What of a socket `socket` reads."""

    CGROUPV2 = 3


class PayloadBase(Numbers, prefix="NFT_PAYLOAD_"):
    """The header that `payload` reads."""

    LL_HEADER, NETWORK_HEADER, TRANSPORT_HEADER, INNER_HEADER = 0, 1, 2, 3


class ExthdrOp(Numbers, prefix="NFT_EXTHDR_OP_"):
    """The kind of header that `exthdr` looks through."""

    SCTP = 3


class ExthdrFlag(Numbers, prefix="NFT_EXTHDR_F_"):
    """What `exthdr` asks. PRESENT: whether there is one, and nothing of its content."""

    PRESENT = 1


class CmpOp(Numbers, prefix="NFT_CMP_"):
    """Comparisons."""

    EQ, NEQ, LT, LTE, GT, GTE = range(6)


class RangeOp(Numbers, prefix="NFT_RANGE_"):
    """Comparisons with a range."""

    EQ, NEQ = 0, 1


class BitwiseOp(Numbers, prefix="NFT_BITWISE_"):
    """Operations on bits. MASK_XOR: AND, then XOR (BOOL in headers before Linux 6.13)."""

    MASK_XOR = 0


class ByteorderOp(Numbers, prefix="NFT_BYTEORDER_"):
    """Ways to turn a number around."""

    NTOH, HTON = 0, 1


class DynsetOp(Numbers, prefix="NFT_DYNSET_OP_"):
    """What `dynset` does to a set."""

    ADD, UPDATE, DELETE = 0, 1, 2


class LookupFlag(Numbers, prefix="NFT_LOOKUP_F_"):
    """Of a look-up."""

    INV = 1


class Reg(Numbers, prefix="NFT_REG_"):
    """Registers of 16 bytes; the first is for verdicts."""

    VERDICT, SIZE = 0, 16


class Reg32(Numbers, prefix="NFT_REG32_"):
    """The same registers of data by parts of SIZE bytes."""

    SIZE = 4


class Meta(Numbers, prefix="NFTA_META_"):
    """Of the expression `meta`."""

    DREG, KEY, SREG = 1, 2, 3


class Ct(Numbers, prefix="NFTA_CT_"):
    """Of the expression `ct`."""

    DREG, KEY, DIRECTION, SREG = 1, 2, 3, 4


class Payload(Numbers, prefix="NFTA_PAYLOAD_"):
    """Of the expression `payload`."""

    DREG, BASE, OFFSET, LEN = 1, 2, 3, 4


class Socket(Numbers, prefix="NFTA_SOCKET_"):
    """Of the expression `socket`."""

    KEY, DREG, LEVEL = 1, 2, 3


class Exthdr(Numbers, prefix="NFTA_EXTHDR_"):
    """Of the expression `exthdr`."""

    DREG, TYPE, OFFSET, LEN, FLAGS, OP = 1, 2, 3, 4, 5, 6


class Bitwise(Numbers, prefix="NFTA_BITWISE_"):
    """Of the expression `bitwise`."""

    SREG, DREG, LEN, MASK, XOR, OP = 1, 2, 3, 4, 5, 6


class Byteorder(Numbers, prefix="NFTA_BYTEORDER_"):
    """Of the expression `byteorder`."""

    SREG, DREG, OP, LEN, SIZE = 1, 2, 3, 4, 5


class Cmp(Numbers, prefix="NFTA_CMP_"):
    """Of the expression `cmp`."""

    SREG, OP, DATA = 1, 2, 3


class Range(Numbers, prefix="NFTA_RANGE_"):
    """Of the expression `range`."""

    SREG, OP, FROM_DATA, TO_DATA = 1, 2, 3, 4


class Lookup(Numbers, prefix="NFTA_LOOKUP_"):
    """Of the expression `lookup`."""

    SET, SREG, DREG, SET_ID, FLAGS = 1, 2, 3, 4, 5


class Dynset(Numbers, prefix="NFTA_DYNSET_"):
    """Of the expression `dynset`."""

    SET_NAME, SET_ID, OP, SREG_KEY, SREG_DATA, TIMEOUT, EXPR, PAD, FLAGS = range(1, 10)


class Immediate(Numbers, prefix="NFTA_IMMEDIATE_"):
    """Of the expression `immediate`."""

    DREG, DATA = 1, 2


class Verdict(Numbers, prefix="NFTA_VERDICT_"):
    """Of a verdict."""

    CODE, CHAIN = 1, 2


class Objref(Numbers, prefix="NFTA_OBJREF_"):
    """Of the expression `objref`."""

    IMM_TYPE, IMM_NAME, SET_SREG, SET_NAME = 1, 2, 3, 4


class Target(Numbers, prefix="NFTA_TARGET_"):
    """Of the expression `target`: a target of iptables."""

    NAME, REV, INFO = 1, 2, 3
