"""Runs on a machine with a GPU: the conformance suite, then every layer and training step of
scripts/bench on the GPU, by turns with PyTorch on the same GPU where there is one, and
writes gpu-NAME.md and gpu-NAME.json. Packed by scripts/bench-gpu; needs Python 3.9.

A layer's time is the median of 20 runs or more, between two events on the device, each after
memory larger than the GPU's cache was written. PyTorch runs channels_last with
cudnn.benchmark, once with TF32 off and once with it on. A row that fails, on either side, says
so and the next is measured; rows that --limit leaves no time for are named. The tables are
written whatever ends the run.
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

HERE = pathlib.Path(__file__).resolve().parent
RUNS = 20
FLUSH = 256 << 20  # bytes
SIDES = {"TF32 off": False, "TF32 on": True}


def load_torch():
    """Returns PyTorch with our layers and nets if it sees a GPU, else None and why."""
    try:
        import torch
    except ImportError as e:
        return None, None, f"none: {e}"
    if not torch.cuda.is_available():
        return None, None, f"{torch.__version__}, which sees no GPU"
    torch.set_default_device("cuda")
    torch.backends.cudnn.benchmark = True
    import bench_cpu_torch as peer

    return torch, peer, f"{torch.__version__}, CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}"


class Cleave:
    """The process that measures our side. After an error it starts anew: a GPU's context is lost by one."""

    def __init__(self, binary, device, batch):
        self.command = [binary, "-device", device] + (["-batch", str(batch)] if batch else [])
        self.process = None

    def ask(self, *words):
        if not self.process:
            self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            self.process.stdin.write(" ".join(map(str, words)) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # why is said below
        line = self.process.stdout.readline()
        answer = json.loads(line) if line else {}
        if line and "error" not in answer:
            return answer
        self.process.stdin.close()
        said = self.process.stderr.read().strip().splitlines()
        self.process.wait()
        self.process = None
        said = answer.get("error", "").splitlines() or said or ["bench has ended"]
        return {"error": said[0]}

    def measure(self, seconds):
        """Returns the median of the runs that fit, of RUNS at least where these take 20 s at most."""
        a = self.ask("run", 0)  # warm
        if "error" in a:
            return a
        return self.ask("run", max(seconds, min(20, 1.2 * RUNS * a["seconds"])))


class Peer:
    """PyTorch on the same GPU."""

    def __init__(self, torch, peer):
        self.torch, self.peer = torch, peer
        self.scratch = torch.empty(FLUSH, dtype=torch.uint8)

    def allow(self, tf32):
        self.torch.backends.cuda.matmul.allow_tf32 = tf32
        self.torch.backends.cudnn.allow_tf32 = tf32

    def layer(self, info, which, tf32, seconds):
        self.allow(tf32)
        run = self.peer.layer(info, which, "NHWC")
        for _ in range(3):  # cuDNN chooses
            run()
        events = [self.torch.cuda.Event(enable_timing=True) for _ in range(2)]
        times, begin = [], time.perf_counter()
        while len(times) < RUNS or time.perf_counter() - begin < seconds:
            self.scratch.zero_()
            events[0].record()
            run()
            events[1].record()
            events[1].synchronize()
            times.append(events[0].elapsed_time(events[1]) / 1e3)
        return self.peer.median(times)

    def step(self, info, tf32, seconds):
        self.allow(tf32)
        run = self.peer.step(info["name"], info["batch"], "NHWC")
        for _ in range(3):
            run()
        t = self.peer.measure(run, seconds)
        self.torch.cuda.empty_cache()
        return t


def suite(binary, listing):
    """Runs the conformance suite on the GPU; returns what to say of it."""
    begin = time.time()
    r = subprocess.run([binary, "-test.v", "-test.timeout", "200s"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=dict(os.environ, CLEAVE_TEST_GPU="1"))
    listing.write_text(r.stdout)
    count = {k: len(re.findall(rf"^\s*--- {k}", r.stdout, re.M)) for k in ("PASS", "FAIL", "SKIP")}
    verdict = "passes" if r.returncode == 0 else "FAILS"
    failed = sorted(set(re.findall(r"^\s*--- FAIL: (\S+)", r.stdout, re.M)))
    return {"verdict": verdict, "passed": count["PASS"], "failed": failed, "skipped": count["SKIP"], "seconds": round(time.time() - begin, 1)}


def tried(measure):
    """Returns PyTorch's times, or what it says of its failure."""
    try:
        return {k: measure(tf32) for k, tf32 in SIDES.items()}, ""
    except RuntimeError as e:  # among them that there is no memory
        return {}, (str(e).strip().splitlines() or [type(e).__name__])[0]


def moved(info):
    """Bytes of x, w and y: each pass reads two of them and writes the third."""
    out = (info["size"] + 2 * info["pad"] - info["kernel"]) // info["stride"] + 1
    x = info["batch"] * info["channels"] * info["size"] ** 2
    y = info["batch"] * info["filters"] * out**2
    w = info["filters"] * info["channels"] // info["groups"] * info["kernel"] ** 2
    return 4 * (x + y + w)


def layer_row(info, which, peaks, seconds, theirs):
    row = {"layer": info["name"], "pass": which, "seconds": seconds, "gflops": info["flops"] / seconds / 1e9, "gbytes": moved(info) / seconds / 1e9}
    floors = {"memory": moved(info) / peaks["bytes"], "FFMA": info["flops"] / peaks["flops"]}
    row["roof"] = max(floors, key=floors.get)
    row["of_roof"] = floors[row["roof"]] / seconds
    row["pytorch"] = theirs
    row["ratio"] = {k: t / seconds for k, t in theirs.items()}
    return row


def page(head, checked, peaks, layers, steps, missed, begin):
    lines = [f"# {head['GPU']}", "", "Written by `scripts/bench-gpu`; the rows are explained at the end.", ""]
    lines += [f"- {k}: {v}" for k, v in head.items()]
    if checked:
        lines.append(f"- conformance suite: {checked['verdict']}, {checked['passed']} tests in {checked['seconds']} s" + "".join(f"; fails: {f}" for f in checked["failed"][:20]))
    if missed:
        lines.append(f"- not measured, for there was no time left: {', '.join(missed)}")
    if "flops" in peaks:
        lines.append(f"- peaks, measured in the same run: {peaks['flops'] / 1e12:.2f} TFLOP/s of FFMA, {peaks['bytes'] / 1e9:.0f} GB/s copied")
    lines.append("")
    if layers:
        lines += ["## Layers", "", "| layer | pass | µs | TFLOP/s | GB/s | of its roof | ratio, TF32 off | ratio, TF32 on |", "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |"]
    for r in layers:
        if "error" in r:
            lines.append(f"| {r['layer']} | {r['pass']} | {r['error']} | | | | | |")
            continue
        ratios = " | ".join(f"{r['ratio'][k]:.2f}" if k in r["ratio"] else "–" for k in SIDES)
        lines.append(f"| {r['layer']} | {r['pass']} | {1e6 * r['seconds']:.1f} | {r['gflops'] / 1e3:.2f} | {r['gbytes']:.0f} | {100 * r['of_roof']:.0f} % {r['roof']} | {ratios} |")
    if steps:
        lines += ["", "## Training steps: forward, backward, update", "", "| net | batch | images/s | ratio, TF32 off | ratio, TF32 on |", "| --- | ---: | ---: | ---: | ---: |"]
    for r in steps:
        if "error" in r:
            lines.append(f"| {r['net']} | {r['batch']} | {r['error']} | | |")
            continue
        ratios = " | ".join(f"{r['ratio'][k]:.2f}" if k in r["ratio"] else "–" for k in SIDES)
        lines.append(f"| {r['net']} | {r['batch']} | {r['batch'] / r['seconds']:.1f} | {ratios} |")
    failed = [f"- {r.get('layer', r.get('net'))} {r.get('pass', 'step')}: {r['pytorch_error']}" for r in layers + steps if r.get("pytorch_error")]
    if failed:
        lines += ["", "## What PyTorch could not run", "", *failed]
    lines += ["", "## How to read it", "",
              "Ratio is PyTorch's time divided by ours, on the same GPU in the same run: above 1 we are faster. Both sides compute with",
              "single precision storage, ours with exact FFMA; PyTorch's convolutions are cuDNN's, channels_last, the fastest that",
              "cudnn.benchmark finds. The roof of a pass is what binds it: the bytes of its three operands at the copy rate, or its",
              "multiply-adds, products with padding included, at the FFMA rate.", "",
              f"Took {time.time() - begin:.0f} s.", ""]
    return "\n".join(lines)


def arguments():
    p = argparse.ArgumentParser(prog="bench-gpu")
    p.add_argument("--device", default="cuda:0")
    p.add_argument("--out", type=pathlib.Path, default=pathlib.Path("."), help="folder of the tables")
    p.add_argument("--only", type=re.compile, default=re.compile(""), help="rows whose name matches")
    p.add_argument("--batch", type=int, default=0, help="images, in place of the tables' batches")
    p.add_argument("--no-suite", action="store_true")
    p.add_argument("--seconds", type=float, default=0.15, help="of a side of a row, at least")
    p.add_argument("--limit", type=float, default=440, help="seconds after which no row begins")
    return p.parse_args()


class Run:
    """What is measured, in order, and what came of it."""

    def __init__(self, args):
        self.args, self.begin = args, time.time()
        self.checked, self.peaks, self.head = None, {}, {}
        self.layers, self.steps, self.missed = [], [], []
        self.cleave = Cleave(HERE / "bench", args.device, args.batch)

    def late(self, name):
        """Whether there is no time for a row, which is noted."""
        if time.time() - self.begin < self.args.limit:
            return False
        if name not in self.missed:
            self.missed.append(name)
        return True

    def ours(self, seconds, *subject):
        answer = self.cleave.ask(*subject)
        return answer if "error" in answer else self.cleave.measure(seconds)

    def layer(self, info, which, other):
        answer = self.ours(self.args.seconds, "layer", info["name"], which)
        if "error" in answer:
            self.layers.append({"layer": info["name"], "pass": which, "error": answer["error"]})
            print(info["name"], which, answer["error"], flush=True)
            return
        theirs, error = tried(lambda tf32: other.layer(info, which, tf32, self.args.seconds)) if other else ({}, "")
        row = layer_row(info, which, self.peaks, answer["seconds"], theirs)
        row["runs"], row["pytorch_error"] = answer["runs"], error
        self.layers.append(row)
        print(f"{row['layer']:34} {which:15} {1e6 * row['seconds']:9.1f} us {100 * row['of_roof']:4.0f} % of {row['roof']:6}", *(f"{k} {v:.2f}" for k, v in row["ratio"].items()), error, flush=True)

    def step(self, info, other):
        answer = self.ours(10 * self.args.seconds, "step", info["name"])
        if "error" in answer:
            self.steps.append({"net": info["name"], "batch": info["batch"], "error": answer["error"]})
            print(info["name"], answer["error"], flush=True)
            return
        theirs, error = tried(lambda tf32: other.step(info, tf32, 10 * self.args.seconds)) if other else ({}, "")
        ratio = {k: t / answer["seconds"] for k, t in theirs.items()}
        self.steps.append({"net": info["name"], "batch": info["batch"], "seconds": answer["seconds"], "pytorch": theirs, "ratio": ratio, "pytorch_error": error})
        print(f"{info['name']:34} step {info['batch'] / answer['seconds']:10.1f} images/s", *(f"{k} {v:.2f}" for k, v in ratio.items()), error, flush=True)

    def all(self):
        args = self.args
        there = self.cleave.ask("list")
        if "error" in there:
            sys.exit(there["error"])
        commit = (HERE / "commit").read_text().strip() if (HERE / "commit").exists() else "unknown"
        self.head = {
            "GPU": there["device"],
            "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d"),
            "command": "`scripts/bench-gpu " + " ".join(sys.argv[1:]) + "`",
            "machine": f"{platform.machine()}, {os.cpu_count()} processors",
            "cleave": f"{commit}, {there['go']}",
        }
        if not args.no_suite:
            self.checked = suite(HERE / "suite", args.out / "suite.txt")
            print("conformance suite:", self.checked["verdict"], f"({self.checked['passed']} tests, {self.checked['seconds']} s)", *self.checked["failed"], flush=True)
        torch, peer, self.head["PyTorch"] = load_torch()
        other = Peer(torch, peer) if torch else None
        print(*(f"{k}: {v}" for k, v in self.head.items()), sep="\n", flush=True)
        self.peaks = self.cleave.ask("peak")
        if "error" in self.peaks:
            sys.exit(self.peaks["error"])
        for info in filter(lambda x: args.only.search(x["name"]), there["steps"]):
            if not self.late(info["name"]):
                self.step(info, other)
        for info in filter(lambda x: args.only.search(x["name"]), there["layers"]):
            for which in there["passes"]:
                if not self.late(info["name"]):
                    self.layer(info, which, other)

    def write(self):
        name = "gpu-" + re.sub(r"[^a-z0-9]+", "-", self.head["GPU"].lower()).strip("-")
        (self.args.out / (name + ".md")).write_text(page(self.head, self.checked, self.peaks, self.layers, self.steps, self.missed, self.begin))
        results = {"head": self.head, "suite": self.checked, "peaks": self.peaks, "layers": self.layers, "steps": self.steps, "missed": self.missed}
        (self.args.out / (name + ".json")).write_text(json.dumps(results, indent=1) + "\n")
        print(f"wrote {self.args.out / name}.md and .json in {time.time() - self.begin:.0f} s")


def main():
    args = arguments()
    args.out.mkdir(parents=True, exist_ok=True)
    run = Run(args)
    try:
        run.all()
    finally:
        if run.head:
            run.write()
    if run.checked and run.checked["failed"]:
        sys.exit(1)


if __name__ == "__main__":
    main()
