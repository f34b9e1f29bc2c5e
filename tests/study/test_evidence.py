"""What the study would try: names that exist, and the README's own words."""

import re

import pytest

from ckdlib import images, methods, study
from ckdlib.study.evidence import ADVICE, CLASSES, advised
from ckdlib.study.trials import TUNED
from tests import PROJECT


@pytest.mark.parametrize("advice", ADVICE)
def test_every_method_is_one_and_learns_from_logits_alone(advice):
    for name in advice.methods:
        assert methods.canonical(name) == name and not methods.get(name).white_box
    if advice.labels is False:
        assert "labels" not in methods.get(advice.methods[0]).terms or (
            methods.get(advice.methods[0]).terms["labels"].weight == 0
        )


@pytest.mark.parametrize(
    ("classes", "labels", "first"),
    [
        (2, True, "kd"),
        (20, False, "kd"),
        (21, True, TUNED["ce+ckd+dist"]),
        (1000, True, TUNED["ce+ckd+dist"]),
        (100, False, "dist:labels=0"),
    ],
)
def test_by_classes_and_labels(classes, labels, first):
    assert advised(classes, labels).methods[0] == first


def test_every_dataset_of_the_grid_has_a_number_of_classes(tmp_path):
    grids = [grid for size in study.PROFILES.values() for grid in size.experiments.values()]
    named = {size.dataset for size in study.PROFILES.values()} | {grid.dataset for grid in grids}
    assert named - {None, "cifar100_development"} == set(CLASSES)
    for name in ("digits", "digits_cropped"):
        assert len(images.load_dataset(name, tmp_path, tmp_path).classes) == CLASSES[name]


def test_the_readme_says_the_same():
    text = " ".join((PROJECT / "README.md").read_text().split())
    few, many, bare = (one for one in ADVICE if not one.spare)
    assert "(+0.4 points [-0.6, 1.4])" in text and "(+0.4 points [-0.6, 1.4])" in bare.found
    says = "14 % [10, 16] fewer calls than DIST, 25 % [17, 30] fewer than KD"
    assert f"`ce+ckd+dist` (labels, comparisons, DIST) takes {says}" in text
    assert says in many.found and many.methods[0] == TUNED["ce+ckd+dist"]
    assert re.search(
        r"With \[ten classes\]\(.*\) `kd` and `ckd_calibrated` are level with the", text
    )
    assert few.methods == ("kd", "ckd_calibrated")
