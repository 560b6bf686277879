"""A folder with every kind of odd and bad image: trained on, exported, verified, with the counts told."""

import json
import os

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms

from hwnas.deploy.target import Target
from hwnas.pipeline.export import export
from hwnas.pipeline.train import TrainConfig, train
from hwnas.pipeline.verify import verify
from hwnas.space.net import Block, Net
from hwnas.training.data import load
from hwnas.training.reading import Reading
from hwnas.training.recipe import Recipe

PLAIN = 119
"""Ordinary images of each class."""
READING = Reading(max_bad=0.1, stream=True)
FILES = 300
BAD = ("blue/cut.jpg", "blue/phone.heic", "red/gone.png", "red/text.png")


@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    """300 files: of two classes by their colour, plain images, and every kind of odd, bad and other files."""
    folder, rng = tmp_path_factory.mktemp("odd") / "photos", np.random.default_rng(0)
    for name, colour in (("blue", (20, 30, 200)), ("red", (200, 30, 20))):
        (folder / name / "more").mkdir(parents=True)
        noise = rng.normal(0, 40, (PLAIN + 18, 20, 26, 3))
        plain = [Image.fromarray(np.clip(part + colour, 0, 255).astype(np.uint8)) for part in noise]
        for index, image in enumerate(plain[:PLAIN]):
            image.save(folder / name / f"{index}.jpg", quality=95)
        plain = plain[PLAIN - 14 :]
        exif = Image.Exif()
        for orientation in (3, 6, 8):
            exif[0x112] = orientation
            plain[14].save(folder / name / "more" / f"turned{orientation}.jpg", exif=exif)
        plain[15].convert("CMYK").save(folder / name / "cmyk.jpg")
        plain[16].convert("P").save(folder / name / "palette.png")
        plain[17].convert("P").save(
            folder / name / "animated.gif", save_all=True, append_images=[part.copy() for part in plain[:2]]
        )
        plain[18].save(folder / name / "pages.tiff", save_all=True, append_images=[part.copy() for part in plain[:2]])
        plain[19].save(folder / name / "first.jfif", "JPEG")
        plain[20].save(folder / name / "small.avif")
        cut_out = plain[21].convert("RGBA")
        cut_out.putalpha(Image.fromarray((rng.random((20, 26)) * 255).astype(np.uint8)))
        cut_out.save(folder / name / "cut_out.png")
        grey = np.asarray(plain[22].convert("L"))
        Image.fromarray(grey.astype(np.uint16) * 257).save(folder / name / "deep.png")
        Image.fromarray(grey.astype(np.float32) / 255).save(folder / name / "floats.tif")
        for number, kind in enumerate(("webp", "bmp", "tga", "jp2", "PNG", "ppm")):
            plain[23 + number].save(folder / name / f"other.{kind}")
        plain[29].save(folder / name / "without_an_ending", "PNG")
        lab = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB")
        ImageCms.applyTransform(plain[30], lab).save(folder / name / "lab.tiff")
        plain[31].convert("1").save(folder / name / "bits.png")
        (folder / name / "._0.jpg").write_bytes(b"Mac OS X        ")
        (folder / name / "Thumbs.db").write_bytes(b"thumbs")
    for hidden in (".ipynb_checkpoints", "__MACOSX", "@eaDir", ".git"):
        (folder / hidden / "red").mkdir(parents=True)
        plain[0].save(folder / hidden / "0-checkpoint.jpg")
        plain[0].save(folder / hidden / "red" / "0.jpg")
    plain[0].save(folder / "loose.jpg")
    (folder / "notes.txt").write_text("ours")
    (folder / "photos.zip").write_bytes(b"PK")
    (folder / ".DS_Store").write_bytes(b"Bud1")
    os.symlink(folder, folder / "red" / "all")
    (folder / "blue" / "cut.jpg").write_bytes((folder / "blue" / "0.jpg").read_bytes()[:500])
    (folder / "blue" / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic")
    (folder / "red" / "text.png").write_text("no image")
    os.symlink("nowhere.png", folder / "red" / "gone.png")
    return folder


def as_deployed(path, steps):
    """An image as `preprocessing.json` says, by no part of ours."""
    with Image.open(path) as image:
        levels = np.asarray(image)
        if image.mode in ("I;16", "F"):
            image = Image.fromarray(np.rint(levels / (257 if image.mode == "I;16" else 1 / 255)).astype(np.uint8))
        turn = {3: 180, 6: 270, 8: 90}.get(image.getexif().get(0x112))
        image = image.rotate(turn, expand=True) if turn else image
        if image.mode == "RGBA":
            below = Image.new("RGBA", image.size, "white")
            below.alpha_composite(image)
            image = below
        image = image.convert("RGB")
    side, size = min(image.size), steps["size"]
    left, top = (image.width - side) / 2, (image.height - side) / 2
    image = image.resize((size, size), Image.Resampling.BILINEAR, box=(left, top, left + side, top + side))
    pixels = np.asarray(image, np.float64) / 255
    return ((pixels - steps["mean"]) / steps["std"]).transpose(2, 0, 1)


def test_odd_images_train_export_and_are_deployed_as_they_were_validated(odd, tmp_path, caplog):
    net = Net((Block("conv", 3, 4, 8, 8, 3, act="relu6"), Block("classifier", 4, 2, 8, 8)), "tiny")
    recipe = Recipe(epochs=1, batch_size=8)
    found = train(TrainConfig.of(net, odd, recipe, reading=READING.model_dump()), out=tmp_path / "run", progress=None)
    assert sum(len(files) for _, _, files in os.walk(odd)) == FILES
    (skipped, loose, ignored) = found.record.used["data_notes"]
    assert skipped.startswith("4 images cannot be read and were skipped: blue/cut.jpg: ")
    assert loose == "1 images are in no class, as loose.jpg"
    assert ignored.startswith("12 other files and folders were ignored")
    assert "4 images cannot be read" in caplog.text
    bundle = export(found, out=tmp_path / "bundles", data=odd, target=Target(1e3, 0.5)).path
    assert verify(bundle, data=odd, latency=False).top1 == found.top1

    dataset = load(odd, 8, reading=READING)
    steps = json.loads((bundle / "preprocessing.json").read_text())
    store = dataset.test.store
    assert not {*BAD} & {store.names[place] for place in range(len(store.names)) if place in dataset.test.places}
    for split in (dataset.train, dataset.test):
        names = [store.names[place] for place in split.places]
        validated = dataset.normalise(split.fitted(np.arange(len(split))))
        deployed = torch.from_numpy(np.stack([as_deployed(odd / name, steps) for name in names]))
        differing = (validated - deployed).abs().amax((1, 2, 3)) > 1e-5
        assert not [name for name, differs in zip(names, differing, strict=True) if differs]
    assert len(dataset.train) + len(dataset.test) == 2 * (PLAIN + 21)
