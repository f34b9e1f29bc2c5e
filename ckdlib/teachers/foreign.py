"""Weights of other people's checkpoints: found, renamed as the network names them, and checked."""

from collections.abc import Callable, Iterator, Mapping
from os.path import commonprefix
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import InputError
from .pickles import read

State = Mapping[str, Tensor]
# where state dicts usually are; the earlier is taken where several fit
USUAL = (
    "",
    "model",
    "state_dict",
    "model_state_dict",
    "model_state",
    "net",
    "network",
    "teacher",
    "ema",
)
COUNTER = "num_batches_tracked"


def read_checkpoint(
    path: Path, net: nn.Module, model: str, report: Callable[[str], None] = print
) -> dict[str, Tensor]:
    """The weights in a file that fit `net`, as its state dict names and types them.

    They may lie at the top or up to two names deep, all keys may begin with the same words
    (`module.`, `_orig_mod.`), counts of batches may be missing, and other things lie beside.

    Parameters
    ----------
    path : Path
        Of torch.save, in its old or new format, or safetensors.
    net : nn.Module
    model : str
        The network's name, for messages.
    report : callable
        Called with one line where several state dicts fit.

    Raises
    ------
    InputError
        If the file cannot be read without running code (see `pickles.read`), no state dict in it
        fits (with the reason for the one that comes closest), or weights are NaN, infinite or too
        large for float16.
    """
    own = net.state_dict()
    needed = sum(4 * value.numel() for value in own.values())
    content = read(path, 64 * needed + 2**28)
    states = {name: _renamed(state, own) for name, state in _states(content)}
    if not states:
        raise InputError(
            f"{path} holds no state dict, but {_words(content)}; name a checkpoint that holds one, "
            "at its top or under a name such as 'model'"
        )
    reasons = {name: _mismatch(own, model, state) for name, state in states.items()}
    fitting = sorted((name for name in states if not reasons[name]), key=_rank)
    if not fitting:
        best = max(states, key=lambda name: len(own.keys() & states[name].keys()))
        which = f", under {best!r}," if len(states) > 1 and best else ""
        raise InputError(f"{path}{which} {reasons[best]}")
    taken, *others = fitting
    if others:
        listed = " and ".join(map(repr, others))
        report(f"{path}: its weights under {taken!r} were taken; those under {listed} fit too")
    state = {name: states[taken][name].to(value.dtype) for name, value in own.items()}
    _check_values(state, path)
    return state


def fill(net: nn.Module, model: str, state: State, path: Path) -> None:
    """Load a state dict into the network.

    Parameters
    ----------
    net : nn.Module
    model : str
        The network's name, for messages.
    state : mapping
        With exactly its keys.
    path : Path
        Where it was read, for messages.

    Raises
    ------
    InputError
        If it is another network's.
    """
    own = net.state_dict()
    if reason := _mismatch(own, model, state):
        raise InputError(f"{path} {reason}")
    net.load_state_dict({name: value.to(own[name].dtype) for name, value in state.items()})


def _states(content: Any, name: str = "", depth: int = 2) -> Iterator[tuple[str, State]]:
    """Every mapping of words to tensors, and the names that lead there."""
    if not isinstance(content, Mapping):
        return
    words = {key: value for key, value in content.items() if isinstance(key, str)}
    tensors = {key: value for key, value in words.items() if isinstance(value, Tensor)}
    if tensors:
        yield name, tensors
    if depth:
        for key, value in words.items():
            yield from _states(value, f"{name}.{key}".removeprefix("."), depth - 1)


def _rank(name: str) -> int:
    return USUAL.index(name) if name in USUAL else len(USUAL)


def _words(content: Any) -> str:
    if not isinstance(content, Mapping):
        return f"a {type(content).__name__}"
    return f"a dict of {', '.join(map(ascii, list(content)[:5])) or 'nothing'}"


def _renamed(state: State, own: State) -> dict[str, Tensor]:
    """Without the words that all keys begin with, but for those that the network's begin with, too;
    with its counters that are missing.
    """
    start = len(_first_words(state).removesuffix(_first_words(own)))
    named = {name[start:]: value for name, value in state.items()}
    counters = [name for name in own if name.endswith(COUNTER) and name not in named]
    return named | {name: torch.zeros_like(own[name], device="cpu") for name in counters}


def _first_words(state: State) -> str:
    """Those that all keys begin with, as 'module.'."""
    shared = commonprefix(list(state))
    return shared[: shared.rfind(".") + 1]


def _mismatch(own: State, model: str, state: State) -> str | None:
    """Why a state dict is not the network's, or None."""
    odd = {"missing": own.keys() - state.keys(), "foreign": state.keys() - own.keys()}
    told = [f"{len(keys)} {what}, such as {min(keys)!r}" for what, keys in odd.items() if keys]
    if told:
        return f"is not a {model} (keys: {'; '.join(told)}); name its architecture with --model"
    wrong = [name for name in own if own[name].shape != state[name].shape]
    head = [
        name
        for name in wrong
        if state[name].ndim
        and len(state[name]) != len(own[name])
        and state[name].shape[1:] == own[name].shape[1:]
    ]
    if wrong and wrong == head:
        return (
            f"knows {len(state[head[0]])} classes, but the dataset has {len(own[head[0]])}; use a "
            "teacher of this dataset"
        )
    if wrong:
        return (
            f"is not a {model}: {wrong[0]!r} is {list(state[wrong[0]].shape)}, not "
            f"{list(own[wrong[0]].shape)}; name its architecture with --model"
        )
    for name, value in state.items():
        if own[name].is_floating_point() and not value.is_floating_point():
            kind = str(value.dtype).removeprefix("torch.")
            return f"holds {kind} in {name!r}, not floating-point weights; use a checkpoint of such"
    return None


def _check_values(state: State, path: Path) -> None:
    """Refuse what is not finite, or is not when it is kept as float16."""
    weights = {name: value for name, value in state.items() if value.is_floating_point()}
    bad = {name: int((~value.isfinite()).sum()) for name, value in weights.items()}
    large = {name: int((~value.half().isfinite()).sum()) for name, value in weights.items()}
    for counts, what in (
        (bad, "NaN or infinite, as of a training that diverged"),
        (large, "beyond 65504, the most that a teacher's float16 holds"),
    ):
        names = [name for name, count in counts.items() if count]
        if names:
            raise InputError(
                f"{path}: {counts[names[0]]} of {state[names[0]].numel()} values of {names[0]!r} "
                f"({sum(counts.values())} in all tensors) are {what}; use another checkpoint"
            )
