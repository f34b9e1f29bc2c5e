"""What CUDA needs of a step, as far as a machine without one can tell: that nothing waits for the
host, that steps live in fixed memory, that threads change no student, that bfloat16 changes
little. With a CUDA device: recorded steps too.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from ckdlib import losses, methods, models, study
from ckdlib.errors import InputError
from ckdlib.images import TRANSFORMS, Images, Views, split
from ckdlib.methods import Batch, Problem
from ckdlib.recipes import Recipe
from ckdlib.study import batch as batch_module
from ckdlib.study import executors
from ckdlib.study import student as student_module
from ckdlib.study.tasks import resolve
from ckdlib.training.evaluate import validate
from ckdlib.training.graphs import GraphReplay
from ckdlib.training.loop import fit
from ckdlib.training.steps import Round, Steps

TRANSFORM = TRANSFORMS["digits"]
EVERY = [*methods.METHODS, "rkd_5"]
TWENTY = Recipe(
    schedule="one_cycle", steps=20, checks=20
)  # a round a step, so that each step's loss is told
DEVICES = [
    "cpu",
    pytest.param(
        "cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
    ),
]


class Maps:
    """Feature maps where a ledger's would be."""

    def __init__(self, shapes, count):
        self.shapes, self.maps = shapes, [torch.randn(count, *shape) for shape in shapes]

    def __getitem__(self, index):
        return [level[index] for level in self.maps]


def images(count=40, side=8):
    random = torch.Generator().manual_seed(0)
    return Images(
        torch.randint(256, (count, side, side, 3), generator=random, dtype=torch.uint8),
        torch.arange(count) % 10,
    )


def training(count=40):
    """Something to train on: views, answers, feature maps."""
    shapes = models.feature_shapes("resnet14", 10, 8)[methods.INNER]
    return Views(images(count), TRANSFORM), torch.randn(count, 10), Maps(shapes, count)


def a_round(how, count=40, batch=16, steps=4):
    random = torch.Generator().manual_seed(1)
    sampler = how.sampler(torch.arange(count) % 10, batch, random)
    batches = [next(sampler) for _ in range(steps)]
    index = torch.cat([part.flatten() for part in batches])
    views = Views(images(count), TRANSFORM).draw(len(index), random)
    return Round(
        [tuple(part.shape) for part in batches],
        index,
        views,
        torch.rand(steps, generator=random),
        torch.full((steps,), 0.05),
    )


def steps_of(
    how, views, answers, maps, bfloat16=False, new=lambda: models.new("resnet8", 10, seed=3)
):
    net = new()
    shapes = maps.shapes if how.white_box else []
    helpers = how.helpers(Problem(10, len(views), 10, shapes, shapes))
    return Steps(
        net,
        helpers,
        how,
        Recipe(batch=16),
        views,
        answers,
        maps,
        torch.Generator().manual_seed(2),
        bfloat16,
    )


@pytest.mark.parametrize("method", EVERY)
def test_a_step_never_waits_for_the_host(method):
    """Fake tensors have no values: to ask for one on the host, or for a shape that depends on one,
    is an error.
    """
    how, plan = methods.get(method), a_round(methods.get(method))
    parts = training()
    with FakeTensorMode(allow_non_fake_inputs=True) as fake:
        steps = steps_of(how, *parts, new=lambda: models.build("resnet8", 10))
        steps.take(Round(plan.shapes, *(fake.from_tensor(part) for part in plan[1:])))


def test_the_check_for_waiting_notices_one(monkeypatch):
    monkeypatch.setattr(
        losses, "kd", lambda student, answers: student.mean() * float(answers.max())
    )
    with pytest.raises(Exception, match="local_scalar_dense"):
        test_a_step_never_waits_for_the_host("kd")


@pytest.mark.parametrize("method", EVERY)
def test_losses_stay_on_their_device(method):
    """A fake CUDA device on any machine: a tensor left on the CPU cannot be combined with it."""
    how, k = methods.get(method), 2 if methods.get(method).sampler is methods.pair_batches else 1
    shapes = models.feature_shapes("resnet8", 10, 8)[methods.INNER]
    with FakeTensorMode(), torch.device("cuda"):
        helpers = how.helpers(Problem(10, 40, 10, shapes, shapes))
        maps = [torch.randn(k, 16, *shape) for shape in shapes]
        index = torch.arange(16).expand(k, 16)
        batch = Batch(
            index,
            index % 10,
            torch.randn(k, 16, 10),
            torch.randn(1 if how.forward is methods.forward_mixed else k, 16, 10),
            torch.rand(()),
            torch.arange(40) % 10,
            helpers,
            None,
            maps,
            maps,
        )
        assert all(term.device.type == "cuda" for term in how.loss(batch).values())


