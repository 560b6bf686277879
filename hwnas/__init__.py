"""Hardware-aware neural architecture search: profile a device, search under its latency, export a verified model."""
