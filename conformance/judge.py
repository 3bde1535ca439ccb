#!/usr/bin/env python3
"""Converts this repository's models with planish and compares the files, run in LiteRT, with TensorFlow's recorded outputs.

usage: judge.py PLANISH_BINARY [MODEL ...]

A model passes where its float file is within 80 dB of TensorFlow and its quantized file within 20 dB with the same classes in at least 15 of 16
samples; where calls in one interpreter give what calls in fresh ones give; and where `planish run` agrees with LiteRT on both files.
Exit status 1 where one does not.
"""
import os, subprocess, sys, tempfile

import numpy as np
from ai_edge_litert.interpreter import Interpreter

MODELS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "models")


def noise_distance(want, got):
    """Signal to noise in dB; infinite where both are equal."""
    want, got = want.astype(np.float64), got.astype(np.float64)
    noise = np.square(want - got).sum()
    return float("inf") if noise == 0 else 10 * np.log10(np.square(want).sum() / noise)


def call_litert(path, inputs, fresh):
    """One call a sample, stacked; with `fresh` each in an interpreter of its own."""
    calls, runner = [], None
    for i in range(len(next(iter(inputs.values())))):
        if fresh or runner is None:
            interpreter = Interpreter(model_path=path, num_threads=1)
            runner = interpreter.get_signature_runner("serving_default")
        calls.append({k: np.array(v) for k, v in runner(**{k: v[i] for k, v in inputs.items()}).items()})
    return {k: np.stack([c[k] for c in calls]) for k in calls[0]}


def judge(planish, name, mode, folder):
    model, path = os.path.join(MODELS, name), os.path.join(folder, f"{name}.{mode}.tflite")
    flags = ["--post-training-quantize"] if mode == "dynamic" else []
    done = subprocess.run([planish, "convert", model, "-o", path, *flags], capture_output=True, text=True)
    if done.returncode != 0:
        return f"conversion failed: {done.stderr.strip()}"
    arrays = np.load(model + ".npz")
    names = Interpreter(model_path=path).get_signature_list()["serving_default"]
    inputs = {k: arrays[k] for k in names["inputs"]}
    fresh, kept = (call_litert(path, inputs, fresh) for fresh in (True, False))
    ours = os.path.join(folder, "ours.npz")
    done = subprocess.run([planish, "run", path, "--inputs", model + ".npz", "--outputs", ours, "--samples"], capture_output=True, text=True)
    if done.returncode != 0:
        return f"planish run failed: {done.stderr.strip()}"
    ours = np.load(ours)
    verdicts = []
    for output in names["outputs"]:
        distance = noise_distance(arrays[output], fresh[output])
        own_distance = noise_distance(arrays[output], ours[output])
        same_class = (arrays[output].argmax(-1) == fresh[output].argmax(-1)).sum()
        print(f"{name:22} {mode:8} {os.path.getsize(path):8} bytes {distance:7.1f} dB in LiteRT {own_distance:7.1f} dB here")
        if distance < (80 if mode == "float" else 20): verdicts.append(f"{output} is {distance:.1f} dB from TensorFlow's")
        if mode == "dynamic" and same_class < len(fresh[output]) - 1: verdicts.append(f"only {same_class} samples keep their class")
        if noise_distance(fresh[output], kept[output]) < 100: verdicts.append("state leaks from call to call")
        if mode == "float" and own_distance < 80: verdicts.append(f"planish run is {own_distance:.1f} dB from TensorFlow's")
        if mode == "dynamic" and own_distance < distance - 1: verdicts.append("planish run is further from TensorFlow than LiteRT")
    return "; ".join(verdicts)


def main():
    planish = os.path.abspath(sys.argv[1])
    names = sys.argv[2:] or sorted(n for n in os.listdir(MODELS) if os.path.isdir(os.path.join(MODELS, n)))
    failures = []
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            for mode in ("float", "dynamic"):
                failure = judge(planish, name, mode, folder)
                if failure: failures.append(f"{name} {mode}: {failure}")
    print(*failures, sep="\n")
    print(f"{2 * len(names) - len(failures)} passed, {len(failures)} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
