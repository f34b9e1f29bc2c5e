"""The same tuning for every method."""

import pytest

from ckdlib import methods, study
from ckdlib.study.trials import AXES, TRIALS, settings


@pytest.mark.parametrize("method", AXES)
def test_nine_settings_with_the_authors_among_them(method):
    tried = settings(method)
    assert len(set(tried)) == 9 and method in tried
    assert [methods.canonical(name) for name in tried] == tried
    definitions = [str(methods.get(name).definition()) for name in tried]
    assert len(set(definitions)) == 9


def test_the_pilot_tries_them_all_on_other_images():
    grid = study.profile("pilot").experiments["tuning"]
    assert grid.methods == TRIALS and len(TRIALS) == 9 * len(AXES)
    others = [one for name, one in study.profile("pilot").experiments.items() if name != "tuning"]
    assert grid.dataset == "cifar100_development" and grid.seeds == (11,)
    assert not set(grid.seeds) & {seed for one in others for seed in one.seeds}
