"""Residual networks for small images (He et al. 2016, section 4.2: 6n + 2 layers, 16, 32 and 64
channels).
"""

from torch import Tensor, nn, relu_

from .head import Head
from .network import Network


def conv3x3(inputs: int, outputs: int, stride: int = 1) -> nn.Conv2d:
    """A 3x3 convolution without a bias, padded so that only the stride shrinks its map."""
    return nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)


class Block(nn.Module):
    """Two 3x3 convolutions and a shortcut, projected where the shape changes; ReLU last."""

    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.conv1, self.bn1 = conv3x3(inputs, outputs, stride), nn.BatchNorm2d(outputs)
        self.conv2, self.bn2 = conv3x3(outputs, outputs), nn.BatchNorm2d(outputs)
        self.downsample: nn.Module = nn.Identity()
        if inputs != outputs:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(relu_(self.bn1(self.conv1(x)))))
        return relu_(y + self.downsample(x))


def stage(blocks: int, inputs: int, outputs: int, stride: int) -> nn.Sequential:
    """Blocks in a row, the first of which changes the width and has the stride."""
    first = Block(inputs, outputs, stride)
    others = [Block(outputs, outputs, stride=1) for _ in range(blocks - 1)]
    return nn.Sequential(first, *others)


class ResNet(Network):
    """A residual network of 6n + 2 layers.

    References
    ----------
    He et al. 2016, section 4.2, https://arxiv.org/abs/1512.03385
    """

    def __init__(self, depth: int, num_classes: int):
        super().__init__()
        blocks = (depth - 2) // 6
        self.conv1, self.bn1 = conv3x3(3, 16), nn.BatchNorm2d(16)
        self.layer1 = stage(blocks, 16, 16, stride=1)
        self.layer2 = stage(blocks, 16, 32, stride=2)
        self.layer3 = stage(blocks, 32, 64, stride=2)
        self.fc = Head(64, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    @property
    def head(self) -> nn.Linear:
        return self.fc

    def forward_features(self, x: Tensor) -> tuple[list[Tensor], Tensor]:
        """Five features: the stem, the three stages (all after ReLU), the pooled vector [B, 64]."""
        map0 = relu_(self.bn1(self.conv1(x)))
        map1 = self.layer1(map0)
        map2 = self.layer2(map1)
        map3 = self.layer3(map2)
        pooled = map3.mean((2, 3))
        return [map0, map1, map2, map3, pooled], self.fc(pooled)
