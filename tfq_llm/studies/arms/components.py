"""Principal components of embeddings, in the form of a linear layer."""

from __future__ import annotations

from typing import Literal

import numpy as np
from sklearn.decomposition import PCA

from tfq_llm.errors import InputError

# A component that hardly varies, such as the last one of as many rows, is rounding errors: scaled up it would be noise.
_VARIES = 1e-5


def projection(
    embeddings: np.ndarray, components: int, scale: Literal["largest", "variance"], size: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """The linear map from embeddings to their first principal components, as `embeddings @ kernel + bias`.

    Args:
        embeddings: [rows, dim], whose components they are.
        components: how many.
        scale: what of every component is made equal to `size`: the largest absolute value, or the variance, over these rows.
        size: see `scale`.

    Returns:
        kernel float32 [dim, components] and bias float32 [components].

    Raises:
        InputError: there are not that many components.
    """
    most = min(embeddings.shape)
    if components > most:
        raise InputError(
            f"{embeddings.shape[0]} rows of {embeddings.shape[1]} dimensions have {most} principal components, and {components} "
            "were asked for: use fewer (for a quantum head, fewer qubits), or more rows."
        )
    exact = embeddings.astype(np.float64)
    pca = PCA(components, svd_solver="full").fit(exact)
    scores = pca.transform(exact)
    spread = np.abs(scores).max(axis=0) if scale == "largest" else scores.std(axis=0)
    spread[spread <= _VARIES * spread.max()] = max(float(spread.max()), np.finfo(np.float32).tiny)
    kernel = pca.components_.T * (size / spread)
    return kernel.astype(np.float32), (-pca.mean_ @ kernel).astype(np.float32)
