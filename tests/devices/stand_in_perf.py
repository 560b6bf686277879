"""Stands in for `onnxruntime_perf_test`: takes the options that hwnas gives, writes the same result file."""

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import onnxruntime as ort

parser = argparse.ArgumentParser()
parser.add_argument("-I", action="store_true", required=True)  # without it the program wants inputs in files
parser.add_argument("-e", choices=["cpu"], required=True)
parser.add_argument("-m", choices=["times"], required=True)
for option in ("-S", "-x", "-y", "-r"):
    parser.add_argument(option, type=int, required=True)
parser.add_argument("model", type=Path)
parser.add_argument("result", type=Path)
asked = parser.parse_args()

options = ort.SessionOptions()
options.intra_op_num_threads, options.inter_op_num_threads = asked.x, asked.y
try:
    session = ort.InferenceSession(asked.model, options, providers=["CPUExecutionProvider"])
except Exception as error:
    print(error, file=sys.stderr)
    sys.exit(-1)

shapes = {node.name: [size if isinstance(size, int) else 1 for size in node.shape] for node in session.get_inputs()}
feed = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
session.run(None, feed)
with asked.result.open("a") as result:
    for run in range(asked.r):
        start = time.perf_counter()
        session.run(None, feed)
        result.write(f"{asked.model.parent.name},{time.perf_counter() - start:.6g},12345678,97,{run}\n")
