"""PyTorch's side of scripts/bench-cpu: the same layers and training steps as those of
scripts/bench, in both memory formats.

The nets are written out: their parameters are compared with those of cleave's before
anything is measured.
"""

import time

import torch
import torch.nn.functional as F
from torch import nn

FORMATS = {"NCHW": torch.contiguous_format, "NHWC": torch.channels_last}


def median(values):
    values = sorted(values)
    n = len(values)
    return (values[(n - 1) // 2] + values[n // 2]) / 2


def measure(run, seconds):
    """Returns the median time of the runs that fit, at least one."""
    times = []
    begin = time.perf_counter()
    while not times or time.perf_counter() - begin < seconds:
        t = time.perf_counter()
        run()
        times.append(time.perf_counter() - t)
    return median(times)


def layer(info, which, memory):
    """Returns a pass of a convolution, ready to run."""
    out = (info["size"] + 2 * info["pad"] - info["kernel"]) // info["stride"] + 1

    def random(*shape):
        return torch.randn(shape).to(memory_format=FORMATS[memory])

    x = random(info["batch"], info["channels"], info["size"], info["size"])
    w = random(info["filters"], info["channels"] // info["groups"], info["kernel"], info["kernel"])
    dy = random(info["batch"], info["filters"], out, out)
    stride, pad, groups = info["stride"], info["pad"], info["groups"]

    def forward():
        F.conv2d(x, w, None, stride, pad, 1, groups)

    def backward(mask):
        torch.ops.aten.convolution_backward(dy, x, w, None, [stride] * 2, [pad] * 2, [1, 1], False, [0, 0], groups, mask)

    passes = {
        "forward": forward,
        "data-gradient": lambda: backward([True, False, False]),
        "weight-gradient": lambda: backward([False, True, False]),
    }

    def run():
        with torch.no_grad():
            passes[which]()

    return run


class TowerLRN(nn.Module):
    """Response normalisation within each of two towers (Krizhevsky et al. 2012). PyTorch divides alpha by n."""

    def forward(self, x):
        def lrn(t):
            return F.local_response_norm(t, 5, alpha=5e-4, beta=0.75, k=2)

        if x.is_contiguous():
            n, c, h, w = x.shape
            return lrn(x.view(2 * n, c // 2, h, w)).view(n, c, h, w)
        return torch.cat([lrn(t) for t in x.chunk(2, 1)], 1)


def alexnet():
    def pool():
        return nn.MaxPool2d(3, 2)

    def relu():
        return nn.ReLU(inplace=True)

    return nn.Sequential(
        nn.Conv2d(3, 96, 11, 4, 2), relu(), TowerLRN(), pool(),
        nn.Conv2d(96, 256, 5, 1, 2, groups=2), relu(), TowerLRN(), pool(),
        nn.Conv2d(256, 384, 3, 1, 1), relu(),
        nn.Conv2d(384, 384, 3, 1, 1, groups=2), relu(),
        nn.Conv2d(384, 256, 3, 1, 1, groups=2), relu(), pool(),
        nn.Flatten(),
        nn.Linear(9216, 4096), relu(), nn.Dropout(0.5),
        nn.Linear(4096, 4096), relu(), nn.Dropout(0.5),
        nn.Linear(4096, 1000),
    )


class Bottleneck(nn.Module):
    """A block of ResNeXt (Xie et al. 2017, figure 3c), as torchvision writes it."""

    def __init__(self, channels, groups, width, out, stride):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(channels, width, 1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = nn.Conv2d(width, width, 3, stride, 1, groups=groups, bias=False), nn.BatchNorm2d(width)
        self.conv3, self.bn3 = nn.Conv2d(width, out, 1, bias=False), nn.BatchNorm2d(out)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = None
        if stride != 1 or channels != out:
            self.downsample = nn.Sequential(nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, x):
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        y += x if self.downsample is None else self.downsample(x)
        return self.relu(y)


def resnext(groups, width, blocks, out, classes, deep):
    if deep:
        layers = [nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)]
    else:
        layers = [nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU(inplace=True)]
    channels, inner = 64, groups * width
    for i, n in enumerate(blocks):
        for j in range(n):
            layers.append(Bottleneck(channels, groups, inner, out, 2 if i > 0 and j == 0 else 1))
            channels = out
        inner, out = 2 * inner, 2 * out
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes))


def nin(groups):
    """Network in Network for CIFAR-10 with filter groups (Ioannou et al. 2017)."""

    def conv(channels, out, kernel, g=1):
        return [nn.Conv2d(channels, out, kernel, 1, kernel // 2, groups=g), nn.ReLU(inplace=True)]

    return nn.Sequential(
        *conv(3, 192, 5), *conv(192, 160, 1), *conv(160, 96, 1), nn.MaxPool2d(3, 2, 1), nn.Dropout(0.5),
        *conv(96, 192, 5, groups), *conv(192, 192, 1), *conv(192, 192, 1), nn.AvgPool2d(3, 2, 1), nn.Dropout(0.5),
        *conv(192, 192, 3, max(1, groups // 2)), *conv(192, 192, 1), *conv(192, 10, 1),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(),
    )


class Shuffled(nn.Module):
    """A unit of ShuffleNet v1 (Zhang et al. 2018, figure 2b and 2c)."""

    def __init__(self, channels, groups, out, down):
        super().__init__()
        width, branch = out // 4, out - channels if down else out
        first = 1 if channels == 24 else groups
        self.groups, self.down = groups, down
        self.conv1, self.bn1 = nn.Conv2d(channels, width, 1, groups=first, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = nn.Conv2d(width, width, 3, 2 if down else 1, 1, groups=width, bias=False), nn.BatchNorm2d(width)
        self.conv3, self.bn3 = nn.Conv2d(width, branch, 1, groups=groups, bias=False), nn.BatchNorm2d(branch)

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = F.channel_shuffle(y, self.groups)
        y = self.bn2(self.conv2(y))
        y = self.bn3(self.conv3(y))
        if self.down:
            return F.relu(torch.cat([F.avg_pool2d(x, 3, 2, 1), y], 1), inplace=True)
        return F.relu(x + y, inplace=True)


def shufflenet(groups):
    layers = [nn.Conv2d(3, 24, 3, 2, 1, bias=False), nn.BatchNorm2d(24), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)]
    channels, out = 24, 240
    for units in 4, 8, 4:
        for j in range(units):
            layers.append(Shuffled(channels, groups, out, j == 0))
            channels = out
        out *= 2
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 1000))


# The nets by the names of scripts/bench: how to build them, the size of an image, classes.
NETS = {
    "alexnet": (alexnet, 224, 1000),
    "resnext50-32x4d": (lambda: resnext(32, 4, [3, 4, 6, 3], 256, 1000, True), 224, 1000),
    "resnext29-8x64d": (lambda: resnext(8, 64, [3, 3, 3], 256, 10, False), 32, 10),
    "resnext29-32x4d": (lambda: resnext(32, 4, [3, 3, 3], 256, 10, False), 32, 10),
    "resnext29-4x16d": (lambda: resnext(4, 16, [3, 3, 3], 256, 10, False), 32, 10),
    "nin-1g": (lambda: nin(1), 32, 10),
    "nin-4g": (lambda: nin(4), 32, 10),
    "nin-16g": (lambda: nin(16), 32, 10),
    "shufflenet-3g": (lambda: shufflenet(3), 224, 1000),
}


def parameters(name):
    with torch.device("meta"):
        return sum(p.numel() for p in NETS[name][0]().parameters())


def step(name, batch, memory):
    """Returns a training step of a net, ready to run: forward, backward and update."""
    build, size, classes = NETS[name]
    torch.manual_seed(1)
    net = build().to(memory_format=FORMATS[memory]).train()
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-4, momentum=0.9, weight_decay=5e-4)
    x = torch.randn(batch, 3, size, size).to(memory_format=FORMATS[memory])
    labels = torch.arange(batch) * 7 % classes

    def run():
        optimizer.zero_grad(set_to_none=True)
        loss = F.cross_entropy(net(x), labels)
        loss.backward()
        optimizer.step()
        loss.item()

    return run


def versions():
    """Returns PyTorch's version and that of its oneDNN, and the instructions that it uses."""
    onednn = "none"
    for line in torch.__config__.show().splitlines():
        if "MKL-DNN" in line:
            onednn = line.split(" v")[1].split()[0]
    return torch.__version__, onednn, torch.backends.cpu.get_cpu_capability()
