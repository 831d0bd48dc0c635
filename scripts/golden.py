#!/usr/bin/env python3
"""Writes the golden vectors of model/goldens: two small nets, computed by PyTorch.

    python3 -m venv .venv && .venv/bin/pip install torch==2.15.0
    .venv/bin/python scripts/golden.py            # writes model/goldens/testdata

For each net one safetensors file holds the images (bytes), labels and starting weights,
and, computed in float64: logits, loss, the samples right (and right among the first
five), the gradient of every parameter, and after 10 steps of SGD on the same batch every
parameter, every running statistic and the logits of evaluation. manifest.json
holds what was used to make them, the SHA-256 of the files, and for every tensor the
error of PyTorch's own float32 against float64 (relative L2; the worst of contiguous,
channels_last and without oneDNN), from which our tests derive their tolerances.

A ReLU's input close to 0, or two equal maxima of a pool, can fall to either side with
another order of additions and then moves a whole gradient. So draws in which a ReLU's
input of the first step lies within 1e-4 of 0 are refused, as are those with an input of
a later step within 1e-5, or with a pool's window whose two largest differ by less than
1e-6. The nets are those of model/goldens/nets.go and must be changed together.
"""

import argparse
import contextlib
import hashlib
import json
import math
import pathlib
import platform
import struct
import sys

import torch
import torch.nn.functional as F

TORCH = "2.15.0"
STEPS, MOMENTUM, DECAY = 10, 0.9, 5e-4
MEAN, DEV = [0.49, 0.48, 0.45], [0.25, 0.24, 0.26]
BN_EPS, BN_RATE = 1e-5, 0.1
# The margins of a draw: a ReLU's input at the first step and later, a pool's two largest.
FIRST, LATER, POOL = 1e-4, 1e-5, 1e-6


class Close(Exception):
    """A draw that rounding could tip over."""


class Net:
    """A net as a function of named weights. margin > 0 refuses ReLU inputs closer to 0."""

    def __init__(self):
        self.margin = 0.0
        self.training = True
        self.stats = {}

    def conv(self, w, name, x, **how):
        return F.conv2d(x, w[name + ".weight"], w.get(name + ".bias"), **how)

    def linear(self, w, name, x):
        return F.linear(x, w[name + ".weight"], w[name + ".bias"])

    def relu(self, x):
        if self.margin and x.abs().min().item() < self.margin:
            raise Close
        return F.relu(x)

    def pool(self, x):
        if self.margin:
            c = F.pad(x.detach(), (1, 1, 1, 1), value=-math.inf)
            windows = c.unfold(2, 3, 2).unfold(3, 3, 2).flatten(4)
            two = windows.topk(2, dim=-1).values
            gap = two[..., 0] - two[..., 1]
            if ((two[..., 0] != 0) & (gap < POOL)).any():
                raise Close
        return F.max_pool2d(x, 3, 2, 1)

    def bn(self, w, name, x):
        mean, var = self.stats[name + ".running_mean"], self.stats[name + ".running_var"]
        return F.batch_norm(x, mean, var, w[name + ".weight"], w[name + ".bias"], self.training, BN_RATE, BN_EPS)


