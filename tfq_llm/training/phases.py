"""The phases of a run on texts, each going on from what the run directory already holds."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from tfq_llm import data
from tfq_llm.config import Config
from tfq_llm.data.duplicates import embedding_keys, text_key
from tfq_llm.encoders import SentenceEncoder
from tfq_llm.metrics import QUANTUM
from tfq_llm.models import hybrid_classifier
from tfq_llm.training.contrastive import tune_sentence_encoder
from tfq_llm.training.fit import resumable_fit
from tfq_llm.training.heads import Parts, compare_baselines, compare_heads, new_head, prepared, score_model
from tfq_llm.training.run import RunDirectory
from tfq_llm.training.trained import describe_encoder, embed, encoder_from_config, model_facts, seen_key

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TextJob:
    """Texts, their split and the sentence encoder, which the phases change in place."""

    run: RunDirectory
    config: Config
    dataset: data.TextDataset
    split: data.Split
    encoder: SentenceEncoder

    @classmethod
    def prepared(cls, run: RunDirectory, config: Config) -> TextJob:
        settings = config.data
        dataset = data.load(settings.name, text_column=settings.text_column, label_column=settings.label_column).deduplicated()
        logger.info("%s: %s", dataset.name, ", ".join(f"{rows:,} {name}" for name, rows in dataset.rows_per_class().items()))
        for note in dataset.notes:
            logger.info("%s: %s", dataset.name, note)
        drawn = _draw(dataset, config)
        encoder = encoder_from_config(config.encoder, trainable=config.tuning.enabled or config.joint.enabled)
        # A head that cannot be built is refused here, before anything is computed.
        new_head(config, encoder.dim, len(dataset.class_names))
        split = run.split(drawn, dataset.digest())
        logger.info("rows: %d train, %d validation, %d test", len(split.train), len(split.validation), len(split.test))
        return cls(run, config, dataset, split, encoder)

    def compare_heads(self, state: str) -> None:
        """Trains and scores heads on the embeddings of the sentence encoder as it is now."""
        compare_heads(self.run, self.config, state, self.embedded(state), len(self.dataset.class_names))

    def texts(self) -> Parts:
        """The parts as texts."""
        return _parts(np.array(self.dataset.texts, dtype=object), self.dataset.labels, self.split, self.config)

    def embedded(self, state: str) -> Parts:
        """The parts as embeddings."""
        texts = self.texts()
        used = [*texts.train[0], *texts.validation[0], *texts.test[0]]
        found = embed(self.encoder, used, f"embedding, sentence encoder {state}")
        ends = np.cumsum([len(texts.train[1]), len(texts.validation[1])])
        vectors = np.split(found, ends)
        labels = (texts.train[1], texts.validation[1], texts.test[1])
        return Parts(*zip(vectors, labels, strict=True))

    def tune(self) -> None:
        """Contrastive tuning of the sentence encoder."""
        if not self.run.has_phase("tuning"):
            texts, config = self.texts(), self.config
            fitted = tune_sentence_encoder(
                self.encoder,
                texts.train,
                texts.validation,
                config.tuning,
                seed=config.seed,
                state_file=self.run.state_file("tuning"),
                log_dir=self.run.log_dir("tuning"),
            )
            self.run.save_encoder(self.encoder, "tuned")
            self.run.keep_phase("tuning", fitted)
        self.encoder.load_weights_file(self.run.encoder_file("tuned"))

    def train_jointly(self, start: str) -> None:
        """Trains sentence encoder and quantum head together, from strings to logits, and compares heads once more."""
        config = self.config
        if not self.run.has_phase("joint"):
            head, texts = tf.keras.models.load_model(self.run.head_file(start)), self.texts()
            self.encoder.trainable = True
            model = hybrid_classifier(self.encoder, len(self.dataset.class_names), head)
            fitted = resumable_fit(
                prepared(model, config.joint, len(texts.train[1])),
                texts.train,
                texts.validation,
                config.joint,
                name="joint training of sentence encoder and head",
                seed=config.seed,
                state_file=self.run.state_file("joint"),
                log_dir=self.run.log_dir("joint"),
            )
            self.run.save_encoder(self.encoder, "joint")
            self.run.save_head(head, "joint")
            self.run.keep_phase("joint", fitted)
        self.encoder.load_weights_file(self.run.encoder_file("joint"))
        parts = self.embedded("joint")
        compare_baselines(self.run, config, "joint", parts)
        head = tf.keras.models.load_model(self.run.head_file("joint"))
        if ("joint", QUANTUM) not in self.run.finished_heads():
            self.run.add_result(score_model("joint", head, parts.test, self.run.phase_seconds("joint")))

    def seen(self) -> list[str]:
        """Keys of the texts that were trained or validated on."""
        return [seen_key(text_key(self.dataset.texts[row]).encode()) for row in (*self.split.train, *self.split.validation)]

    def finish(self, state: str) -> None:
        """Makes the head of this state, with its sentence encoder, the run's model."""
        weights = None if state == "frozen" else self.run.encoder_file(state)
        self.run.finish(
            model_facts(self.run, state, self.dataset.class_names, describe_encoder(self.encoder, weights), self.seen())
        )


def train_on_embeddings(run: RunDirectory, config: Config, path: str) -> None:
    """Trains and scores heads on given embeddings."""
    dataset = data.load_embeddings(path)
    logger.info("%s: %d embeddings of %d dimensions", dataset.name, *dataset.embeddings.shape)
    settings = config.data
    drawn = data.embedding_split(dataset, settings.per_class, settings.validation_fraction, config.seed)
    new_head(config, dataset.embeddings.shape[1], len(dataset.class_names))
    split = run.split(drawn, dataset.digest())
    parts = _parts(dataset.embeddings, dataset.labels, split, config)
    compare_heads(run, config, "given", parts, len(dataset.class_names))
    keys = embedding_keys(dataset.embeddings)
    seen = [seen_key(keys[row]) for row in (*split.train, *split.validation)]
    run.finish(model_facts(run, "given", dataset.class_names, seen=seen))


def _draw(dataset: data.TextDataset, config: Config) -> data.Split:
    settings = config.data
    if settings.protocol == "given":
        return data.given_split(dataset, settings.validation_fraction, config.seed)
    return data.few_shot_split(
        dataset.labels, settings.per_class, settings.validation_fraction, config.seed, class_names=dataset.class_names
    )


def _parts(inputs: np.ndarray, labels: np.ndarray, split: data.Split, config: Config) -> Parts:
    """The rows of each part; of the test part no more than the configuration wants scored."""
    test = split.test
    if config.data.test_rows is not None and config.data.test_rows < len(test):
        test = data.subsample(test, labels, config.data.test_rows, config.seed)
    return Parts(*((inputs[rows], labels[rows]) for rows in (split.train, split.validation, test)))
