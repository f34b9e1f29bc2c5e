"""The losses: pure functions of tensors, and three that are trained beside the student (`CRD`, `FitNets`, `VID`).

Each loss returns a 0-d tensor. student, teacher, target: [B, C], float32 or float64, one row an image, one column a class.
"""
from math import expm1, log, sqrt

import torch
from torch import Tensor, nn
from torch.nn.functional import (adaptive_avg_pool2d, cross_entropy, kl_div, linear, log_softmax, mse_loss, normalize,
                                 one_hot, relu, smooth_l1_loss, softmax, softplus)

from .errors import InputError

VERSIONS: dict[str, int] = {}            # of a loss whose formula was changed: 2, 3, ... (rows of 1 are of another run)


def kd(student: Tensor, teacher: Tensor, temperature: float = 4.0) -> Tensor:
    """T^2 KL(softmax(t/T) || softmax(s/T)), mean over the batch (Hinton et al. 2015)."""
    return temperature**2 * kl_div(log_softmax(student / temperature, 1), log_softmax(teacher / temperature, 1),
                                   reduction="batchmean", log_target=True)


def ckd(student: Tensor, target: Tensor) -> Tensor:
    """Squared error of all comparisons: the mean over ordered pairs i != j and over C of ((s_i-s_j) - (t_i-t_j))^2.

    CKD, Equation 2, in closed form: with e = s - t it is 2 / ((B-1) C) sum_i |e_i - mean e|^2, so no pair is formed.
    ValueError if there is no pair (B < 2).
    """
    error = student - target
    if len(error) < 2:
        raise ValueError(f"a batch of {len(error)} holds no pair of images to compare; at least 2 are needed")
    return 2 * error.var(0).mean()


def mse(student: Tensor, target: Tensor) -> Tensor:
    """2 / ((B-1) C) sum_i |s_i - t_i|^2: squared error on the scale of `ckd`, without comparisons (the control).

    mse - ckd = 2B / ((B-1) C) |mean e|^2. ValueError if B < 2.
    """
    count, classes = student.shape
    if count < 2:
        raise ValueError(f"a batch of {count} has no `ckd` to be on the scale of; at least 2 images are needed")
    return 2 / ((count - 1) * classes) * (student - target).square().sum()


def ckd_pairs(student_i: Tensor, student_j: Tensor, target_i: Tensor, target_j: Tensor) -> Tensor:
    """The mean of ((s_i-s_j) - (t_i-t_j))^2 over given pairs, all [P, C]: CKD, Equation 2, as the published code."""
    return ((student_i - student_j) - (target_i - target_j)).square().mean()


