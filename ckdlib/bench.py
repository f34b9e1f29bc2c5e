"""`python -m ckdlib bench`: seconds a step and students an hour, beside a straightforward implementation and the floor.

The straightforward one (`Plain`) is written as this field usually writes it: PIL transforms and loader workers, one
student at a time, NCHW, float32, an unfused optimiser, pairs formed explicitly and sent through as one double batch.
Both are kept waiting in processes of their own and run in turns on the same made-up images; a ratio is taken within one
turn, so that what else the machine does hits both.
"""
import multiprocessing
import resource
import time
from multiprocessing.connection import Connection
from statistics import median
from typing import Iterator, NamedTuple, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, kl_div, log_softmax, mse_loss, normalize, one_hot, smooth_l1_loss, softmax
from torch.utils.data import DataLoader, Dataset

from . import losses, methods, models, study, teacher, train
from .data import TRANSFORMS, Images, Views
from .students import default_jobs
from .train import Recipe

METHODS = ("kd", "rkd", "crd", "ckd")
IMAGES, CLASSES, BATCH = 1280, 100, 64
STUDENT_STEPS = {"pilot": 2400, "paper": 10_000}         # a student; `paper`: 250 epochs of n = 3200


class Case(NamedTuple):
    teacher: str
    student: str
    method: str
    device: str
    steps: int                           # timed in one turn


def made_up() -> tuple[Images, Tensor]:
    """Random pixels and labels, random logits in place of a teacher's."""
    random = torch.Generator().manual_seed(0)
    pixels = torch.randint(256, (IMAGES, 32, 32, 3), generator=random, dtype=torch.uint8)
    return Images(pixels, torch.arange(IMAGES) % CLASSES), 3 * torch.randn(IMAGES, CLASSES, generator=random)


# The straightforward implementation.

class Pictures(Dataset):
    """One image an item, or with `paired` a random pair: (views, labels, teacher logits, positions), a list of each."""

    def __init__(self, images: Images, answers: Tensor, paired: bool):
        from PIL import Image
        from torchvision import transforms
        how = TRANSFORMS["cifar100"]
        self.pictures = [Image.fromarray(pixels.numpy()) for pixels in images.pixels]
        self.labels, self.answers, self.paired = images.labels, answers, paired
        self.transform = transforms.Compose([
            transforms.RandomCrop(how.crop, padding=how.padding), transforms.RandomHorizontalFlip(),
            transforms.ToTensor(), transforms.Normalize(how.mean, how.std)])

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, first: int) -> tuple:
        chosen = [first, int(torch.randint(len(self), ()))] if self.paired else [first]
        return tuple((self.transform(self.pictures[i]), self.labels[i], self.answers[i], i) for i in chosen)


class Plain:
    """A student, its loss and its loader. crd: the published form, 16,384 gathered rows of a bank for each image."""

    def __init__(self, student: str, method: str, device: str, workers: int = 2):
        images, answers = made_up()
        self.net, self.method, self.device = models.build(student, CLASSES).to(device), method, device
        self.crd = losses.CRD(CLASSES, IMAGES).to(device) if method == "crd" else None
        modules = nn.ModuleList([self.net] + ([self.crd] if self.crd else []))
        self.optimiser = torch.optim.SGD(modules.parameters(), 0.05, 0.9, weight_decay=5e-4)
        self.labels = images.labels
        self.loader = DataLoader(Pictures(images, answers, paired=method == "ckd"), BATCH, shuffle=True, drop_last=True,
                                 num_workers=workers, persistent_workers=workers > 0, pin_memory=device != "cpu")

    def loss(self, logits: Sequence[Tensor], labels: Sequence[Tensor], answers: Sequence[Tensor],
             index: Tensor) -> Tensor:
        """logits, answers: [B, C], labels: [B], one of each an item of the example; index: [B] of the first."""
        if self.method == "ckd":
            (s_i, s_j), (t_i, t_j) = logits, answers
            y_i, y_j = (one_hot(y, CLASSES).float() for y in labels)
            return mse_loss(s_i - s_j, y_i - y_j) + mse_loss(s_i - s_j, t_i - t_j)
        student, answer = logits[0], answers[0]
        loss = cross_entropy(student, labels[0]) + 16 * kl_div(
            log_softmax(student / 4, 1), softmax(answer / 4, 1), reduction="batchmean")
        if self.method == "rkd":
            loss = loss + plain_rkd(student, answer)
        if self.method == "crd":
            negatives = draw_negatives(self.labels, index.cpu(), methods.NEGATIVES).to(self.device)
            loss = loss + 0.8 * plain_crd(self.crd, student, answer, index, negatives)
        return loss

    def steps(self) -> Iterator[float]:
        """Take one step after another; yields each loss."""
        self.net.train()
        while True:
            for items in self.loader:
                views, labels, answers, index = ([part[k].to(self.device, non_blocking=True) for part in items]
                                                 for k in range(4))
                logits = self.net(torch.cat(views)).split(BATCH)
                loss = self.loss(logits, labels, answers, index[0])
                self.optimiser.zero_grad()
                loss.backward()
                self.optimiser.step()
                yield loss.item()


