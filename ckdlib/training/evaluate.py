"""What a network is asked without learning: predictions, scores, the offset that calibrates it."""

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from .. import losses
from ..errors import choose
from ..images import Views
from ..measures import accuracy
from ..models.network import Network
from ..recipes import MONITORS


@torch.no_grad()
def predict(net: nn.Module, views: Views, bfloat16: bool = False, batch: int = 500) -> Tensor:
    """[N, C] evaluation-mode logits of all images under the evaluation view."""
    net.eval()
    logits = []
    with torch.autocast(views.labels.device.type, torch.bfloat16, enabled=bfloat16):
        for start in range(0, len(views), batch):
            logits.append(net(views.plain(slice(start, start + batch))))
    return torch.cat(logits)


def validate(
    net: nn.Module, views: Views, monitor: str = "accuracy", bfloat16: bool = False
) -> Tensor:
    """0-d: the validation score, larger is better.

    Top-1 accuracy in per cent, or minus the cross-entropy where `monitor` is 'loss'.
    """
    choose("monitor", monitor, MONITORS)
    logits = predict(net, views, bfloat16)
    if monitor == "accuracy":
        return accuracy(logits, views.labels)
    return -cross_entropy(logits, views.labels)


@torch.no_grad()
def calibrate(
    net: Network,
    train_views: Views,
    teacher_logits: Tensor,
    pulls: tuple[float, float] = (1.0, 1.0),
    bfloat16: bool = False,
) -> None:
    """Shift the classifier's bias so that the mean error over the training images is zero.

    It costs no teacher call. `pulls`: see `Method.pulls`.
    """
    target = losses.joint_target(train_views.labels, teacher_logits, *pulls)
    net.head.bias.add_(losses.calibration_offset(predict(net, train_views, bfloat16), target))
