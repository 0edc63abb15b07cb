"""Bodies that come compressed: they are unpacked piece by piece, so that little never becomes much at once."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Iterator, Sequence

from tfq_llm.serving import errors
from tfq_llm.serving.errors import RequestError, malformed, too_large

_PIECE = 2**16
_GZIP = 16 + zlib.MAX_WBITS


def is_gzipped(encodings: Sequence[str]) -> bool:
    """Whether a body is to be unpacked, by its headers `Content-Encoding`.

    Raises:
        RequestError: it is compressed in another way, or more than once (415).
    """
    codings = [coding.strip().lower() for coding in ",".join(encodings).split(",")]
    applied = [coding for coding in codings if coding not in ("", "identity")]
    if applied and applied not in (["gzip"], ["x-gzip"]):
        raise RequestError(errors.UNSUPPORTED, "a body may have the Content-Encoding gzip, once, or none: send it so.")
    return bool(applied)


async def unpacked(body: AsyncIterator[bytes], most: int) -> AsyncIterator[bytes]:
    """What is in a gzipped body, in pieces of at most 64 KiB; others have their turn between them.

    Args:
        body: as it comes.
        most: bytes of it, for one may be long and have nothing in it.

    Raises:
        RequestError: it is damaged, cut, or goes on after its end (400); or it is too long (413).
    """
    inflater, size = zlib.decompressobj(_GZIP), 0
    async for part in body:
        size += len(part)
        if size > most:
            raise too_large(most)
        for piece in _pieces(inflater, part):
            yield piece
            await asyncio.sleep(0)
    if not inflater.eof:
        raise malformed("the gzipped body is cut: it ends before its checksum.")


def _pieces(inflater: zlib._Decompress, part: bytes) -> Iterator[bytes]:
    is_full = True
    while part or is_full:
        try:
            piece = inflater.decompress(part, _PIECE)
        except zlib.error:
            raise malformed("the body is said to be gzipped (Content-Encoding) and is not, or is damaged.") from None
        if inflater.unused_data:
            raise malformed("the gzipped body goes on after its end: send one member of gzip.")
        if piece:
            yield piece
        # With no input left there may still be output that did not fit.
        part, is_full = inflater.unconsumed_tail, len(piece) == _PIECE
