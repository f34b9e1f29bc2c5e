"""The training loop: schedules on scripted curves, best weights, determinism, resumption,
calibration.
"""

from dataclasses import replace

import pytest
import torch

from ckdlib import losses, methods, models
from ckdlib.images import Views, split
from ckdlib.recipes import Recipe
from ckdlib.training import loop
from ckdlib.training.evaluate import calibrate, predict, validate
from ckdlib.training.schedules import ScheduleSignal, start

SHORT = Recipe(schedule="one_cycle", steps=8, checks=4)


@pytest.fixture
def parts(digits):
    training, validation = split(len(digits.train), 80, 0)
    logits = 3 * torch.randn(80, 10, generator=torch.Generator().manual_seed(0))
    return (
        Views(digits.train[training], digits.transform),
        logits,
        Views(digits.train[validation], digits.transform),
    )


def fit(parts, recipe=SHORT, method="kd", net=None, seed=0, **options):
    net = net or models.new("resnet8", 10, seed)
    views, logits, validation = parts
    return net, loop.fit(
        net, methods.get(method), recipe, views, logits, validation, seed, **options
    )


def equal(a, b):
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values()))


def test_early_stopping_on_a_scripted_curve():
    plateau = start(Recipe(patience=2, stages=3), 10)
    scores = [10, 12, 12, 11, 13, 13, 13, 12, 12, 99]
    verdicts, rates = [], []
    for score in scores:
        rates.append(plateau.rate(0))
        verdicts.append(plateau.observe(score))
        if verdicts[-1].stop:
            break
    no, better, rewind = (
        ScheduleSignal(),
        ScheduleSignal(improved=True),
        ScheduleSignal(rewind=True),
    )
    assert verdicts == [
        better,
        better,
        no,
        rewind,
        better,
        no,
        rewind,
        no,
        ScheduleSignal(rewind=True, stop=True),
    ]
    assert rates == pytest.approx([0.05] * 4 + [0.005] * 3 + [0.0005] * 2)


def test_epochs_are_limited():
    plateau = start(Recipe(max_epochs=3), 10)
    assert [plateau.observe(score).stop for score in (1, 2, 3)] == [False, False, True]


def test_one_cycle_rises_a_quarter_and_keeps_the_later_of_equals():
    cycle = start(Recipe(schedule="one_cycle", learning_rate=1, steps=100, checks=4), 7)
    rates = [cycle.rate(step) for step in range(100)]
    assert (
        cycle.round_steps == 25
        and max(rates) == rates[24] == 1
        and rates[-1] == 0
        and rates[11] == pytest.approx(0.48)
    )
    assert [cycle.observe(score) for score in (5, 5, 4, 6)] == [
        ScheduleSignal(True),
        ScheduleSignal(True),
        ScheduleSignal(False),
        ScheduleSignal(True, stop=True),
    ]


def test_milestones():
    schedule = start(
        Recipe(schedule="milestones", learning_rate=1, max_epochs=3, milestones=(1, 2)), 10
    )
    assert [schedule.rate(step) for step in (9, 10, 20)] == pytest.approx([1, 0.1, 0.01])
    assert [schedule.observe(0).stop for _ in range(3)] == [False, False, True]


def test_the_same_seed_gives_the_same_student(parts):
    first, second, other = (fit(parts, seed=seed)[0] for seed in (1, 1, 2))
    assert equal(first, second) and not equal(first, other)


@pytest.mark.parametrize("step", [1, 3, 4, 5])
@pytest.mark.parametrize("method", ["ce", "crd", "ckd_pairs"])
def test_a_resumed_training_equals_an_uninterrupted_one(parts, method, step):
    """Wherever it stops: within a round or at its end."""
    kept, losses = {}, []

    def keep(moment):
        if moment.step == step:
            kept["saved"] = moment.save()

    def note(progress):
        losses.append(progress.loss)

    without = (*parts[:2], None)  # teachers are trained without validation
    whole, first = fit(without, method=method, after_step=keep, after_round=note)
    before = losses.copy()
    resumed, second = fit(without, method=method, resume=kept["saved"], after_round=note)
    if method != "crd":
        assert losses == before + before[kept["saved"].rounds :]
    if method != "crd":  # CRD draws its negatives from the device's own generator
        assert equal(whole, resumed)
    assert (first.steps, first.student_passes) == (second.steps, second.student_passes)
    with pytest.raises(ValueError, match="cannot be resumed"):
        fit(parts, method=method, resume=kept["saved"])


def test_the_best_weights_stay(parts):
    scores = []
    net, result = fit(
        parts,
        Recipe(learning_rate=0.5, patience=2, stages=2, max_epochs=8),
        after_round=lambda progress: scores.append(progress.score),
    )
    assert result.best_score == max(scores) == pytest.approx(validate(net, parts[2]))
    assert result.best_step == 2 * (scores.index(max(scores)) + 1)