class AlexNet(Net):
    """alexnet.Spec: two towers; a response normalisation for each; pools 3/2 padded by 1."""

    name, shape, classes, groups, rate = "alexnet-small", (8, 3, 24, 20), 10, 2, 0.01
    rows = [  # filters, kernel, stride, pad, groups, normalised, pooled
        (8, 5, 2, 2, 1, True, True),
        (16, 5, 1, 2, 2, True, True),
        (16, 3, 1, 1, 1, False, False),
        (16, 3, 1, 1, 2, False, False),
        (8, 3, 1, 1, 2, False, True),
    ]
    hidden, flat = 24, 8 * 2 * 2

    def weights(self, normal):
        w, c = {}, self.shape[1]
        for i, (k, r, _, _, g, _, _) in enumerate(self.rows):
            # conv1 starts large, so that the response normalisation matters, conv2 small.
            scale = (4, 0.5, 1, 1, 1)[i]
            w[f"conv{i+1}.weight"] = normal(k, c // g, r, r) * scale * math.sqrt(2 / (c // g * r * r))
            w[f"conv{i+1}.bias"] = normal(k) * 0.1
            c = k
        for name, i, o in ("fc6", self.flat, self.hidden), ("fc7", self.hidden, self.classes):
            w[name + ".weight"] = normal(o, i) * math.sqrt(1 / i)
            w[name + ".bias"] = normal(o) * 0.1
        return w

    def lrn(self, x):
        # PyTorch divides alpha by the size of the window: 5 · 1e-4. One call a tower.
        towers = x.chunk(self.groups, dim=1)
        return torch.cat([F.local_response_norm(t, 5, alpha=5e-4, beta=0.75, k=2.0) for t in towers], dim=1)

    def forward(self, w, x):
        for i, (_, _, s, p, g, normalised, pooled) in enumerate(self.rows):
            x = self.relu(self.conv(w, f"conv{i+1}", x, stride=s, padding=p, groups=g))
            if normalised:
                x = self.lrn(x)
            if pooled:
                x = self.pool(x)
        x = self.relu(self.linear(w, "fc6", torch.flatten(x, 1)))
        return self.linear(w, "fc7", x)


class ResNeXt(Net):
    """resnext.Spec: stem 3×3, two stages of two and one blocks, 4 groups of 2 and of 4."""

    name, shape, classes, groups, rate = "resnext-small", (6, 3, 8, 6), 10, 4, 0.02
    stem, width, out, blocks = 8, 2, 16, (2, 1)

    def layers(self):
        """Yields convolutions (name, inputs, filters, kernel, stride, groups) and their norms' names."""
        yield "conv1", self.shape[1], self.stem, 3, 1, 1, "bn1"
        c, width, out = self.stem, self.groups * self.width, self.out
        for i, n in enumerate(self.blocks):
            for j in range(n):
                l, stride = f"layer{i+1}.{j}", 2 if i > 0 and j == 0 else 1
                yield l + ".conv1", c, width, 1, 1, 1, l + ".bn1"
                yield l + ".conv2", width, width, 3, stride, self.groups, l + ".bn2"
                yield l + ".conv3", width, out, 1, 1, 1, l + ".bn3"
                if stride != 1 or c != out:
                    yield l + ".downsample.0", c, out, 1, stride, 1, l + ".downsample.1"
                c = out
            width, out = 2 * width, 2 * out

    def weights(self, normal):
        w = {}
        for name, c, k, r, _, g, bn in self.layers():
            w[name + ".weight"] = normal(k, c // g, r, r) * math.sqrt(2 / (c // g * r * r))
            # Scales are no zeros here: every gradient shall be worth a comparison.
            w[bn + ".weight"] = 1 + 0.1 * normal(k)
            w[bn + ".bias"] = 0.1 * normal(k)
        f = self.out << (len(self.blocks) - 1)
        w["fc.weight"] = normal(self.classes, f) * math.sqrt(2 / f)
        w["fc.bias"] = normal(self.classes) * 0.1
        return w

    def forward(self, w, x):
        how = {name: (dict(stride=s, padding=r // 2, groups=g), bn) for name, _, _, r, s, g, bn in self.layers()}

        def norm(name, x):
            conv, bn = how[name]
            return self.bn(w, bn, self.conv(w, name, x, **conv))

        x = self.relu(norm("conv1", x))
        for i, n in enumerate(self.blocks):
            for j in range(n):
                l = f"layer{i+1}.{j}"
                y = self.relu(norm(l + ".conv1", x))
                y = self.relu(norm(l + ".conv2", y))
                y = norm(l + ".conv3", y)
                if l + ".downsample.0" in how:
                    x = norm(l + ".downsample.0", x)
                x = self.relu(y + x)
        x = torch.flatten(F.adaptive_avg_pool2d(x, 1), 1)
        return self.linear(w, "fc", x)


def draw(net, seed):
    """Returns images, labels and weights; the weights are float32 values held in float64."""
    gen = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, net.shape, generator=gen, dtype=torch.uint8)
    labels = torch.randint(0, net.classes, net.shape[:1], generator=gen)
    normal = lambda *shape: torch.randn(*shape, generator=gen, dtype=torch.float64)
    weights = {k: v.float().double() for k, v in net.weights(normal).items()}
    return images, labels, weights


def run(net, images, labels, start, dtype, layout, margins=(0.0, 0.0)):
    """Returns all golden tensors, computed in dtype."""
    x = images.to(dtype) / 255
    x = (x - torch.tensor(MEAN, dtype=dtype).view(1, -1, 1, 1)) / torch.tensor(DEV, dtype=dtype).view(1, -1, 1, 1)
    x = x.contiguous(memory_format=layout)

    def place(v):
        v = v.to(dtype, copy=True)
        return v.contiguous(memory_format=layout) if v.dim() == 4 else v

    w = {k: place(v).requires_grad_() for k, v in start.items()}
    net.training, net.stats = True, {}
    for name in w:
        if "bn" in name or "downsample.1" in name:
            layer, _, kind = name.rpartition(".")
            if kind == "weight":
                net.stats[layer + ".running_mean"] = torch.zeros_like(w[name], requires_grad=False)
                net.stats[layer + ".running_var"] = torch.ones_like(w[name], requires_grad=False)
    sgd = torch.optim.SGD(w.values(), lr=net.rate, momentum=MOMENTUM, weight_decay=DECAY)
    out = {}
    for step in range(STEPS):
        net.margin = margins[0] if step == 0 else margins[1]
        sgd.zero_grad()
        logits = net.forward(w, x)
        loss = F.cross_entropy(logits, labels)
        loss.backward()
        if step == 0:
            label = logits.gather(1, labels.view(-1, 1))
            index = torch.arange(net.classes).view(1, -1)
            above = ((logits > label) | ((logits == label) & (index < labels.view(-1, 1)))).sum(1)
            out["logits"], out["loss"] = logits.detach(), loss.detach().view(1)
            out["hits"] = torch.stack([(above < 1).sum(), (above < 5).sum()])
            for k, v in w.items():
                out["grad/" + k] = v.grad.clone()
        sgd.step()
    net.margin = 0.0
    for k, v in w.items():
        out["after/" + k] = v.detach()
    for k, v in net.stats.items():
        out["stat/" + k] = v
    net.training = False
    with torch.no_grad():
        out["eval/logits"] = net.forward(w, x)
    return {k: v.double().contiguous() for k, v in out.items()}


def search(net):
    """Returns the first draw that is not close, and its golden tensors."""
    for seed in range(1, 100000):
        images, labels, weights = draw(net, seed)
        with contextlib.suppress(Close):
            out = run(net, images, labels, weights, torch.float64, torch.contiguous_format, (FIRST, LATER))
            return seed, images, labels, weights, out
    raise SystemExit(f"{net.name}: no draw is good")


def errors(net, images, labels, weights, want):
    """Returns for each tensor the worst relative L2 error of PyTorch's own float32."""
    worst = {}
    for layout, onednn in (torch.contiguous_format, True), (torch.channels_last, True), (torch.contiguous_format, False):
        with torch.backends.mkldnn.flags(enabled=onednn):
            got = run(net, images, labels, weights, torch.float32, layout)
        for k, v in want.items():
            norm = v.norm().item()
            err = (got[k] - v).norm().item() / (norm if norm > 0 else 1)
            worst[k] = max(worst.get(k, 0.0), err)
    return worst


def write(path, tensors):
    """Writes a safetensors file: header length, JSON header, data."""
    kinds = {torch.uint8: "U8", torch.int64: "I64", torch.float32: "F32", torch.float64: "F64"}
    header, data = {}, b""
    for name, t in tensors.items():
        raw = bytes(t.contiguous().flatten().view(torch.uint8).tolist())
        header[name] = {"dtype": kinds[t.dtype], "shape": list(t.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    head = json.dumps(header, separators=(",", ":")).encode()
    head += b" " * (-len(head) % 8)
    path.write_bytes(struct.pack("<Q", len(head)) + head + data)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path(__file__).parent.parent / "model/goldens/testdata")
    args = parser.parse_args()
    if torch.__version__.split("+")[0] != TORCH:
        sys.exit(f"torch {TORCH} is needed, not {torch.__version__}")
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    manifest = {
        "generator": "scripts/golden.py", "torch": TORCH, "python": platform.python_version(),
        "steps": STEPS, "momentum": MOMENTUM, "decay": DECAY, "mean": MEAN, "dev": DEV, "nets": {},
    }
    args.out.mkdir(parents=True, exist_ok=True)
    for net in AlexNet(), ResNeXt():
        seed, images, labels, weights, out = search(net)
        tensors = {"images": images, "labels": labels}
        tensors |= {"start/" + k: v.float() for k, v in weights.items()} | out
        path = args.out / (net.name + ".safetensors")
        write(path, tensors)
        worst = errors(net, images, labels, weights, out)
        manifest["nets"][net.name] = {
            "file": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "draw": seed, "rate": net.rate, "classes": net.classes,
            "errors": {k: float(f"{v:.3g}") for k, v in worst.items()},
        }
        print(f"{net.name}: draw {seed}, loss {out['loss'].item():.6f}, "
              f"after {F.cross_entropy(out['eval/logits'], labels).item():.6f}, {path.stat().st_size} bytes, "
              f"worst float32 error {max(worst.values()):.2g}")
    (args.out / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")


if __name__ == "__main__":
    main()
