"""Images that are there more than once: in training and test, or in two classes."""

from collections import defaultdict
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from torch import Tensor

from .views import Images


def digests(pixels: Tensor) -> list[bytes]:
    """SHA-256 of each image of [N, H, W, 3]."""
    return [sha256(row).digest() for row in pixels.flatten(1).contiguous().numpy()]


def duplicates(
    train: Images, test: Images, train_paths: Sequence[Path], test_paths: Sequence[Path]
) -> list[str]:
    """What is to be said of images that are there more than once, a line each.

    Parameters
    ----------
    train, test : Images
    train_paths, test_paths : sequence of Path
        Their files, for the message.

    Returns
    -------
    list of str
        A line for test images that are trained on, one for training images of several classes.
    """
    copies: dict[bytes, list[int]] = defaultdict(list)
    for i, digest in enumerate(digests(train.pixels)):
        copies[digest].append(i)
    labels, lines = train.labels.tolist(), []
    found = [(i, copies[d][0]) for i, d in enumerate(digests(test.pixels)) if d in copies]
    if found:
        mine, theirs = found[0]
        lines.append(
            f"{len(found):,} of the {len(test):,} test images are training images, too, for "
            f"instance {test_paths[mine]} is {train_paths[theirs]}: test accuracies that count "
            "them are too high"
        )
    several = [group for group in copies.values() if len({labels[i] for i in group}) > 1]
    if several:
        first = several[0][0]
        other = next(i for i in several[0] if labels[i] != labels[first])
        lines.append(
            f"{sum(map(len, several)):,} of the {len(train):,} training images are copies of one "
            f"of another class, for instance {train_paths[first]} and {train_paths[other]}: at "
            "most one of their labels is right"
        )
    return lines