def test_one_cycle_keeps_the_best_of_its_checks(parts, monkeypatch):
    scores, states = iter([1, 5, 3, 2]), []
    monkeypatch.setattr(loop, "validate", lambda *_: torch.tensor(next(scores)))
    net, result = fit(parts, after_round=lambda progress: states.append(progress.save().tensors))
    assert (result.best_score, result.best_step, result.steps) == (5, 4, 8)
    assert all(
        torch.equal(value, states[1][f"net.{name}"]) for name, value in net.state_dict().items()
    )


def test_a_plateau_goes_back_to_the_best_weights(parts, monkeypatch):
    scores, states = iter([5, 1, 1, 1, 1]), []
    monkeypatch.setattr(loop, "validate", lambda *_: torch.tensor(next(scores)))
    fit(
        parts,
        Recipe(patience=2, stages=2),
        after_round=lambda progress: states.append(progress.save().tensors),
    )
    weights = [name for name in states[0] if name.startswith("net.")]
    assert len(states) == 5
    assert all(torch.equal(states[2][name], states[0][name]) for name in weights)
    assert not all(torch.equal(states[1][name], states[0][name]) for name in weights)


def test_a_diverged_training_says_so(parts):
    assert fit(parts, replace(SHORT, learning_rate=1e12), method="mse")[1].status == "diverged"


def test_calibration_makes_the_mean_error_zero_and_changes_no_comparison(parts):
    views, logits, _ = parts
    net = fit(parts, method="ckd")[0]
    before = predict(net, views)
    calibrate(net, views, logits)
    after, target = predict(net, views), losses.joint_target(views.labels, logits)
    assert (after - target).mean(0).abs().max() < 1e-4 < (before - target).mean(0).abs().max()
    torch.testing.assert_close(losses.ckd(after, target), losses.ckd(before, target))
    torch.testing.assert_close(
        losses.mse(after, target), losses.ckd(before, target), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize(
    ("method", "pulls"),
    [
        ("ckd_calibrated", (1, 1)),
        ("ckd_calibrated:teacher=20", (1, 20)),
        ("ckd_calibrated:labels=0", (0, 1)),
    ],
)
def test_a_calibrated_method_is_calibrated_before_it_is_validated(parts, method, pulls):
    """To the mean of what its two squared errors descend to, by its own weights."""
    net = fit(parts, replace(SHORT, checks=1), method=method)[0]
    views, logits, _ = parts
    target = losses.joint_target(views.labels, logits, *pulls)
    assert (predict(net, views) - target).mean(0).abs().max() < 1e-4


def test_milestones_keep_the_last_weights_beside_a_validation(parts, monkeypatch):
    scores, states = iter([9, 1, 2]), []
    monkeypatch.setattr(loop, "validate", lambda *_: torch.tensor(next(scores)))
    recipe = Recipe(schedule="milestones", max_epochs=3, milestones=(1,))
    net, result = fit(parts, recipe, after_round=lambda now: states.append(now.save().tensors))
    assert (result.best_score, result.best_step) == (2, result.steps)
    kept = net.state_dict()
    assert all(torch.equal(value, states[-1][f"net.{name}"]) for name, value in kept.items())


def test_a_score_that_is_no_number_does_not_hide_the_best(parts, monkeypatch):
    scores = iter([5, torch.nan, 3, 4])
    monkeypatch.setattr(loop, "validate", lambda *_: torch.tensor(next(scores)))
    assert fit(parts)[1].best_score == 5


def test_passes_are_counted(parts):
    assert fit(parts, method="kd")[1].student_passes == 4 * 80  # 8 steps: batches of 64 and 16
    assert fit(parts, method="ckd_pairs")[1].student_passes == 8 * 64 * 2
    assert fit(parts, method="mixup")[1].student_passes == 8 * 64


def test_monitoring_the_loss(parts):
    net = models.new("resnet8", 10)
    logits = predict(net, parts[2])
    expected = torch.nn.functional.cross_entropy(logits, parts[2].labels).item()
    assert validate(net, parts[2], "loss") == pytest.approx(-expected)


def test_a_batch_holds_the_kept_features_of_its_own_images(parts):
    class Echo:  # the features of an image are its position
        shapes = [(1,)] * 3

        def __getitem__(self, index):
            return [index[..., None].float()] * 3

    def same(batch):
        assert torch.equal(batch.teacher_maps[0][..., 0], batch.teacher_logits[..., 0])
        return batch.student_logits.square().mean()

    positions = torch.arange(80.0)[:, None].expand(80, 10)
    method = methods.Method({"same": methods.Term(1.0, same)}, forward=methods.forward_features)
    loop.fit(models.new("resnet8", 10), method, SHORT, parts[0], positions, None, features=Echo())


def test_what_is_trained_beside_the_student_has_a_seed_of_its_own(parts):
    banks = [
        loop._helpers(methods.get("crd"), models.new("resnet8", 10), parts[0], None, seed)[
            "crd"
        ].bank_teacher
        for seed in (1, 1, 2)
    ]
    assert torch.equal(banks[0], banks[1]) and not torch.equal(banks[0], banks[2])
