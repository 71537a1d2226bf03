# SPDX-License-Identifier: GPL-2.0-or-later
"""What every adapter of `ports.AccessQuestions` does. The world has these rules, and no others of its two domains:

allow READER WEB:packet { send recv };     allow unlabeled_t unlabeled_t:packet { forward_in forward_out };
INDULGED is of a permissive domain;        of READER, categories count (it is mcs_constrained_type)
"""

from __future__ import annotations

from typing import Protocol

from secmarkd.ports import Access, AccessQuestions

READER = "system_u:system_r:smd_reader_t:s0"
INDULGED = "system_u:system_r:smd_indulged_t:s0"
WEB = "system_u:object_r:http_client_packet_t:s0"
SSH = "system_u:object_r:ssh_client_packet_t:s0"
UNKNOWN = "system_u:object_r:no_such_type_t:s0"


class AccessWorld(Protocol):
    """A machine with that policy, or one like it."""

    @property
    def policy(self) -> AccessQuestions:
        """The adapter."""


class AccessContract:
    """To be inherited, with a fixture `world`."""

    def test_what_is_allowed_is_named_whole(self, world: AccessWorld) -> None:
        assert world.policy.access(READER, WEB, "packet") == Access(frozenset({"send", "recv"}))

    def test_what_no_rule_allows_is_denied(self, world: AccessWorld) -> None:
        access = world.policy.access(READER, SSH, "packet")
        assert access == Access(frozenset())
        assert access.denied(("send", "recv")) == ("send", "recv")

    def test_what_has_no_label_may_forward_what_has_none_and_nothing_else(self, world: AccessWorld) -> None:
        unlabeled = world.policy.unlabeled()
        assert unlabeled is not None
        assert unlabeled.split(":")[2] == "unlabeled_t"
        access = world.policy.access(unlabeled, unlabeled, "packet")
        assert access is not None
        assert access.denied(("forward_in", "forward_out")) == ()
        access = world.policy.access(unlabeled, WEB, "packet")
        assert access is not None
        assert access.denied(("forward_in", "forward_out")) == ("forward_in", "forward_out")

    def test_a_permissive_domain_is_denied_nothing_and_said_to_be_one(self, world: AccessWorld) -> None:
        access = world.policy.access(INDULGED, WEB, "packet")
        assert access is not None
        assert access.permissive
        assert access.allowed == frozenset()
        assert access.denied(("send", "recv")) == ()

    def test_contexts_are_asked_about_whole(self, world: AccessWorld) -> None:
        ours, others = READER.replace(":s0", ":s0:c1"), WEB.replace(":s0", ":s0:c2")
        own = world.policy.access(ours, WEB.replace(":s0", ":s0:c1"), "packet")
        assert own is not None
        assert own.denied(("recv",)) == ()
        other = world.policy.access(ours, others, "packet")
        assert other is not None
        assert other.denied(("recv",)) == ("recv",)

    def test_of_an_unknown_context_or_class_nobody_can_say(self, world: AccessWorld) -> None:
        assert world.policy.access(READER, UNKNOWN, "packet") is None
        assert world.policy.access(UNKNOWN, WEB, "packet") is None
        assert world.policy.access(READER, WEB, "no_such_class") is None
        assert world.policy.access("not a context", WEB, "packet") is None