def pooled_ckd(student: Tensor, target: Tensor, dims: int) -> Tensor:
    """RKD_d: `ckd` on comparisons average-pooled from C to `dims` numbers (CKD, Equation 6).

    Pooling is linear, so the errors are pooled, not the pairs. ValueError if `dims` does not divide C.
    """
    classes = student.shape[1]
    if dims < 1 or classes % dims:
        raise ValueError(f"dims = {dims} does not divide {classes} classes; choose a divisor")
    pool = (-1, dims, classes // dims)
    return ckd(student.reshape(pool).mean(2), target.reshape(pool).mean(2))


def rkd(student: Tensor, teacher: Tensor, distance_weight: float = 25.0, angle_weight: float = 50.0) -> Tensor:
    """Distances of all pairs and angles of all triples, smooth L1 (Park et al. 2019).

    Distances are divided by the mean of the network's positive ones; both terms are means over all entries.
    """
    return (distance_weight * smooth_l1_loss(_distances(student), _distances(teacher))
            + angle_weight * smooth_l1_loss(_angles(student), _angles(teacher)))


def _distances(x: Tensor) -> Tensor:
    squares = (x[:, None] - x[None]).square().sum(2)
    apart = squares > 0
    distances = torch.where(apart, squares.where(apart, 1).sqrt(), 0)  # no infinite gradient where rows coincide
    return distances / (distances.sum() / apart.sum().clamp(min=1)).clamp(min=1e-12)


def _angles(x: Tensor) -> Tensor:
    directions = normalize(x[None] - x[:, None], dim=2)
    return directions @ directions.mT


def dist(student: Tensor, teacher: Tensor, beta: float = 1.0, gamma: float = 1.0, temperature: float = 4.0) -> Tensor:
    """T^2 times one minus the Pearson correlation of softened rows (beta) and of columns (gamma) (Huang et al. 2022)."""
    s, t = softmax(student / temperature, 1), softmax(teacher / temperature, 1)
    return temperature**2 * (beta * (1 - _correlation(s, t).mean()) + gamma * (1 - _correlation(s.mT, t.mT).mean()))


def _correlation(a: Tensor, b: Tensor) -> Tensor:
    a, b = a - a.mean(1, keepdim=True), b - b.mean(1, keepdim=True)
    return (a * b).sum(1) / (a.norm(dim=1) * b.norm(dim=1) + 1e-8)


def mixup_labels(student: Tensor, first: Tensor, second: Tensor, share: Tensor | float) -> Tensor:
    """share CE(s, y_1) + (1 - share) CE(s, y_2): labels [B] of the two mixed images (Zhang et al. 2018)."""
    return share * cross_entropy(student, first) + (1 - share) * cross_entropy(student, second)


def mixup_teacher(student: Tensor, first: Tensor, second: Tensor, share: Tensor | float) -> Tensor:
    """The same with the teacher's probabilities of the two unmixed images, from logits [B, C]: the fixed teacher of
    Beyer et al. 2022 (CKD, section 4.2)."""
    return cross_entropy(student, share * softmax(first, 1) + (1 - share) * softmax(second, 1))


def joint_target(labels: Tensor, teacher: Tensor, label_weight: float = 1.0, teacher_weight: float = 1.0) -> Tensor:
    """[B, C]: what the two squared errors of CKD together pull towards, (w_y onehot(y) + w_z z) / (w_y + w_z)."""
    hot = one_hot(labels, teacher.shape[1]).to(teacher.dtype)
    return (label_weight * hot + teacher_weight * teacher) / (label_weight + teacher_weight)


def calibration_offset(student: Tensor, target: Tensor) -> Tensor:
    """[C]: mean(target) - mean(student), the constant offset of the logits that minimises `mse`; `ckd` sees none."""
    return target.mean(0) - student.mean(0)


def draw_negatives(labels: Tensor, index: Tensor, negatives: int, random: torch.Generator | None = None) -> Tensor:
    """[B, N]: how often each of the N items is drawn as a negative of items `index` [B].

    `negatives` draws with replacement, uniform over the items of other classes. labels: [N], of two classes at least.
    """
    order, batch, items = labels.argsort(stable=True), len(index), len(labels)
    own, place = labels[index], torch.arange(items, device=labels.device)     # place: in the order of classes
    first = torch.searchsorted(labels[order], own)[:, None]
    after = torch.searchsorted(labels[order], own, right=True)[:, None]       # own class: first <= place < after
    others = items - (after - first)
    share = torch.rand(batch, negatives, generator=random, device=labels.device)
    rank = torch.minimum((share * others).long(), others - 1)                 # among the other classes' places
    counts = torch.zeros(batch, items, device=labels.device).scatter_add_(1, rank, torch.ones_like(share))
    counts = counts.gather(1, torch.where(place < first, place, place - (after - first)).clamp(min=0))
    counts = counts.masked_fill((first <= place) & (place < after), 0)
    return torch.zeros_like(counts).index_copy_(1, order, counts)


class CRD(nn.Module):
    """Contrastive representation distillation on logits, with memory banks (Tian et al. 2020, as CKD's code uses it).

    Both logits are embedded and normalised; an item's student embedding is scored against the bank of teacher
    embeddings, and the other way round: o = exp(e . m / temperature) / Z. Z is set by the first call. With q = K / N,
    a part's loss is -mean_b [log(o_pos / (o_pos + q)) + sum over K negatives of log(q / (o_neg + q))].
    Negatives are drawn with replacement from few items, so the sum over K is a sum over the N items, each weighted by
    how often it was drawn; all scores are one product with the bank.
    """

    def __init__(self, classes: int, items: int, dim: int = 128, temperature: float = 0.07, momentum: float = 0.5):
        super().__init__()
        self.temperature, self.momentum = temperature, momentum
        self.embed_student, self.embed_teacher = nn.Linear(classes, dim), nn.Linear(classes, dim)
        for side in ("student", "teacher"):
            self.register_buffer(f"bank_{side}", (2 * torch.rand(items, dim) - 1) * sqrt(3 / dim))
            self.register_buffer(f"Z_{side}", torch.tensor(0.0))  # 0 until the first call

    def forward(self, student: Tensor, teacher: Tensor, index: Tensor, draws: Tensor) -> Tensor:
        """student, teacher: [B, C] logits of the items `index` [B]; draws: [B, N] from `draw_negatives`."""
        embedded = {"student": normalize(self.embed_student(student)),
                    "teacher": normalize(self.embed_teacher(teacher))}
        loss = (self._part("student", embedded["student"], self.bank_teacher, index, draws)
                + self._part("teacher", embedded["teacher"], self.bank_student, index, draws))
        with torch.no_grad():
            for side, rows in embedded.items():
                bank = getattr(self, f"bank_{side}")
                bank[index] = normalize(torch.lerp(rows, bank[index], self.momentum))
        return loss

    def _part(self, side: str, embedded: Tensor, bank: Tensor, index: Tensor, draws: Tensor) -> Tensor:
        batch, items = draws.shape
        negatives = draws.sum() / batch
        raw = torch.exp(linear(embedded, bank.clone()) / self.temperature)  # the bank changes before the backward pass
        own = raw.gather(1, index[:, None])
        Z = getattr(self, f"Z_{side}")
        mean = (own.sum() + (draws * raw).sum()) / (batch * (negatives + 1))
        Z.copy_(torch.where(Z == 0, items * mean, Z).detach())
        q, scores, own = negatives / items, raw / Z, own / Z
        noise = q + 1e-7
        return -(torch.log(own / (own + noise)).sum() + (draws * torch.log(q / (scores + noise))).sum()) / batch


class FitNets(nn.Module):
    """A hint: squared error of the teacher's feature map and the student's through a regressor (Romero et al. 2015).

    student, teacher: shapes [C, H, W] of the maps. The regressor is a convolution that takes one size to the other
    (stride 2 to halve, transposed to double, else unpadded), then batch norm and ReLU, so it is never negative.
    InputError if the student's map is smaller than the teacher's and not half of it.
    """

    def __init__(self, student: tuple[int, int, int], teacher: tuple[int, int, int]):
        super().__init__()
        (inputs, side, _), (outputs, wanted, _) = student, teacher
        if side == 2 * wanted:
            self.conv: nn.Module = nn.Conv2d(inputs, outputs, 3, stride=2, padding=1)
        elif 2 * side == wanted:
            self.conv = nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1)
        elif side >= wanted:
            self.conv = nn.Conv2d(inputs, outputs, 1 + side - wanted)
        else:
            raise InputError(f"a student's map of {side}x{side} cannot be matched to a teacher's of {wanted}x{wanted}: "
                             f"it must be as large, or half as large; choose another pair")
        self.bn = nn.BatchNorm2d(outputs)

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        """student, teacher: maps [B, C, H, W], or differences of maps."""
        return mse_loss(relu(self.bn(self.conv(student))), teacher)


