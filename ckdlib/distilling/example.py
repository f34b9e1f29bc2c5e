"""A teacher as if behind an API, for page 13: scikit-learn's digits, and who answers about them."""

from collections.abc import Callable

import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import PolynomialFeatures
from torch import Tensor

Pixels = np.ndarray  # [N, 8, 8] uint8
TAUGHT = 800  # digits that the teacher was trained on; the others are the user's


def digits() -> tuple[Pixels, np.ndarray]:
    """Images [N, 8, 8] of 0 to 240 that the teacher has not seen, and their labels [N]."""
    images, labels = _scanned()
    return images[TAUGHT:], labels[TAUGHT:]


def _scanned() -> tuple[Pixels, np.ndarray]:
    found = load_digits()
    return (found.images * 15).astype(np.uint8), found.target


def api(failing: int = 5) -> Callable[[Tensor], np.ndarray]:
    """A service that answers with probabilities, and is busy now and then.

    It is no network: a logistic regression on products of two pixels.

    Parameters
    ----------
    failing : int
        Every so many requests raise TimeoutError.

    Returns
    -------
    callable
        uint8 images [B, 8, 8, 3] -> probabilities [B, 10].
    """
    images, labels = _scanned()
    products = PolynomialFeatures(2, interaction_only=True)
    seen = products.fit_transform(_grey(images[:TAUGHT]))
    model = LogisticRegression(max_iter=1000).fit(seen, labels[:TAUGHT])
    requests = 0

    def digits_api(images: Tensor) -> np.ndarray:
        nonlocal requests
        requests += 1
        if requests % failing == 0:
            raise TimeoutError("too many requests")
        return model.predict_proba(products.transform(_grey(images[..., 0].numpy())))

    return digits_api


def _grey(images: Pixels) -> np.ndarray:
    return images.reshape(len(images), -1) / 240
