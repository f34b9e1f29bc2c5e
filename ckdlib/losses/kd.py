"""Classic knowledge distillation."""

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
