"""The version of ONNX that every graph of hwnas is written in, so that a device can be tried out with the same."""

OPSET = 20
IR_VERSION = 10
"""What torch's exporter writes."""

OLDEST_ONNXRUNTIME = (1, 18)
"""The first onnxruntime that reads both."""

OLDEST_OPSET = 14
"""The first with every operator of the graphs of hwnas: HardSwish is of it."""

OLDER = {(1, 17): 20, (1, 15): 19, (1, 14): 18, (1, 12): 17, (1, 11): 16, (1, 10): 15, (1, 8): 14}
"""The newest opset that older versions of onnxruntime read, from each of these on, with the IR version that came with
it."""
