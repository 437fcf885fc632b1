#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The program and the element on a GPU that is a double: options, messages, results, the CPU taking over. TAP."""
import json
import os
import re
import subprocess
import sys
import tempfile

TOOL, DOUBLE, SOURCE, CUDA_LIB = sys.argv[1:5]
count = failures = 0


def check(name, condition, detail=""):
    global count, failures
    count += 1
    failures += not condition
    print(f"{'ok' if condition else 'not ok'} {count} {name}")
    if not condition:
        print("#", repr(detail)[-1500:])


def run(*args, fault=None, gpu=True, plans=None):
    env = dict(os.environ, CNN3D_PLAN_CACHE=plans or folder, G_TEST_SRCDIR=os.path.join(SOURCE, "tests", "gpu"))
    env["CNN3D_TEST_CUDA_LIB"] = CUDA_LIB
    if CUDA_LIB:  # cuDNN finds its neighbours there
        env["LD_LIBRARY_PATH"] = env.get("LD_LIBRARY_PATH", "") + ":" + CUDA_LIB
    env.pop("CNN3D_CUDA_PATH", None)
    if gpu:
        env["CNN3D_CUDA_PATH"] = folder
    if fault:
        env["CNN3D_DOUBLE_FAULT"] = fault
    p = subprocess.run(args, capture_output=True, text=True, check=False, env=env)
    return p.returncode, p.stdout, p.stderr


def test_devices():
    status, out, err = run(TOOL, "devices")
    check("devices", status == 0 and "GPU-d0010203" in out and "cuDNN" in out, (status, out, err))
    status, out, err = run(TOOL, "devices", "--json")
    check("devices as JSON", status == 0 and json.loads(out)["devices"][0]["capability"] == "9.0", (out, err))
    status, out, err = run(TOOL, "devices", gpu=False)
    check("devices without a driver", status == 1 and "libcuda.so.1" in err, (status, out, err))


def test_plan_cache():
    file = os.path.join(folder, "file")
    with open(file, "w", encoding="utf-8"):
        pass
    gpu, err = logits("--backend", "cudnn", plans=os.path.join(file, "sub"))
    check("plans that cannot be kept: the reason is said once", gpu is not None
          and err.count("cannot be kept") == 1 and f"{file}/sub: Not a directory" in err, err)


def logits(*options, fault=None, gpu=True, plans=None):
    status, out, err = run(TOOL, "run", "shufflenet", "--input", clip, "--input-format", "u8-thwc", "--json",
                           *options, fault=fault, gpu=gpu, plans=plans)
    return (json.loads(out)["logits"] if status == 0 else None), err


def close(a, b, tolerance):
    return a is not None and max(abs(x - y) for x, y in zip(a, b)) <= tolerance * max(map(abs, b))


def test_run():
    cpu, err = logits("--backend", "cpu")
    gpu, err = logits("--backend", "cudnn")
    check("run --backend cudnn", close(gpu, cpu, 2e-2), err)
    check("run --backend cudnn is not run on the CPU", gpu != cpu, (gpu, cpu))
    gpu, err = logits("--precision", "fp32", "--device", "0")
    check("auto takes the GPU, in fp32", close(gpu, cpu, 1e-4) and gpu != cpu and err == "", (gpu, cpu, err))
    other, err = logits("--precision", "fp32", "--device", "gpu-D00102")
    check("a device by the beginning of its UUID", other == gpu and err == "", err)
    gpu, err = logits("--backend", "cudnn", "--device", "5")
    check("a device that is not there", gpu is None and "no device '5'" in err, err)
    gpu, err = logits("--backend", "cudnn", fault="cudaMalloc:0:lost")
    check("no memory is an error", gpu is None and "memory" in err, err)
    gpu, err = logits(fault="cudaMalloc:0:lost")
    check("no memory: auto takes the CPU and says so", gpu == cpu and err.count("running on the CPU") == 1, err)
    gpu, err = logits(fault="cudaGraphLaunch:0:lost")
    check("the GPU fails: auto takes the CPU and says so", gpu == cpu and err.count("running on the CPU") == 1, err)
    gpu, err = logits("--backend", "cpu", "--precision", "fp16")
    check("the CPU has no fp16", gpu is None and "precision fp16" in err and "cpu backend" in err, err)


