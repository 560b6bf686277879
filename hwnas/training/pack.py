"""Writing tar shards of a folder of images, whole or not at all."""

import shutil
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..files import require_empty, writing
from ..install import require
from ..progress import Progress, show_progress
from .decode import prepared_pillow
from .folder import divide, list_images, require_few_bad, run_over
from .glance import glance
from .listing import Sample
from .packed import LABEL, Index, Shard, write_index
from .reading import Reading
from .streamed import Names

SIZE = 256 * 2**20
"""Bytes of a shard: few files for many images, and yet enough to deal out to many machines."""


@dataclass(frozen=True)
class Packed:
    """The shards that were written into `path`: what their index says, and the images of each split."""

    path: Path
    index: Index
    images: dict[str, int]

    @property
    def bytes(self) -> int:
        """Size of all shards."""
        return sum(shard.bytes for shard in self.index.shards)


def pack(data: Path, out: Path, reading: Reading | None = None, size: int = SIZE, progress: Progress = True) -> Packed:
    """Write the images of the folder or list `data` as tar shards of about `size` bytes, and an index, into `out`.

    The files of the images are packed as they are, in the splits that `read_images` takes them for. All is written
    beside `out` and then renamed. Raises `InputError` as `read_images`, and where `out` is not empty.
    """
    require_empty(out)
    reading = reading or Reading()
    listing = list_images(data)
    splits = divide(listing)
    samples = list(chain.from_iterable(splits.values()))
    prepared_pillow()
    _, bad = run_over(samples, lambda name: glance(listing.folder / name), "files", progress)
    require_few_bad(listing.folder, bad, len(samples), reading.max_bad)
    whole = {split: [one for one in part if one[0] not in bad] for split, part in listing.splits.items()}
    kept = divide(replace(listing, splits=whole))
    partial = out.with_name(f".{out.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)  # of a run that was killed
    try:
        with writing(partial):
            partial.mkdir(parents=True)
            shards = _write(listing.folder, kept, partial, size, progress)
            index = Index(data.resolve().name, listing.labels, shards, bad)
            write_index(partial, index, Names.of(name for name, _ in chain.from_iterable(kept.values())))
            if out.exists():
                out.rmdir()
            partial.rename(out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return Packed(out, index, {split: len(part) for split, part in kept.items()})


def _write(
    folder: Path, splits: dict[str, list[Sample]], out: Path, size: int, progress: Progress
) -> tuple[Shard, ...]:
    """Write the shards of every split, and say what is in them."""
    writer: Any = require("webdataset").ShardWriter
    shards: list[Shard] = []
    done = 0
    with show_progress("pack", sum(map(len, splits.values())), progress) as report:
        for split, samples in splits.items():
            counts: list[int] = []
            with writer(
                str(out / f"{split}-%06d.tar"), maxcount=10**9, maxsize=size, verbose=0, mtime=0, encoder=False
            ) as sink:
                for number, (name, label) in enumerate(samples):
                    sink.write({"__key__": f"{number:09d}", Path(name).suffix.lower().lstrip(".") or "img":
                                (folder / name).read_bytes(), LABEL[1:]: str(label).encode()})  # fmt: skip
                    counts.extend([0] * (sink.shard - len(counts)))
                    counts[-1] += 1
                    done += 1
                    report(done, split)
            files = sorted(out.glob(f"{split}-*.tar"))
            if len(files) != len(counts):
                raise InputError(f"{out}: {len(files)} shards of {split} were written, not {len(counts)}",
                                 code="data.shards", path=out)  # fmt: skip
            shards += [Shard(file.name, file.stat().st_size, count, split)
                       for file, count in zip(files, counts, strict=True)]  # fmt: skip
    return tuple(shards)