def plain_rkd(student: Tensor, answers: Tensor) -> Tensor:
    def distances(x: Tensor) -> Tensor:
        d = torch.cdist(x, x, compute_mode="donot_use_mm_for_euclid_dist")
        return d / d[d > 0].mean()

    def angles(x: Tensor) -> Tensor:
        unit = normalize(x[None] - x[:, None], dim=2)
        return torch.bmm(unit, unit.transpose(1, 2))
    return (25 * smooth_l1_loss(distances(student), distances(answers))
            + 50 * smooth_l1_loss(angles(student), angles(answers)))


def draw_negatives(labels: Tensor, index: Tensor, count: int) -> Tensor:
    """[B, count] items of other classes, with replacement, drawn image by image."""
    rows = []
    for label in labels[index]:
        others = torch.nonzero(labels != label).flatten()
        rows.append(others[torch.randint(len(others), (count,))])
    return torch.stack(rows)


def plain_crd(crd: losses.CRD, student: Tensor, answers: Tensor, index: Tensor, negatives: Tensor) -> Tensor:
    """The loss of `losses.CRD` by gathering a bank's row for each drawn negative."""
    rows, items = torch.cat([index[:, None], negatives], 1), len(crd.bank_student)
    embedded = {"student": normalize(crd.embed_student(student)), "teacher": normalize(crd.embed_teacher(answers))}
    loss = student.new_zeros(())
    for side, other in (("student", "teacher"), ("teacher", "student")):
        bank = getattr(crd, f"bank_{other}")[rows.flatten()].view(*rows.shape, -1)
        raw = torch.exp(torch.bmm(bank, embedded[side][:, :, None])[:, :, 0] / crd.temperature)
        Z = getattr(crd, f"Z_{side}")
        if Z == 0:
            Z.copy_(items * raw.detach().mean())
        scores, q = raw / Z, negatives.shape[1] / items
        own, others = scores[:, :1], scores[:, 1:]
        loss = loss - (torch.log(own / (own + q + 1e-7)).sum() + torch.log(q / (others + q + 1e-7)).sum()) / len(index)
    with torch.no_grad():
        for side, fresh in embedded.items():
            bank = getattr(crd, f"bank_{side}")
            bank[index] = normalize(crd.momentum * bank[index] + (1 - crd.momentum) * fresh)
    return loss


# Two kinds of process that take `steps` steps whenever they are told to.

def run_plain(case: Case, connection: Connection) -> None:
    taken = Plain(case.student, case.method, case.device).steps()
    while connection.recv():
        started = time.perf_counter()
        for _ in range(case.steps):
            next(taken)
        connection.send((time.perf_counter() - started, memory(case.device)))


def run_ours(case: Case, connection: Connection, turns: int, threads: int) -> None:
    torch.set_num_threads(threads)
    images, answers = made_up()
    net = teacher.new(case.student, CLASSES).to(case.device)
    recipe = Recipe(schedule="one_cycle", steps=case.steps * turns, checks=turns)
    connection.recv()
    started = time.perf_counter()

    def after_round(*_) -> None:
        nonlocal started
        connection.send((time.perf_counter() - started, memory(case.device)))
        connection.recv()
        started = time.perf_counter()
    train.fit(net, methods.get(case.method), recipe, Views(images, TRANSFORMS["cifar100"], case.device),
              answers.to(case.device), after_round=after_round)


def memory(device: str) -> float:
    """MiB at most so far, of the device or of this process (without its loader workers)."""
    if device != "cpu":
        return torch.cuda.max_memory_allocated() / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


# The comparison.

