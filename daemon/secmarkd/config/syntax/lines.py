# SPDX-License-Identifier: GPL-2.0-or-later
"""One line that is no TOML -> what is wrong with it, and the line that it must mean."""

from __future__ import annotations

import re
import tomllib
import unicodedata

from secmarkd.config.other_words import other_word
from secmarkd.config.syntax.values import CURLY, example, known_key, meant, refusal, single, without_comment
from secmarkd.config.values import listed
from secmarkd.errors import Fix
from secmarkd.mistakes.advice import Mistake, prose, rewrite, toml_key
from secmarkd.mistakes.contexts import label_name_mistake
from secmarkd.mistakes.words import plain, shown
from secmarkd.model.context import is_identifier

_KEY = r"(?:[A-Za-z0-9_.-]+|\"[^\"]*\"|'[^']*')"
_PAIR = re.compile(rf"\s*({_KEY})\s*=(.*)", re.DOTALL)
_COLON = re.compile(rf"\s*-?\s*({_KEY})\s*(?::=|=>|==|:|->|~)\s*(.*)", re.DOTALL)
_NO_SIGN = re.compile(rf"\s*({_KEY})\s+([\"'\[{{0-9].*)", re.DOTALL)
_SEMANAGE = re.compile(r"\s*([a-z][a-z0-9_]*)_port_t\s+(tcp|udp|sctp|dccp)\s+([0-9][0-9, -]*)\s*")
_COMMAND = re.compile(
    r"\s*(?:-A|ip6?tables|nft|semanage|firewall-cmd|add rule|table |chain |meta |tcp dport|udp dport)\b"
)
_COMMENT = re.compile(r"\s*(//+|;+|--+|/\*+|\*/?|%+|!+|'\s|REM\b|<!--)\s*(.*?)\s*(?:\*/|-->)?\s*")
_HEADER = re.compile(r"\s*(\[{1,2})([^\[\]=#]*)(\]{0,2})\s*(.*)")
_QUOTES = frozenset(map(chr, CURLY)) - {"`", "\u00b4"}
_EXAMPLE_PAIR = "as in tcp = [443]"
_EXAMPLE_LABEL = "as in [labels.http] and below it tcp = [80]"


def line_mistake(line: str, number: int, table: str) -> Mistake | None:
    """What is wrong with the line; None where it is not known. `table` is the header above it."""
    for find in (
        _other_characters,
        _pasted,
        _comment,
        _closing_alone,
        _marked_up,
        _header,
        _pair,
        _colon,
        _odd_key,
        _no_sign,
    ):
        if mistake := find(line, number, table):
            return mistake
    return None


def item_mistake(line: str, number: int, key: str, table: str) -> Mistake | None:
    """What is wrong with a line of a list that takes several; `key` is the list's. The line may begin the list."""
    if mistake := _other_characters(line, number, table):
        return mistake
    body = without_comment(line).rstrip()
    head = line[: len(line) - len(line.lstrip())]
    if found := re.match(r"\s*[A-Za-z0-9_.\"'-]+\s*=\s*\[", body):
        head, body = found[0], body[found.end() :]
    closed = body.endswith("]")
    result = meant(body[:-1] if closed else body, key, table)
    if result is None:
        return None
    inside = result.text.removeprefix("[").removesuffix("]")
    return _rewritten(result.wrong, number, f"{head}{inside}{']' if closed else ','}", check=f"x = [{inside}]")


def _rewritten(wrong: str, number: int, line: str, check: str | None = None) -> Mistake | None:
    """Advice to write the line, if it is TOML."""
    if not _is_toml(line if check is None else check):
        return None
    if not line.strip():
        return Mistake(wrong, rewrite(number, number, "", "remove it"))
    words = "write " + " and below it ".join(part.strip() for part in line.splitlines())
    return Mistake(wrong, rewrite(number, number, line, words))


def _other_characters(line: str, number: int, _: str) -> Mistake | None:
    """Quotes, blanks and signs that only look like the plain ones; control characters."""
    straight = line.translate(CURLY)
    if straight != line and any(char in _QUOTES for char in line):
        return _rewritten("quotes of a word processor, not plain ones", number, straight)
    for column, char in enumerate(line, 1):
        kind = unicodedata.category(char)
        if char != "\t" and (kind in ("Cc", "Cf", "Zs", "Zl", "Zp", "Co", "Cn") and char != " "):
            name = unicodedata.name(char, "a control character").lower()
            wrong = f"an invisible character in column {column} (U+{ord(char):04X}, {name})"
            clean = "".join(
                " " if unicodedata.category(each) == "Zs" else each
                for each in line
                if each in " \t" or unicodedata.category(each) not in ("Cc", "Cf", "Zl", "Zp", "Co", "Cn")
            )
            return _rewritten(wrong, number, clean) or Mistake(wrong, prose("write the line without it"))
    folded = plain(line)
    if folded != line.strip() and not re.search(r"[\"']", line):
        return _rewritten("look-alikes of plain characters", number, folded)
    return None


