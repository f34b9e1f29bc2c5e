"""Wide residual networks (Zagoruyko and Komodakis 2016): pre-activation blocks, 6n + 4 layers, no
dropout.
"""

from math import sqrt

from torch import Tensor, nn, relu_

from .head import Head
from .network import Network
from .resnet import conv3x3


class Unit(nn.Module):
    """Norm, ReLU, convolution, twice, plus the input.

    Where the shape changes the activated input is projected.
    """

    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.bn1, self.conv1 = nn.BatchNorm2d(inputs), conv3x3(inputs, outputs, stride)
        self.bn2, self.conv2 = nn.BatchNorm2d(outputs), conv3x3(outputs, outputs)
        if inputs != outputs:
            self.convShortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        active = relu_(self.bn1(x))
        y = self.conv2(relu_(self.bn2(self.conv1(active))))
        return y + (self.convShortcut(active) if hasattr(self, "convShortcut") else x)


class Stage(nn.Module):
    """Units in a row, the first of which changes the width and has the stride."""

    def __init__(self, units: int, inputs: int, outputs: int, stride: int):
        super().__init__()
        first = Unit(inputs, outputs, stride)
        others = [Unit(outputs, outputs, stride=1) for _ in range(units - 1)]
        self.layer = nn.Sequential(first, *others)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x)


class WideResNet(Network):
    """A wide residual network of 6n + 4 layers, without dropout.

    References
    ----------
    Zagoruyko and Komodakis 2016, https://arxiv.org/abs/1605.07146
    """

    def __init__(self, depth: int, width: int, num_classes: int):
        super().__init__()
        units, widths = (depth - 4) // 6, [16 * width, 32 * width, 64 * width]
        self.conv1 = conv3x3(3, 16)
        self.block1 = Stage(units, 16, widths[0], 1)
        self.block2 = Stage(units, widths[0], widths[1], 2)
        self.block3 = Stage(units, widths[1], widths[2], 2)
        self.bn1 = nn.BatchNorm2d(widths[2])
        self.fc = Head(widths[2], num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                fan_out = module.kernel_size[0] ** 2 * module.out_channels
                nn.init.normal_(module.weight, 0, sqrt(2 / fan_out))
        nn.init.zeros_(self.fc.bias)

    @property
    def head(self) -> nn.Linear:
        return self.fc

    def forward_features(self, x: Tensor) -> tuple[list[Tensor], Tensor]:
        """Five features: the stem, the three stages, the pooled vector [B, C].

        The maps are raw, before norm and ReLU; those of the stages are sums.
        """
        map0 = self.conv1(x)
        map1 = self.block1(map0)
        map2 = self.block2(map1)
        map3 = self.block3(map2)
        pooled = relu_(self.bn1(map3)).mean((2, 3))
        return [map0, map1, map2, map3, pooled], self.fc(pooled)
