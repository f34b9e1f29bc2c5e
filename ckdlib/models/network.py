"""What every network of this package is."""

from torch import Tensor, nn


class Network(nn.Module):
    """Images [B, 3, H, W] -> logits [B, classes]; families define `head` and `forward_features`."""

    fixed = True  # does it do the same work each time, so that CUDA can record it?
    __jit_unused_properties__ = ["head", "classes"]  # `torch.jit.script` leaves it out

    @property
    def head(self) -> nn.Linear:
        """The final linear layer."""
        raise NotImplementedError

    @property
    def classes(self) -> int:
        """How many logits it gives an image."""
        return self.head.out_features

    def forward_features(self, x: Tensor) -> tuple[list[Tensor], Tensor]:
        """The features of images, and their logits.

        Parameters
        ----------
        x : Tensor [B, 3, H, W]

        Returns
        -------
        list of Tensor
            A map [B, C, H, W] for each level, and last the pooled vector [B, C].
        Tensor [B, classes]
            Logits.
        """
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        return self.forward_features(x)[1]