def bench(pairs: Sequence[tuple[str, str]], names: Sequence[str] = METHODS, device: str = "cpu", turns: int = 5,
          steps: int | None = None, jobs: int | None = None, report=print) -> list[dict]:
    """A line for each pair and method; see `compare`. report: called with each line as text."""
    ceiling = arithmetic_rate(device)
    report(f"{device}, {torch.get_num_threads()} threads, torch {torch.__version__}: {ceiling / 1e9:,.0f} GFLOP/s in a "
           f"matrix product; steps of {BATCH} images, medians of {turns} turns")
    report(f"{'pair':<22}{'method':<8}{'plain s/step':>13}{'ours s/step':>13}{'floor s/step':>13}{'students/h':>12}"
           f"{'memory MiB':>12}{'ratio':>7}  (turns)")
    lines = []
    for source, student in pairs:
        for method in names:
            line = compare(Case(source, student, method, device, steps or (4 if device == "cpu" else 40)), turns,
                           jobs or (default_jobs() if device == "cpu" else 1), ceiling)
            lines.append(line)
            report(f"{source + '-' + student:<22}{method:<8}{line['plain_seconds_per_step']:>13.4f}"
                   f"{line['seconds_per_step']:>13.4f}{line['floor_seconds_per_step']:>13.4f}"
                   f"{line['students_per_hour']:>12.1f}{line['peak_memory_mb']:>12.0f}{line['ratio']:>7.2f}  "
                   f"({min(line['ratios']):.2f} to {max(line['ratios']):.2f})")
    return lines


def compare(case: Case, turns: int, jobs: int, ceiling: float) -> dict:
    """Seconds a step of one student here (`jobs` at once, each with its share of the cores) and of the plain one alone.

    ratio: students an hour here over students an hour there, the median over turns of ratios taken within a turn.
    peak_memory_mb: of one student's process. floor: three forward passes at `ceiling` FLOP/s, all cores at one student.
    """
    context = multiprocessing.get_context("spawn")
    threads = max(1, default_jobs() // jobs)

    def start(target, *more) -> tuple[Connection, multiprocessing.Process]:
        here, there = context.Pipe()
        process = context.Process(target=target, args=(case, there, *more))   # not a daemon: it has loader workers
        process.start()
        return here, process

    def turn(connections: Sequence[Connection]) -> tuple[float, float]:
        for connection in connections:
            connection.send(True)
        taken = [connection.recv() for connection in connections]
        return max(seconds for seconds, _ in taken) / case.steps, max(used for _, used in taken)

    plain, *ours = [start(run_plain)] + [start(run_ours, turns + 1, threads) for _ in range(jobs)]
    try:
        measured = [(turn([plain[0]]), turn([connection for connection, _ in ours])) for _ in range(turns + 1)][1:]
    finally:
        for connection, process in (plain, *ours):
            try:
                connection.send(False)
            except OSError:              # it has ended already
                pass
            process.join(20)
            process.kill()
    ratios = [jobs * theirs / mine for (theirs, _), (mine, _) in measured]
    seconds = median(mine for _, (mine, _) in measured)
    return {"teacher": case.teacher, "student": case.student, "method": case.method, "device": case.device,
            "seconds_per_step": seconds, "plain_seconds_per_step": median(theirs for (theirs, _), _ in measured),
            "floor_seconds_per_step": 3 * BATCH * models.flops(case.student, CLASSES, 32) / ceiling, "students_at_once": jobs,
            "students_per_hour": jobs * 3600 / (seconds * student_steps(case)), "steps_per_student": student_steps(case),
            "peak_memory_mb": measured[-1][1][1], "plain_peak_memory_mb": measured[-1][0][1],
            "ratio": median(ratios), "ratios": ratios}


def student_steps(case: Case) -> int:
    pilot = study.PROFILES["pilot"].experiments["black_box"].pairs
    return STUDENT_STEPS["pilot" if (case.teacher, case.student) in pilot else "paper"]


def arithmetic_rate(device: str, side: int = 2048, repeats: int = 10) -> float:
    """FLOP/s of a float32 matrix product on all cores: the ceiling that the floor is taken from."""
    a, taken = torch.randn(side, side, device=device), []
    for _ in range(repeats):
        started = time.perf_counter()
        (a @ a)[0, 0].item()
        taken.append(time.perf_counter() - started)
    return 2 * side**3 / min(taken)
