"""The four nets of the study as PyTorch modules, with Caffe's sizes (ceil-mode pooling, LRN alpha / n)."""
import torch
from torch import nn


def conv(c, k, size, stride=1, pad=0, groups=1):
    return nn.Sequential(nn.Conv2d(c, k, size, stride, pad, groups=groups), nn.ReLU(inplace=True))


def pool(size=3, stride=2, pad=0):
    return nn.MaxPool2d(size, stride, pad, ceil_mode=True)


def lrn():
    return nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=1.0)


def classifier(c, hidden, classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(c, hidden), nn.ReLU(inplace=True), nn.Dropout(0.5),
                         nn.Linear(hidden, hidden), nn.ReLU(inplace=True), nn.Dropout(0.5),
                         nn.Linear(hidden, classes))


def adiencenet(classes=8):
    return nn.Sequential(conv(3, 96, 7, 4), pool(), lrn(), conv(96, 256, 5, 1, 2), pool(), lrn(),
                         conv(256, 384, 3, 1, 1), pool(), classifier(384 * 7 * 7, 512, classes))


def caffenet(classes=8):
    return nn.Sequential(conv(3, 96, 11, 4), pool(), lrn(), conv(96, 256, 5, 1, 2, 2), pool(), lrn(),
                         conv(256, 384, 3, 1, 1), conv(384, 384, 3, 1, 1, 2), conv(384, 256, 3, 1, 1, 2), pool(),
                         classifier(256 * 6 * 6, 4096, classes))


def vgg16(classes=8):
    layers, c = [], 3
    for k, count in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(count):
            layers.append(conv(c, k, 3, 1, 1))
            c = k
        layers.append(pool(2, 2))
    return nn.Sequential(*layers, classifier(512 * 7 * 7, 4096, classes))


class Inception(nn.Module):
    def __init__(self, c, k1, r3, k3, r5, k5, proj):
        super().__init__()
        self.branches = nn.ModuleList([conv(c, k1, 1), nn.Sequential(conv(c, r3, 1), conv(r3, k3, 3, 1, 1)),
                                       nn.Sequential(conv(c, r5, 1), conv(r5, k5, 5, 1, 2)),
                                       nn.Sequential(pool(3, 1, 1), conv(c, proj, 1))])

    def forward(self, x):
        return torch.cat([branch(x) for branch in self.branches], 1)


class Auxiliary(nn.Module):
    def __init__(self, c, classes):
        super().__init__()
        self.body = nn.Sequential(nn.AvgPool2d(5, 3, ceil_mode=True), conv(c, 128, 1), nn.Flatten(),
                                  nn.Linear(2048, 1024), nn.ReLU(inplace=True), nn.Dropout(0.7),
                                  nn.Linear(1024, classes))

    def forward(self, x):
        return self.body(x)


class GoogLeNet(nn.Module):
    """In training mode returns (main, auxiliary 1, auxiliary 2), else main."""

    def __init__(self, classes=8):
        super().__init__()
        self.stem = nn.Sequential(conv(3, 64, 7, 2, 3), pool(), lrn(), conv(64, 64, 1), conv(64, 192, 3, 1, 1), lrn(),
                                  pool(), Inception(192, 64, 96, 128, 16, 32, 32),
                                  Inception(256, 128, 128, 192, 32, 96, 64), pool(),
                                  Inception(480, 192, 96, 208, 16, 48, 64))
        self.middle = nn.Sequential(Inception(512, 160, 112, 224, 24, 64, 64),
                                    Inception(512, 128, 128, 256, 24, 64, 64),
                                    Inception(512, 112, 144, 288, 32, 64, 64))
        self.head = nn.Sequential(Inception(528, 256, 160, 320, 32, 128, 128), pool(),
                                  Inception(832, 256, 160, 320, 32, 128, 128),
                                  Inception(832, 384, 192, 384, 48, 128, 128), nn.AvgPool2d(7), nn.Dropout(0.4),
                                  nn.Flatten(), nn.Linear(1024, classes))
        self.auxiliary1, self.auxiliary2 = Auxiliary(512, classes), Auxiliary(528, classes)

    def forward(self, x):
        a = self.stem(x)
        b = self.middle(a)
        main = self.head(b)
        return (main, self.auxiliary1(a), self.auxiliary2(b)) if self.training else main


NETS = {"adiencenet": (adiencenet, 227, 50), "caffenet": (caffenet, 227, 50),
        "googlenet": (GoogLeNet, 224, 32), "vgg16": (vgg16, 224, 10)}
