"""Contrastive representation distillation on logits, with memory banks."""

from math import sqrt

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, normalize


def draw_negatives(
    labels: Tensor, index: Tensor, negatives: int, random: torch.Generator | None = None
) -> Tensor:
    """How often each item is drawn as a negative of each of a batch's items.

    Parameters
    ----------
    labels : Tensor [N]
        Of all items, of two classes at least.
    index : Tensor [B]
        The batch's items.
    negatives : int
        Draws an item, with replacement, uniform over the items of other classes.
    random : torch.Generator, optional
        On the device of `labels`.

    Returns
    -------
    Tensor [B, N]
        Counts, each row of sum `negatives`.
    """
    batch, items = len(index), len(labels)
    order = labels.argsort(stable=True)
    own = labels[index]
    # in the order of classes an item's own class stands at first <= place < after
    place = torch.arange(items, device=labels.device)
    first = torch.searchsorted(labels[order], own)[:, None]
    after = torch.searchsorted(labels[order], own, right=True)[:, None]
    others = items - (after - first)
    # draw among the places of the other classes, then move them apart around the own class
    share = torch.rand(batch, negatives, generator=random, device=labels.device)
    rank = torch.minimum((share * others).long(), others - 1)
    counts = torch.zeros(batch, items, device=labels.device)
    counts = counts.scatter_add_(1, rank, torch.ones_like(share))
    moved = torch.where(place < first, place, place - (after - first)).clamp(min=0)
    counts = counts.gather(1, moved).masked_fill((first <= place) & (place < after), 0)
    return torch.zeros_like(counts).index_copy_(1, order, counts)


class CRD(nn.Module):
    """Contrastive representation distillation on logits, with memory banks, as CKD's code uses it.

    Both logits are embedded and normalised; an item's student embedding is scored against the bank
    of teacher embeddings, and the other way round: o = exp(e . m / temperature) / Z. Z is set by
    the first call. With q = K / N, a part's loss is
    -mean_b [log(o_pos / (o_pos + q)) + sum over K negatives of log(q / (o_neg + q))].
    Negatives are drawn with replacement from few items, so the sum over K is a sum over the N
    items, each weighted by how often it was drawn; all scores are one product with the bank.

    Parameters
    ----------
    classes : int
        C, of the logits.
    items : int
        N, training images, each with a place in both banks.
    dim : int
        Of the embeddings.
    temperature, momentum : float
        Of the scores; of the banks' moving averages.

    References
    ----------
    Tian, Krishnan, Isola 2020, https://arxiv.org/abs/1910.10699
    """

    bank_student: Tensor
    bank_teacher: Tensor
    Z_student: Tensor
    Z_teacher: Tensor

    def __init__(
        self,
        classes: int,
        items: int,
        dim: int = 128,
        temperature: float = 0.07,
        momentum: float = 0.5,
    ):
        super().__init__()
        self.temperature, self.momentum = temperature, momentum
        self.embed_student, self.embed_teacher = nn.Linear(classes, dim), nn.Linear(classes, dim)
        for side in ("student", "teacher"):
            bank = (2 * torch.rand(items, dim) - 1) * sqrt(3 / dim)
            self.register_buffer(f"bank_{side}", bank)
            self.register_buffer(f"Z_{side}", torch.tensor(0.0))  # 0 until the first call

    def forward(
        self, student_logits: Tensor, teacher_logits: Tensor, index: Tensor, draws: Tensor
    ) -> Tensor:
        """The loss of items `index` [B]: logits [B, C], and [B, N] counts of `draw_negatives`."""
        student = normalize(self.embed_student(student_logits))
        teacher = normalize(self.embed_teacher(teacher_logits))
        loss = self._part("student", student, self.bank_teacher, index, draws)
        loss = loss + self._part("teacher", teacher, self.bank_student, index, draws)
        with torch.no_grad():
            for bank, rows in ((self.bank_student, student), (self.bank_teacher, teacher)):
                bank[index] = normalize(torch.lerp(rows, bank[index], self.momentum))
        return loss

    def _part(
        self, side: str, embedded: Tensor, bank: Tensor, index: Tensor, draws: Tensor
    ) -> Tensor:
        batch, items = draws.shape
        negatives = draws.sum() / batch
        # a copy, because the bank changes before the backward pass
        raw = torch.exp(linear(embedded, bank.clone()) / self.temperature)
        own = raw.gather(1, index[:, None])
        Z = getattr(self, f"Z_{side}")
        mean = (own.sum() + (draws * raw).sum()) / (batch * (negatives + 1))
        Z.copy_(torch.where(Z == 0, items * mean, Z).detach())
        q = negatives / items
        scores, own = raw / Z, own / Z
        noise = q + 1e-7
        positive = torch.log(own / (own + noise)).sum()
        negative = (draws * torch.log(q / (scores + noise))).sum()
        return -(positive + negative) / batch
