"""Drives scripts/bench-cpu: measures cleave (scripts/bench, a process of its own) and
PyTorch (in this process) by turns, a slice of time each, and writes the table.

A row's time on each side is the median over the rounds of the median run of a slice;
PyTorch's is that of its better memory format. While one side runs the other is idle. A
slice in which other processes were busy is measured again, while there is patience left.
"""

import argparse
import datetime
import json
import os
import pathlib
import platform
import re
import subprocess
import sys
import time

import torch

import bench_cpu_torch as peer

HERE = pathlib.Path(__file__).parent
BARS = HERE / "bench-cpu-bars.tsv"
ASKED = os.environ.get("CLEAVE_CPU")  # a tier in place of the machine's best
TABLE = HERE.parent / "docs/bench" / (f"cpu-{ASKED}.md" if ASKED else "cpu.md")
TORCH = "2.15."
SETTLE = 0.02  # seconds in which the threads of the side that has run stop spinning
AVX2_SHARE = 0.9  # of a bar, for the AVX2 tier
FOREIGN = 0.1  # share of the processors' time in a slice that others may take
QUICK_STEPS = {"resnext29-4x16d", "nin-16g", "shufflenet-3g"}


class Cleave:
    """The process that measures our side."""

    def __init__(self, binary, threads):
        self.process = subprocess.Popen([binary, "-threads", str(threads)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            sys.exit("scripts/bench has ended")
        answer = json.loads(line)
        if "error" in answer:
            sys.exit(f"scripts/bench, {' '.join(map(str, words))}: {answer['error']}")
        return answer

    def run(self, seconds):
        return self.ask("run", seconds)["seconds"]

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Guard:
    """Tells whether other processes, or other guests of the host, took part of a slice."""

    def __init__(self, child, patience):
        self.pids = "self", str(child)
        self.deadline = time.monotonic() + patience
        self.tick = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
        self.here = pathlib.Path("/proc/stat").exists()

    def foreign(self):
        """Returns the seconds of processor time that all but the two sides have taken so far."""
        user, nice, system, _, _, irq, softirq, steal = map(int, pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9])
        total = user + nice + system + irq + softirq + steal
        for pid in self.pids:
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            total -= int(fields[11]) + int(fields[12])
        return total / self.tick

    def watch(self, run, seconds):
        """Returns what run returns, and whether it was left alone."""
        while True:
            if not self.here:
                return run(seconds), True
            begin, before = time.monotonic(), self.foreign()
            t = run(seconds)
            took, others = time.monotonic() - begin, self.foreign() - before
            # The kernel counts in ticks: two say nothing.
            if others <= max(2.5 / self.tick, FOREIGN * took * os.cpu_count()):
                return t, True
            if time.monotonic() > self.deadline:
                return t, False
            time.sleep(0.2)


class Row:
    """A layer's pass or a training step, measured: seconds a run of each side, by rounds."""

    def __init__(self, name, which, flops, images, bar):
        self.name, self.which, self.flops, self.images, self.bar = name, which, flops, images, bar
        self.ours, self.theirs = [], {}
        self.disturbed = False

    def seconds(self):
        return peer.median(self.ours)

    def best(self):
        """PyTorch's better format and its seconds."""
        return min(((f, peer.median(t)) for f, t in self.theirs.items()), key=lambda x: x[1])

    def ratio(self):
        return self.best()[1] / self.seconds()

    def missed(self):
        return self.bar is not None and self.ratio() < self.bar

    def spread(self):
        """How far the rounds of either side lie apart, relative to their median."""
        sides = [self.ours, self.theirs[self.best()[0]]]
        return max((max(t) - min(t)) / peer.median(t) for t in sides)


def measure(row, cleave, formats, rounds, seconds, guard):
    """Fills a row. A side's first run is not measured, nor is the first of a slice that holds several."""
    sides = [(cleave.run, row.ours)]
    for name, run in formats.items():
        sides.append((lambda s, run=run: peer.measure(run, s), row.theirs.setdefault(name, [])))
    short = [False] * len(sides)
    for r in range(rounds):
        for i, (run, times) in enumerate(sides):
            time.sleep(SETTLE)
            if r == 0:
                short[i] = run(0) < seconds / 2
            elif short[i]:
                run(0)
            t, alone = guard.watch(run, seconds)
            times.append(t)
            row.disturbed |= not alone


def read_bars(factor):
    bars = {}
    for line in BARS.read_text().splitlines():
        if line and not line.startswith("#"):
            name, *values = line.split("\t")
            bars[name] = [None if v == "-" else round(float(v) * factor, 4) for v in values]
    return bars


def processor():
    try:
        for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def output(*command):
    return subprocess.run(command, capture_output=True, text=True, cwd=HERE.parent, check=True).stdout.strip()


def text(head, peaks, layers, steps):
    """Returns the page of TABLE."""
    flops, read = peaks
    lines = ["# CPU kernels against PyTorch", "", "Written by `scripts/bench-cpu`; the rows are explained at the end.", ""]
    lines += [f"- {k}: {v}" for k, v in head.items()]
    lines += [f"- peaks, measured in the same run: {flops / 1e9:.0f} GFLOP/s of multiply-adds, {read / 1e9:.1f} GB/s read from memory", ""]
    if layers:
        lines += ["## Layers", "", "| layer | pass | GFLOP/s | of peak | PyTorch GFLOP/s | its format | ratio | bar |", "| --- | --- | ---: | ---: | ---: | --- | ---: | ---: |"]
    for r in layers:
        fmt, best = r.best()
        ours = r.flops / r.seconds()
        lines.append(f"| {r.name} | {r.which} | {ours / 1e9:.1f} | {100 * ours / flops:.0f} % | {r.flops / best / 1e9:.1f} | {fmt} | {ratio(r)} | {mark(r)} |")
    if steps:
        lines += ["", "## Training steps: forward, backward, update", "",
                  "| net | batch | images/s | GFLOP/s | of peak | PyTorch images/s | its format | ratio | bar |", "| --- | ---: | ---: | ---: | ---: | ---: | --- | ---: | ---: |"]
    for r in steps:
        fmt, best = r.best()
        ours = r.flops / r.seconds()
        lines.append(f"| {r.name} | {r.images} | {r.images / r.seconds():.1f} | {ours / 1e9:.1f} | {100 * ours / flops:.0f} % | {r.images / best:.1f} | {fmt} | {ratio(r)} | {mark(r)} |")
    rows = layers + steps
    lines += ["", "## How to read it", "",
              "Ratio is PyTorch's time divided by ours: above 1 we are faster; ~ where other processes took part of the time. A bar is",
              "the ratio that a row must reach; a row that misses it is marked. PyTorch counts with the better of its two memory",
              "formats. Operations are two for a multiply-add, products with padding included; a step's are three times the forward",
              "pass's. Both sides were measured by turns in one run: the rounds of a row lie "
              f"{100 * peer.median([r.spread() for r in rows]):.0f} % apart (median over the rows).", ""]
    return "\n".join(lines)


def ratio(r):
    return ("~" if r.disturbed else "") + f"{r.ratio():.2f}"


def mark(r):
    if r.bar is None:
        return "–"
    return f"{r.bar:.3g}" + (" missed" if r.missed() else "")


def arguments():
    p = argparse.ArgumentParser(prog="scripts/bench-cpu")
    p.add_argument("--bench", required=True, help=argparse.SUPPRESS)
    p.add_argument("--quick", action="store_true")
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--check", action="store_true")
    p.add_argument("--only", type=re.compile)
    args = p.parse_args()
    if args.threads < 1:
        p.error("--threads must be at least 1")
    return args


def main():
    args = arguments()
    version, onednn, capability = peer.versions()
    if not version.startswith(TORCH):
        sys.exit(f"the bars are for PyTorch {TORCH}x, this is {version}")
    torch.set_num_threads(args.threads)
    begin, load = time.time(), os.getloadavg()[0]
    if load > 0.5:
        print(f"warning: the load average is {load:.1f}: something else runs here", file=sys.stderr)
    cleave = Cleave(args.bench, args.threads)
    there = cleave.ask("list")
    bars = read_bars(AVX2_SHARE if there["device"] == "avx2" else 1)
    known = {x["name"] for x in there["layers"] + there["steps"]}
    if set(bars) != known:
        sys.exit(f"{BARS.name} and scripts/bench differ in {sorted(set(bars) ^ known)}")
    for s in there["steps"]:
        if peer.parameters(s["name"]) != s["parameters"]:
            sys.exit(f"{s['name']} has {s['parameters']} parameters here and {peer.parameters(s['name'])} in PyTorch")
    changed = output("git", "status", "--porcelain", "--untracked-files=no")
    command = "scripts/bench-cpu" + (" --quick" if args.quick else "") + f" --threads {args.threads}"
    if ASKED:
        command = f"CLEAVE_CPU={ASKED} {command}"
    head = {
        "machine": f"{processor()}, {os.cpu_count()} processors, {platform.system()}; load average before the run {load:.1f}",
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d"),
        "command": f"`{command}`",
        "cleave": output("git", "rev-parse", "--short", "HEAD") + (" with changes" if changed else "") + f", {there['go']}, tier {there['device']}",
        "PyTorch": f"{version}, oneDNN {onednn}, {capability}",
    }
    print(*(f"{k}: {v}" for k, v in head.items()), sep="\n", flush=True)

    guard = Guard(cleave.process.pid, 20 if args.quick else 900)
    peaks = [cleave.ask("peak")]
    layers, steps = [], []
    wanted = lambda name: not args.only or args.only.search(name)
    rounds, seconds = (3, 0.03) if args.quick else (5, 0.12)
    for info in filter(lambda x: wanted(x["name"]), there["layers"]):
        for i, which in enumerate(there["passes"]):
            row = Row(info["name"], which, info["flops"], info["batch"], bars[info["name"]][i])
            cleave.ask("layer", info["name"], which)
            measure(row, cleave, {f: peer.layer(info, which, f) for f in peer.FORMATS}, rounds, seconds, guard)
            layers.append(row)
            show(row, row.flops / 1e9, "GFLOP/s")
    peaks.append(cleave.ask("peak"))
    rounds, seconds = (2, 0.3) if args.quick else (3, 1.5)
    skipped = []
    for info in filter(lambda x: wanted(x["name"]), there["steps"]):
        if args.quick and not args.only and info["name"] not in QUICK_STEPS:
            skipped.append(info["name"])
            continue
        row = Row(info["name"], "step", 6.0 * info["macs"] * info["batch"], info["batch"], bars[info["name"]][0])
        cleave.ask("step", info["name"])
        measure(row, cleave, {f: peer.step(info["name"], info["batch"], f) for f in peer.FORMATS}, rounds, seconds, guard)
        steps.append(row)
        show(row, row.images, "images/s")
    peaks.append(cleave.ask("peak"))
    cleave.close()
    if not layers + steps:
        sys.exit("no row has such a name")

    page = text(head, (max(p["flops"] for p in peaks), max(p["bytes"] for p in peaks)), layers, steps)
    print()
    print(page)
    if skipped:
        print("left out by --quick:", *skipped)
    if not args.only:
        TABLE.parent.mkdir(parents=True, exist_ok=True)
        TABLE.write_text(page)
        print(f"wrote {TABLE.relative_to(HERE.parent)}")
    print(f"took {time.time() - begin:.0f} s")
    if args.check:
        check(layers + steps, args.threads)


def show(row, amount, unit):
    fmt, best = row.best()
    print(f"{row.name:30} {row.which:15} {amount / row.seconds():8.1f} {unit:8}  PyTorch {amount / best:8.1f} {fmt}  ratio {ratio(row):>6}  bar {mark(row)}", flush=True)


def check(rows, threads):
    """Prints the bars that are missed and ends with status 1 if there are any."""
    if threads != 2:
        print("note: the bars are set for two threads")
    missed = [r for r in rows if r.missed()]
    for r in missed:
        print(f"missed: {r.name} {r.which}: {ratio(r)}, the bar is {r.bar:.3g}")
    print(f"{len(missed)} of {sum(r.bar is not None for r in rows)} bars are missed")
    if missed:
        sys.exit(1)


if __name__ == "__main__":
    main()
