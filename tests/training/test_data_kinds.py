"""Every kind of image as the pixels that it shows, and what becomes of those that cannot be read."""

import io

import numpy as np
import pytest
from PIL import Image, ImageCms

from hwnas.training.decode import FITTING, REDUCED, read_square, read_square_reduced, read_upright

RAMP = np.arange(64 * 48).reshape(48, 64) / (64 * 48 - 1)
ORANGE = (250, 120, 10)


def encoded(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def pixels(data, **options):
    return np.asarray(read_upright(data, **options))


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bits_of_grey_are_scaled_by_their_range(kind):
    found = pixels(encoded(Image.fromarray((RAMP * 65535).astype(np.uint16)), kind))
    assert np.abs(found[..., 0] - RAMP * 255).max() <= 0.51
    assert (found[..., 0] == found[..., 2]).all()


def test_16_bits_that_hold_12_are_scaled_by_12():
    found = pixels(encoded(Image.fromarray((RAMP * 4095).astype(np.uint16)), "PNG"))
    assert np.abs(found[..., 0] - RAMP * 255).max() <= 0.6


@pytest.mark.parametrize("top", [1, 255, 65535])
def test_floats_are_scaled_by_their_range(top):
    found = pixels(encoded(Image.fromarray((RAMP * top).astype(np.float32)), "TIFF"))
    assert np.abs(found[..., 0] - RAMP * 255).max() <= 0.51


@pytest.mark.parametrize("levels", [[-1.0, 0.5], [0.0, 1e6], [0.0, float("nan")]])
def test_floats_of_no_known_range_are_no_image(levels):
    data = encoded(Image.fromarray(np.array([levels], np.float32)), "TIFF")
    with pytest.raises(ValueError, match="the range is not known"):
        read_upright(data)


def test_a_drawing_on_nothing_is_seen_on_white():
    drawing = Image.new("RGBA", (20, 20), (0, 0, 0, 0))
    drawing.paste((0, 0, 0, 255), (5, 5, 15, 15))
    for kind, image in (("PNG", drawing), ("WEBP", drawing), ("PNG", drawing.convert("LA"))):
        found = pixels(encoded(image, kind, **({"lossless": True} if kind == "WEBP" else {})))
        assert found[0, 0].tolist() == [255, 255, 255]
        assert found[10, 10].tolist() == [0, 0, 0]
    half = pixels(encoded(Image.new("RGBA", (4, 4), (0, 0, 0, 128)), "PNG"))
    assert half[0, 0].tolist() == [127, 127, 127]


def test_a_transparent_colour_of_a_palette_or_of_rgb_is_white():
    palette = Image.new("P", (8, 8), 1)
    palette.putpalette([0, 0, 0, *ORANGE])
    assert pixels(encoded(palette, "PNG"))[0, 0].tolist() == list(ORANGE)
    for data in (
        encoded(palette, "PNG", transparency=1),
        encoded(palette, "GIF", transparency=1),
        encoded(Image.new("RGB", (8, 8), ORANGE), "PNG", transparency=ORANGE),
    ):
        assert pixels(data)[0, 0].tolist() == [255, 255, 255]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_image_is_upright_as_its_tag_says(kind, orientation):
    plain = Image.fromarray(np.kron([[250, 150, 20], [60, 90, 200]], np.ones((16, 16))).astype(np.uint8)).convert("RGB")
    turns = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # the member of `Transpose` that the tag undoes
    exif = Image.Exif()
    exif[0x112] = orientation
    stored = plain if orientation == 1 else plain.transpose(Image.Transpose(turns[orientation]))
    options = {"lossless": True} if kind == "WEBP" else {"quality": 95} if kind == "JPEG" else {}
    found = pixels(encoded(stored, kind, exif=exif, **options))
    assert found.shape == (32, 48, 3)
    assert np.abs(found[8::16, 8::16].astype(int) - np.asarray(plain)[8::16, 8::16]).max() <= 8


def test_other_colours_become_rgb():
    assert pixels(encoded(Image.new("CMYK", (8, 8), (0, 0, 0, 0)), "JPEG"))[0, 0].tolist() == [255, 255, 255]
    assert pixels(encoded(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "TIFF"))[0, 0].tolist() == [255, 0, 0]
    assert pixels(encoded(Image.new("1", (8, 8), 1), "PNG"))[0, 0].tolist() == [255, 255, 255]
    lab = ImageCms.profileToProfile(
        Image.new("RGB", (8, 8), ORANGE),
        ImageCms.createProfile("sRGB"),
        ImageCms.createProfile("LAB"),
        outputMode="LAB",
    )
    assert np.abs(pixels(encoded(lab, "TIFF"))[0, 0].astype(int) - ORANGE).max() <= 4


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "PNG", "WEBP"])
def test_of_several_frames_or_pages_the_first_counts(kind):
    frames = [Image.new("RGB", (8, 8), colour) for colour in (ORANGE, (0, 0, 255))]
    options = {"lossless": True} if kind == "WEBP" else {}
    found = pixels(encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options))
    assert np.abs(found[0, 0].astype(int) - ORANGE).max() <= 4


def test_only_pictures_for_crops_are_decoded_reduced():
    data = encoded(Image.effect_noise((512, 640), 60).convert("RGB"), "JPEG")
    assert read_upright(data, least=100).size == (128, 160)
    assert read_upright(data).size == (512, 640)
    middle = Image.open(io.BytesIO(data)).resize((64, 64), Image.Resampling.BILINEAR, box=(0, 64, 512, 576))
    assert np.array_equal(read_square(data, 64), middle)
    assert not np.array_equal(read_square(data, 64), read_square_reduced(data, 64)), "earlier versions did"


def test_a_small_plain_image_is_read_as_by_earlier_versions():
    data = encoded(Image.effect_noise((40, 30), 60).convert("RGB"), "PNG")
    assert np.array_equal(read_square(data, 24), read_square_reduced(data, 24))
    assert FITTING != REDUCED
