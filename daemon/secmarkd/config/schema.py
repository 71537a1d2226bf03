# SPDX-License-Identifier: GPL-2.0-or-later
"""The keys that exist, and their types: pydantic models, which are also what the JSON Schema is made of.

A selector's keys come from its description in `selectors`, and other values are read by functions of `items`, so that a
validated model holds numbers, prefixes and uids, not text. What one
key cannot know of another is in `checks`.
"""

from __future__ import annotations

from types import new_class
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, WithJsonSchema

from secmarkd.config import items
from secmarkd.config.toml_positions import Path
from secmarkd.mistakes.settings import LONGEST, SHORTEST
from secmarkd.model.context import Context
from secmarkd.model.label_map import Mode, OnDrift, OnStop, Ownership
from secmarkd.selectors.every import ITEMS

_IDENTIFIER = {"type": "string", "pattern": r"^[A-Za-z][A-Za-z0-9_.-]*$"}
_LEVEL = {"type": "string", "pattern": r"^([A-Za-z0-9_][A-Za-z0-9_.,:-]*)?$"}
_CONTEXT = {"type": "string", "pattern": r"^[^:\s]+:[^:\s]+:[^:\s]+(:\S+)?$"}


def _read(reader: Any, **schema: Any) -> Any:
    return PlainValidator(reader), WithJsonSchema(schema)


def _selector(description: str, *examples: Any) -> Any:
    """A key that may be left out, and if it is given names at least one."""
    return Field(
        default=(),  # shared: a list for each key of each of 100,000 tables would be most of the memory
        min_length=1,
        description=description,
        examples=list(examples),
        json_schema_extra=_without_default,
    )


def _without_default(schema: dict[str, Any]) -> None:
    """What may be left out, but not be given as its default, has none for editors."""
    schema.pop("default", None)


_TYPE = _read(items.type_item, **_IDENTIFIER)


