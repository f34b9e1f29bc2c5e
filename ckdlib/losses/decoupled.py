"""Distillation in two parts: how sure the teacher is of one class, and how the others compare."""

import torch
from torch import Tensor
from torch.nn.functional import kl_div, log_softmax


def dkd(
    student_logits: Tensor,
    teacher_logits: Tensor,
    labels: Tensor,
    alpha: float = 1.0,
    beta: float = 6.0,
    temperature: float = 4.0,
) -> Tensor:
    """Decoupled distillation: T^2 (alpha KL(b_t || b_s) + beta KL(q_t || q_s)).

    With p the softened probabilities and y the label, b = (p_y, 1 - p_y), and q are those of the
    classes other than y, among themselves. Everything is computed from logarithms, log(1 - p_y) as
    the log-sum-exp of the other classes, so that no probability is cut off at any size of logits.
    `kd` is alpha 1, and (1 - p_y) of the teacher in the place of beta.

    Parameters
    ----------
    student_logits, teacher_logits : Tensor [B, C]
        Of two classes the second part is 0.
    labels : Tensor [B]
    alpha, beta : float
        Weights of the label's class and of the others.
    temperature : float
        T, by which both logits are divided.

    Returns
    -------
    Tensor
        0-d, the mean over the batch.

    References
    ----------
    Zhao, Cui, Song, Qiu, Liang 2022, https://arxiv.org/abs/2203.08679; beta is 2 there for
    ResNet110 -> ResNet32
    """
    student, teacher = student_logits / temperature, teacher_logits / temperature
    label = _divergence(_one_or_other(student, labels), _one_or_other(teacher, labels))
    others = _divergence(*(log_softmax(_without(x, labels), 1) for x in (student, teacher)))
    return temperature**2 * (alpha * label + beta * others)


def rld(
    student_logits: Tensor,
    teacher_logits: Tensor,
    labels: Tensor,
    alpha: float = 1.0,
    beta: float = 8.0,
    temperature: float = 4.0,
    confidence_temperature: float = 1.0,
) -> Tensor:
    """Refined logits: alpha S^2 KL(c_t || c_s) + beta T^2 KL(m_t || m_s); a wrong teacher's order
    is not learned.

    At temperature S the student's c_s = (p_y, 1 - p_y) of the label y learns from
    c_t = (max p, 1 - max p) of the teacher, whichever class it holds for the right one. At
    temperature T, m are the probabilities, among themselves, of those classes whose teacher's
    logit is below the label's.

    Parameters
    ----------
    student_logits, teacher_logits : Tensor [B, C]
        The second part is 0 for an image with fewer than two such classes.
    labels : Tensor [B]
    alpha, beta : float
        Weights of the two parts.
    temperature, confidence_temperature : float
        T of the second part, S of the first.

    Returns
    -------
    Tensor
        0-d, the mean over the batch.

    References
    ----------
    Sun, Chen, Lyu, Chen, Chen, Wang 2025, https://arxiv.org/abs/2408.07703, as its code computes it
    """
    confidence = _divergence(
        _one_or_other(student_logits / confidence_temperature, labels),
        _one_or_other(teacher_logits / confidence_temperature, teacher_logits.argmax(1)),
    )
    masked = teacher_logits >= teacher_logits.gather(1, labels[:, None])
    least = torch.finfo(student_logits.dtype).min / 2  # not -inf: where all are masked all is even
    student, teacher = (
        log_softmax((logits / temperature).masked_fill(masked, least), 1)
        for logits in (student_logits, teacher_logits)
    )
    order = _divergence(student, teacher)
    return alpha * confidence_temperature**2 * confidence + beta * temperature**2 * order


def _one_or_other(logits: Tensor, classes: Tensor) -> Tensor:
    """[B, 2] log-probabilities of one class of each image, and of all others together."""
    one, others = logits.gather(1, classes[:, None]), _without(logits, classes)
    return log_softmax(torch.cat([one, others.logsumexp(1, keepdim=True)], 1), 1)


def _without(logits: Tensor, classes: Tensor) -> Tensor:
    """[B, C - 1] logits, one class of each image left out."""
    places = torch.arange(logits.shape[1] - 1, device=logits.device)
    return logits.gather(1, places + (places >= classes[:, None]))


def _divergence(student: Tensor, teacher: Tensor) -> Tensor:
    """KL(t || s) of log-probabilities [B, K], the mean over the batch."""
    return kl_div(student, teacher, reduction="batchmean", log_target=True)