def test_selftest():
    report = os.path.join(folder, "report.txt")
    status, out, err = run(TOOL, "selftest", "shufflenet", "--only", "--runs", "1", "--report", report)
    with open(report, encoding="utf-8") as f:
        text = f.read()
    check("selftest passes", status == 0 and "0 failed" in out, (status, out, err))
    check("selftest runs the program of each size", all(out.count(f"pass  logits of {n} clip") == 2 for n in (1, 2, 4, 8)),
          out)
    check("selftest checks that runs are recorded", out.count("pass  recorded as CUDA graphs") == 2, out)
    check("selftest tells each convolution's engine, and pools have names", out.count(" KB of workspace") >= 64
          and out.count("pass  maxpool ") == 2, out)
    check("selftest has every layer, and its report", out.count("pointwise") >= 64 and text == out, out)
    status, out, err = run(TOOL, "selftest", "shufflenet", "--only", "--runs", "1", "--precision", "fp16",
                           fault="cudaGraphLaunch:0:lost")
    check("selftest reports a failure", status == 1 and "FAIL" in out and "1 failed" in out, (status, out))
    status, out, err = run(TOOL, "selftest", "shufflenet", "--only", "--runs", "1", "--precision", "fp16",
                           fault="cudaStreamBeginCapture:0")
    check("selftest reports that runs are not recorded", status == 1 and "FAIL  recorded as CUDA graphs" in out
          and "without CUDA graphs: cudaStreamBeginCapture" in out and "1 failed" in out, (status, out))
    check("the report has the system, the libraries, and the environment", "\nsystem: " in out and "\ndriver: " in out
          and "libcudnn" in out and f"environment: CNN3D_PLAN_CACHE={folder}\n" in out, out)
    status, out, err = run(TOOL, "selftest", "shufflenet", "--runs", "1", "--precision", "fp16",
                           fault="cudnnCreate:0:lost")
    check("selftest takes bundled models besides those that are given", status == 1
          and "\nshufflenet\n" in out and "weights of a hash" in out and out.count("\n  FAIL  ") > 5, (status, out, err))
    status, out, err = run(TOOL, "selftest", "shufflenet", "--only", "--runs", "1", "--precision", "fp16",
                           "--report", report, fault="cudaGraphLaunch:5:crash")
    with open(report, encoding="utf-8") as f:
        text = f.read()
    check("the report of a process that was ended has all until then", status < 0 and text == out
          and "\nsystem: " in text and text.endswith("\n"), (status, text))
    status, out, err = run(TOOL, "selftest", "--only")
    check("selftest --only wants a model", status == 2 and "--only" in err, (status, out, err))
    status, out, err = run(TOOL, "selftest", gpu=False)
    check("selftest without a driver fails with the reason", status == 1
          and out.count("libcuda.so.1") == 1 and "0 passed, 1 failed" in out, (status, out))


def test_bench():
    status, out, err = run(TOOL, "bench", "--arch", "mobilenet", "--width", "0.1", "--runs", "1", "--backend", "cudnn")
    check("bench --backend cudnn", status == 0 and "MobileNetV1" in out, (status, out, err))
    status, out, err = run(TOOL, "bench", "--arch", "mobilenet", "--width", "0.1", "--runs", "2", "--layers",
                           "--backend", "cudnn")
    check("bench --layers --backend cudnn", status == 0 and out.count("depthwise") == 13, (status, out, err))
    small = ["bench", "--arch", "mobilenet", "--width", "0.1", "--runs", "1"]
    status, out, err = run(TOOL, *small)
    check("bench says that it runs on the GPU", status == 0 and out.startswith("cudnn (device 0, ") and "fp16" in
          out.splitlines()[0] and err == "", (status, out, err))
    for name, options in [("bench", []), ("bench --stream", ["--stream", "8"]), ("bench --layers", ["--layers"])]:
        for fault in ["cudaMalloc:0:lost", "cudaGraphLaunch:0:lost"]:
            if options == ["--layers"] and "Graph" in fault:  # layers are launched one by one
                continue
            status, out, err = run(TOOL, *small, *options, "--threads", "1,2", fault=fault)
            check(f"{name} says once that the CPU took over ({fault})", status == 0
                  and err.count("running on the CPU") == 1 and "cpu (" in out.splitlines()[0], (status, out, err))
    status, out, err = run(TOOL, *small, "--json", fault="cudaMalloc:0:lost")
    check("bench says why as JSON", status == 0 and "memory" in json.loads(out)[0]["fallback"], (status, out, err))
    status, out, err = run(TOOL, *small, "--json")
    check("... or that nothing went wrong", status == 0 and json.loads(out)[0]["fallback"] is None, (status, out, err))