class Table(BaseModel):
    """What all tables have in common: TOML's types as they are, and no key that is not known."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, hide_input_in_errors=True)


_SELECTORS = """What selects packets. All that are given must match; a list matches any of its members."""


def _selectors() -> type[Table]:
    """A model with a field for each key of each selector."""
    keys = {
        item.key: (
            list[Annotated[Any, *_read(item.read, **item.schema)]],
            _selector(item.description, *item.examples),
        )
        for item in ITEMS.values()
    }
    namespace = {
        "__module__": __name__,
        "__qualname__": "Selectors",
        "__doc__": _SELECTORS,
        "__annotations__": {key: annotation for key, (annotation, _) in keys.items()},
        **{key: field for key, (_, field) in keys.items()},
    }
    return new_class("Selectors", (Table,), exec_body=lambda into: into.update(namespace))


if TYPE_CHECKING:

    class Selectors(Table):
        """Its fields are those of `ITEMS`."""

else:
    Selectors = _selectors()


class Label(Selectors):
    """One label. Without type and context, http means http_server_packet_t and http_client_packet_t by role."""

    model_config = ConfigDict(json_schema_extra={"not": {"required": ["type", "context"]}})

    type: Annotated[str, *_TYPE] = Field(
        default="",
        json_schema_extra=_without_default,
        description="The SELinux type of the packets, completed by [context] of secmarkd.toml. Not together with context.",
        examples=["myauth_packet_t"],
    )
    context: Annotated[Context | None, *_read(items.context_item, **_CONTEXT)] = Field(
        default=None,
        json_schema_extra=_without_default,
        description="The whole SELinux context of the packets; a level that is left out comes from [context] of "
        "secmarkd.toml. Not together with type.",
        examples=["system_u:object_r:myauth_packet_t:s0:c0.c3"],
    )
    role: Literal["server", "client", "both", "forward"] = Field(
        default="both",
        description="server: connections that others open to this host. client: connections that this host opens. "
        "both: either. forward: packets that this host passes on; needs type or context.",
        examples=["server"],
    )
    match: list[Selectors] = _selector(
        "Several unrelated selections under one label, instead of selectors beside it.",
        [{"tcp": [8443], "remote": ["10.0.0.0/8"]}, {"udp": [5000], "interface": ["eth1"]}],
    )


class LabelsFile(Table):
    """A file of labels.d/: which packets get which SELinux label."""

    labels: dict[str, Label] = Field(
        default_factory=dict,
        json_schema_extra={"propertyNames": {"pattern": _IDENTIFIER["pattern"]}},
        description="Labels by name. Without type or context, http means http_server_packet_t and "
        "http_client_packet_t.",
    )


class ContextTable(Table):
    """Completes a bare type to user:role:TYPE:level."""

    user: Annotated[str, *_read(items.identifier("user", "system_u"), **_IDENTIFIER)] = Field(
        default="system_u", description="The SELinux user of packets' contexts."
    )
    role: Annotated[str, *_read(items.identifier("role", "object_r"), **_IDENTIFIER)] = Field(
        default="object_r", description="The SELinux role of packets' contexts."
    )
    level: Annotated[str, *_read(items.level_item, **_LEVEL)] = Field(
        default="s0", description="The MLS level of packets' contexts. Empty where the policy has no MLS."
    )


class DefaultTable(Table):
    """What packets get that nothing else names: a type, or a whole context."""

    server: Annotated[str, *_read(items.label_item("server", "server_packet_t"), type="string", minLength=1)] = Field(
        default="server_packet_t", description="Packets of connections that others open to this host."
    )
    client: Annotated[str, *_read(items.label_item("client", "client_packet_t"), type="string", minLength=1)] = Field(
        default="client_packet_t", description="Packets of connections that this host opens."
    )
    icmp: Annotated[str, *_read(items.label_item("icmp", "icmp_packet_t"), type="string", minLength=1)] = Field(
        default="icmp_packet_t", description="ICMP and ICMPv6 packets."
    )
    forward: Annotated[str, *_read(items.optional_label_item("forward", ""), type="string")] = Field(
        default="", description="Packets that this host passes on. Empty: they keep whatever they have."
    )


class SettingsFile(Table):
    """secmarkd.toml: how labels are kept in the kernel, and what completes them."""

    mode: Annotated[Mode, Field(strict=False)] = Field(
        default=Mode.LABEL,
        description="label: marks packets. rehearse: counts the packets each label would mark, and marks none.",
    )
    on_drift: Annotated[OnDrift, Field(strict=False)] = Field(
        default=OnDrift.REPAIR,
        description="What happens when the kernel's rules are not what they should be. repair: restores them. "
        "report: only says so.",
    )
    on_stop: Annotated[OnStop, Field(strict=False)] = Field(
        default=OnStop.KEEP,
        description="keep: the labels stay in the kernel when the service stops. remove: they are taken out.",
    )
    resync: Annotated[
        float,
        *_read(
            items.duration_item,
            anyOf=[{"type": "number", "minimum": SHORTEST, "maximum": LONGEST}, {"type": "string"}],
        ),
    ] = Field(
        default=300.0,
        json_schema_extra={"default": "5min"},
        description="A verification takes place after this time even if no event arrived: 30s, 5min, 1h, 1min 30s, or a "
        "number of seconds. From 1s to 1w.",
    )
    ownership: Annotated[Ownership, Field(strict=False)] = Field(
        default=Ownership.SHARED,
        description="exclusive: the kernel refuses every other writer of the table. shared: it does not.",
    )
    context: ContextTable = Field(
        default_factory=ContextTable, description="Completes a bare type: user:role:TYPE:level."
    )
    default: DefaultTable = Field(
        default_factory=DefaultTable,
        description="What packets get that nothing else names: a type, or a whole context.",
    )


SELECTORS = tuple(ITEMS)


def table_at(root: type[Table], path: Path) -> type[Table] | None:
    """The model of the table at `path` of a file; None where it is no table of ours."""
    match path:
        case ():
            return root
        case ("context",) if root is SettingsFile:
            return ContextTable
        case ("default",) if root is SettingsFile:
            return DefaultTable
        case ("labels", _) if root is LabelsFile:
            return Label
        case ("labels", _, "match", int()) if root is LabelsFile:
            return Selectors
        case _:
            return None
