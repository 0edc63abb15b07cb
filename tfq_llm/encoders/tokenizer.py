"""BERT's tokenizer as TensorFlow operations: strings in, token ids out, the same ids as the Hugging Face fast tokenizer."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import numpy as np
import tensorflow as tf
import tensorflow_text

from tfq_llm.encoders.characters import ALONE, KINDS, PLAIN, SPACE, CharacterRules, character_table, entry

MAX_WORD_CHARACTERS = 100
# The table of characters is kept as its distinct blocks of so many code points: half a megabyte in place of 13.
_BLOCK_SIZE = 256
# A special token written in a text becomes one character of this private-use range, which BERT drops from texts anyway.
_FIRST_MARKER, _LAST_MARKER = 0xF0000, 0xF00FF
# A text is cut after this many bytes per token. Only white space or one endless word could fill so many bytes with so few tokens,
# hence the first tokens of a text do not depend on the cut, and a text of any length costs no more than this.
_BYTES_PER_TOKEN = 1024


@dataclass(frozen=True)
class TokenizerSettings:
    """All that tells one WordPiece tokenizer from another.

    Args:
        vocabulary: the tokens; a token's id is its place.
        start, end, padding, unknown: the tokens with these roles.
        literals: tokens that a text may spell out ("[CLS]"); each is then read as that token, not as its letters.
        caseless_literals: the same, in any case of letters.
        rules: what happens to characters.
    """

    vocabulary: tuple[str, ...]
    start: str
    end: str
    padding: str
    unknown: str
    literals: tuple[str, ...]
    caseless_literals: tuple[str, ...] = ()
    rules: CharacterRules = field(default_factory=CharacterRules)

    def id_of(self, token: str) -> int:
        """The id of a token of the vocabulary."""
        return self.vocabulary.index(token)


class Tokenizer(tf.Module):
    """Turns texts into token ids, cut to a number of tokens and padded to the longest of the batch.

    Args:
        settings: vocabulary and special tokens.
        max_tokens: the most tokens of a text, start and end among them.
    """

    def __init__(self, settings: TokenizerSettings, max_tokens: int) -> None:
        super().__init__()
        self.settings, self.max_tokens = settings, max_tokens
        self._markers = self._assign_markers()
        table = character_table(settings.rules).copy()
        for marker, _ in self._markers:
            table[ord(marker), 0] = entry(0, 0, ALONE)
        blocks, self._block_of = _distinct_blocks(table)
        self._blocks = blocks.reshape(-1, table.shape[1])
        # Markers are further words of the vocabulary; `_ids` maps them back to the tokens they stand for.
        self._wordpiece = tensorflow_text.FastWordpieceTokenizer(
            [*settings.vocabulary, *(marker for marker, _ in self._markers)],
            max_bytes_per_word=4 * MAX_WORD_CHARACTERS,
            token_out_type=tf.int32,
            unknown_token=settings.unknown,
            no_pretokenization=True,
        )
        marked = [settings.id_of(token) for _, token in self._markers]
        self._ids = np.array([*range(len(settings.vocabulary)), *marked], np.int32)

    def __call__(self, texts: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Tokenizes string [batch].

        Returns:
            Token ids, int32 [batch, longest], and the number of tokens of each text, int32 [batch].
        """
        tokens = self._tokens(texts)[:, : self.max_tokens - 2]
        rows = tf.shape(texts)[0]
        start, end = (tf.fill([rows, 1], self.settings.id_of(token)) for token in (self.settings.start, self.settings.end))
        tokens = tf.concat([start, tokens, end], axis=1)
        padded = tokens.to_tensor(self.settings.id_of(self.settings.padding))
        return padded, tf.cast(tokens.row_lengths(), tf.int32)

    def truncated(self, texts: tf.Tensor) -> tf.Tensor:
        """Tells, bool [batch], which of the texts have more tokens than are read."""
        return self._tokens(texts).row_lengths() > self.max_tokens - 2

    def _assign_markers(self) -> list[tuple[str, str]]:
        literals = {*self.settings.literals, *self.settings.caseless_literals, self.settings.unknown}
        return [(chr(_FIRST_MARKER + place), token) for place, token in enumerate(sorted(literals))]

    def _tokens(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Ids without start and end; at least the first `max_tokens - 1` of them where there are so many."""
        words = self._words(self._mark_literals(texts))[:, : self.max_tokens]  # a word has at least one token
        ids: tf.RaggedTensor = self._wordpiece.tokenize(words).merge_dims(1, 2)
        return ids.with_flat_values(tf.gather(self._ids, ids.flat_values))

    def _mark_literals(self, texts: tf.Tensor) -> tf.Tensor:
        texts = tf.strings.substr(texts, 0, _BYTES_PER_TOKEN * self.max_tokens)
        texts = tf.strings.regex_replace(texts, f"[{chr(_FIRST_MARKER)}-{chr(_LAST_MARKER)}]", "\ufffd")
        for marker, token in self._markers:
            pattern = re.escape(token)
            if token in self.settings.caseless_literals:
                pattern = f"(?i){pattern}"
            elif token not in self.settings.literals:
                continue
            texts = tf.strings.regex_replace(texts, pattern, marker)
        return texts

    def _words(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Normalises texts, string [batch], and splits them into words, string [batch, (words)]."""
        codes, kinds, rows = self._characters(texts)
        after_break = tf.concat([[True], (kinds[:-1] != PLAIN) | (rows[1:] != rows[:-1])], axis=0)[: tf.size(kinds)]
        starts = after_break | (kinds == ALONE)
        in_word = kinds != SPACE
        starts = tf.boolean_mask(starts, in_word)
        first = tf.where(starts)[:, 0]
        characters = tf.RaggedTensor.from_row_starts(tf.boolean_mask(codes, in_word), first)
        words = tf.strings.unicode_encode(characters, "UTF-8")
        unknown = next(marker for marker, token in self._markers if token == self.settings.unknown)
        words = tf.where(characters.row_lengths() > MAX_WORD_CHARACTERS, unknown, words)
        rows = tf.gather(tf.boolean_mask(rows, in_word), first)
        return tf.RaggedTensor.from_value_rowids(words, rows, nrows=tf.shape(texts, tf.int64)[0])

    def _characters(self, texts: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """The normalised characters of all texts in one row: code points, kinds, and which text each is of."""
        decoded = tf.strings.unicode_decode(texts, "UTF-8", errors="ignore")
        old = decoded.flat_values
        block = tf.gather(self._block_of, old // _BLOCK_SIZE)
        entries = tf.gather(self._blocks, block * _BLOCK_SIZE + old % _BLOCK_SIZE)
        kept = tf.where(entries != 0)
        packed, source = tf.gather_nd(entries, kept), kept[:, 0]
        return tf.gather(old, source) + packed // KINDS, packed % KINDS, tf.gather(decoded.value_rowids(), source)


def _distinct_blocks(table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Splits a table by code point into its distinct blocks, [blocks, ...], and which of them each run of code points has."""
    place_of: dict[bytes, int] = {}
    rows = table.reshape(len(table) // _BLOCK_SIZE, -1)
    block_of = [place_of.setdefault(row.tobytes(), len(place_of)) for row in rows]
    return np.frombuffer(b"".join(place_of), table.dtype).reshape(len(place_of), -1), np.array(block_of, np.int32)
