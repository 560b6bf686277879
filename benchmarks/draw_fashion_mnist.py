"""Draw the packaged data set from Fashion-MNIST; run once, kept so that anyone can draw it again.

    python benchmarks/draw_fashion_mnist.py FOLDER

FOLDER holds the four original files (Debian: package dataset-fashion-mnist, in /usr/share/datasets/fashion-mnist).
The same number of images is drawn from every class, without replacement, and keeps the original order. The last line
of the output is a JSON object with the size and the SHA-256 of each file.
"""

import gzip
import json
import sys
from pathlib import Path

import numpy as np

from hwnas.files import sha256

OUT = Path(__file__).parents[1] / "hwnas" / "data" / "fashion-mnist-small"
PER_CLASS = {"train": 800, "t10k": 200}
SEED = 0


def draw(labels: np.ndarray, per_class: int, rng: np.random.Generator) -> np.ndarray:
    """Ascending indices of `per_class` items of each class, uint8 labels (N,) in."""
    picked = [rng.choice(np.flatnonzero(labels == label), per_class, replace=False) for label in range(10)]
    return np.sort(np.concatenate(picked))


def main(source: Path) -> None:
    rng = np.random.default_rng(SEED)
    OUT.mkdir(parents=True, exist_ok=True)
    written = {}
    for split, per_class in PER_CLASS.items():
        images, labels = f"{split}-images-idx3-ubyte.gz", f"{split}-labels-idx1-ubyte.gz"
        indices = draw(
            np.frombuffer(gzip.decompress((source / labels).read_bytes()), np.uint8, offset=8), per_class, rng
        )
        for name, header, shape in ((images, 16, (-1, 28, 28)), (labels, 8, (-1,))):
            raw = gzip.decompress((source / name).read_bytes())
            items = np.frombuffer(raw, np.uint8, offset=header).reshape(shape)[indices]
            count = len(items).to_bytes(4, "big")  # IDX: magic number, count, other dimensions, items
            packed = gzip.compress(raw[:4] + count + raw[8:header] + items.tobytes(), mtime=0)
            (OUT / name).write_bytes(packed)
            written[name] = {"bytes": len(packed), "sha256": sha256(packed)}
    print(json.dumps(written))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
