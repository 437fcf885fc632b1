#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Measures the networks of the paper's Table 8 here and in ONNX Runtime, OpenVINO and PyTorch,
interleaved in one run on the same weights, checks that the logits agree, and writes a table.

    bench/compare.py [--threads 1,2] [--rounds 3] [--only shufflenet-1.0] [--output doc/benchmark.md]

The peers come from PyPI, into a virtual environment that the script makes (.venv in the source
folder); the models reach them as ONNX from `3dcnn export`. The tool is taken from $THREEDCNN, else build/tools/3dcnn.
"""
import argparse
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PACKAGES = ["torch", "onnx", "onnxruntime", "openvino", "numpy"]


def enter_venv():
    """Runs this script again inside of a virtual environment that has the peers."""
    if os.environ.get("COMPARE_VENV"):
        return
    folder = os.environ.get("VENV", os.path.join(TOP, ".venv"))
    python = os.path.join(folder, "bin", "python")
    if not os.path.exists(python):
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *PACKAGES], check=True)
    os.environ["COMPARE_VENV"] = "1"
    os.execv(python, [python, *sys.argv])


enter_venv()
import numpy  # noqa: E402
import onnx  # noqa: E402
import onnxruntime  # noqa: E402
import openvino  # noqa: E402
import torch  # noqa: E402
import torch_networks  # noqa: E402

TOOL = os.environ.get("THREEDCNN", os.path.join(TOP, "build", "tools", "3dcnn"))
RUNS = 9  # of each runtime in a round
torch.set_grad_enabled(False)


def timed(run):
    run()
    times = []
    for _ in range(RUNS):
        begin = time.perf_counter()
        run()
        times.append((time.perf_counter() - begin) * 1e3)
    return times


class Ours:
    name = "lib3dcnn"

    def __init__(self, files, threads):
        self.files, self.threads = files, threads

    def logits(self):
        out = subprocess.run([TOOL, "run", self.files["pth"], "--input", self.files["clip"], "--threads",
                              str(self.threads), "--json"], check=True, capture_output=True).stdout
        return numpy.array(json.loads(out)["logits"])

    def time(self):
        out = subprocess.run([TOOL, "bench", self.files["pth"], "--threads", str(self.threads), "--runs",
                              str(RUNS), "--json"], check=True, capture_output=True).stdout
        return [json.loads(out)[0]["median_ms"]] * RUNS


class OnnxRuntime:
    name = "ONNX Runtime"

    def __init__(self, files, threads):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self.session = onnxruntime.InferenceSession(files["onnx"], options, ["CPUExecutionProvider"])
        self.x = files["x"].numpy()

    def logits(self):
        return self.session.run(None, {"x": self.x})[0][0]

    def time(self):
        return timed(self.logits)


class OpenVino:
    name = "OpenVINO"

    def __init__(self, files, threads):
        core = openvino.Core()
        config = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY",
                  "INFERENCE_PRECISION_HINT": "f32"}
        self.model = core.compile_model(files["onnx"], "CPU", config)
        self.request = self.model.create_infer_request()
        self.x = files["x"].numpy()

    def logits(self):
        return numpy.array(self.request.infer({0: self.x})[0][0])

    def time(self):
        return timed(self.logits)


class PyTorch:
    name = "PyTorch"

    def __init__(self, files, threads):
        self.model, self.x, self.threads = files["model"], files["x"], threads

    def logits(self):
        torch.set_num_threads(self.threads)
        return self.model(self.x)[0].numpy()

    def time(self):
        torch.set_num_threads(self.threads)
        return timed(self.logits)


RUNTIMES = [Ours, OnnxRuntime, OpenVino, PyTorch]


def make_files(name, width, folder):
    torch.manual_seed(1)
    model = torch_networks.build(name, width)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm3d):
            module.running_mean.uniform_(-0.1, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    x = torch.randint(0, 256, (1, 3, 16, 112, 112)).float() - 107
    files = {"model": model, "x": x, "pth": f"{folder}/m.pth", "onnx": f"{folder}/m.onnx",
             "clip": f"{folder}/clip.f32"}
    torch.save({"state_dict": model.state_dict()}, files["pth"])
    subprocess.run([TOOL, "export", files["pth"], "--onnx", files["onnx"]], check=True,
                   stdout=subprocess.DEVNULL)
    onnx.checker.check_model(onnx.load(files["onnx"]), full_check=True)
    x.numpy().astype("<f4").tofile(files["clip"])
    return files


def measure(name, width, threads, rounds):
    with tempfile.TemporaryDirectory() as folder:
        files = make_files(name, width, folder)
        expected = PyTorch(files, threads).logits()
        runtimes = [r(files, threads) for r in RUNTIMES]
        for r in runtimes:
            error = abs(r.logits() - expected).max() / abs(expected).max()
            assert error < 1e-3, f"{r.name} differs on {name} {width}: {error}"
        times = {r.name: [] for r in runtimes}
        for _ in range(rounds):
            for r in runtimes:
                time.sleep(0.3)  # the threads of some runtimes go on spinning after a run
                times[r.name] += r.time()
    return {k: statistics.median(v) for k, v in times.items()}


def cpu_name():
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        for line in f:
            if line.startswith("model name"):
                return line.split(":")[1].strip()
    return platform.processor()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", help="NAME-WIDTH")
    parser.add_argument("--output")
    args = parser.parse_args()
    names = [r.name for r in RUNTIMES]
    lines = []
    for threads in map(int, args.threads.split(",")):
        ratios = {n: [] for n in names[1:]}
        best = []
        lines += [f"### {threads} thread{'s' if threads > 1 else ''}, ms for one clip", "",
                  "| network | " + " | ".join(names) + " | fastest peer / lib3dcnn |",
                  "|---|" + "---|" * (len(names) + 1)]
        for name, width in torch_networks.TABLE8:
            if args.only and args.only != f"{name}-{width}":
                continue
            t = measure(name, width, threads, args.rounds)
            ratio = min(t[n] for n in names[1:]) / t[names[0]]
            best.append(ratio)
            for n in names[1:]:
                ratios[n].append(t[n] / t[names[0]])
            lines.append(f"| {name} {width}x | " + " | ".join(f"{t[n]:.2f}" for n in names)
                         + f" | {ratio:.2f} |")
            print(lines[-1], flush=True)

        def geomean(values):
            return math.exp(sum(map(math.log, values)) / len(values))
        lines += ["| geometric mean of ratios | 1 | "
                  + " | ".join(f"{geomean(ratios[n]):.2f}" for n in names[1:])
                  + f" | {geomean(best):.2f} |", ""]
        print(lines[-2], flush=True)
    versions = (f"ONNX Runtime {onnxruntime.__version__}, OpenVINO {openvino.__version__.split('-')[0]}, "
                f"PyTorch {torch.__version__}")
    head = ["# Benchmark", "", f"`bench/compare.py` on {cpu_name()}, {os.cpu_count()} cores; {versions}.",
            "Medians of interleaved runs, FP32, batch 1; logits agree to 1e-3 of the largest.", ""]
    if args.output:
        with open(args.output, "w", encoding="utf-8") as f:
            f.write("\n".join(head + lines))


if __name__ == "__main__":
    main()
