"""What BERT's text normaliser and word splitter do with each character, as one table.

BERT drops control characters, decomposes (NFD), drops combining marks, lower-cases, and then splits at white space and
around punctuation and Chinese characters. Each step looks at one character at a time, so the whole is a table from a code point
to at most three characters, each with its part in splitting.

The rules are those of the reference tokenizer (Hugging Face `tokenizers`), with the character categories of this Python's
`unicodedata`. The reference's categories are those of Unicode 8: to it, the 500 or so marks, punctuation and format characters
added since then are letters. A word with one of those may be read differently; English vocabularies do not know them anyway.
"""

from __future__ import annotations

import functools
import unicodedata
from dataclasses import dataclass

import numpy as np

CODE_POINTS = 0x110000
MAX_OUTPUT = 3
PLAIN, SPACE, ALONE = 1, 2, 3
KINDS = 4

# The reference begins the last extension of Chinese at 2B920 where Unicode's block begins at 2B820.
_CHINESE = (
    (0x4E00, 0x9FFF),
    (0x3400, 0x4DBF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B920, 0x2CEAF),
    (0xF900, 0xFAFF),
    (0x2F800, 0x2FA1F),
)
_ASCII_PUNCTUATION = frozenset("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")
_DROPPED_CATEGORIES = frozenset({"Cc", "Cf", "Co", "Cs"})


@dataclass(frozen=True)
class CharacterRules:
    """The settings of a BERT normaliser.

    Args:
        lower_case: lower-case every character.
        strip_accents: decompose and drop combining marks.
        split_chinese: make each Chinese character a word of its own.
    """

    lower_case: bool = True
    strip_accents: bool = True
    split_chinese: bool = True


@functools.cache
def character_table(rules: CharacterRules) -> np.ndarray:
    """Tabulates the rules for every code point.

    Returns:
        int32 [1114112, 3]: for each code point the characters that replace it, each as `entry` packs it; zeros fill the rest.
        It is computed once, so it cannot be written to.
    """
    table = np.zeros((CODE_POINTS, MAX_OUTPUT), np.int32)
    table[:, 0] = entry(0, 0, PLAIN)
    for code in range(CODE_POINTS):
        if unicodedata.category(chr(code)) != "Cn":
            replaced = [entry(code, ord(new), _kind(new, rules)) for new in _replacement(chr(code), rules)]
            table[code] = replaced + [0] * (MAX_OUTPUT - len(replaced))
    table.flags.writeable = False
    return table


def entry(old: int, new: int, kind: int) -> int:
    """Packs one replacement: its distance from the character it replaces, and its kind (1–3).

    The kind is `PLAIN` (part of a word), `SPACE` (between words) or `ALONE` (a word of its own). Distances, unlike the code
    points themselves, are the same for whole alphabets, so the table compresses well.
    """
    return (new - old) * KINDS + kind


def _replacement(character: str, rules: CharacterRules) -> str:
    if character in "\t\n\r":
        return " "
    if character in "\0\ufffd" or unicodedata.category(character) in _DROPPED_CATEGORIES:
        return ""
    if rules.strip_accents:
        decomposed = unicodedata.normalize("NFD", character)
        character = "".join(part for part in decomposed if unicodedata.category(part) != "Mn")
    # One character at a time: str.lower would turn a final Σ into ς, and the reference does not.
    return "".join(part.lower() for part in character) if rules.lower_case else character


def _kind(character: str, rules: CharacterRules) -> int:
    if character.isspace():
        return SPACE
    if character in _ASCII_PUNCTUATION or unicodedata.category(character).startswith("P"):
        return ALONE
    if rules.split_chinese and any(first <= ord(character) <= last for first, last in _CHINESE):
        return ALONE
    return PLAIN
