"""What can be built: plain, frozen, hashable data. Imports neither torch nor onnx."""
