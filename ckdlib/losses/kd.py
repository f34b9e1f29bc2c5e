"""Classic knowledge distillation, and the same of standardised logits."""

import torch
from torch import Tensor
from torch.nn.functional import kl_div, log_softmax


def kd(student_logits: Tensor, teacher_logits: Tensor, temperature: float = 4.0) -> Tensor:
    """Divergence of the student's softened probabilities from the teacher's, T^2 KL(t || s).

    Parameters
    ----------
    student_logits, teacher_logits : Tensor [B, C]
    temperature : float
        T, by which both logits are divided.

    Returns
    -------
    Tensor
        0-d, the mean over the batch.

    References
    ----------
    Hinton, Vinyals, Dean 2015, https://arxiv.org/abs/1503.02531
    """
    student = log_softmax(student_logits / temperature, 1)
    teacher = log_softmax(teacher_logits / temperature, 1)
    return temperature**2 * kl_div(student, teacher, reduction="batchmean", log_target=True)


def lskd(student_logits: Tensor, teacher_logits: Tensor, temperature: float = 2.0) -> Tensor:
    """`kd` of standardised logits: of each image (z - mean z) / (1e-7 + sd z), sd with C - 1.

    The student learns the teacher's order and proportions, not its scale. Of two classes nothing
    but the order is left, and nothing pulls.

    Parameters
    ----------
    student_logits, teacher_logits : Tensor [B, C]
        Where all classes of an image are equal, within rounding, it is standardised to zeros, which
        pull at nothing.
    temperature : float
        T, by which both standardised logits are divided.

    Returns
    -------
    Tensor
        0-d, the mean over the batch.

    References
    ----------
    Sun, Ren, Li, Wang, Cao 2024, https://arxiv.org/abs/2403.01427
    """
    return kd(_standardised(student_logits), _standardised(teacher_logits), temperature)


def _standardised(logits: Tensor) -> Tensor:
    variance = logits.var(1, keepdim=True)
    rounding = 8 * torch.finfo(logits.dtype).eps * logits.abs().amax(1, keepdim=True)
    flat = variance <= rounding.square()
    sd = torch.where(flat, 1, variance).sqrt()  # of 1, as the root has no slope at 0
    return ((logits - logits.mean(1, keepdim=True)) / (1e-7 + sd)).masked_fill(flat, 0)
