#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Measures the networks of the paper's Table 8 here and in ONNX Runtime, OpenVINO and PyTorch,
interleaved in one run on the same weights, checks that the logits agree, and writes tables and a plot.

    bench/compare.py [--threads 1,2] [--batch 1] [--rounds 7] [--only shufflenet-1.0] [--output doc/benchmark.md]

The peers come from PyPI, into a virtual environment that the script makes (.venv in the source
folder); the models reach them as ONNX from `3dcnn export`. The tool is taken from $THREEDCNN, else build/tools/3dcnn.
lib3dcnn runs as it does by default; where it then has a stem by AMX, it runs with `--precision fp32` as well.
Start-up is from a model file to the first logits in a fresh process, without the time that Python takes
to import a runtime; memory is that process' peak, Python included. The plot is written next to the table.
"""
import argparse
import importlib
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
TOOL = os.environ.get("THREEDCNN", os.path.join(TOP, "build", "tools", "3dcnn"))
RUNS = 6  # of each runtime in a round: short, so that what else the machine does meets all of them
PROBES = 2  # rounds in which start-up and memory are measured, too


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


def timed(run):
    run()
    times = []
    for _ in range(RUNS):
        begin = time.perf_counter()
        run()
        times.append((time.perf_counter() - begin) * 1e3)
    return times


def run_tool(*args):
    out = subprocess.run([TOOL, *map(str, args)], check=True, capture_output=True).stdout
    return json.loads(out)


class Ours:
    name, module, precision = "lib3dcnn", "json", "auto"

    def __init__(self, case):
        self.case = case

    def logits(self):
        import numpy
        return numpy.array(run_tool("run", self.case.file("safetensors"), "--input", self.case.file("f32"),
                                    "--threads", self.case.threads, "--precision", self.precision,
                                    "--json")["logits"])

    def bench(self, runs):
        return run_tool("bench", self.case.file("safetensors"), "--threads", self.case.threads, "--runs",
                        runs, "--batch", self.case.batch, "--precision", self.precision, "--json")[0]

    def time(self):
        return self.bench(RUNS)["runs_ms"]

    def probe(self):
        b = self.bench(1)
        return {"start": b["load_ms"] + b["setup_ms"] + b["first_ms"], "peak": b["peak_mb"]}


class OursInFp32(Ours):
    name, precision = "lib3dcnn fp32", "fp32"


class Peer:
    """What runs in this process, and to be probed in one of its own."""

    def time(self):
        return timed(self.run)

    def logits(self):
        return self.run()[0]

    def probe(self):
        out = subprocess.run([sys.executable, __file__, "--probe", self.name, self.case.folder, self.case.name,
                              str(self.case.width), str(self.case.threads), str(self.case.batch)],
                             check=True, capture_output=True).stdout
        return json.loads(out)


class OnnxRuntime(Peer):
    name, module = "ONNX Runtime", "onnxruntime"

    def __init__(self, case):
        onnxruntime = importlib.import_module("onnxruntime")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = case.threads
        self.case, self.x = case, case.input()
        self.session = onnxruntime.InferenceSession(case.file("onnx"), options, ["CPUExecutionProvider"])

    def run(self):
        return self.session.run(None, {"x": self.x})[0]


class OpenVino(Peer):
    name, module = "OpenVINO", "openvino"

    def __init__(self, case):
        openvino = importlib.import_module("openvino")
        config = {"INFERENCE_NUM_THREADS": case.threads, "PERFORMANCE_HINT": "LATENCY",
                  "INFERENCE_PRECISION_HINT": "f32"}
        core = openvino.Core()
        self.case, self.x = case, case.input()
        model = core.read_model(case.file("onnx"))
        model.reshape(list(self.x.shape))
        self.request = core.compile_model(model, "CPU", config).create_infer_request()

    def run(self):
        return self.request.infer({0: self.x})[0]


class PyTorch(Peer):
    name, module = "PyTorch", "torch"

    def __init__(self, case):
        torch = importlib.import_module("torch")
        torch.set_grad_enabled(False)
        torch.set_num_threads(case.threads)
        self.case, self.x = case, torch.from_numpy(case.input())
        self.model = case.torch_model()
        self.model.load_state_dict(torch.load(case.file("pth"))["state_dict"])

    def run(self):
        importlib.import_module("torch").set_num_threads(self.case.threads)
        return self.model(self.x).numpy()


RUNTIMES = [Ours, OursInFp32, OnnxRuntime, OpenVino, PyTorch]
PEERS = [r.name for r in RUNTIMES if issubclass(r, Peer)]


class Case:
    """A network with its files, a number of threads and a batch."""

    def __init__(self, folder, name, width, threads, batch):
        self.folder, self.name, self.width = folder, name, width
        self.threads, self.batch = threads, batch

    def file(self, ending):
        return f"{self.folder}/m.{ending}"

    def input(self):
        """The clip, as often as the batch wants it."""
        import numpy
        clip = numpy.fromfile(self.file("f32"), dtype="<f4").reshape(1, 3, 16, 112, 112)
        return numpy.ascontiguousarray(numpy.repeat(clip, self.batch, axis=0))

    def torch_model(self):
        import torch_networks
        return torch_networks.build(self.name, self.width)

    def make_files(self):
        import onnx
        import torch
        torch.manual_seed(1)
        model = self.torch_model()
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm3d):
                module.running_mean.uniform_(-0.1, 0.1)
                module.running_var.uniform_(0.5, 1.5)
        torch.save({"state_dict": model.state_dict()}, self.file("pth"))
        x = torch.randint(0, 256, (1, 3, 16, 112, 112)).float() - 107
        x.numpy().astype("<f4").tofile(self.file("f32"))
        for command in (["import", self.file("pth"), "--output", self.file("safetensors")],
                        ["export", self.file("safetensors"), "--onnx", self.file("onnx")]):
            subprocess.run([TOOL, *command], check=True, stdout=subprocess.DEVNULL)
        onnx.checker.check_model(onnx.load(self.file("onnx")), full_check=True)


def peak_mb():
    with open("/proc/self/status", encoding="utf-8") as f:
        for line in f:
            if line.startswith("VmHWM"):
                return int(line.split()[1]) / 1024
    return float("nan")


def probe(name, folder, network, width, threads, batch):
    """In a process of its own: how long until the first logits, and how much memory."""
    runtime = next(r for r in RUNTIMES if r.name == name)
    importlib.import_module(runtime.module)
    case = Case(folder, network, float(width), int(threads), int(batch))
    if runtime is PyTorch:
        import torch_networks  # noqa: F401
    begin = time.perf_counter()
    runtime(case).run()
    print(json.dumps({"start": (time.perf_counter() - begin) * 1e3, "peak": peak_mb()}))


def measure(case, rounds, names):
    """For each runtime that is named: median and quartiles of a batch in ms, start-up in ms, peak memory in MB."""
    case.make_files()
    runtimes = [r(case) for r in RUNTIMES if r.name in names]
    expected = runtimes[-1].logits()
    for r in runtimes:
        error = abs(r.logits() - expected).max() / abs(expected).max()
        assert error < 1e-3, f"{r.name} differs on {case.name} {case.width}: {error}"
    times = {r.name: [] for r in runtimes}
    probes = {r.name: [] for r in runtimes}
    for i in range(rounds):
        for r in runtimes:
            time.sleep(0.2)  # the threads of some runtimes go on spinning after a run
            times[r.name] += r.time()
            if i < PROBES:
                probes[r.name].append(r.probe())
    result = {}
    for r in runtimes:
        low, median, high = statistics.quantiles(times[r.name], n=4)
        result[r.name] = {"ms": median, "spread": (high - low) / 2,
                          "start": min(p["start"] for p in probes[r.name]),
                          "peak": max(p["peak"] for p in probes[r.name])}
    return result


def cpu_name():
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        for line in f:
            if line.startswith("model name"):
                return line.split(":")[1].strip()
    return platform.processor()


def geomean(values):
    return math.exp(sum(map(math.log, values)) / len(values))


def speed_table(results, names, batch, peak):
    lines = ["| network | " + " | ".join(names) + " | fastest peer / lib3dcnn | % of FMA peak |",
             "|---|" + "---|" * (len(names) + 2)]
    for network, r in results.items():
        ratio = min(r[n]["ms"] for n in PEERS) / r[names[0]]["ms"]
        lines.append(f"| {network} | " + " | ".join(f"{r[n]['ms'] / batch:.2f} ± {r[n]['spread'] / batch:.2f}"
                                                    for n in names)
                     + f" | {ratio:.2f} | {100 * r['gflop'] * batch / r[names[0]]['ms'] / peak * 1e3:.0f} |")
    for one in names:
        if one in PEERS:
            continue
        best = geomean([min(r[n]["ms"] for n in PEERS) / r[one]["ms"] for r in results.values()])
        lines.append(f"| geometric mean of ratios to {one} | "
                     + " | ".join(f"{geomean([r[n]['ms'] / r[one]['ms'] for r in results.values()]):.2f}" for n in names)
                     + f" | {best:.2f} | |")
    return lines


def resource_table(results, names):
    lines = ["| network | " + " | ".join(f"{n}, ms" for n in names) + " | "
             + " | ".join(f"{n}, MB" for n in names) + " |", "|---|" + "---|" * (2 * len(names))]
    for network, r in results.items():
        lines.append(f"| {network} | " + " | ".join(f"{r[n]['start']:.0f}" for n in names) + " | "
                     + " | ".join(f"{r[n]['peak']:.0f}" for n in names) + " |")
    return lines


def plot(results, names, title):
    """Bars of how many times slower each peer is, as SVG."""
    colours, bar, left, width = ["#4477aa", "#ee6677", "#228833"], 9, 150, 640
    step = bar * len(PEERS) + 8
    largest = max(r[n]["ms"] / r[names[0]]["ms"] for r in results.values() for n in PEERS)
    scale = (width - left - 50) / largest
    height = 60 + step * len(results)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif"'
           ' font-size="11">', f'<rect width="{width}" height="{height}" fill="white"/>',
           f'<text x="8" y="18" font-size="13">{title}</text>']
    for k, n in enumerate(PEERS):
        out.append(f'<rect x="{left + 130 * k}" y="28" width="10" height="10" fill="{colours[k]}"/>'
                   f'<text x="{left + 130 * k + 15}" y="37">{n}</text>')
    for i, (network, r) in enumerate(results.items()):
        y = 50 + step * i
        out.append(f'<text x="{left - 8}" y="{y + step / 2}" text-anchor="end">{network}</text>')
        for k, n in enumerate(PEERS):
            ratio = r[n]["ms"] / r[names[0]]["ms"]
            out.append(f'<rect x="{left}" y="{y + bar * k}" width="{ratio * scale:.1f}" height="{bar - 1}"'
                       f' fill="{colours[k]}"/><text x="{left + ratio * scale + 4:.1f}" y="{y + bar * k + 8}"'
                       f' font-size="9">{ratio:.1f}</text>')
    x = left + scale
    out.append(f'<line x1="{x:.1f}" y1="44" x2="{x:.1f}" y2="{height - 8}" stroke="black" stroke-dasharray="3"/>')
    return "\n".join(out + ["</svg>", ""])


def main():
    import onnxruntime
    import openvino
    import torch
    import torch_networks
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", default="1,2", help="numbers of threads (1,2)")
    parser.add_argument("--batch", type=int, default=1, help="clips in a run (1)")
    parser.add_argument("--rounds", type=int, default=7, help="of all runtimes in turn (7)")
    parser.add_argument("--only", metavar="NAME-WIDTH", help="a single network, such as shufflenet-1.0")
    parser.add_argument("--output", help="Markdown file; the plots go next to it")
    args = parser.parse_args()
    names = [r.name for r in RUNTIMES]
    if "stem by" not in run_tool("bench", "--arch", "shufflenet", "--runs", 1, "--json")[0]["backend"]:
        names.remove(OursInFp32.name)
    lines, plots = [], []
    for threads in map(int, args.threads.split(",")):
        peak = max(run_tool("bench", "--arch", "shufflenet", "--width", 0.5, "--layers", "--threads", threads,
                            "--runs", 8, "--json")[0]["peak_gflops"] for _ in range(3))
        results = {}
        for name, width in torch_networks.TABLE8:
            if args.only and args.only != f"{name}-{width}":
                continue
            with tempfile.TemporaryDirectory() as folder:
                case = Case(folder, name, width, threads, args.batch)
                r = measure(case, args.rounds, names)
                r["gflop"] = 2e-9 * run_tool("info", case.file("safetensors"), "--json")["macs"]
            results[f"{name} {width}x"] = r
            print(f"{threads} threads, {name} {width}x: " + ", ".join(
                f"{n} {r[n]['ms']:.2f} ms, start {r[n]['start']:.0f} ms, {r[n]['peak']:.0f} MB" for n in names),
                flush=True)
        assert results, f"no network is called {args.only}"
        title = f"{threads} thread{'s' if threads > 1 else ''}"
        title += f", batch {args.batch}" if args.batch > 1 else ""
        lines += [f"### {title}, ms for a clip (median, half of the interquartile range)", "",
                  *speed_table(results, names, args.batch, peak), "",
                  f"FMA peak, measured: {peak:.0f} GFLOP/s.", "",
                  f"### {title}: start-up and peak memory of the process", "",
                  *resource_table(results, names), ""]
        plots.append((f"-{threads}t-batch{args.batch}.svg",
                      plot(results, names, f"Time for a clip, relative to lib3dcnn: {title}")))
    versions = (f"ONNX Runtime {onnxruntime.__version__}, OpenVINO {openvino.__version__.split('-')[0]}, "
                f"PyTorch {torch.__version__}")
    head = ["# Benchmark", "", f"`bench/compare.py` on {cpu_name()}, {os.cpu_count()} cores; {versions}.",
            "Interleaved runs, FP32; logits agree to 1e-3 of the largest.", ""]
    if OursInFp32.name in names:
        head += ["lib3dcnn is as it runs by default, with a stem by AMX that is as exact as FP32; lib3dcnn fp32 is with",
                 "`--precision fp32`, without AMX.", ""]
    if not args.output:
        print("\n".join(head + lines))
        return
    stem = os.path.splitext(args.output)[0]
    for ending, svg in plots:
        with open(stem + ending, "w", encoding="utf-8") as f:
            f.write(svg)
        lines.append(f"![{ending[1:-4]}]({os.path.basename(stem) + ending})")
    with open(args.output, "w", encoding="utf-8") as f:
        f.write("\n".join(head + lines) + "\n")


if __name__ == "__main__":
    enter_venv()
    if sys.argv[1:2] == ["--probe"]:
        probe(*sys.argv[2:])
    else:
        main()
