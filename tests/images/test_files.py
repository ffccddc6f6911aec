from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageFile

from priordiff.images import IMAGE_EXTENSIONS, read_image, read_mask, to_square

RED, GREEN, BLUE, GREY = (255, 0, 0), (0, 255, 0), (0, 0, 255), (128, 128, 128)


def pixels(image: torch.Tensor) -> list[list[tuple[int, ...]]]:
    """The colours, row by row."""
    return [[tuple(pixel) for pixel in row] for row in image.permute(1, 2, 0).tolist()]


def quarters() -> Image.Image:
    """Red and green above blue and white, 8 pixels each."""
    image = Image.new("RGB", (16, 16), "white")
    for corner, colour in (((0, 0), RED), ((8, 0), GREEN), ((0, 8), BLUE)):
        image.paste(colour, (*corner, corner[0] + 8, corner[1] + 8))
    return image


def photograph(size: int = 200) -> Image.Image:
    noise = np.random.default_rng(0).integers(0, 256, (size, size, 3), dtype=np.uint8)
    return Image.fromarray(noise)


@pytest.mark.parametrize("extension", [e for e in IMAGE_EXTENSIONS if e not in (".apng", ".pgm")])
def test_every_format_is_read_as_rgb(tmp_path: Path, extension: str) -> None:
    quarters().save(tmp_path / f"image{extension}", **({"quality": 95} if extension != ".gif" else {}))
    image = read_image(tmp_path / f"image{extension}", 16)
    assert image.dtype == torch.uint8
    assert image.shape == (3, 16, 16)
    assert image.is_contiguous()
    corners = image[:, ::15, ::15].permute(1, 2, 0).reshape(4, 3).float()
    expected = torch.tensor([RED, GREEN, BLUE, (255, 255, 255)]).float()
    torch.testing.assert_close(corners, expected, atol=6, rtol=0)


def test_the_middle_is_cut_out_and_the_shorter_side_gets_the_size(tmp_path: Path) -> None:
    wide = Image.new("RGB", (60, 20), RED)
    wide.paste(BLUE, (20, 0, 40, 20))
    wide.save(tmp_path / "wide.png")
    wide.rotate(90, expand=True).save(tmp_path / "tall.png")
    for name in ("wide.png", "tall.png"):
        assert pixels(read_image(tmp_path / name, 10)[:, 1:-1, 1:-1]) == [[BLUE] * 8] * 8


def test_what_is_no_square_has_a_height_and_a_width(tmp_path: Path) -> None:
    wide = Image.new("RGBA", (60, 20), RED)
    wide.paste((0, 0, 0, 0), (10, 0, 50, 20))
    wide.save(tmp_path / "wide.png")
    image, hidden = (read(tmp_path / "wide.png", (10, 20)) for read in (read_image, read_mask))
    assert (image.shape, hidden.shape) == ((3, 10, 20), (1, 10, 20))
    assert hidden.all()


def test_resizing_is_antialiased(tmp_path: Path) -> None:
    stripes = np.zeros((64, 64), dtype=np.uint8)
    stripes[:, ::2] = 255
    Image.fromarray(stripes).save(tmp_path / "stripes.png")
    inner = read_image(tmp_path / "stripes.png", 8)[:, 1:-1, 1:-1].float()
    assert (inner - 127.5).abs().max() < 3


@pytest.mark.parametrize(("orientation", "corner"), [(1, RED), (3, (255, 255, 255)), (6, BLUE), (8, GREEN)])
def test_the_picture_is_turned_as_its_exif_data_says(
    tmp_path: Path, orientation: int, corner: tuple[int, int, int]
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    quarters().save(tmp_path / "turned.png", exif=exif)
    assert pixels(read_image(tmp_path / "turned.png", 16))[0][0] == corner


@pytest.mark.parametrize(
    ("background", "expected"), [((255, 255, 255), (255, 127, 127)), ((0, 0, 0), (128, 0, 0))]
)
def test_what_is_transparent_shows_the_background(
    tmp_path: Path, background: tuple[int, int, int], expected: tuple[int, int, int]
) -> None:
    Image.new("RGBA", (4, 4), (255, 0, 0, 128)).save(tmp_path / "red.png")
    Image.new("LA", (4, 4), (9, 0)).save(tmp_path / "nothing.png")
    assert pixels(read_image(tmp_path / "red.png", 2, background))[0][0] == expected
    assert pixels(read_image(tmp_path / "nothing.png", 2, background))[0][0] == background


def test_hidden_colours_of_transparent_pixels_do_not_bleed_into_the_edge() -> None:
    image = Image.new("RGBA", (64, 64), (0, 255, 0, 0))
    image.paste((255, 0, 0, 255), (0, 0, 32, 64))
    edge = to_square(image, 16, background=(255, 0, 0))
    assert pixels(edge) == [[RED] * 16] * 16


@pytest.mark.parametrize("extension", ["png", "gif"])
def test_a_palette_may_have_a_transparent_colour(tmp_path: Path, extension: str) -> None:
    image = quarters().quantize(4)
    green = image.getpixel((8, 0))
    image.save(tmp_path / f"palette.{extension}", transparency=green)
    read = pixels(read_image(tmp_path / f"palette.{extension}", 16, background=GREY))
    assert (read[0][0], read[0][15], read[15][0]) == (RED, GREY, BLUE)


def test_a_colour_of_rgb_and_of_grey_may_be_transparent(tmp_path: Path) -> None:
    quarters().save(tmp_path / "rgb.png", transparency=GREEN)
    Image.new("L", (4, 4), 7).save(tmp_path / "grey.png", transparency=7)
    assert pixels(read_image(tmp_path / "rgb.png", 16, background=GREY))[0][15] == GREY
    assert pixels(read_image(tmp_path / "grey.png", 2, background=RED))[0][0] == RED


def test_cmyk_is_no_negative(tmp_path: Path) -> None:
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / "red.jpg", quality=95)
    red, green, blue = pixels(read_image(tmp_path / "red.jpg", 1))[0][0]
    assert red > 250
    assert max(green, blue) < 5


