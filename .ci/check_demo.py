"""Hold what the demo wrote to what it promises. Exit 1 naming the first promise that is broken."""

import json
import sys
from pathlib import Path

result = json.loads(Path(sys.argv[1]).read_text())
measured, baseline = result["measured_ms"], result["baseline"]
promises = {
    "the exported model measures within the latency asked for": measured <= result["latency_ms"],
    "the prediction is within 5 % of the measurement": abs(result["predicted_ms"] / measured - 1) <= 0.05,
    "onnxruntime is as accurate as torch": result["onnx_top1"] == result["top1"],
    "logits agree to 1e-4": result["max_abs_logit_diff"] <= 1e-4,
    "MobileNetV2 is not faster than that": baseline["measured_ms"] >= result["latency_ms"],
    "the searched network is at least as accurate as MobileNetV2": result["top1_mean"] >= baseline["top1_mean"],
}
for promise, kept in promises.items():
    if not kept:
        sys.exit(f"broken: {promise}: {json.dumps(result)}")
print(f"the demo kept its {len(promises)} promises in {sum(result['seconds'].values()):.0f} s")
