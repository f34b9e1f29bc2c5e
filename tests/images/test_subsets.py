"""Development images: none of them in any run of the study."""

import torch

from ckdlib.images import Images, split
from ckdlib.images.subsets import DEVELOPMENT_TEST, MOST_CALLS, SEEDS, development


def test_development_images_are_in_no_run():
    total = 50_000
    named = Images(torch.zeros(total, 1, 1, 3, dtype=torch.uint8), torch.arange(total))
    train, test = development(named)
    used = {int(i) for seed in SEEDS for part in split(total, MOST_CALLS, seed) for i in part}
    chosen = [*train.labels.tolist(), *test.labels.tolist()]
    assert len(test) == DEVELOPMENT_TEST and len(set(chosen)) == len(chosen)
    assert set(chosen) == set(range(total)) - used
    again, _ = development(named)
    assert torch.equal(again.labels, train.labels) and len(train) > 4000
