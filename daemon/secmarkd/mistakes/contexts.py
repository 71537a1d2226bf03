# SPDX-License-Identifier: GPL-2.0-or-later
"""What is no type, context, level, role or label's name as it stands, and which one it means."""

from __future__ import annotations

import re
from collections.abc import Mapping

from secmarkd.errors import Fix
from secmarkd.mistakes.advice import Mistake, instead_of_key, leave_out, looks_into, prose, rename, toml, write
from secmarkd.mistakes.words import near, plain, shown
from secmarkd.model.context import MAX_LENGTH, Context, is_identifier, parse_context

UNLABELED = "unlabeled_t"
"""What SELinux takes a packet for that has no label."""

NOTHING = frozenset(("none", "no", "off", "unlabeled", "unlabelled", "nothing", "null", "nil", "empty"))
"""What a default is given by who wants no label."""

_TYPE_LIKE = '"http_server_packet_t"'
_CONTEXT_LIKE = '"system_u:object_r:http_server_packet_t:s0"'
_RULE = "a letter, then letters, digits, '_', '.' and '-'"
_ROLE_WORDS: Mapping[str, str] = {
    **dict.fromkeys(("in", "input", "incoming", "inbound", "ingress", "listen", "listener", "daemon", "service", "accept",
                     "servers", "destination", "dst", "responder", "local_in"), "server"),
    **dict.fromkeys(("out", "output", "outgoing", "outbound", "egress", "connect", "clients", "source", "src",
                     "initiator", "local_out"), "client"),
    **dict.fromkeys(("forwarded", "forwarding", "fwd", "routed", "router", "transit", "through"), "forward"),
    **dict.fromkeys(("any", "all", "*", "inout", "in/out", "server,client", "client,server", "peer", "either", "both ways",
                     ""), "both"),
}  # fmt: skip
_WRONG_CATEGORIES = re.compile(r"(s[0-9]+)[:,.\s]\s*(c[0-9]+(?:\s*(?:\.{1,3}|-|,|:|\s)\s*c?[0-9]+)*)\Z")
_BARE_CATEGORIES = re.compile(r"c[0-9]+(?:\s*[.,]\s*c[0-9]+)*\Z")


@looks_into
def type_mistake(value: object) -> Mistake:
    """Why the value is no SELinux type of packets."""
    match value:
        case [str(only)] if is_identifier(only):
            return Mistake("expected one type, got a list", write(toml(only)))
        case str():
            text = plain(value).strip("\"'")
            if ":" in text:
                return _whole_as_type(value, text)
            if is_identifier(text) and text.endswith("_port_t"):
                named = text.removesuffix("_port_t")
                wrong = f"{shown(value)} is a type of ports, which no packet has"
                return Mistake(
                    wrong, write(toml(f"{named}_server_packet_t")), write(toml(f"{named}_client_packet_t"))
                )
            joined = re.sub(r"[\s]+", "_", text)
            if joined != value and is_identifier(joined):
                return Mistake(f"invalid SELinux type {shown(value)} (expected {_RULE})", write(toml(joined)))
            if not text:
                wrong = f"expected an SELinux type, got {shown(value)}"
                return Mistake(wrong, leave_out("leave type out, and the label's name says it"))
            return Mistake(f"invalid SELinux type {shown(value)} (expected {_RULE})", _a_type())
        case _:
            return Mistake(f"expected an SELinux type in quotes, got {shown(value)}", _a_type())


def _a_type() -> Fix:
    return write(_TYPE_LIKE, like=True)


def _whole_as_type(value: str, text: str) -> Mistake:
    wrong = f"{shown(value)} is more than a type"
    try:
        parse_context(text)
    except ValueError:
        parts = [part for part in text.split(":") if is_identifier(part) and part.endswith("_t")]
        return Mistake(wrong, write(toml(parts[0])) if parts else _a_type())
    return Mistake(wrong, instead_of_key(("context", toml(text))))


