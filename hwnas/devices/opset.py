"""The version of ONNX that every graph of hwnas is written in, so that a device can be tried out with the same."""

OPSET = 20
IR_VERSION = 10
"""What torch's exporter writes."""

OLDEST_ONNXRUNTIME = (1, 18)
"""The first onnxruntime that reads both."""
