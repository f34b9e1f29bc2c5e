"""The same tuning for every method."""

import pytest

from ckdlib import methods, report, study
from ckdlib.study.trials import AXES, TRIALS, TUNED, settings
from tests import PROJECT


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


def test_what_is_run_beside_the_authors_settings_is_what_the_kept_trials_find():
    rows = study.Store(PROJECT / "results/tuning").rows()
    tried = report.trials(report.frame(rows, "tuning", report=lambda line: None))
    assert len(tried) == len(TRIALS)
    assert report.finalists(tried) == tried[tried.seeds == 2].setting.tolist()
    found = report.tuned(tried)
    assert dict(zip(found.method, found.setting, strict=True)) == TUNED
    assert set(study.profile("pilot").experiments["fair"].methods) == {*AXES, *TUNED.values()}