@pytest.mark.parametrize(
    ("mode", "value", "expected"),
    [
        ("L", 100, 100),
        ("1", 1, 255),
        ("I;16", 65535, 255),
        ("I;16", 257 * 100, 100),
        ("I", 257 * 100, 100),
        ("F", 0.5, 128),
        ("F", 200.0, 200),
    ],
)
def test_grey_of_any_depth_is_scaled_to_8_bits(
    tmp_path: Path, mode: str, value: float, expected: int
) -> None:
    Image.new(mode, (4, 4), value).save(tmp_path / "grey.tif")
    assert pixels(read_image(tmp_path / "grey.tif", 2)) == [[(expected,) * 3] * 2] * 2


def test_16_bits_are_scaled_not_clipped_in_a_png_too(tmp_path: Path) -> None:
    ramp = np.linspace(0, 65535, 256, dtype=np.uint16)
    Image.fromarray(np.tile(ramp, (256, 1))).save(tmp_path / "ramp.png")
    assert read_image(tmp_path / "ramp.png", 256)[0, 0].tolist() == list(range(256))


@pytest.mark.parametrize("extension", ["gif", "webp", "apng"])
def test_of_an_animation_the_first_frame_is_read(tmp_path: Path, extension: str) -> None:
    red, blue = (Image.new("RGB", (8, 8), colour) for colour in (RED, BLUE))
    path, format_name = tmp_path / f"moving.{extension}", "PNG" if extension == "apng" else extension
    lossless = {"lossless": True} if extension == "webp" else {}
    red.save(path, format=format_name, save_all=True, append_images=[blue], **lossless)
    assert Image.open(path).n_frames == 2
    assert pixels(read_image(path, 2)) == [[RED] * 2] * 2


@pytest.mark.parametrize(
    ("mode", "value"), [("F", float("nan")), ("F", 1e6), ("F", -1.0), ("I", 70_000), ("I", -5)]
)
def test_values_without_a_known_scale_are_refused(tmp_path: Path, mode: str, value: float) -> None:
    Image.new(mode, (4, 4), value).save(tmp_path / "odd.tif")
    with pytest.raises(ValueError, match=r"odd\.tif cannot be used as an image: its values are"):
        read_image(tmp_path / "odd.tif", 2)


@pytest.mark.parametrize("lenient", [False, True])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("extension", ["bmp", "gif", "jpg", "png", "tif", "webp", "ppm"])
def test_a_truncated_file_is_refused_never_padded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, extension: str, share: float, lenient: bool
) -> None:
    path = tmp_path / f"cut.{extension}"
    photograph().save(path)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", lenient)
    with pytest.raises(ValueError, match=rf"cut\.{extension} cannot be used as an image: \w+"):
        read_image(path, 16)
    assert ImageFile.LOAD_TRUNCATED_IMAGES is lenient


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty: it has 0 bytes"),
        (b"<html>not found</html>", "no known image format"),
        (b"\x89PNG\r\n\x1a\n", "image"),
        (b"\xff\xd8\xff\xe0 and then nothing of the kind", "image"),
    ],
)
def test_what_is_no_image_is_named_with_the_reason(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "no.png").write_bytes(content)
    with pytest.raises(ValueError, match=rf"no\.png.*{reason}") as caught:
        read_image(tmp_path / "no.png", 16)
    assert "\n" not in str(caught.value)


