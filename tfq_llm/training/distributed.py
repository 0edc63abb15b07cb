"""One model trained by several processes or machines, as one process would train it."""

from __future__ import annotations

import hashlib
import logging
import math
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf

from tfq_llm.config import FitConfig
from tfq_llm.errors import InputError
from tfq_llm.models import compile_classifier
from tfq_llm.training.cluster import Cluster
from tfq_llm.training.fit import epoch_rows, resumable_fit, train_from
from tfq_llm.training.heads import Rows, prepared
from tfq_llm.training.rendezvous import WorkerLostError, meet
from tfq_llm.training.state import TrainingState

logger = logging.getLogger(__name__)

# A process can join once.
_joined: dict[Cluster, tf.distribute.MultiWorkerMirroredStrategy] = {}
# Seconds that a worker may be busy on its own, such as with compiling kernels, before the others give up; and that TensorFlow may
# take to connect workers that are all there.
_LONGEST_SILENCE, _CONNECTING = 1800, 300
_LOST = (
    tf.errors.UnavailableError,
    tf.errors.DeadlineExceededError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.FailedPreconditionError,
)


def fit_distributed(
    make_model: Callable[[], tf.keras.Model],
    train: Rows,
    validation: Rows,
    config: FitConfig,
    *,
    seed: int,
    name: str = "training",
    cluster: Cluster | None = None,
    state_file: Path | None = None,
    log_dir: Path | None = None,
    callbacks: Sequence[tf.keras.callbacks.Callback] = (),
    wait: float = 300.0,
) -> tuple[tf.keras.Model, TrainingState]:
    """Trains one classifier on all workers of a cluster; each calls this with the same arguments.

    The batches are those of `resumable_fit` with the same seed. Every worker computes its part of each, of ⌊b/w⌋ or ⌈b/w⌉ rows
    for b rows and w workers, none included; gradients are averaged over the rows of the whole batch. So the result is that of one
    process but for rounding, however many workers there are. Shots and noise are the exception: their draws follow from
    the rows a worker has, so they are other draws for another number of workers, and the same for the same.

    Losses and metrics are sums over all workers, the same to the last bit on each, so all stop after the same epoch.

    Args:
        make_model: builds the model, from embeddings or texts to logits, such as `lambda: quantum_head(768, 2, seed=0)`. It is
            called for the model that is returned, and once more in the strategy's scope, where the chief's initial weights count.
            A sentence encoder is loaded inside it. Optimizer and loss are those of `compile_classifier`, whatever it was
            compiled with.
        train: all inputs (embeddings [rows, dim] or strings [rows]) and integer labels [rows], on every worker.
        validation: likewise.
        config: epochs, global batch size, learning rate, weight decay, patience.
        seed: decides the order of batches.
        name: of the training, for messages.
        cluster: the workers; by default those of TF_CONFIG. Without either, or with one worker, this process trains alone.
        state_file: where the chief keeps the state after every epoch; the others need no access. When a worker was lost, the same
            command on all workers goes on from there, to the same result.
        log_dir: of the chief, for TensorBoard.
        callbacks: more Keras callbacks, on every worker.
        wait: seconds to wait for the other workers.

    Returns:
        The model with the weights of its best epoch, and its history: the same on every worker. It computes on its own from
        then on, and has to be saved by one worker only.

    Raises:
        InputError: TF_CONFIG cannot be used; TensorFlow has been used before in this process; or the workers were given
            different rows, settings or models.
        WorkerLostError: a worker did not come in time, or was lost. This process cannot train any more and should end.
        TrainingDivergedError: as `resumable_fit`, on all workers.
    """
    cluster = cluster or Cluster.from_environment()
    if cluster is None or len(cluster.workers) == 1:
        model = prepared(make_model(), config, len(train[1]))
        state = resumable_fit(
            model, train, validation, config, name=name, seed=seed, state_file=state_file, log_dir=log_dir, callbacks=callbacks
        )
        return model, state
    team = _Team(cluster, join(cluster, wait))
    # A mirrored model would wait for the other workers whenever it is asked for something, so it is not what is returned.
    model = prepared(make_model(), config, len(train[1]))
    steps = math.ceil(len(train[1]) / config.batch_size)
    with _lost_workers(name, cluster), team.strategy.scope():
        team.check_alike(_digest(train, validation, config, seed, model))
        state = team.state_of_chief(state_file)
        mirrored = compile_classifier(make_model(), config, config.epochs * steps, _GlobalMean(from_logits=True))
        state.restore(mirrored)
        train_from(
            state,
            mirrored,
            team.parts(train, epoch_rows(len(train[1]), config, seed, state.epochs_done), weighted=True),
            team.parts(validation, tf.data.Dataset.range(len(validation[1])).batch(config.batch_size)),
            config,
            name=name,
            steps=steps,
            validation_steps=math.ceil(len(validation[1]) / config.batch_size),
            state_file=state_file if cluster.is_chief else None,
            log_dir=log_dir if cluster.is_chief else None,
            callbacks=callbacks,
            quiet=not cluster.is_chief,
        )
        weights = mirrored.get_weights()
    model.set_weights(weights)
    return model, state


