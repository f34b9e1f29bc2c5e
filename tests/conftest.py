"""Shared fixtures: digits, a small trained teacher, class folders of coloured images, a place in a
temporary folder.
"""

import sys
from dataclasses import replace

import pytest
import torch

from ckdlib import methods, models, study
from ckdlib.images import load_dataset
from ckdlib.recipes import Recipe
from ckdlib.report.outside import LABELS, PAIRS
from ckdlib.reproducibility import choose_device
from ckdlib.study import open_workspace, plugins
from ckdlib.teachers import train_teacher
from tests import PROJECT, pictures

BRIEF = Recipe(schedule="one_cycle", steps=6, checks=3)
LONG = ("test_run_all_on_a_tiny_grid", "test_nothing_is_lost", "test_run_all", "test_nbval")


def pytest_collection_modifyitems(items):
    """Long ones first, so that no process is left with one of them at the end."""

    def place(item):
        return next((at for at, name in enumerate(LONG) if name in item.name), len(LONG))

    items.sort(key=place)


@pytest.fixture(autouse=True)
def _from_the_project(monkeypatch):
    """Tests find committed rows and notebooks wherever pytest was called."""
    monkeypatch.chdir(PROJECT)


@pytest.fixture(autouse=True, scope="session")
def _computing_as_training_does():
    choose_device(None)


@pytest.fixture(autouse=True)
def _no_figure_is_left_open():
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.fixture(scope="session")
def digits():
    return load_dataset("digits", None, None)


@pytest.fixture(scope="session")
def teachers(digits, tmp_path_factory):
    """A folder that holds a teacher of a few steps."""
    folder = tmp_path_factory.mktemp("published") / "teachers"
    train_teacher(
        digits,
        "resnet14",
        replace(BRIEF, steps=30, learning_rate=0.1),
        folder,
        torch.device("cpu"),
        report=lambda line: None,
    )
    return folder


@pytest.fixture
def here(tmp_path, teachers):
    return open_workspace(
        tmp_path / "results", tmp_path / "data", tmp_path / "cache", "cpu", teachers=teachers
    )


@pytest.fixture
def brief():
    """Runs of a few steps: brief(methods, n, seeds)."""

    def runs(methods, n=(40,), seeds=(1,)):
        return [
            replace(run, recipe=BRIEF)
            for run in study.select(
                "quick", ["black_box"], method_names=methods, calls=n, seeds=seeds
            )
        ]

    return runs


@pytest.fixture
def folder(tmp_path):
    """train/ and test/ of two classes, eight images each of 12x12 random pixels."""
    return pictures(tmp_path / "animals")


@pytest.fixture(autouse=True)
def _own_definitions_stay_in_their_test():
    registries = (methods.OUTSIDE, models.OUTSIDE, LABELS, PAIRS)
    kept = [dict(one) for one in registries]
    yield
    for one, before in zip(registries, kept):
        one.clear()
        one.update(before)
    plugins._LOADED.clear()
