"""Mixup with a fixed teacher: images are mixed, the teacher's kept answers are mixed with them."""

from torch import Tensor
from torch.nn.functional import cross_entropy, softmax


def mixup_labels(
    student_logits: Tensor, first: Tensor, second: Tensor, share: Tensor | float
) -> Tensor:
    """share CE(s, y_1) + (1 - share) CE(s, y_2).

    Parameters
    ----------
    student_logits : Tensor [B, C]
        Of the mixed images.
    first, second : Tensor [B]
        Labels of the two images that each is mixed of.
    share : Tensor or float
        Of the first image, in 0..1.

    Returns
    -------
    Tensor
        0-d, the mean over the batch.

    References
    ----------
    Zhang, Cisse, Dauphin, Lopez-Paz 2018, https://arxiv.org/abs/1710.09412
    """
    one = cross_entropy(student_logits, first)
    other = cross_entropy(student_logits, second)
    return share * one + (1 - share) * other


def mixup_teacher(
    student_logits: Tensor, first: Tensor, second: Tensor, share: Tensor | float
) -> Tensor:
    """Cross-entropy with the mixed probabilities of the teacher for the two unmixed images.

    Parameters
    ----------
    student_logits : Tensor [B, C]
        Of the mixed images.
    first, second : Tensor [B, C]
        The teacher's logits of the two images that each is mixed of.
    share : Tensor or float
        Of the first image, in 0..1.

    Returns
    -------
    Tensor
        0-d, the mean over the batch.

    References
    ----------
    The "fixed teacher" of Beyer et al. 2022, https://arxiv.org/abs/2106.05237; CKD, section 4.2
    """
    target = share * softmax(first, 1) + (1 - share) * softmax(second, 1)
    return cross_entropy(student_logits, target)
