"""On CUDA, recorded graphs, streams and bfloat16 are trusted only after a few steps of them agree
with plain ones.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

from .. import methods
from ..images import Images, Transform, Views
from ..models import new
from ..recipes import Recipe
from ..reproducibility import generator
from .graphs import GRAPHS
from .loop import fit

STEPS = 6  # some before a graph is recorded, some replayed
CLOSE = {"float32": 1e-3, "bfloat16": 0.4}  # of the weights' change, in its own norm


def check_device(device: str, precision: str, report: Callable[[str], None]) -> str:
    """Try what makes training fast on a device, and turn off what cannot be had.

    Parameters
    ----------
    device : str
    precision : {'float32', 'bfloat16'}
        Asked for.
    report : callable
        Told what is turned off, and why.

    Returns
    -------
    str
        The precision that can be had.
    """
    if torch.device(device).type != "cuda":
        return precision
    if os.environ.get(GRAPHS) != "0":
        why = graphs_differ(device)
        if why:
            os.environ[GRAPHS] = "0"
            report(f"recorded steps are turned off on {device}: {why}")
    if precision == "bfloat16":
        why = bfloat16_differs(device)
        if why:
            report(f"bfloat16 is turned off on {device}: {why}")
            return "float32"
    return precision


def graphs_differ(device: str) -> str:
    """Why recorded steps, of two trainings at once, are no plain ones; '' if they are."""
    return _differ(
        lambda: _trained(device, "float32", graphs=False),
        lambda: _at_once(lambda: _trained(device, "float32", graphs=True)),
        CLOSE["float32"],
    )


def bfloat16_differs(device: str) -> str:
    """Why bfloat16 does not give about what float32 gives; '' if it does."""
    return _differ(
        lambda: _trained(device, "float32", graphs=False),
        lambda: [_trained(device, "bfloat16", graphs=False)],
        CLOSE["bfloat16"],
    )


def _differ(plain: Callable[[], Tensor], fast: Callable[[], list[Tensor]], close: float) -> str:
    right = plain()
    try:
        trained = fast()
    except Exception as error:  # whatever a driver may raise
        return f"{type(error).__name__}: {error}".splitlines()[0]
    off = max(((found - right).norm() / right.norm()).item() for found in trained)
    return "" if off <= close else f"after {STEPS} steps they are {off:.2g} off plain ones"


def _at_once(train: Callable[[], Tensor]) -> list[Tensor]:
    """Two, which need not be equal: a GPU adds in whatever order its threads come."""
    with ThreadPoolExecutor(2) as pool:
        return [one.result() for one in [pool.submit(train) for _ in range(2)]]


def _trained(device: str, precision: str, graphs: bool) -> Tensor:
    """How a few steps change a small student's weights."""
    random = generator(0, "self-check")
    pixels = torch.randint(256, (64, 8, 8, 3), generator=random, dtype=torch.uint8)
    images = Images(pixels, torch.randint(10, (64,), generator=random))
    views = Views(images, Transform(8, 1, False, (0.5,) * 3, (0.25,) * 3), device)
    logits = torch.randn(64, 10, generator=random).to(device)
    net = new("resnet8", 10, 0).to(device)
    before = _flat(net)
    recipe = Recipe(schedule="one_cycle", steps=STEPS, checks=1, batch=32)
    kept = os.environ.get(GRAPHS)
    if not graphs:
        os.environ[GRAPHS] = "0"
    try:
        fit(net, methods.get("kd"), recipe, views, logits, precision=precision)
    finally:
        if not graphs:
            os.environ.pop(GRAPHS)
            if kept is not None:
                os.environ[GRAPHS] = kept
    return _flat(net) - before


def _flat(net: torch.nn.Module) -> Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in net.parameters()]).cpu()