def join(cluster: Cluster, wait: float = 300.0) -> tf.distribute.MultiWorkerMirroredStrategy:
    """Meets the other workers and connects TensorFlow with theirs; a second call returns the same strategy.

    `fit_distributed` does this by itself. A program that needs TensorFlow before, such as to embed texts, joins first.

    Raises:
        InputError: TensorFlow has been used before in this process; or as `rendezvous.meet`.
        WorkerLostError: as `rendezvous.meet`.
    """
    if cluster in _joined:
        return _joined[cluster]
    meet(cluster, wait)
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
        tf.train.ClusterSpec({"worker": list(cluster.workers)}), task_type="worker", task_id=cluster.index, rpc_layer="grpc"
    )
    options = tf.distribute.experimental.CommunicationOptions(timeout_seconds=_LONGEST_SILENCE)
    with _ended_after(_CONNECTING, cluster), _signals_kept():
        try:
            _joined[cluster] = tf.distribute.MultiWorkerMirroredStrategy(resolver, options)
        except RuntimeError as error:
            raise InputError(
                f"TensorFlow cannot join other workers any more ({error}): call tfq_llm.training.join(cluster) or "
                "fit_distributed before anything is computed in this process, and once."
            ) from error
    logger.info("%s: all are there", cluster)
    return _joined[cluster]


@contextmanager
def _ended_after(seconds: float, cluster: Cluster) -> Iterator[None]:
    """Ends the process if TensorFlow does not come back: a worker that dies in this moment would be waited for an hour."""

    def end() -> None:
        print(f"{cluster}: another worker was lost while TensorFlow connected: start all again.", file=sys.stderr, flush=True)
        os._exit(1)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


