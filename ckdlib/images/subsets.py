"""Which of a dataset's training images a run of n teacher calls uses, and which none does."""

import torch
from torch import Tensor

from ..errors import InputError
from ..reproducibility import generator
from .views import Images

FEWEST_CALLS = 8  # two images to validate on
SEEDS, MOST_CALLS = range(1, 10), 5120  # of runs that use no development image
DEVELOPMENT_TEST = 10_000


def split(total: int, n: int, seed: int) -> tuple[Tensor, Tensor]:
    """Training and validation indices of the run with n teacher calls.

    The first n + n // 4 of one permutation of all `total` images per seed, of which every fifth is
    for validation: both parts are nested in n and the same for every method.

    Parameters
    ----------
    total : int
        Training images of the dataset.
    n : int
        Teacher calls.
    seed : int

    Returns
    -------
    Tensor [n]
        Images that the teacher may be shown.
    Tensor [n // 4]
        Further ones for validation, that it never is.

    Raises
    ------
    InputError
        If n does not fit.
    """
    check_calls(n)
    used, most = n + n // 4, _most(total)
    if n > most:
        raise InputError(
            f"n = {n} teacher calls and {n // 4} further images for validation are more than the "
            f"{total} training images; choose n of at most {most}"
        )
    chosen = torch.randperm(total, generator=generator(seed, "subset"))[:used]
    validation = torch.arange(used) % 5 == 4
    return chosen[~validation], chosen[validation]


def pool(total: int, seed: int) -> Tensor:
    """Every image that the teacher may be asked about with this seed, the first n of them those of
    `split`: all but each fifth of its permutation.
    """
    return split(total, _most(total), seed)[0]


def _most(total: int) -> int:
    """Images that are not a fifth."""
    return total - (total + 1) // 5


def others(total: int, *used: Tensor) -> Tensor:
    """Images that are in none of these index lists, ascending."""
    left = torch.ones(total, dtype=torch.bool)
    for index in used:
        left[index] = False
    return torch.nonzero(left)[:, 0]


def check_calls(n: int) -> None:
    """Raise InputError if n is fewer than FEWEST_CALLS."""
    if n < FEWEST_CALLS:
        raise InputError(
            f"n = {n} is too few teacher calls: validation has a quarter as many images; choose n "
            f"of at least {FEWEST_CALLS}"
        )


def development(train: Images) -> tuple[Images, Images]:
    """Images to choose settings on: those of `train` that no run of SEEDS and MOST_CALLS uses.

    Returns
    -------
    Images
        To train on.
    Images [DEVELOPMENT_TEST]
        To compare settings on.
    """
    used = (torch.cat(split(len(train), MOST_CALLS, seed)) for seed in SEEDS)
    left = others(len(train), *used)
    order = left[torch.randperm(len(left), generator=generator(0, "development"))]
    return train[order[DEVELOPMENT_TEST:]], train[order[:DEVELOPMENT_TEST]]


def first_classes(images: Images, count: int) -> Images:
    """Those of the first `count` classes."""
    return images[images.labels < count]
