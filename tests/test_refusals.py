"""Mistakes: one line, with the value and the way out, and the folder as before."""

import json
import shutil

import pytest
import torch

from ckdlib import models
from ckdlib.__main__ import main
from ckdlib.study import Store
from tests import pictures


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """A folder with a row, and its images."""
    place = tmp_path_factory.mktemp("begun")
    pictures(place / "pics", 10)
    assert main(["run", *words(place), "--methods", "ce"]) == 0
    torch.save({"state": models.build("resnet14", 2).state_dict()}, place / "foreign.pth")
    return place


def words(place):
    grid = ("--experiment", "black_box", "--n", "10", "--seeds", "1", "--jobs", "1")
    images = ("--dataset", f"{place}/pics", "--cache", f"{place}/cache", "--device", "cpu")
    return [*images, *grid, "--results", f"{place}/results"]


@pytest.fixture
def copy(begun, tmp_path):
    """A copy of it to be harmed."""
    shutil.copytree(begun, tmp_path / "place")
    return tmp_path / "place"


def files(folder):
    """What it holds; locks and decoded images are no content."""
    return {
        path: path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix != ".lock" and "cache" not in path.parts
    }


def refused(place, command, says, capsys):
    before = files(place)
    try:
        status = main([word.replace("PLACE", str(place)) for word in command])
    except SystemExit as ended:  # argparse
        status = ended.code
    told = capsys.readouterr().err.strip()
    assert status == 2 and told.startswith("error: ") and "\n" not in told, told
    assert says in told and "Traceback" not in told
    assert files(place) == before


RUN = ["run", *words("PLACE"), "--methods", "ce"]
TEACHER = ["teacher", "--dataset", "PLACE/pics", "--cache", "PLACE/cache"]


@pytest.mark.parametrize("command, says", [
    ([*RUN, "--no-flip"], "differ in transform: flip True and False"),
    ([*RUN, "--precision", "bfloat16"], "differ in precision: float32 and bfloat16"),
    ([*RUN, "--precision", "half"], "unknown precision 'half'"),
    ([*RUN, "--monitor", "loss"], "differ in hyperparameters: monitor accuracy and loss"),
    ([*RUN, "--profile", "pilot"], "differ in profile: quick and pilot"),
    ([*RUN, "--image-size", "8"], "differ in"),
    ([*RUN, "--image-size", "224"], "networks take images of 8 to 64 pixels"),
    ([*RUN, "--learning-rates", "inf"], "learning rate inf"),
    ([*RUN, "--learning-rates", "nan"], "learning rate nan"),
    ([*RUN, "--n", "3"], "n = 3 is too few"),
    ([*RUN, "--n", "4000"], "n = 4000 teacher calls and 1000 further images"),
    ([*RUN, "--seeds", "-1"], "seed -1 is negative"),
    ([*RUN, "--methods", "kdd"], "unknown method 'kdd': did you mean 'kd'"),
    ([*RUN, "--pair", "resnet14"], "'resnet14' is not a pair"),
    ([*RUN, "--jobs", "0"], "--jobs 0"),
    ([*RUN, "--time-budget", "nan"], "--time-budget nan"),
    ([*RUN, "--device", "tpu"], "unknown device 'tpu'"),
    ([*RUN, "--dataset", "PLACE/none"], "no folder"),
    ([*RUN, "--results", "PLACE/foreign.pth"], "cannot write to"),
    (["run", "--profil", "quick"], "did you mean --profile"),
    ([*TEACHER, "--model", "resnet15", "--results", "PLACE/results"], "unknown model 'resnet15'"),
    ([*TEACHER, "--model", "wrn_16_1", "--results", "PLACE/results", "--import",
      "PLACE/foreign.pth"], "is not a wrn_16_1"),
    ([*TEACHER, "--model", "resnet14", "--results", "PLACE/results", "--recipe", "slow"],
     "unknown teacher recipe 'slow'"),
    (["headline", "--results", "PLACE/none"], "no rows of experiment 'black_box'"),
    (["headline", "--results", "PLACE/results", "--experiment", "figure9"], "figure9"),
    (["migrate", "PLACE/none"], "no folder"),
])  # fmt: skip
def test_mistakes(begun, command, says, capsys):
    refused(begun, command, says, capsys)


def test_a_row_that_was_found_twice_with_another_accuracy(copy, capsys):
    path = copy / "results/rows.jsonl"
    (row,) = Store(copy / "results").rows()
    with open(path, "a") as file:
        file.write(json.dumps(row | {"test_accuracy": 1.0}) + "\n")
    command = [word.replace("PLACE", str(copy)) for word in RUN]
    refused(copy, command, "differ in test_accuracy", capsys)
    path.write_text(path.read_text().splitlines()[0] + "\n")  # the way out that is told
    assert main(command) == 0


def test_an_image_more(copy, capsys):
    command = [word.replace("PLACE", str(copy)) for word in RUN]
    extra = copy / "pics/train/cat/new.png"
    shutil.copy(copy / "pics/train/cat/1.png", extra)
    assert main([*command, "--results", str(copy / "other")]) == 0  # makes the cache
    refused(copy, command, "put the images back as they were", capsys)
    extra.unlink()
    assert main(command) == 0


def test_a_teacher_that_rows_are_of_is_not_replaced(copy, capsys):
    results = copy / "results"
    foreign = ["--model", "resnet14", "--import", "PLACE/foreign.pth"]
    make = [*TEACHER, *foreign, "--results", str(results)]
    assert main([word.replace("PLACE", str(copy)) for word in make]) == 0
    run = [word.replace("PLACE", str(copy)) for word in RUN]
    assert main([*run, "--methods", "kd"]) == 0
    assert main([word.replace("PLACE", str(copy)) for word in make]) == 0  # the same once more
    torch.save(models.build("resnet14", 2).state_dict(), copy / "other.pth")
    another = [word.replace("foreign.pth", "other.pth") for word in make]
    refused(copy, another, "holds rows of another teacher resnet14", capsys)
    weights = results / "teachers/pics/resnet14.safetensors"
    kept = weights.read_bytes()
    weights.unlink()
    refused(copy, [*run, "--methods", "mse"], f"put them at {weights}", capsys)
    assert main([*run, "--methods", "kd"]) == 0  # which needs it no more
    weights.write_bytes(kept)
    assert main([*run, "--methods", "mse"]) == 0