@contextmanager
def _signals_kept() -> Iterator[None]:
    """Keeps what SIGTERM does: TensorFlow's preemption watcher would swallow it, and only SIGKILL would end a worker."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, signal.SIG_DFL if before is None else before)


@contextmanager
def _lost_workers(name: str, cluster: Cluster) -> Iterator[None]:
    try:
        yield
    except _LOST as error:
        raise WorkerLostError(
            f"{name}: {cluster} lost another one. Start the same command on all workers again: with a state file, the training "
            "goes on after the last finished epoch."
        ) from error


@dataclass(frozen=True)
class _Team:
    """What the workers do together."""

    cluster: Cluster
    strategy: tf.distribute.MultiWorkerMirroredStrategy

    def check_alike(self, digest: bytes) -> None:
        """Raises InputError on all workers if one has another digest than the chief."""
        differs = np.zeros(len(self.cluster.workers), np.int32)
        differs[self.cluster.index] = self._from_chief(digest) != digest
        others = [self.cluster.workers[index] for index in np.flatnonzero(self._sum(differs))]
        if others:
            raise InputError(
                f"{', '.join(others)} was given other rows, settings, seed or model than {self.cluster.workers[0]}: one model is "
                "trained by workers that have the same."
            )

    def state_of_chief(self, path: Path | None) -> TrainingState:
        """The chief's state, on all workers."""
        if self.cluster.is_chief and path and path.exists():
            # Damage is told by the file's own name.
            TrainingState.load(path)
            content = path.read_bytes()
        else:
            content = b""
        content = self._from_chief(content)
        if not content:
            return TrainingState()
        with tempfile.TemporaryDirectory() as directory:
            copy = Path(directory) / "state.safetensors"
            copy.write_bytes(content)
            return TrainingState.load(copy)

    def parts(self, rows: Rows, batches: tf.data.Dataset, weighted: bool = False) -> tf.distribute.DistributedDataset:
        """This worker's part of every batch: inputs, labels and, for the gradient, weights as `_GlobalMean` wants them.

        Args:
            rows: inputs and labels.
            batches: row numbers of each global batch.
            weighted: whether there are weights.
        """
        workers, index = len(self.cluster.workers), self.cluster.index

        def datasets(_: tf.distribute.InputContext) -> tf.data.Dataset:
            inputs, labels = tf.constant(rows[0]), tf.constant(rows[1])

            def part(batch: tf.Tensor) -> tuple[tf.Tensor, ...]:
                size = tf.size(batch)
                mine = batch[size * index // workers : size * (index + 1) // workers]
                found = tf.gather(inputs, mine), tf.gather(labels, mine)
                return (*found, tf.fill([tf.size(mine)], tf.cast(workers / size, tf.float32))) if weighted else found

            return batches.map(part).prefetch(2)

        return self.strategy.distribute_datasets_from_function(datasets)

    def _from_chief(self, content: bytes) -> bytes:
        """The chief's bytes, on all workers."""
        is_chief = self.cluster.is_chief
        size = int(self._sum(np.array([len(content) if is_chief else 0], np.int64))[0])
        padded = np.zeros(-(-size // 4) * 4, np.uint8)
        if is_chief:
            padded[:size] = np.frombuffer(content, np.uint8)
        return self._sum(padded.view(np.int32)).view(np.uint8)[:size].tobytes() if size else b""

    def _sum(self, array: np.ndarray) -> np.ndarray:
        return self.strategy.reduce(tf.distribute.ReduceOp.SUM, tf.constant(array), axis=None).numpy()


class _GlobalMean(tf.keras.losses.SparseCategoricalCrossentropy):
    """Cross-entropy whose gradient is this worker's part of that of the mean over the whole batch.

    Keras takes the mean of the workers' means, which is another number when one has fewer rows. The weight of each row is
    workers / rows of the whole batch, so that their sum over a part is what its mean has to be multiplied by. The value
    stays the mean over the part, since Keras counts that with the part's rows in what it reports.
    """

    def __call__(self, labels: tf.Tensor, logits: tf.Tensor, sample_weight: tf.Tensor | None = None) -> tf.Tensor:
        mean = super().__call__(labels, logits)
        if sample_weight is None:
            return mean
        value = tf.stop_gradient(mean)
        return value + tf.reduce_sum(tf.cast(sample_weight, mean.dtype)) * (mean - value)


def _digest(train: Rows, validation: Rows, config: FitConfig, seed: int, model: tf.keras.Model) -> bytes:
    """Of all that must be the same on every worker."""
    weights = [(tuple(weight.shape), weight.dtype.name, bool(weight.trainable)) for weight in model.weights]
    digest = hashlib.sha256(f"{seed} {config.model_dump_json()} {weights}".encode())
    for array in map(np.asarray, (*train, *validation)):
        digest.update(f"{array.shape} {array.dtype}".encode())
        digest.update("\0".join(map(str, array)).encode() if array.dtype == object else np.ascontiguousarray(array).tobytes())
    return digest.digest()