@pytest.mark.parametrize("method", ["kd", "crd", "mixup", "ckd_pairs", "vid"])
def test_a_step_lives_in_fixed_memory(method):
    """What a graph would hold on to stays where it is from round to round."""
    how, parts = methods.get(method), training()
    steps = steps_of(how, *parts)

    def places():
        tensors = [
            *steps.modules.state_dict().values(),
            *steps.room,
            steps.at,
            steps.step,
            steps.rate,
            steps.total,
            *(state["momentum_buffer"] for state in steps.optimiser.state.values()),
        ]
        return [tensor.data_ptr() for tensor in tensors]

    steps.take(a_round(how))
    before = places()
    images, loss = steps.take(a_round(how))
    assert places() == before and loss.isfinite()
    assert images == sum(
        count * (1 if how.forward is methods.forward_mixed else k)
        for k, count in a_round(how).shapes
    )


def test_the_loop_over_a_round_is_plain_momentum():
    """Against a training written out: gather, forward, loss, SGD."""
    how, (views, answers, maps) = methods.get("kd"), training()
    plan = a_round(how)._replace(rates=torch.tensor([0.1, 0.05, 0.02, 0.01]))
    steps = steps_of(how, views, answers, maps)
    _, mean = steps.take(plan)
    net, at, kept = models.new("resnet8", 10, seed=3).train(), 0, []
    optimiser = torch.optim.SGD(net.parameters(), 0.1, 0.9, weight_decay=5e-4)
    for (_, count), rate in zip(plan.shapes, plan.rates):
        index = plan.positions[at : at + count]
        logits = net(views.random(index, plan.views[at : at + count]))
        kept.append(
            torch.nn.functional.cross_entropy(logits, views.labels[index])
            + losses.kd(logits, answers[index])
        )
        optimiser.param_groups[0]["lr"] = float(rate)
        optimiser.zero_grad()
        kept[-1].backward()
        optimiser.step()
        at += count
    assert mean.item() == pytest.approx(sum(kept).item() / 4, rel=1e-5)
    for mine, theirs in zip(steps.net.parameters(), net.parameters()):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("device", DEVICES)
def test_students_in_threads_are_what_they_are_alone(here, device, monkeypatch):
    """The losses of the first twenty steps of twelve students of four methods."""
    runs = [
        replace(one, recipe=TWENTY)
        for one in study.select(
            "quick",
            ["black_box"],
            method_names=["kd", "crd", "ckd_pairs", "ckd_calibrated"],
            calls=[48],
            seeds=[1, 2, 3],
        )
    ]
    real, told = student_module.fit, {}

    def watched(net, method, recipe, shown, *rest, after_round, **options):
        def watch(progress):
            told.setdefault(
                (method.sampler, tuple(method.terms), method.calibrated, rest[-1]), []
            ).append(progress.loss)
            after_round(progress)

        return real(net, method, recipe, shown, *rest, after_round=watch, **options)

    def trained(jobs):
        told.clear()
        rows = study.run(
            runs,
            replace(here, device=device, results=here.results / str(jobs)),
            jobs,
            report=lambda line: None,
        )
        return dict(told), {row["run"]: row["test_accuracy"] for row in rows}

    monkeypatch.setattr(student_module, "fit", watched)
    in_threads = executors.in_threads
    monkeypatch.setattr(batch_module, "train_students", lambda *words: in_threads(*words[:5]))
    (alone, single), (together, many) = trained(1), trained(4)
    assert len(alone) == len(together) == 12 and all(len(losses) == 20 for losses in alone.values())
    for run, losses_alone in alone.items():
        assert together[run] == pytest.approx(losses_alone, abs=1e-4)
    assert many == pytest.approx(single, abs=0.5)
    assert trained(4)[1] == many  # there is nothing left to do


def test_networks_made_in_threads_are_those_of_their_seeds():
    """Initialisers draw from one generator of the whole process."""

    def weights(seed):
        return torch.cat([p.flatten() for p in models.new("resnet20", 10, seed).parameters()])

    alone = [weights(seed) for seed in range(40)]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(weights, range(40)))
    assert all(map(torch.equal, alone, together))


def test_threads_stop_when_nobody_waits_for_them(here, brief):
    runs = [
        replace(one, recipe=replace(one.recipe, steps=100_000, checks=50_000))
        for one in brief(["ce"], seeds=(1, 2, 3))
    ]
    runs.insert(0, brief(["ce"], seeds=(4,))[0])
    tasks = resolve(runs, {"digits": here.dataset("digits")}, {}, here.precision)
    finished = executors.in_threads(iter(tasks.values()), here, 4, None)
    task, result = next(finished)
    finished.close()  # hangs for hours if the other three do not notice
    assert task.run.seed == 4 and result.row["status"] == "done"


