"""The benchmark: its straightforward implementation computes the library's losses; its lines hold
what they must.
"""

import json
import multiprocessing
import subprocess
import sys
import threading

import pytest
import torch

from ckdlib import bench, methods, models, study
from ckdlib.__main__ import main
from ckdlib.bench.plain import IMAGES, Plain, draw_negatives, plain_crd
from ckdlib.methods import Batch, Problem


@pytest.fixture
def batch():
    """A pair of images an item: labels, answers, logits and positions, [2, 64, ...]."""
    images, answers = bench.made_up()
    random = torch.Generator().manual_seed(3)
    index = torch.stack([torch.randperm(IMAGES, generator=random)[:64] for _ in range(2)])
    return (
        images.labels,
        index,
        answers[index],
        2 * torch.randn(2, 64, bench.CLASSES, generator=random),
    )


def plain(method):
    return Plain("resnet8", method, "cpu", workers=0)


@pytest.mark.parametrize("method, ours", [("kd", "kd"), ("rkd", "rkd"), ("ckd", "ckd_pairs")])
def test_both_compute_the_same_loss(batch, method, ours):
    labels, index, answers, logits = batch
    theirs = plain(method).loss(logits, labels[index], answers, index[0])
    terms = methods.get(ours).loss(
        Batch(
            index, labels[index], answers, logits, torch.tensor(0.0), labels, {}, torch.Generator()
        )
    )
    torch.testing.assert_close(theirs, sum(terms.values()), rtol=1e-5, atol=1e-6)


def test_both_compute_the_same_contrast(batch):
    labels, index, answers, logits = batch
    torch.manual_seed(0)
    helper = methods.get("crd").helpers(Problem(bench.CLASSES, IMAGES))["crd"]
    negatives = draw_negatives(labels, index[0], 50)
    assert (labels[negatives] != labels[index[0]][:, None]).all()
    counts = torch.zeros(64, IMAGES).scatter_add_(1, negatives, torch.ones(64, 50))
    states = [{name: value.clone() for name, value in helper.state_dict().items()}]
    found = []
    for compute in (
        lambda: helper(logits[0], answers[0], index[0], counts),
        lambda: plain_crd(helper, logits[0], answers[0], index[0], negatives),
    ):
        helper.load_state_dict(states[0])
        found.append([compute().detach(), helper.bank_student.clone(), helper.bank_teacher.clone()])
    for ours, theirs in zip(*found):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_the_straightforward_one_learns():
    torch.manual_seed(0)
    steps = plain("kd").steps()
    losses = [next(steps) for _ in range(25)]
    assert sum(losses[-5:]) < sum(losses[:5])


def test_the_command_writes_what_it_prints(tmp_path, capsys):
    assert (
        main(
            [
                "bench",
                "--pair",
                "resnet20-resnet8",
                "--methods",
                "ckd",
                "--device",
                "cpu",
                "--turns",
                "2",
                "--steps",
                "2",
                "--jobs",
                "1",
                "--json",
                str(tmp_path / "bench.json"),
            ]
        )
        == 0
    )
    (line,) = json.loads((tmp_path / "bench.json").read_text())
    assert {
        "teacher": "resnet20",
        "student": "resnet8",
        "method": "ckd",
        "device": "cpu",
    }.items() <= line.items()
    assert (
        line["seconds_per_step"] > 0 and len(line["ratios"]) == 2 and line["peak_memory_mb"] > 100
    )
    assert line["students_per_hour"] == pytest.approx(3600 / 2400 / line["seconds_per_step"])
    assert f"{line['ratio']:.2f}" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words, says",
    [
        (["--methods", "vid"], "unknown method of the benchmark 'vid'"),
        (["--turns", "0"], "--turns 0"),
        (["--pair", "resnet8"], "is not a pair"),
        (["--device", "tpu"], "unknown device 'tpu'"),
    ],
)
def test_mistakes(words, says, capsys):
    assert main(["bench", *words]) == 2
    assert says in capsys.readouterr().err


def test_students_in_threads_take_their_turns_together():
    """As on CUDA: three students, one report a turn."""
    here, there = multiprocessing.Pipe()
    case = bench.Case("resnet20", "resnet8", "kd", "cpu", "bfloat16", 1)
    worker = threading.Thread(
        target=bench.run_ours, args=(case, there, 3, torch.get_num_threads(), 3)
    )
    worker.start()
    for _ in range(3):
        here.send(True)
        seconds, used = here.recv()
        assert seconds > 0 and used > 100
        assert not here.poll(0.2)  # waits to be told
    here.send(False)
    worker.join(20)
    assert not worker.is_alive()


def test_memory_is_that_of_this_process_alone():
    """A large parent does not count, nor what was freed before the process was."""
    code = "from ckdlib import bench; print(bench.memory('cpu'))"
    block = torch.ones(2**28)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 100 < float(done.stdout) < 900 and bench.memory("cpu") > 1024 and block[0] == 1


def test_the_floor():
    """Of resnet8 by hand: a stem of 16 channels at 32x32 and two convolutions a stage, two of them
    with a shortcut's.
    """
    assert models.activations("resnet8", 100, 32) == 16 * 32**2 * 3 + 32 * 16**2 * 3 + 64 * 8**2 * 3
    case = bench.Case("resnet20", "resnet8", "kd", "cuda", "bfloat16", 1)
    assert bench.floor(case, 1e30, 1e12) == pytest.approx(14 * 2 * 64 * 86016 / 1e12)
    assert bench.floor(case._replace(precision="float32"), 1e30, 1e12) == 2 * bench.floor(
        case, 1e30, 1e12
    )
    assert bench.floor(case, 1e12, 1e30) == pytest.approx(
        3 * 64 * models.flops("resnet8", 100, 32) / 1e12
    )
    assert bench.floor(case._replace(device="cpu"), 1e12, 1) == bench.floor(case, 1e12, 1e30)


def test_hours_of_table_1():
    lines = [
        {
            "teacher": pair[0],
            "student": pair[1],
            "method": method,
            "seconds_per_step": seconds,
            "students_at_once": 4,
        }
        for pair in study.profile("paper").experiments["black_box"].pairs
        for method, seconds in (("kd", 0.004), ("rkd", 0.004), ("crd", 0.008), ("ckd", 0.004))
    ]
    steps = (
        393 * 5 * sum(-(-n // 64) for n in range(1600, 6401, 400))
    )  # of a pair and method, five seeds
    text = bench.table_hours(lines)
    assert "1,170 students" in text and "all 1,950" in text
    assert (
        f"in {3 * steps * 0.001 * (1 + 2 + 1 + 1 + 1 + 2) / 3600:.1f} hours" in text
    )  # kd crd mixup rkd dist ckd_pairs
    assert text.endswith(f"in {3 * steps * 0.001 * 12 / 3600:.1f}")
    assert bench.table_hours(lines[:-1]) == ""
