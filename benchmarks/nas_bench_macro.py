"""Whether every network of the space `nas-bench-macro` has the parameters and MACs that NAS-Bench-Macro published.

    python benchmarks/nas_bench_macro.py --data-dir DIR [--save benchmarks/results/nas_bench_macro.json]

DIR holds `nas_bench_macro_cifar10.json`: for each of the 6561 networks, written a digit a layer, what it costs. Exits
with 1 where one of them differs.
"""

import argparse
import json
import sys
from pathlib import Path

from record import record

from hwnas.space import registry


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--save", type=Path)
    asked = parser.parse_args()
    published = json.loads((asked.data_dir / "nas_bench_macro_cifar10.json").read_text())
    space = registry.get("nas-bench-macro")
    nets = {name: space.derive(tuple(map(int, name))) for name in published}
    figures = {
        "networks": len(nets),
        "networks_of_the_space": space.size,
        "other_params": sum(net.params != published[name]["params"] for name, net in nets.items()),
        "other_macs": sum(net.macs != published[name]["flops"] for name, net in nets.items()),
    }
    record(figures, asked.save)
    sys.exit(bool(figures["other_params"] or figures["other_macs"] or len(nets) != space.size))


if __name__ == "__main__":
    main()
