"""A method whose terms one function of the user's computes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from inspect import Parameter, signature
from typing import Any

from torch import Tensor

from ..errors import InputError
from . import terms
from .registry import Method
from .terms import Batch, Term
from .words import MIXING

TAKES = ("the library's Batch", "(student, teacher)", "(student, teacher, labels)")
LABELS = "labels"
Values = dict[str, Tensor]
Function = Callable[..., Tensor | Values]


@dataclass(frozen=True)
class Computed:
    """All terms of a batch by one function of the user's, without their weights."""

    method: str
    function: Function
    terms: Sequence[str]
    takes: int  # how many of student, teacher, labels; 1: the Batch
    changed: Mapping[str, float] = field(default_factory=dict)  # parameters that are no defaults

    def __call__(self, batch: Batch) -> Values:
        """The terms by name.

        Raises
        ------
        InputError
            If the function gives others than those that have a weight, or no 0-d tensors.
        """
        given = self.function(*self._arguments(batch), **self.changed)
        found = {self._one(): given} if isinstance(given, Tensor) else given
        if not isinstance(found, Mapping):
            raise self._fault(f"gives {_shape(given)}, neither a tensor nor a dict of them")
        for name, value in found.items():
            if name not in self.terms:
                raise self._fault(f"gives a term {name!r} that has no weight")
            if not isinstance(value, Tensor) or value.shape != ():
                raise self._fault(f"gives {_shape(value)} as {name!r}, where a 0-d tensor is due")
        values = dict(found)
        if LABELS in self.terms and LABELS not in values:
            values[LABELS] = terms.CE[LABELS].loss(batch)
        if lacking := [name for name in self.terms if name not in values]:
            raise self._fault(f"gives no term {lacking[0]!r}")
        return values

    def alone(self, term: str, batch: Batch) -> Tensor:
        """One of them."""
        return self(batch)[term]

    @property
    def settable(self) -> dict[str, float]:
        """The function's parameters with a number as default, and what they are."""
        shown = signature(self.function).parameters.values()
        own = {one.name: one.default for one in shown if one.kind != Parameter.POSITIONAL_ONLY}
        numbers = {name: one for name, one in own.items() if type(one) in (int, float)}
        return numbers | dict(self.changed)

    def _arguments(self, batch: Batch) -> Sequence[Any]:
        if self.takes == 1:
            return [batch]
        if len(batch.labels) != 1:
            raise self._fault(
                f"takes {TAKES[self.takes - 1]}, and its batches are of {len(batch.labels)} images "
                "an example; let it take the library's Batch"
            )
        return [batch.student_logits[0], batch.answers[0], batch.labels[0]][: self.takes]

    def _one(self) -> str:
        beside = [name for name in self.terms if name != LABELS]
        if len(beside) != 1:
            raise self._fault("gives one tensor, for which one term beside 'labels' must stand")
        return beside[0]

    def _fault(self, why: str) -> InputError:
        weights = ", ".join(self.terms)
        return InputError(f"method {self.method!r}: its function {why} (its terms: {weights})")


def _shape(value: Any) -> str:
    return f"shape {list(value.shape)}" if isinstance(value, Tensor) else type(value).__name__


class OwnTerm(Term):
    """A term of which the code of its method tells the rest."""

    def definition(self) -> dict[str, Any]:
        return {"loss": "own", "weight": self.weight}


@dataclass(frozen=True)
class OwnMethod(Method):
    """A method whose terms are computed together, once a batch."""

    computed: Computed = Computed("", lambda: {}, (), 1)

    @property
    def helped(self) -> list[str]:
        return []

    @property
    def settable(self) -> dict[str, float]:
        return super().settable | self.computed.settable

    def _set(self, changed: Mapping[str, float]) -> Method:
        own = {name: one for name, one in changed.items() if name in self.computed.settable}
        mixing = self.mixing if MIXING in own else changed.get(MIXING, self.mixing)
        return replace(self, mixing=mixing, computed=replace(self.computed, changed=own))

    def definition(self) -> dict[str, Any]:
        changed = self.computed.changed
        return super().definition() | ({"parameters": changed} if changed else {})

    def loss(self, batch: Batch) -> Values:
        values = self.computed(batch)
        return {name: term.weight * values[name] for name, term in self.terms.items()}
