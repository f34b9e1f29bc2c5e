"""Methods and models of one's own, tried in seconds before anything is asked of a teacher."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import cloudpickle
import torch
from torch import Tensor, nn

from .. import methods, models
from ..errors import InputError
from ..images import Images, Transform, Views
from ..methods import INNER, Batch, Method, Problem
from ..models import Maker, Network
from ..origins import place
from ..progress import Report
from ..reproducibility import generator
from .plugins import load_plugins

IMAGES, CLASSES, SIDE = 32, 10, 8  # of the batch that methods are tried on
STUDENT, TEACHER = "resnet8", "resnet14"
STEPS = 12
RATES = (1e-2, 1e-3, 1e-4)  # learning rates, of which the loss must fall under one
SIDES = (8, 16, 32, 64)  # pixels of images that models are tried with


class Checked(NamedTuple):
    """What was found of a method or model."""

    kind: str  # 'method' or 'model'
    name: str
    fault: str  # '' if there is none
    found: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.name}: {self.fault or f'fine, {self.found}'}"


def check(files: str | Path | Iterable[str | Path]) -> list[Checked]:
    """Load files and try each method and model that they define.

    A method trains a small student on one batch: its loss must fall, and every weight get a finite
    gradient. A model must give logits, take its state back, and be the same for the same seed. Both
    must be such that worker processes can have them.

    Raises
    ------
    InputError
        If a file cannot be loaded, or defines nothing.
    """
    paths = set(map(str, load_plugins(files)))
    tried = []
    for name, method in methods.OUTSIDE.items():
        if method.origin in paths:
            tried.append(_checked("method", name, _try_method, method))
    for name, definition in models.OUTSIDE.items():
        if definition.origin in paths:
            tried.append(_checked("model", name, _try_model, definition))
    if not tried:
        raise InputError(f"{', '.join(sorted(paths))} defines no method and no model")
    return tried


def tell(files: str | Path | Iterable[str | Path], report: Report = print) -> None:
    """`check`, a line each; InputError at the end if something is wrong."""
    found = check(files)
    for one in found:
        report(str(one))
    if wrong := [one.name for one in found if one.fault]:
        raise InputError(f"{', '.join(wrong)}: not as it should be, see above")


def _checked(kind: str, name: str, attempt: Callable[[Any], str], defined: Any) -> Checked:
    try:
        cloudpickle.dumps(defined)
        return Checked(kind, name, "", attempt(defined))
    except Exception as error:
        return Checked(kind, name, place(error))


def _try_method(method: Method) -> str:
    """What the loss did on one batch; InputError if that is not well."""
    for rate in RATES:
        first, *_, last = _losses(method, rate)
        if last < first:
            return f"its loss falls from {first:.3g} to {last:.3g} in {STEPS} steps"
    raise InputError(f"its loss does not fall in {STEPS} steps, from {first:.3g} to {last:.3g}")


def _losses(method: Method, rate: float) -> Iterator[float]:
    random = generator(0, "check")
    pixels = torch.randint(256, (IMAGES, SIDE, SIDE, 3), generator=random, dtype=torch.uint8)
    labels = torch.randint(CLASSES, (IMAGES,), generator=random)
    views = Views(Images(pixels, labels), Transform(SIDE, 1, False, (0.5,) * 3, (0.25,) * 3))
    net, teacher = models.new(STUDENT, CLASSES), models.new(TEACHER, CLASSES, 1).eval()
    with torch.no_grad():
        maps, logits = teacher.forward_features(views.plain(slice(None)))
    inner = maps[INNER]
    shapes = [tuple(level.shape[1:]) for level in inner]
    helpers = method.helpers(Problem(CLASSES, IMAGES, CLASSES, shapes, shapes))
    index = next(method.sampler(labels, IMAGES, random))
    inputs = [views.random(row, views.draw(len(row), random)) for row in index]
    optimiser = torch.optim.SGD([*net.parameters(), *helpers.parameters()], rate, 0.9)
    for _ in range(STEPS):
        seen, student_maps = method.forward(net.train(), inputs, torch.tensor(0.3))
        batch = Batch(
            index,
            labels[index],
            3 * logits[index] if method.needs_teacher else None,
            seen,
            torch.tensor(0.3),
            labels,
            helpers,
            random,
            student_maps,
            [level[index] for level in inner] if method.white_box else (),
        )
        loss = sum(method.loss(batch).values(), torch.zeros(()))
        optimiser.zero_grad()
        _descend(loss, net)
        optimiser.step()
        yield loss.item()


def _descend(loss: Tensor, net: nn.Module) -> None:
    """Gradients, each there and finite."""
    if not torch.isfinite(loss):
        raise InputError(f"its loss is {loss.item()}")
    if not loss.requires_grad:
        raise InputError("its loss does not depend on the student")
    loss.backward()
    for name, weight in net.named_parameters():
        if not weight.requires_grad:
            continue
        if weight.grad is None:
            raise InputError(f"weight {name} gets no gradient")
        if not torch.isfinite(weight.grad).all():
            raise InputError(f"the gradient of weight {name} is not finite")


def _try_model(make: Maker) -> str:
    """How large a model is and what it can be used for; InputError if something is not well."""
    net, other = models.new(make, CLASSES, 0), models.new(make, CLASSES, 1)
    if not _same(net, models.new(make, CLASSES, 0)):
        raise InputError("the same seed gives other weights; draw them from torch's generator")
    other.load_state_dict({name: value.clone() for name, value in net.state_dict().items()})
    sides = []
    for side in SIDES:
        images = torch.rand(4, 3, side, side, generator=generator(0, "check"))
        if _takes(net.eval(), images):
            sides.append(side)
            if not torch.equal(net(images), other.eval()(images)):
                raise InputError("its state, taken and given back, gives other logits")
            logits = net.train()(images)
            if logits.shape != (len(images), CLASSES):
                raise InputError(f"in training it gives {list(logits.shape)} for 4 images")
            _descend(logits.square().sum(), net)
            net.zero_grad()
            net.load_state_dict(other.state_dict())
    if not sides:
        raise InputError(f"it takes no images of {', '.join(map(str, SIDES))} pixels")
    weights = sum(weight.numel() for weight in net.parameters())
    return f"{weights:,} parameters, images of {', '.join(map(str, sides))} pixels{_limits(net)}"


def _same(one: nn.Module, two: nn.Module) -> bool:
    pairs = zip(one.state_dict().values(), two.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def _takes(net: nn.Module, images: Tensor) -> bool:
    try:
        net(images)
    except Exception:
        return False
    return True


def _limits(net: Network) -> str:
    """What it cannot be trained by."""
    limits = ""
    try:
        assert net.head is not None
    except InputError:
        limits += "; not for calibrated methods (no linear layer's bias adds to its logits)"
    try:
        net.eval().forward_features(torch.zeros(1, 3, 32, 32))
    except Exception:
        limits += "; not for white-box methods (no forward_features)"
    return limits
