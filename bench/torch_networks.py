# SPDX-License-Identifier: LGPL-2.1-or-later
"""The five networks in PyTorch, with the published state-dict names, as a peer to measure against
and a source of checkpoints for tests. Written from the paper's tables, not fast on purpose or slow
on purpose: plain torch.nn modules, as a user would write them."""
import torch
from torch import nn


def conv_bn(inp, out, kernel=3, stride=1, groups=1, act=None):
    layers = [nn.Conv3d(inp, out, kernel, stride, kernel // 2, groups=groups, bias=False),
              nn.BatchNorm3d(out)]
    return layers + ([act(inplace=True)] if act else [])


class Classified(nn.Module):
    """Features, a global average pool, dropout and a linear layer."""

    def classify(self, x):
        return self.classifier(x.mean((2, 3, 4)))

    def head(self, channels, classes):
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(channels, classes))


class Separable(nn.Module):
    def __init__(self, inp, out, stride):
        super().__init__()
        self.conv1 = nn.Conv3d(inp, inp, 3, stride, 1, groups=inp, bias=False)
        self.bn1 = nn.BatchNorm3d(inp)
        self.conv2 = nn.Conv3d(inp, out, 1, bias=False)
        self.bn2 = nn.BatchNorm3d(out)

    def forward(self, x):
        x = torch.relu(self.bn1(self.conv1(x)))
        return torch.relu(self.bn2(self.conv2(x)))


class MobileNet(Classified):
    rows = [(64, 1, 2), (128, 2, 2), (256, 2, 2), (512, 6, 2), (1024, 2, 1)]

    def __init__(self, width=1.0, classes=600):
        super().__init__()
        c = int(32 * width)
        layers = [nn.Sequential(*conv_bn(3, c, stride=(1, 2, 2), act=nn.ReLU))]
        for out, n, stride in self.rows:
            for i in range(n):
                layers.append(Separable(c, int(out * width), stride if i == 0 else 1))
                c = int(out * width)
        self.features = nn.Sequential(*layers)
        self.head(c, classes)

    def forward(self, x):
        return self.classify(self.features(x))


class InvertedResidual(nn.Module):
    def __init__(self, inp, out, stride, t):
        super().__init__()
        hidden = inp * t
        layers = conv_bn(inp, hidden, 1, act=nn.ReLU6) if t != 1 else []
        layers += conv_bn(hidden, hidden, 3, stride, hidden, nn.ReLU6)
        self.conv = nn.Sequential(*layers, *conv_bn(hidden, out, 1))
        self.skip = stride == 1 and inp == out

    def forward(self, x):
        return x + self.conv(x) if self.skip else self.conv(x)


class MobileNetV2(Classified):
    rows = [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1),
            (6, 160, 3, 2), (6, 320, 1, 1)]

    def __init__(self, width=1.0, classes=600):
        super().__init__()
        c = int(32 * width)
        last = int(1280 * width) if width > 1 else 1280
        layers = [nn.Sequential(*conv_bn(3, c, stride=(1, 2, 2), act=nn.ReLU6))]
        for t, out, n, stride in self.rows:
            for i in range(n):
                layers.append(InvertedResidual(c, int(out * width), stride if i == 0 else 1, t))
                c = int(out * width)
        layers.append(nn.Sequential(*conv_bn(c, last, 1, act=nn.ReLU6)))
        self.features = nn.Sequential(*layers)
        self.head(last, classes)

    def forward(self, x):
        return self.classify(self.features(x))


