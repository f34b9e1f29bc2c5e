"""What a network is asked without learning: predictions, scores, the offset that calibrates it."""

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from .. import losses
from ..errors import choose
from ..images import Views
from ..metrics import accuracy
from ..recipes import MONITORS

TARGET_WEIGHTS = (
    1.0,
    1.0,
)  # labels, teacher: the mean target of the calibration, as in the CKD loss


@torch.no_grad()
def predict(net: nn.Module, views: Views, bfloat16: bool = False, batch: int = 500) -> Tensor:
    """[N, C] evaluation-mode logits of all images under the evaluation view."""
    net.eval()
    with torch.autocast(views.labels.device.type, torch.bfloat16, enabled=bfloat16):
        return torch.cat(
            [net(views.plain(slice(start, start + batch))) for start in range(0, len(views), batch)]
        )


def validate(
    net: nn.Module, views: Views, monitor: str = "accuracy", bfloat16: bool = False
) -> Tensor:
    """0-d: validation score, larger is better: top-1 accuracy in per cent, or minus the cross-
    entropy.
    """
    choose("monitor", monitor, MONITORS)
    logits = predict(net, views, bfloat16)
    return (
        accuracy(logits, views.labels)
        if monitor == "accuracy"
        else -cross_entropy(logits, views.labels)
    )


@torch.no_grad()
def calibrate(net: nn.Module, train: Views, teacher: Tensor, bfloat16: bool = False) -> None:
    """Shift the classifier's bias so that the mean error over the training images is zero; no
    teacher call.
    """
    target = losses.joint_target(train.labels, teacher, *TARGET_WEIGHTS)
    net.head.bias += losses.calibration_offset(predict(net, train, bfloat16), target)