def test_a_damaged_png_is_refused(tmp_path: Path) -> None:
    encoded = io.BytesIO()
    photograph().save(encoded, "PNG")
    content = bytearray(encoded.getvalue())
    content[len(content) // 2] ^= 0xFF
    (tmp_path / "damaged.png").write_bytes(content)
    with pytest.raises(ValueError, match=r"damaged\.png cannot be used"):
        read_image(tmp_path / "damaged.png", 16)


@pytest.mark.parametrize("side", [10_000, 20_000])  # of which Pillow warns, and which it refuses
def test_a_decompression_bomb_is_refused_before_it_is_decoded(tmp_path: Path, side: int) -> None:
    def chunk(kind: bytes, content: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + check

    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    row = zlib.compress(bytes(side // 8 + 1) * side)
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", row) + chunk(b"IEND", b"")
    (tmp_path / "bomb.png").write_bytes(png)
    with pytest.raises(ValueError, match=r"bomb\.png .* more than 89,478,485 pixels.*scale it down"):
        read_image(tmp_path / "bomb.png", 16)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no image file at .*gone\.png"):
        read_image(tmp_path / "gone.png", 16)


def test_a_mask_hides_what_it_has_in_white_of_the_square_that_is_read(tmp_path: Path) -> None:
    quarters().resize((30, 16)).save(tmp_path / "picture.png")
    mask = Image.new("RGB", (30, 16))
    mask.paste("white", (15, 0, 30, 8))
    mask.save(tmp_path / "mask.png")
    hidden = read_mask(tmp_path / "picture.png", 4, tmp_path / "mask.png")
    assert (hidden.dtype, hidden.shape) == (torch.bool, (1, 4, 4))
    assert hidden[0].tolist() == [[False, False, True, True]] * 2 + [[False] * 4] * 2


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGBA", "I;16"])
def test_a_mask_may_be_of_any_mode(tmp_path: Path, mode: str) -> None:
    quarters().save(tmp_path / "picture.png")
    drawn = np.zeros((16, 16), dtype=np.uint8)
    drawn[:8] = 255
    if mode == "I;16":
        mask = Image.fromarray(drawn.astype(np.uint16) * 257)
    elif mode == "RGBA":  # white paint on nothing
        mask = Image.new(mode, (16, 16), (255, 255, 255, 0))
        mask.paste((255, 255, 255, 255), (0, 0, 16, 8))
    else:
        mask = Image.fromarray(drawn).convert(mode)
    mask.save(tmp_path / "mask.png")
    assert read_mask(tmp_path / "picture.png", 2, tmp_path / "mask.png")[0].tolist() == [
        [True, True],
        [False, False],
    ]


def test_a_pixel_is_hidden_if_any_part_of_it_is(tmp_path: Path) -> None:
    photograph(64).save(tmp_path / "picture.png")
    mask = Image.new("L", (64, 64))
    mask.paste(255, (20, 0, 21, 64))  # a line of one pixel
    mask.save(tmp_path / "mask.png")
    hidden = read_mask(tmp_path / "picture.png", 8, tmp_path / "mask.png")
    assert hidden[0].any(0).tolist() == [False, False, True] + [False] * 5


def test_without_a_mask_what_is_transparent_is_hidden(tmp_path: Path) -> None:
    image = quarters().convert("RGBA")
    image.paste((0, 0, 0, 0), (0, 0, 8, 8))
    image.paste((0, 0, 0, 200), (8, 8, 16, 16))  # nearly opaque
    image.save(tmp_path / "transparent.png")
    quarters().save(tmp_path / "opaque.png")
    assert read_mask(tmp_path / "transparent.png", 2)[0].tolist() == [[True, False], [False, False]]
    assert not read_mask(tmp_path / "opaque.png", 2).any()


def test_masks_of_another_size_and_what_is_no_mask_are_named(tmp_path: Path) -> None:
    quarters().save(tmp_path / "picture.png")
    Image.new("L", (16, 20)).save(tmp_path / "mask.png")
    with pytest.raises(
        ValueError, match=r"the mask .*mask\.png has 16 × 20 pixels, expected 16 × 16 as .*pic"
    ):
        read_mask(tmp_path / "picture.png", 4, tmp_path / "mask.png")
    (tmp_path / "text.png").write_text("no image")
    with pytest.raises(ValueError, match=r"text\.png cannot be used as an image: its content is of no known"):
        read_mask(tmp_path / "picture.png", 4, tmp_path / "text.png")
    with pytest.raises(FileNotFoundError, match=r"no image file at .*none\.png"):
        read_mask(tmp_path / "picture.png", 4, tmp_path / "none.png")


def test_a_picture_and_its_mask_are_turned_as_they_say(tmp_path: Path) -> None:
    picture, turned = Image.new("RGB", (16, 8)), Image.Exif()
    turned[0x0112] = 6  # to be turned by a quarter
    picture.save(tmp_path / "picture.jpg", exif=turned)
    mask = Image.new("L", (8, 16))
    mask.paste(255, (0, 6, 4, 10))
    mask.save(tmp_path / "mask.png")
    hidden = read_mask(tmp_path / "picture.jpg", 2, tmp_path / "mask.png")
    assert hidden[0].tolist() == [[True, False], [True, False]]