def identifier_mistake(value: object, word: str, usual: str) -> Mistake:
    """Why the value is no name of an SELinux user or role; `usual` is what nearly everybody has."""
    if not isinstance(value, str):
        return Mistake(f"expected an SELinux {word} in quotes, got {shown(value)}", write(toml(usual)))
    return Mistake(f"invalid SELinux {word} {shown(value)} (expected {_RULE})", write(toml(usual)))


@looks_into
def level_mistake(value: object) -> Mistake | None:
    """Why the value is no MLS level; None where nothing is known against it."""
    if not isinstance(value, str):
        return Mistake(f"expected an MLS level in quotes, got {shown(value)}", write('"s0"', like=True))
    level = repaired_level(value)
    if level == value:
        return None
    if level:
        return Mistake(f"{shown(value)} is not how SELinux writes an MLS level", write(toml(level)))
    return Mistake(f"invalid MLS level {shown(value)}", write('"s0"', '"s0:c0.c3"', like=True)) if value else None


def repaired_level(level: str) -> str:
    """The level as SELinux writes it; empty where it cannot be told, and itself where nothing is known against it."""
    text = plain(level)
    if _BARE_CATEGORIES.match(text):
        return "s0:" + re.sub(r"\s", "", text)
    low, dash, high = text.partition("-")
    if dash and re.match(r"\s*s[0-9]", high):
        both = repaired_level(low.strip()), repaired_level(high.strip())
        return "-".join(both) if all(both) else ""
    if found := _WRONG_CATEGORIES.match(text):
        parts = re.split(r"\s*(\.{1,3}|-|,|:|\s)\s*", found[2])
        names = [part if part.startswith("c") else f"c{part}" for part in parts[::2]]
        joints = [joint if joint == "," else "," if joint in (":", " ") else "." for joint in parts[1::2]]
        return f"{found[1]}:{names[0]}" + "".join(map("".join, zip(joints, names[1:], strict=True)))
    if (
        re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.,:-]*", text)
        and not re.search(r"[.,:-]{2}", text)
        and not text.endswith((":", ".", ",", "-"))
    ):
        return text
    return ""


@looks_into
def context_mistake(value: object) -> Mistake | None:
    """Why the value is no whole context; None where nothing is known against it."""
    if not isinstance(value, str):
        match value:
            case [str(only)] if context_mistake(only) is None:
                return Mistake("expected one context, got a list", write(toml(only)))
        return Mistake(f"expected a context in quotes, got {shown(value)}", write(_CONTEXT_LIKE, like=True))
    text = plain(value).strip("\"'")
    if is_identifier(text):
        return Mistake(f"{shown(value)} is only a type", instead_of_key(("type", toml(text))))
    parts = [part.strip() for part in text.split(":", 3)]
    if len(text.encode()) > MAX_LENGTH:
        return Mistake(f"a security context has at most {MAX_LENGTH} bytes", prose("write a shorter one"))
    if len(parts) == 2 and is_identifier(parts[0]) and parts[0].endswith("_t"):
        wrong = f"{shown(value)} is a type and a level, and a context is user:role:type:level"
        return Mistake(wrong, write(toml(f"system_u:object_r:{text}")))
    names = ("user", "role", "type")
    bad = [(name, part) for name, part in zip(names, parts, strict=False) if not is_identifier(part)]
    if len(parts) < 3 or bad:
        which = f": invalid {bad[0][0]} {shown(bad[0][1])}" if len(parts) > 2 else ""
        wrong = f"expected a context user:role:type or user:role:type:level, got {shown(value)}{which}"
        return Mistake(wrong, write(_CONTEXT_LIKE, like=True))
    if parts[2].endswith("_port_t"):
        mistake = type_mistake(parts[2])
        types = [fix.items[0].strip('"') for fix in mistake.fixes]
        fixes = [write(toml(str(Context(parts[0], parts[1], each, *parts[3:])))) for each in types]
        return Mistake(f"{parts[2]} is a type of ports, which no packet has", *fixes)
    return _level_of(parts) or _blanks(value, ":".join(parts))


def _level_of(parts: list[str]) -> Mistake | None:
    if len(parts) < 4:
        return None
    if not parts[3]:
        return Mistake(
            f"{shown(':'.join(parts))} has a colon and no level behind it", write(toml(":".join(parts[:3])))
        )
    level = repaired_level(parts[3])
    if level == parts[3]:
        return None
    wrong = f"{shown(parts[3])} is not how SELinux writes an MLS level"
    return Mistake(wrong, write(toml(":".join([*parts[:3], *([level] if level else [])]))))


