"""Sentence encoders: strings to vectors, and the cache of their embeddings."""

from tfq_llm.encoders.encode import by_length, encode, encode_uncached
from tfq_llm.encoders.load import Available, available, build, load
from tfq_llm.encoders.sentence_encoder import SentenceEncoder

__all__ = ["Available", "SentenceEncoder", "available", "build", "by_length", "encode", "encode_uncached", "load"]