class VID(nn.Module):
    """Variational information distillation of one pair of feature maps (Ahn et al. 2019).

    mean of 1/2 ((m - t)^2 / v + log v), with m the student's map through three 1x1 convolutions and one variance v for
    each of the teacher's channels. student, teacher: channels of the maps; `variance`: v at the start.
    """

    def __init__(self, student: int, teacher: int, variance: float = 5.0, eps: float = 1e-5):
        super().__init__()
        widths = (student, teacher, teacher, teacher)
        convolutions = [nn.Conv2d(a, b, 1, bias=False) for a, b in zip(widths, widths[1:])]
        self.regressor = nn.Sequential(convolutions[0], nn.ReLU(), convolutions[1], nn.ReLU(), convolutions[2])
        self.log_scale, self.eps = nn.Parameter(torch.full((teacher,), log(expm1(variance - eps)))), eps

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        """student, teacher: maps [B, C, H, W], or differences of maps; the larger is average-pooled to the smaller."""
        side = min(student.shape[-1], teacher.shape[-1])
        student, teacher = (x if x.shape[-1] == side else adaptive_avg_pool2d(x, side) for x in (student, teacher))
        variance = (softplus(self.log_scale) + self.eps)[:, None, None]
        return ((self.regressor(student) - teacher).square() / variance + variance.log()).mean() / 2