def test_bfloat16_trains_the_same_student_but_for_noise(digits):
    """Losses of the first steps are near; the accuracies of ten students differ by less than their
    seeds do.
    """
    part, rest = split(len(digits.train), 200, 0)
    views, test = Views(digits.train[part], digits.transform), Views(digits.test, digits.transform)
    answers, scores = 3 * torch.nn.functional.one_hot(views.labels, 10).float(), {}
    for precision in ("float32", "bfloat16"):
        for seed in range(10):
            net, told = models.new("resnet8", 10, seed), []
            fit(
                net,
                methods.get("ckd_calibrated"),
                Recipe(schedule="one_cycle", steps=40, checks=20),
                views,
                answers,
                None,
                seed,
                after_round=lambda progress: told.append(progress.loss),
                precision=precision,
            )
            assert all(
                value.dtype == torch.float32
                for value in net.state_dict().values()
                if value.is_floating_point()
            )
            scores.setdefault(precision, []).append(validate(net, test).item())
            scores.setdefault(precision + " loss", []).append(told[0])
    exact, rounded = (torch.tensor(scores[name]) for name in ("float32", "bfloat16"))
    assert scores["bfloat16 loss"] != scores["float32 loss"]
    assert scores["bfloat16 loss"] == pytest.approx(scores["float32 loss"], rel=0.01)
    assert (exact - rounded).mean().abs() < 2 * exact.std() / 10**0.5
    assert exact.mean() > 60


@pytest.mark.parametrize("device", DEVICES)
def test_logits_and_losses_are_float32_in_either_precision(device):
    parts = training()
    net = models.new("resnet8", 10).to(device)
    x = torch.randn(4, 3, 8, 8, device=device)
    with torch.autocast(device, torch.bfloat16):
        maps, logits = net.forward_features(x)
    assert maps[1].dtype == torch.bfloat16 and logits.dtype == torch.float32
    with torch.no_grad():
        assert torch.equal(
            logits, torch.nn.functional.linear(maps[-1].float(), net.head.weight, net.head.bias)
        )
    if device == "cpu":
        assert (
            steps_of(methods.get("vid"), *parts, bfloat16=True)
            .take(a_round(methods.get("vid")))[1]
            .dtype
            == torch.float32
        )


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
@pytest.mark.parametrize("method", EVERY)
def test_recorded_steps_equal_those_taken_one_by_one(method, monkeypatch):
    how, told = methods.get(method), []
    views = Views(images(), TRANSFORM, "cuda")
    answers, maps = (3 * torch.nn.functional.one_hot(views.labels, 10)).float(), training()[2]
    maps.maps = [level.cuda() for level in maps.maps]
    for graphs in "10":
        monkeypatch.setenv("CKD_GRAPHS", graphs)
        told.append([])
        fit(
            models.new("resnet8", 10, 5).cuda(),
            how,
            replace(TWENTY, batch=16),
            views,
            answers if how.needs_teacher else None,
            views,
            1,
            lambda progress: told[-1].append((progress.loss, progress.score)),
            features=maps if how.white_box else None,
        )
    for recorded, plain in zip(*told):
        assert recorded == pytest.approx(plain, abs=1e-3, rel=1e-4)


def graphs_are_told(monkeypatch, broken=False):
    """A list of what CUDA's graphs are asked for; where a recording is `broken`, its end raises."""
    done = []

    class Graph:
        def register_generator_state(self, generator):
            done.append("random")

        def capture_begin(self, capture_error_mode):
            done.append("begin")

        def capture_end(self):
            done.append("end")
            if broken:
                raise RuntimeError("operation failed due to a previous error during capture")

        def replay(self):
            done.append("replay")

    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph, raising=False)
    monkeypatch.setattr(
        torch.cuda,
        "current_stream",
        lambda: type("Stream", (), {"synchronize": lambda self: done.append("wait")})(),
    )
    return done


def test_what_is_recorded_and_when(monkeypatch):
    """The protocol of `GraphReplay` with a stand-in for CUDA's graphs: once as it is, then
    recorded, then replayed.
    """
    done = graphs_are_told(monkeypatch)
    work = GraphReplay(
        lambda key: done.append(f"work {key}") or 2 * key, torch.device("cuda"), generator=object()
    )
    assert [work(1), work(1), work(2), work(1)] == [2, 2, 4, 2]
    assert done == [
        "work 1",
        "random",
        "wait",
        "begin",
        "work 1",
        "end",
        "replay",
        "work 2",
        "replay",
    ]
    monkeypatch.setenv("CKD_GRAPHS", "0")
    done.clear()
    plain = GraphReplay(lambda key: done.append(key), torch.device("cuda"))
    plain(1), plain(1), plain(1)
    assert done == [1, 1, 1]


def test_what_broke_a_recording_is_told_and_not_that_something_did(monkeypatch):
    done = graphs_are_told(monkeypatch, broken=True)

    def at_fault_once_recorded(key):
        if "begin" in done:
            raise ValueError("what the step did")

    work = GraphReplay(at_fault_once_recorded, torch.device("cuda"))
    work(1)
    with pytest.raises(ValueError, match="what the step did"):
        work(1)
    assert done == ["wait", "begin", "end"]


def test_contrast_needs_two_classes():
    with pytest.raises(InputError, match="one class, and CRD contrasts classes; choose a larger n"):
        methods.get("crd").helpers(Problem(10, 8, present=1))
    views, answers, _ = training()
    views.labels = torch.zeros_like(views.labels)
    with pytest.raises(InputError, match="one class"):
        fit(models.new("resnet8", 10), methods.get("crd"), TWENTY, views, answers)