def _pasted(line: str, number: int, _: str) -> Mistake | None:
    if found := _SEMANAGE.fullmatch(line):
        ports = listed("tcp", found[3])
        if ports:
            text = f"[labels.{found[1]}]\n{found[2]} = {ports}"
            return _rewritten("this is a line of `semanage port -l`", number, text)
    if _COMMAND.match(line):
        wrong = "this is a command or a rule of another program"
        return Mistake(wrong, prose(f"write a label, {_EXAMPLE_LABEL}"))
    return None


def _comment(line: str, number: int, _: str) -> Mistake | None:
    found = _COMMENT.fullmatch(line)
    if found is None or ("=" in found[2][:20] and found[1].startswith("'")):
        return None
    return _rewritten(f"comments begin with #, not with {found[1].strip()}", number, f"# {found[2]}".rstrip())


def _marked_up(line: str, _: int, __: str) -> Mistake | None:
    stripped = line.strip()
    kind = (
        "XML"
        if stripped.startswith("<")
        else "JSON"
        if stripped in ("{", "[", "},", "]") or re.match(r"[{\[]\s*\"", stripped)
        else ""
    )
    if not kind:
        return None
    return Mistake(f"this looks like {kind}", prose(f"write TOML, {_EXAMPLE_LABEL}"))


def _header(line: str, number: int, _: str) -> Mistake | None:
    found = _HEADER.fullmatch(line)
    if found is None:
        return None
    opening, name, closing, rest = found.groups()
    name = name.strip()
    behind = without_comment(rest).strip()
    rest = behind.strip(":;, ")
    parts = [part for part in (part.strip().strip("\"'") for part in name.strip(" .:").split(".")) if part]
    if re.fullmatch(r"labels?\s+\S+", name):
        parts = ["labels", *name.split()[1:]]
    if len(parts) > 1 and parts[0] == "labels" and not is_identifier(parts[1]):
        parts[1] = label_name_mistake(parts[1]).fixes[0].rename
    parts = (parts or ["labels"]) + (["http"] if parts in ([], ["labels"]) and name != "labels" else [])
    better = f"{opening}{'.'.join(map(toml_key, parts))}{']' * len(opening)}"
    if rest:
        wrong = "a header stands alone on its line"
        return _rewritten(wrong, number, f"{better}\n{rest}") or _rewritten(wrong, number, better)
    if len(closing) != len(opening):
        return _rewritten(f"the header has no closing {']' * len(opening)}", number, better)
    if behind:
        return _rewritten("a header stands alone on its line", number, better)
    if not _is_toml(line):
        return _rewritten(f"{shown(name)[1:-1]} cannot name a table", number, better)
    return None


def _pair(line: str, number: int, table: str) -> Mistake | None:
    found = _PAIR.fullmatch(line)
    if found is None:
        return None
    key, rest = found[1], found[2]
    last = key.split(".")[-1].strip("\"'")
    if known_key(last) != last:
        key, last = key.removesuffix(last) + known_key(last), known_key(last)
    if signs := re.match(r"\s*[=>~:]+\s*(.*)", rest, re.DOTALL):
        return _valued("a key and its value have one = between them", key, last, signs[1], number, table)
    text = without_comment(rest).strip()
    if not text.rstrip(",;"):
        return Mistake(f"{key} has no value", _example(key, last, number, table))
    if key.startswith(".") or key.endswith(".") or ".." in key:
        return _rewritten("the key has a dot too many", number, f"{re.sub(r'[.]+', '.', key).strip('.')} ={rest}")
    if text.lower() in ("none", "null", "nil", "~", "undefined"):
        removed = rewrite(number, number, "", "remove the line, which leaves the key out")
        return Mistake(f"{text} is not a TOML value", removed)
    if second := _two_in_a_line(f"{key} =", text, number):
        return second
    if text[-1] in ",;" and text.count("[") <= text.count("]"):
        wrong = f"a line does not end with {text[-1]}"
        return _valued(wrong, key, last, text.rstrip(",; "), number, table)
    return _valued("", key, last, rest, number, table)


