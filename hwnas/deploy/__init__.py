"""Trained weights in, a proven bundle out: ONNX export, the bundle's files, and their verification."""
