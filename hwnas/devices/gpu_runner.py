"""Times ONNX models on the NVIDIA GPU of the machine that runs this file, in the conversation of `runner.py`.

How a model is made ready is told by another file, the first argument, whose `Machine` takes the other arguments:

    python gpu_runner.py tensorrt_runner.py tensorrt_rtx

The two need only Python, and what the other one imports. The inputs and outputs of a model stay on the GPU.
"""

import gc
import importlib.util
import itertools
import json
import os
import platform
import subprocess
import sys

HELD_BACK = 0x4 | 0x8 | 0x20 | 0x40 | 0x80
"""nvidia-smi's reasons for a low clock that are heat or power: power cap, slowdown, thermal (two), power brake."""


def machine_of(path, *arguments):
    """The `Machine` of another file, which need not be where Python looks for modules."""
    spec = importlib.util.spec_from_file_location("machine", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Machine(*arguments)


def nvidia_smi(gpu, *fields):
    """These fields of one GPU, each empty where it is not told; a Jetson may have no nvidia-smi."""
    command = ["nvidia-smi", "--id=" + gpu, "--query-gpu=" + ",".join(fields), "--format=csv,noheader,nounits"]
    try:
        told = subprocess.run(command, stdout=subprocess.PIPE, timeout=10, check=True).stdout.decode().split(",")
    except (OSError, subprocess.SubprocessError):
        return [""] * len(fields)
    return ["" if value.strip().startswith("[") else value.strip() for value in told]  # [N/A], [Unknown Error]


def number(text):
    """A number that nvidia-smi told, in hexadecimal after 0x, or None for words that tell why it is not told."""
    try:
        return int(text, 16) if text.startswith("0x") else float(text)
    except ValueError:
        return None


def describe(machine):
    """What times measured here depend on."""
    driver, max_mhz = nvidia_smi(machine.gpu, "driver_version", "clocks.max.sm")
    return {
        "model": machine.name,
        "runtime": machine.runtime,
        "version": machine.version,
        "threads": 1,
        "os": f"{platform.system()} {platform.machine()}",
        "chip": machine.name,
        "driver": driver,
        "max_mhz": number(max_mhz),
    }


def state(gpu):
    """The clock in MHz, the temperature in °C, and whether heat or power holds the clock back."""
    mhz, celsius, reasons = nvidia_smi(gpu, "clocks.sm", "temperature.gpu", "clocks_throttle_reasons.active")
    held = number(reasons)
    throttled = None if held is None else bool(int(held) & HELD_BACK)
    return {"mhz": number(mhz), "celsius": number(celsius), "throttled": throttled}


def answer(machine, models, request):
    """The reply to one request; `models` are those loaded, by key."""
    do, key = request["do"], request.get("key")
    if do == "time":
        return {"seconds": [models[key].time(repeats) for key, repeats in request["visits"]]}
    if do == "state":
        return state(machine.gpu)
    if do == "breakdown":
        return machine.breakdown(request["path"], request["repeats"])
    if do not in ("load", "unload"):
        raise ValueError(f"no such request: {do}")
    if do == "unload" or key in models:
        models.pop(key).close()
    if do == "load":
        models[key] = machine.load(request["path"])
    return {}


def one_line(error):
    """What went wrong, in one line, after its type where it is no error that was foreseen."""
    foreseen = isinstance(error, (ImportError, RuntimeError, ValueError)) and str(error)
    return " ".join((foreseen or f"{type(error).__name__}: {error}").split())


def main():
    """Say what the machine is, then answer each JSON line with one until standard input closes."""
    told = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints must not stand among the answers
    machine, models = None, {}
    gc.disable()  # a collection between two launches would be counted as the model's
    for line in itertools.chain([None], sys.stdin):
        try:
            machine = machine or machine_of(*sys.argv[1:])
            reply = describe(machine) if line is None else answer(machine, models, json.loads(line))
        except Exception as error:  # whatever it was, the other side must hear of it
            reply = {"error": one_line(error)}
        print(json.dumps(reply), file=told, flush=True)


if __name__ == "__main__":
    main()