def _valued(wrong: str, key: str, last: str, rest: str, number: int, table: str) -> Mistake | None:
    """Advice to write the value behind the key as the key takes it. `wrong`: what else is wrong with the line."""
    if result := meant(rest, last, table):
        return _rewritten(wrong or result.wrong, number, f"{key} = {result.text}")
    text = without_comment(rest).strip()
    said = f"{text[:80]} is not a TOML value"
    value = single(rest)
    if refused := refusal(last, value):
        said = f"{said}, and {str(refused).split('; ')[0]}"
        lines = ["\n".join(_pairs_of(fix, last)) for fix in refused.fixes if not (fix.prose or fix.example)]
        fixes = [fix for line in lines if line for fix in _advice(number, line)]
        return Mistake(wrong or said, *(fixes or [_example(key, last, number, table)]))
    settings = table.startswith(("context", "default"))
    other = (
        None if settings or value is None or example(last, table) else other_word(last, value, "NAME", True, False)
    )
    if other is not None:
        lines = ["\n".join(_pairs_of(fix, last)) for fix in other.fixes]
        fixes = [fix for line in lines if line for fix in _advice(number, line)]
        return Mistake(f"{said}, and {str(other).split('; ')[0]}", *fixes)
    if not example(last, table) and _is_toml(f"x = {text}"):
        return _rewritten(wrong or said, number, f"{key} = {text}")
    return Mistake(wrong or said, _example(key, last, number, table))


def _pairs_of(fix: Fix, key: str) -> list[str]:
    """What the fix of a value comes to, as lines."""
    own = [f"{key} = [{', '.join(fix.items)}]"] if fix.items else []
    return own + [f"{name} = {value}" for name, value in fix.beside]


def _advice(number: int, line: str) -> list[Fix]:
    if not _is_toml(line):
        return []
    return [rewrite(number, number, line, "write " + " and below it ".join(line.splitlines()))]


def _is_toml(text: str) -> bool:
    try:
        tomllib.loads(text)
    except (tomllib.TOMLDecodeError, ValueError, RecursionError):
        return False
    return True


def _example(key: str, last: str, number: int, table: str) -> Fix:
    value = example(last, table)
    if not value:
        return prose("texts go in quotes, lists in [ ], and true and false in small letters")
    return rewrite(number, number, f"{key} = {value}", f"as in {key} = {value}")


def _two_in_a_line(head: str, text: str, number: int) -> Mistake | None:
    """`tcp = [80] udp = [53]`."""
    for found in re.finditer(rf"[,;\s]\s*({_KEY}\s*=)", text):
        first, second = f"{head.rstrip()} {text[: found.start()].rstrip(',; ')}", text[found.start(1) :]
        if mistake := _rewritten("each key stands on a line of its own", number, f"{first}\n{second}"):
            return mistake
    return None


def _odd_key(line: str, number: int, _: str) -> Mistake | None:
    """A key with characters that need quotes, or none at all."""
    key, sign, rest = line.partition("=")
    if not sign or "[" in key or "{" in key:
        return None
    if not key.strip():
        return Mistake("there is no key before the =", prose(f"write one, {_EXAMPLE_PAIR}"))
    better = known_key(re.sub(r"[\s:]+", "_", plain(key)).strip("_"))
    wrong = f"{shown(key.strip())} is not a key"
    if example(better, ""):
        return _rewritten(wrong, number, f"{better} ={rest}")
    return Mistake(wrong, prose("write one of letters, digits, _ and -, " + _EXAMPLE_PAIR))


def _colon(line: str, number: int, table: str) -> Mistake | None:
    found = _COLON.fullmatch(without_comment(line))
    if found is None:
        return None
    key, rest = found[1], found[2].strip()
    if not rest:
        return Mistake("this looks like YAML", prose(f"write TOML, {_EXAMPLE_LABEL}"))
    last = known_key(key.split(".")[-1].strip("\"'"))
    return _valued(
        "a key and its value have = between them", last if "." not in key else key, last, rest, number, table
    )


def _no_sign(line: str, number: int, table: str) -> Mistake | None:
    found = _NO_SIGN.fullmatch(without_comment(line))
    if found is None:
        alone = re.fullmatch(rf"\s*({_KEY})\s*", without_comment(line))
        if alone is not None:
            return Mistake(f"{alone[1][:80]} stands alone", prose("write a key, = and a value, " + _EXAMPLE_PAIR))
        found = re.fullmatch(rf"\s*(?:set\s+|export\s+|let\s+|option\s+)?({_KEY})\s+(\S.*)", without_comment(line))
        if found is None or not example(known_key(found[1]), table):
            return None
    if found[2].startswith("{") and "}" not in found[2]:
        return Mistake("this looks like the configuration of another program", prose(f"write TOML, {_EXAMPLE_LABEL}"))
    key = known_key(found[1])
    return _valued(f"{key} has no = before its value", key, key, found[2], number, table)


def _closing_alone(line: str, number: int, _: str) -> Mistake | None:
    text = without_comment(line).strip()
    if not text or text.strip("]})>,;\"'\\"):
        return None
    return Mistake(f"{text} closes nothing", rewrite(number, number, "", "remove it"))
