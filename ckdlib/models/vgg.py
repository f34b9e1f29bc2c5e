"""VGG with batch norm for small images (Simonyan and Zisserman 2015; one linear layer as the
classifier).
"""

from math import sqrt

from torch import Tensor, nn, relu_
from torch.nn.functional import max_pool2d

from .head import Head
from .network import Network

WIDTHS = (64, 128, 256, 512, 512)
PLANS = {
    8: (1, 1, 1, 1, 1),
    11: (1, 1, 2, 2, 2),
    13: (2, 2, 2, 2, 2),
    16: (2, 2, 3, 3, 3),
    19: (2, 2, 4, 4, 4),
}


def block(convolutions: int, inputs: int, outputs: int) -> nn.Sequential:
    """3x3 convolutions with norm, ReLU between them but not after the last."""
    layers: list[nn.Module] = []
    for i in range(convolutions):
        layers += [
            nn.Conv2d(inputs if i == 0 else outputs, outputs, 3, padding=1),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        ]
    return nn.Sequential(*layers[:-1])


class VGG(Network):
    """VGG with batch norm, of a depth in PLANS, with one linear layer as the classifier.

    References
    ----------
    Simonyan and Zisserman 2015, https://arxiv.org/abs/1409.1556
    """

    def __init__(self, depth: int, num_classes: int):
        super().__init__()
        self.block0, self.block1, self.block2, self.block3, self.block4 = map(
            block, PLANS[depth], (3, *WIDTHS[:-1]), WIDTHS
        )
        self.classifier = Head(WIDTHS[-1], num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, 0, sqrt(2 / (9 * module.out_channels)))
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        nn.init.normal_(self.classifier.weight, 0, 0.01)
        nn.init.zeros_(self.classifier.bias)

    @property
    def head(self) -> nn.Linear:
        return self.classifier

    def forward_features(self, x: Tensor) -> tuple[list[Tensor], Tensor]:
        """Six features: the five blocks after ReLU, the pooled vector [B, 512].

        Maps are halved before blocks 1 to 3, and before block 4 if they are still larger than 7x7
        (64x64 images).
        """
        map0 = relu_(self.block0(x))
        map1 = relu_(self.block1(max_pool2d(map0, 2)))
        map2 = relu_(self.block2(max_pool2d(map1, 2)))
        map3 = relu_(self.block3(max_pool2d(map2, 2)))
        map4 = relu_(self.block4(max_pool2d(map3, 2) if map3.shape[-1] > 7 else map3))
        pooled = map4.mean((2, 3))
        return [map0, map1, map2, map3, map4, pooled], self.classifier(pooled)
