from __future__ import annotations

import json
from pathlib import Path

import pytest

from priordiff.images import ImageRecord, ImageSet, folder_images
from tests.images.pictures import plain


def records(images: ImageSet) -> list[ImageRecord]:
    return [source.record for source in images.sources]


def lines(path: Path, *objects: object) -> Path:
    path.write_text("".join(f"{json.dumps(item)}\n" for item in objects), encoding="utf-8")
    return path


def test_the_class_is_the_first_sub_folder_at_any_depth(tmp_path: Path) -> None:
    for name in ("wren/young/b.jpg", "robin/a.PNG", "wren/a.gif"):
        plain(tmp_path / name)
    images = folder_images(tmp_path)
    assert images.class_names == ("robin", "wren")
    assert records(images) == [
        ImageRecord("robin/a.PNG", 0, "robin/a"),
        ImageRecord("wren/a.gif", 1, "wren/a"),
        ImageRecord("wren/young/b.jpg", 1, "wren/young/b"),
    ]
    assert not images.problems


def test_classes_that_are_numbers_are_in_their_order(tmp_path: Path) -> None:
    for number in (10, 9, 0):
        plain(tmp_path / str(number) / "a.png")
    assert folder_images(tmp_path).class_names == ("0", "9", "10")


def test_a_flat_folder_is_one_class_with_its_name(tmp_path: Path) -> None:
    for name in ("b.png", "a.png"):
        plain(tmp_path / "birds" / name)
    images = folder_images(tmp_path / "birds")
    assert images.class_names == ("birds",)
    assert [record.name for record in records(images)] == ["a.png", "b.png"]


def test_images_beside_the_classes_are_named_as_skipped(tmp_path: Path) -> None:
    plain(tmp_path / "robin" / "a.png")
    plain(tmp_path / "preview.png")
    images = folder_images(tmp_path)
    assert [record.name for record in records(images)] == ["robin/a.png"]
    assert images.problems == [
        f"{tmp_path / 'preview.png'} is in none of the sub-folders, which are the classes"
    ]


@pytest.mark.parametrize("key", ["text", "caption"])
def test_jsonl_brings_captions(tmp_path: Path, key: str) -> None:
    for name in ("a.png", "deep/er/b.png", "unlisted.png"):
        plain(tmp_path / name)
    lines(
        tmp_path / "metadata.jsonl",
        {"file_name": "deep/er/b.png", key: "zwei\u2028Vögel", "size": 7},
        {"file_name": "./a.png", key: None},
    )
    images = folder_images(tmp_path)
    assert records(images) == [
        ImageRecord("a.png", 0, "a", None),
        ImageRecord("deep/er/b.png", 0, "deep/er/b", "zwei\u2028Vögel"),
    ]
    assert images.class_names == (tmp_path.name,)


def test_csv_brings_captions_with_commas_and_line_breaks(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        plain(tmp_path / name)
    (tmp_path / "metadata.csv").write_text(
        'file_name,text,label\r\nb.png,"a wren, small\nand brown",wren\r\na.png,"a ""robin""",robin\r\n',
        encoding="utf-8-sig",
        newline="",
    )
    images = folder_images(tmp_path)
    assert records(images) == [
        ImageRecord("a.png", 0, "a", 'a "robin"'),
        ImageRecord("b.png", 1, "b", "a wren, small\nand brown"),
    ]
    assert images.class_names == ("robin", "wren")


def test_labels_may_be_integers(tmp_path: Path) -> None:
    for name in ("a.png", "b.png", "c.png"):
        plain(tmp_path / name)
    labels = {"a.png": 10, "b.png": 0, "c.png": 2}
    lines(
        tmp_path / "metadata.jsonl", *({"file_name": name, "label": label} for name, label in labels.items())
    )
    images = folder_images(tmp_path)
    assert images.class_names == ("0", "2", "10")
    assert [record.label for record in records(images)] == [2, 0, 1]


def test_an_image_may_have_several_captions(tmp_path: Path) -> None:
    plain(tmp_path / "a.png")
    lines(tmp_path / "metadata.jsonl", *({"file_name": "a.png", "text": text} for text in ("one", "another")))
    assert [record.caption for record in records(folder_images(tmp_path))] == ["one", "another"]
    assert len({record.concept for record in records(folder_images(tmp_path))}) == 1


def test_lines_that_say_nothing_of_an_image_are_named(tmp_path: Path) -> None:
    plain(tmp_path / "a.png")
    plain(tmp_path / "b.png")
    metadata = lines(
        tmp_path / "metadata.jsonl",
        {"file_name": "a.png", "label": "robin"},
        {"file_name": "gone.png", "label": "robin"},
        ["a.png"],
        {"text": "no name"},
        {"file_name": "a.png", "text": 7},
        {"file_name": "a.png", "label": [1]},
        {"file_name": "b.png"},
    )
    with metadata.open("a") as file:
        file.write('\n{"file_name": "a.png"')
    images = folder_images(tmp_path)
    assert [record.name for record in records(images)] == ["a.png"]
    reasons = {
        2: "names 'gone.png', which is no image in",
        3: "is malformed",
        4: "has no file_name",
        5: "has the caption 7",
        6: r"has the label \[1\]",
        7: "has no label",
        9: "is malformed",
    }
    assert len(images.problems) == len(reasons)
    for number, reason in reasons.items():
        (problem,) = (line for line in images.problems if line.startswith(f"line {number} of {metadata}"))
        assert reason.replace("\\", "") in problem


def test_a_row_with_more_or_fewer_fields_than_the_header_is_named(tmp_path: Path) -> None:
    for name in ("a.png", "b.png", "c.png"):
        plain(tmp_path / name)
    (tmp_path / "metadata.csv").write_text("file_name,text\na.png,fine\nb.png,one, two\nc.png\n")
    images = folder_images(tmp_path)
    assert [record.name for record in records(images)] == ["a.png"]
    assert [problem.partition(" of ")[0] for problem in images.problems] == ["line 3", "line 4"]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("metadata.csv", b"image,text\na.png,x\n", "no column file_name"),
        ("metadata.csv", b"", "no column file_name"),
        ("metadata.csv", b'file_name,text\na.png,"open\n', "is no CSV file"),
        ("metadata.csv", b"file_name,text\na.png,\xff\n", "not UTF-8"),
        ("metadata.jsonl", b"", r"no line of .*metadata\.jsonl names an image in .*'a\.png'"),
        ("metadata.jsonl", b'{"file_name": "gone.png"}', r"no line of .*'gone\.png', which is no image"),
    ],
)
def test_metadata_that_cannot_be_used_is_an_error(
    tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    plain(tmp_path / "a.png")
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=said) as caught:
        folder_images(tmp_path)
    assert str(tmp_path / name) in str(caught.value)


def test_two_files_of_metadata_are_an_error(tmp_path: Path) -> None:
    plain(tmp_path / "a.png")
    (tmp_path / "metadata.csv").touch()
    (tmp_path / "metadata.jsonl").touch()
    with pytest.raises(ValueError, match="remove one of them"):
        folder_images(tmp_path)


def test_a_missing_folder_and_one_without_images_are_errors(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no folder .*gone"):
        folder_images(tmp_path / "gone")
    (tmp_path / "notes.txt").touch()
    with pytest.raises(FileNotFoundError, match=r"no images in .*looked for \.apng, .*\.webp files"):
        folder_images(tmp_path)
