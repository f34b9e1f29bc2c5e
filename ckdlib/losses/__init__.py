"""The losses: pure functions of tensors, a family a file, and three that are trained beside the
student.

Each returns a 0-d tensor. Logits are [B, C], float32 or float64: one row an image, one column a
class.
"""

from .ckd import calibration_offset, ckd, ckd_pairs, joint_target, mse, pooled_ckd
from .contrastive import CRD, draw_negatives
from .decoupled import dkd, rld
from .dist import dist
from .hints import VID, FitNets
from .kd import kd, lskd
from .mixup import mixup_labels, mixup_teacher
from .rkd import rkd

# Of a loss whose formula was changed: 2, 3, ... Finished runs of an earlier version are other runs.
VERSIONS: dict[str, int] = {}

__all__ = [
    "CRD",
    "VERSIONS",
    "VID",
    "FitNets",
    "calibration_offset",
    "ckd",
    "ckd_pairs",
    "dist",
    "dkd",
    "draw_negatives",
    "joint_target",
    "kd",
    "lskd",
    "mixup_labels",
    "mixup_teacher",
    "mse",
    "pooled_ckd",
    "rkd",
    "rld",
]