def test_eval():
    data = os.path.join(folder, "data")
    for label in ["pan left", "pan right"]:
        os.makedirs(os.path.join(data, label))
        run("gst-launch-1.0", "videotestsrc", "num-buffers=20", "!", "video/x-raw,width=32,height=32,framerate=15/1",
            "!", "avimux", "!", "filesink", f"location={data}/{label}/clip.avi")
    model = os.path.join(SOURCE, "models", "shufflenet.safetensors")
    options = ["eval", model, "--data", data, "--cache", os.path.join(folder, "cache"), "--json"]
    status, out, err = run(TOOL, *options)
    check("eval on the GPU", status == 0 and "running on the CPU" not in err, (status, out, err))
    status, out, err = run(TOOL, *options, fault="cudaGraphLaunch:0:lost")
    check("eval says that the CPU took over", status == 0 and err.count("running on the CPU") == 1, (status, out, err))


def pipeline(properties, fault=None, gpu=True):
    return run("gst-launch-1.0", "-m", "videotestsrc", "num-buffers=120", "!",
               "video/x-raw,width=160,height=120,framerate=30/1", "!", "videoclassify3d", "sample-rate=15",
               *properties.split(), "!", "fakesink", fault=fault, gpu=gpu)


def test_element():
    results = ": videoclassify3d, "
    status, out, err = pipeline("backend=cudnn device=0 precision=fp16")
    n = out.count(results)
    check("the element on the GPU", status == 0 and n == 3, (status, out, err))
    status, out, err = pipeline("backend=auto", fault="cudaGraphLaunch:1:lost")
    check("the GPU fails: no clip is lost", status == 0 and out.count(results) == n,
          (out.count(results), n, err))
    check("and there is one warning", (out + err).count("Running on the CPU") == 1, (out, err))
    status, out, err = pipeline("backend=auto", fault="cudnnCreate:0:lost")
    check("the GPU cannot be used: one warning", status == 0 and out.count(results) == n
          and (out + err).count("Running on the CPU") == 1, (status, out, err))
    status, out, err = pipeline("backend=cudnn", fault="cudaGraphLaunch:1:lost")
    check("backend=cudnn ends with an error", status != 0 and "test wants" in out + err, (status, out, err))
    status, out, err = pipeline("backend=cudnn", gpu=False)
    check("backend=cudnn without a driver fails with the reason", status != 0 and "libcuda.so.1" in out + err,
          (status, out, err))
    status, out, err = pipeline("backend=auto", gpu=False)
    check("auto without a driver runs on the CPU, without a word", status == 0 and out.count(results) == n
          and "Running on the CPU" not in out + err, (status, out, err))


def labels_and_scores(out, model):
    return re.findall(rf"videoclassify3d, model=\(string\){model}, (label=.*?), clip-end", out)


def test_two_networks():
    """Two sessions, each in a thread of its own, make and record their programs and run at once."""
    models, branches, alone = ["shufflenet", "mobilenet"], [], {}
    for model in models:
        branch = ["videotestsrc", "num-buffers=120", "pattern=ball", "!", "video/x-raw,width=160,height=120,framerate=30/1", "!",
                  "videoclassify3d", f"model={model}", "backend=cudnn", "sample-rate=15", "!", "fakesink"]
        status, out, err = run("gst-launch-1.0", "-m", *branch)
        alone[model] = labels_and_scores(out, model)
        check(f"{model} alone", status == 0 and len(alone[model]) == 3, (status, out, err))
        branches += branch
    for i in range(2):
        status, out, err = run("gst-launch-1.0", "-m", *branches)
        check(f"two networks at once, {i}", status == 0 and all(labels_and_scores(out, m) == alone[m] for m in models),
              (status, out, err))


with tempfile.TemporaryDirectory() as folder:
    for name in ["libcuda.so.1", "libcudart.so.13", "libcudnn.so.9"]:
        os.symlink(os.path.abspath(DOUBLE), os.path.join(folder, name))
    clip = os.path.join(folder, "clip.u8")
    with open(clip, "wb") as f:
        f.write(bytes((i * 2654435761 >> 24) & 255 for i in range(16 * 112 * 112 * 3)))
    test_devices()
    test_run()
    test_plan_cache()
    test_bench()
    test_eval()
    test_selftest()
    test_element()
    test_two_networks()
print(f"1..{count}")
sys.exit(failures > 0)
