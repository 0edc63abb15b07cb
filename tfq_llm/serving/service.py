"""What all routes share: the model's versions, the batches, and whether the server is stopping."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from tfq_llm.exported.signatures import DEFAULT_SIGNATURE
from tfq_llm.serving.batching import Batcher
from tfq_llm.serving.metrics import Metrics
from tfq_llm.serving.models import ServedModel
from tfq_llm.serving.recording import Records
from tfq_llm.serving.settings import ServerSettings
from tfq_llm.serving.shots import Machines
from tfq_llm.serving.tensors import Tensors
from tfq_llm.serving.versions import ModelVersions


class Service:
    """A model that is served.

    Args:
        settings: of the server.
        loaded: called once the first version is loaded, in another thread.
        failed: called with the exception if nothing can be served in the beginning.

    Attributes:
        settings, metrics, records, versions, machines: see their classes.
        reading: a thread in which large bodies are read.
        is_stopping: no more requests are taken.
        is_broken_off: nothing is waited for any longer, though threads may still be at work.
        in_progress: requests that were not answered yet.
        bytes_in_progress: of their bodies, the tensors made of them, and their answers.

    Raises:
        InputError: there is no exported model in the directory.
    """

    def __init__(self, settings: ServerSettings, loaded: Callable[[], None], failed: Callable[[Exception], None]) -> None:
        self.settings, self.metrics = settings, Metrics()
        self.records = Records(self.metrics)
        self.versions = ModelVersions(settings, self.metrics)
        self.machines = Machines(lambda: self.is_stopping)
        self.reading = ThreadPoolExecutor(1, "reading")
        self.is_stopping = self.is_broken_off = False
        self.in_progress = self.bytes_in_progress = 0
        self._first_loaded, self._failed = loaded, failed
        self._batcher = Batcher(settings.limits, self.metrics)
        self._loader = threading.Thread(target=self._keep_versions, name="versions", daemon=True)
        self.metrics.watch(lambda: self._batcher.rows, lambda: self.in_progress, lambda: self.bytes_in_progress)

    @property
    def is_ready(self) -> bool:
        """Whether requests for the model are answered."""
        return self.versions.is_ready and not self.is_stopping

    def start(self) -> None:
        """Starts the threads that call the model, and the one that loads its versions."""
        self._batcher.start()
        self._loader.start()

    def close(self) -> None:
        """Answers what waits, but for shots, and ends the threads."""
        self.is_stopping = True
        self.versions.stop()
        self._batcher.close()
        self._loader.join()  # a thread that the end of the process finds within TensorFlow aborts it
        self.machines.close()
        self.reading.shutdown(wait=False)

    async def outputs(
        self, model: ServedModel, inputs: Tensors, deadline: float, signature: str = DEFAULT_SIGNATURE
    ) -> dict[str, np.ndarray]:
        """The outputs of a signature, by name.

        Raises:
            RequestError: as `Batcher.answer` does.
        """
        return await self._batcher.answer(model, signature, inputs, deadline)

    def _keep_versions(self) -> None:
        try:
            self.versions.first_load()
        except Exception as error:
            if not self.is_stopping:
                self._failed(error)
            return
        self._first_loaded()
        self.versions.watch()
