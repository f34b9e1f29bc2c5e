"""The straightforward implementation, as this field usually writes it: what the benchmark compares
with.

PIL transforms and loader workers, one student at a time, NCHW, float32, an unfused optimiser, pairs
formed explicitly and sent through as one double batch, a loss read at every step.
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import (
    cross_entropy,
    kl_div,
    log_softmax,
    mse_loss,
    normalize,
    one_hot,
    smooth_l1_loss,
    softmax,
)
from torch.utils.data import DataLoader, Dataset

from .. import losses, models
from ..images import TRANSFORMS, Images

IMAGES, CLASSES, BATCH, NEGATIVES = 1280, 100, 64, 16_384


def made_up() -> tuple[Images, Tensor]:
    """Random pixels and labels, random logits in place of a teacher's."""
    random = torch.Generator().manual_seed(0)
    pixels = torch.randint(256, (IMAGES, 32, 32, 3), generator=random, dtype=torch.uint8)
    answers = 3 * torch.randn(IMAGES, CLASSES, generator=random)
    return Images(pixels, torch.arange(IMAGES) % CLASSES), answers


class Pictures(Dataset):
    """One image an item, or with `paired` a random pair: (views, labels, teacher logits,
    positions), a list of each.
    """

    def __init__(self, images: Images, answers: Tensor, paired: bool):
        from PIL import Image
        from torchvision import transforms

        how = TRANSFORMS["cifar100"]
        self.pictures = [Image.fromarray(pixels.numpy()) for pixels in images.pixels]
        self.labels, self.answers, self.paired = images.labels, answers, paired
        self.transform = transforms.Compose(
            [
                transforms.RandomCrop(how.crop, padding=how.padding),
                transforms.RandomHorizontalFlip(),
                transforms.ToTensor(),
                transforms.Normalize(how.mean, how.std),
            ]
        )

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, first: int) -> tuple:
        chosen = [first, int(torch.randint(len(self), ()))] if self.paired else [first]
        return tuple(map(self.item, chosen))

    def item(self, i: int) -> tuple:
        return self.transform(self.pictures[i]), self.labels[i], self.answers[i], i


class Plain:
    """A student, its loss and its loader. crd: the published form, 16,384 gathered rows of a bank
    for each image.
    """

    def __init__(self, student: str, method: str, device: str, workers: int = 2):
        images, answers = made_up()
        self.method, self.device = method, device
        self.net = models.build(student, CLASSES).to(device)
        modules = nn.ModuleList([self.net])
        self.crd: losses.CRD | None = None
        if method == "crd":
            self.crd = losses.CRD(CLASSES, IMAGES).to(device)
            modules.append(self.crd)
        self.optimiser = torch.optim.SGD(modules.parameters(), 0.05, 0.9, weight_decay=5e-4)
        self.labels = images.labels
        self.loader = DataLoader(
            Pictures(images, answers, paired=method == "ckd"),
            BATCH,
            shuffle=True,
            drop_last=True,
            num_workers=workers,
            persistent_workers=workers > 0,
            pin_memory=device != "cpu",
        )

    def loss(
        self,
        logits: Sequence[Tensor],
        labels: Sequence[Tensor],
        answers: Sequence[Tensor],
        index: Tensor,
    ) -> Tensor:
        """logits, answers: [B, C], labels: [B], one of each an item of the example; index: [B] of
        the first.
        """
        if self.method == "ckd":
            (s_i, s_j), (t_i, t_j) = logits, answers
            y_i, y_j = one_hot(torch.stack(tuple(labels)), CLASSES).float()
            return mse_loss(s_i - s_j, y_i - y_j) + mse_loss(s_i - s_j, t_i - t_j)
        student, answer = logits[0], answers[0]
        softened = log_softmax(student / 4, 1), softmax(answer / 4, 1)
        loss = cross_entropy(student, labels[0]) + 16 * kl_div(*softened, reduction="batchmean")
        if self.method == "rkd":
            loss = loss + plain_rkd(student, answer)
        if self.crd is not None:
            negatives = draw_negatives(self.labels, index.cpu(), NEGATIVES).to(self.device)
            loss = loss + 0.8 * plain_crd(self.crd, student, answer, index, negatives)
        return loss

    def steps(self) -> Iterator[float]:
        """Take one step after another; yields each loss."""
        self.net.train()
        while True:
            for items in self.loader:
                moved = map(self._to_device, items)
                views, labels, answers, index = zip(*moved, strict=True)
                logits = self.net(torch.cat(views)).split(BATCH)
                loss = self.loss(logits, labels, answers, index[0])
                self.optimiser.zero_grad()
                loss.backward()
                self.optimiser.step()
                yield loss.item()

    def _to_device(self, item: Sequence[Tensor]) -> list[Tensor]:
        return [part.to(self.device, non_blocking=True) for part in item]


def plain_rkd(student: Tensor, answers: Tensor) -> Tensor:
    def distances(x: Tensor) -> Tensor:
        d = torch.cdist(x, x, compute_mode="donot_use_mm_for_euclid_dist")
        return d / d[d > 0].mean()

    def angles(x: Tensor) -> Tensor:
        unit = normalize(x[None] - x[:, None], dim=2)
        return torch.bmm(unit, unit.transpose(1, 2))

    by_distance = smooth_l1_loss(distances(student), distances(answers))
    by_angle = smooth_l1_loss(angles(student), angles(answers))
    return 25 * by_distance + 50 * by_angle


def draw_negatives(labels: Tensor, index: Tensor, count: int) -> Tensor:
    """[B, count] items of other classes, with replacement, drawn image by image."""
    rows = []
    for label in labels[index]:
        others = torch.nonzero(labels != label).flatten()
        rows.append(others[torch.randint(len(others), (count,))])
    return torch.stack(rows)


def plain_crd(
    crd: losses.CRD, student: Tensor, answers: Tensor, index: Tensor, negatives: Tensor
) -> Tensor:
    """The loss of `losses.CRD` by gathering a bank's row for each drawn negative."""
    rows, items = torch.cat([index[:, None], negatives], 1), len(crd.bank_student)
    embedded = {
        "student": normalize(crd.embed_student(student)),
        "teacher": normalize(crd.embed_teacher(answers)),
    }
    loss = student.new_zeros(())
    for side, other in (("student", "teacher"), ("teacher", "student")):
        bank = getattr(crd, f"bank_{other}")[rows.flatten()].view(*rows.shape, -1)
        raw = torch.exp(torch.bmm(bank, embedded[side][:, :, None])[:, :, 0] / crd.temperature)
        Z = getattr(crd, f"Z_{side}")
        if Z == 0:
            Z.copy_(items * raw.detach().mean())
        scores, q = raw / Z, negatives.shape[1] / items
        own, others = scores[:, :1], scores[:, 1:]
        positive = torch.log(own / (own + q + 1e-7)).sum()
        negative = torch.log(q / (others + q + 1e-7)).sum()
        loss = loss - (positive + negative) / len(index)
    with torch.no_grad():
        for side, fresh in embedded.items():
            bank = getattr(crd, f"bank_{side}")
            bank[index] = normalize(crd.momentum * bank[index] + (1 - crd.momentum) * fresh)
    return loss
