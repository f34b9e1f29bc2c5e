"""Images on the device, cut into network inputs: how a training set's views are drawn, and the one
evaluation view.
"""

import json
from dataclasses import asdict, dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad


@dataclass(frozen=True)
class Transform:
    """How an image becomes a network input.

    Training: pad, random crop, random flip; evaluation: centre crop.
    """

    crop: int  # pixels, the side of the network's square input
    padding: int  # black pixels added to each side before the random crop
    flip: bool  # mirror half of the training views
    mean: tuple[float, ...]  # of each channel, pixels in 0..1
    std: tuple[float, ...]

    def view(self, seed: int) -> str:
        """What a ledger calls the views that `teacher_view` draws with this seed."""
        return json.dumps({"view": "random", "seed": seed} | asdict(self))


# digits are never mirrored; CIFAR-100 and Stanford Cars as in the paper, section 4.1
DEVELOPMENT = "cifar100_development"  # training images of CIFAR-100 that the study does not use
TEN_CLASSES = "cifar100_ten"  # the images of CIFAR-100's first ten classes
CIFAR = Transform(32, 4, True, (0.5071, 0.4867, 0.4408), (0.2675, 0.2565, 0.2761))
TRANSFORMS = {
    "digits": Transform(8, 1, False, (0.2868,) * 3, (0.3538,) * 3),
    "digits_cropped": Transform(8, 0, False, (0.2868,) * 3, (0.3538,) * 3),
    "cifar100": CIFAR,
    DEVELOPMENT: CIFAR,
    TEN_CLASSES: CIFAR,
    "stanford_cars": Transform(56, 0, True, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}


@dataclass(frozen=True)
class Images:
    """Images and their labels; an index selects some of both."""

    pixels: Tensor  # [N, H, W, 3] uint8
    labels: Tensor  # [N] int64

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: Tensor) -> "Images":
        return Images(self.pixels[index], self.labels[index])


class Views:
    """Images on one device, cut into inputs, and their labels.

    A view is described by three integers: the crop's row and column in the padded image, and 1 if
    mirrored. Inputs are [B, 3, crop, crop] float32 (channels last in memory), `labels` [N].
    """

    def __init__(self, images: Images, transform: Transform, device: torch.device | str = "cpu"):
        side = images.pixels.shape[1]
        self.crop, self.flip = transform.crop, transform.flip
        self.padding = transform.padding
        self.span = (
            side + 2 * self.padding - self.crop + 1
        )  # how many places a crop can have along one side
        self.centre = (side - self.crop) // 2 + self.padding
        border = (0, 0) + (self.padding,) * 4
        self.pixels = pad(images.pixels.to(device), border)
        self.labels = images.labels.to(device)
        self.steps = torch.arange(self.crop, device=device)
        self.mean = torch.tensor(transform.mean, device=device) * 255
        self.scale = 1 / (torch.tensor(transform.std, device=device) * 255)

    def __len__(self) -> int:
        return len(self.labels)

    def draw(self, count: int, random: torch.Generator) -> Tensor:
        """An independent random view for each of `count` images.

        Returns
        -------
        Tensor [count, 3]
        """
        places = torch.randint(self.span, (count, 2), generator=random)
        mirrored = torch.randint(2, (count, 1), generator=random) * self.flip
        return torch.cat([places, mirrored], 1)

    def random(self, index: Tensor, views: Tensor) -> Tensor:
        """Images in given views: one gather for the whole batch.

        Parameters
        ----------
        index : Tensor [B]
        views : Tensor [B, 3]

        Returns
        -------
        Tensor [B, 3, crop, crop]
        """
        row, column, mirrored = views.unbind(1)
        rows = row[:, None] + self.steps
        columns = column[:, None] + torch.where(
            mirrored[:, None] == 1, self.crop - 1 - self.steps, self.steps
        )
        return self._normalised(
            self.pixels[index[:, None, None], rows[:, :, None], columns[:, None, :]]
        )

    def plain(self, chosen: slice) -> Tensor:
        """The evaluation view of a range of images: the centre, never mirrored."""
        window = slice(self.centre, self.centre + self.crop)
        return self._normalised(self.pixels[chosen, window, window])

    def _normalised(self, pixels: Tensor) -> Tensor:
        return ((pixels.float() - self.mean) * self.scale).permute(0, 3, 1, 2)


def pixels(inputs: Tensor, transform: Transform) -> Tensor:
    """The images that were cut into network inputs, for a teacher that wants images.

    Parameters
    ----------
    inputs : Tensor [B, 3, H, W]
    transform : Transform
        That cut them.

    Returns
    -------
    Tensor [B, H, W, 3]
        uint8.
    """
    mean, std = (
        torch.tensor(values, device=inputs.device) for values in (transform.mean, transform.std)
    )
    return ((inputs.permute(0, 2, 3, 1) * std + mean) * 255).round().clamp(0, 255).to(torch.uint8)