def shuffle(x, groups):
    n, c, t, h, w = x.shape
    return x.view(n, groups, c // groups, t, h, w).transpose(1, 2).reshape(n, c, t, h, w)


class ShuffleUnit(nn.Module):
    def __init__(self, inp, out, stride, groups):
        super().__init__()
        mid = out // 4
        self.stride, self.groups = stride, groups
        self.conv1 = nn.Conv3d(inp, mid, 1, groups=1 if inp == 24 else groups, bias=False)
        self.bn1 = nn.BatchNorm3d(mid)
        self.conv2 = nn.Conv3d(mid, mid, 3, stride, 1, groups=mid, bias=False)
        self.bn2 = nn.BatchNorm3d(mid)
        made = out - inp if stride == 2 else out
        self.conv3 = nn.Conv3d(mid, made, 1, groups=groups, bias=False)
        self.bn3 = nn.BatchNorm3d(made)
        self.pool = nn.AvgPool3d((2, 3, 3), 2, (0, 1, 1))

    def forward(self, x):
        y = shuffle(torch.relu(self.bn1(self.conv1(x))), self.groups)
        y = self.bn3(self.conv3(self.bn2(self.conv2(y))))
        return torch.relu(torch.cat((y, self.pool(x)), 1) if self.stride == 2 else x + y)


class ShuffleNet(Classified):
    channels = {1: (24, 144, 288, 567), 2: (24, 200, 400, 800), 3: (24, 240, 480, 960),
                4: (24, 272, 544, 1088), 8: (24, 384, 768, 1536)}

    def __init__(self, width=1.0, classes=600, groups=3):
        super().__init__()
        c = [int(x * width) for x in self.channels[groups]]
        self.conv1 = nn.Sequential(*conv_bn(3, c[0], stride=(1, 2, 2), act=nn.ReLU))
        self.maxpool = nn.MaxPool3d(3, 2, 1)
        for i, n in enumerate((4, 8, 4)):
            units = [ShuffleUnit(c[i], c[i + 1], 2, groups)]
            units += [ShuffleUnit(c[i + 1], c[i + 1], 1, groups) for _ in range(n - 1)]
            setattr(self, f"layer{i + 1}", nn.Sequential(*units))
        self.head(c[3], classes)

    def forward(self, x):
        x = self.maxpool(self.conv1(x))
        return self.classify(self.layer3(self.layer2(self.layer1(x))))


class ShuffleUnit2(nn.Module):
    def __init__(self, inp, out, stride):
        super().__init__()
        half = out // 2
        self.stride = stride
        if stride == 2:
            self.banch1 = nn.Sequential(*conv_bn(inp, inp, 3, 2, inp),
                                        *conv_bn(inp, half, 1, act=nn.ReLU))
        self.banch2 = nn.Sequential(*conv_bn(inp if stride == 2 else half, half, 1, act=nn.ReLU),
                                    *conv_bn(half, half, 3, stride, half),
                                    *conv_bn(half, half, 1, act=nn.ReLU))

    def forward(self, x):
        a, b = (self.banch1(x), x) if self.stride == 2 else x.chunk(2, 1)
        return shuffle(torch.cat((a, self.banch2(b)), 1), 2)


class ShuffleNetV2(Classified):
    channels = {0.25: (32, 64, 128, 1024), 0.5: (48, 96, 192, 1024), 1.0: (116, 232, 464, 1024),
                1.5: (176, 352, 704, 1024), 2.0: (224, 488, 976, 2048)}

    def __init__(self, width=1.0, classes=600):
        super().__init__()
        c = self.channels[width]
        self.conv1 = nn.Sequential(*conv_bn(3, 24, stride=(1, 2, 2), act=nn.ReLU))
        self.maxpool = nn.MaxPool3d(3, 2, 1)
        units, inp = [], 24
        for out, n in zip(c, (4, 8, 4)):
            for i in range(n):
                units.append(ShuffleUnit2(inp, out, 2 if i == 0 else 1))
                inp = out
        self.features = nn.Sequential(*units)
        self.conv_last = nn.Sequential(*conv_bn(inp, c[3], 1, act=nn.ReLU))
        self.head(c[3], classes)

    def forward(self, x):
        return self.classify(self.conv_last(self.features(self.maxpool(self.conv1(x)))))


class Fire(nn.Module):
    def __init__(self, inp, squeeze, expand, bypass):
        super().__init__()
        self.squeeze = nn.Conv3d(inp, squeeze, 1)
        self.squeeze_bn = nn.BatchNorm3d(squeeze)
        self.expand1x1 = nn.Conv3d(squeeze, expand, 1)
        self.expand1x1_bn = nn.BatchNorm3d(expand)
        self.expand3x3 = nn.Conv3d(squeeze, expand, 3, padding=1)
        self.expand3x3_bn = nn.BatchNorm3d(expand)
        self.bypass = bypass

    def forward(self, x):
        s = torch.relu(self.squeeze_bn(self.squeeze(x)))
        y = torch.cat((self.expand1x1_bn(self.expand1x1(s)), self.expand3x3_bn(self.expand3x3(s))), 1)
        return torch.relu(y + x if self.bypass else y)


class SqueezeNet(nn.Module):
    def __init__(self, width=1.0, classes=600):
        super().__init__()

        def pool():
            return nn.MaxPool3d(3, 2, 1)
        self.features = nn.Sequential(
            nn.Conv3d(3, 64, 3, (1, 2, 2), 1), nn.BatchNorm3d(64), nn.ReLU(), pool(),
            Fire(64, 16, 64, False), Fire(128, 16, 64, True), pool(),
            Fire(128, 32, 128, False), Fire(256, 32, 128, True), pool(),
            Fire(256, 48, 192, False), Fire(384, 48, 192, True), pool(),
            Fire(384, 64, 256, False), Fire(512, 64, 256, True))
        self.classifier = nn.Sequential(nn.Dropout(0.5), nn.Conv3d(512, classes, 1), nn.ReLU(),
                                        nn.AvgPool3d((1, 4, 4), 1))

    def forward(self, x):
        return self.classifier(self.features(x)).flatten(1)


NETWORKS = {"shufflenet": ShuffleNet, "shufflenetv2": ShuffleNetV2, "mobilenet": MobileNet,
            "mobilenetv2": MobileNetV2, "squeezenet": SqueezeNet}
# The rows of Table 8 and their widths.
TABLE8 = [(name, width) for name, widths in (
    ("shufflenet", (0.5, 1.0, 1.5, 2.0)), ("shufflenetv2", (0.25, 1.0, 1.5, 2.0)),
    ("mobilenet", (0.5, 1.0, 1.5, 2.0)), ("mobilenetv2", (0.2, 0.45, 0.7, 1.0)),
    ("squeezenet", (1.0,))) for width in widths]


def build(name, width=1.0, classes=600):
    return NETWORKS[name](width, classes).eval()