def _blanks(value: str, text: str) -> Mistake | None:
    if text == value:
        return None
    return Mistake(f"{shown(value)} has blanks or quotes that no context has", write(toml(text)))


@looks_into
def default_mistake(value: object, key: str, usual: str) -> Mistake:
    """Why the value is no label for the packets that nothing else names; `usual` is the default of the setting."""
    if value == "" or (isinstance(value, str) and value.strip().lower() in NOTHING):
        wrong = f"expected a type or a context, got {shown(value)}: every packet needs a label"
        purpose = "for packets that SELinux treats as if they had none"
        return Mistake(wrong, write(toml(UNLABELED), purpose=purpose))
    mistake = context_mistake(value) if isinstance(value, str) and ":" in value else type_mistake(value)
    assert mistake is not None
    fixes = [_of_default(fix, key, usual) for fix in mistake.fixes]
    return Mistake(str(mistake).split("; ")[0], *fixes)


def _of_default(fix: Fix, key: str, usual: str) -> Fix:
    """There is no key `context` here: a default is a type or a whole context."""
    if fix.items and not fix.prose:
        return fix
    return write(toml(usual), purpose=f"as {key} has by default")


def role_mistake(value: object, label: str, named: bool) -> Mistake:
    """Why the value is no role. `named`: whether the label has a type or a context."""
    text = ""
    if isinstance(value, str):
        text = plain(value).lower()
    elif isinstance(value, list) and all(isinstance(item, str) for item in value):
        roles = {_ROLE_WORDS.get(item.lower(), item.lower()) for item in value}
        text = next(iter(roles)) if len(roles) == 1 else "both" if roles <= {"server", "client", "both"} else "?"
    role = text if text in ("server", "client", "both", "forward") else _ROLE_WORDS.get(text, "")
    wrong = f"expected a role (server, client, both or forward), got {shown(value)}"
    if meant := near(text, ("server", "client", "both", "forward")) if not role else "":
        role, wrong = meant, f"{wrong} (did you mean {meant!r}?)"
    if not role:
        return Mistake(wrong, leave_out("leave role out for both server and client"))
    beside = [("type", toml(f"{label}_packet_t"))] if role == "forward" and not named else []
    return Mistake(wrong, write(toml(role), beside=beside))


def label_name_mistake(name: str) -> Mistake:
    """Why no label can have this name."""
    wrong = f"{shown(name)} cannot name a label: {_RULE}"
    better = re.sub(r"[^A-Za-z0-9_.-]+", "_", plain(name)).strip("_.-")
    better = better if is_identifier(better) else f"label_{better}".rstrip("_")
    return Mistake(wrong, rename(better, f"as in [labels.{better}]"))


def derived_name_mistake(name: str, role: object) -> Mistake | None:
    """Whether the name of a label without type and context is a type already, from which no type can be derived."""
    for ending, of_role in (("_server_packet_t", "server"), ("_client_packet_t", "client")):
        if name.endswith(ending) and name != ending:
            short = name.removesuffix(ending)
            return _derived(name, short, [("role", toml(of_role))] if role == "both" else [])
    if name.endswith("_packet_t") and name != "_packet_t":
        return _derived(name, name.removesuffix("_packet_t"), [("type", toml(name))])
    if name.endswith("_port_t") and name != "_port_t":
        return _derived(name, name.removesuffix("_port_t"), [])
    if name.endswith("_t") and len(name) > 3:
        return _derived(name, name.removesuffix("_t"), [])
    return None


def _derived(name: str, short: str, beside: list[tuple[str, str]]) -> Mistake:
    pairs = " and ".join(f"{key} = {value}" for key, value in beside)
    words = f"write [labels.{short}]" + (f" with {pairs}" if pairs else "")
    wrong = f"the name is a type already, and would become the type {name}_server_packet_t"
    return Mistake(wrong, rename(short, words, beside=beside))
