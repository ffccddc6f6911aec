from html.parser import HTMLParser

import numpy as np
import pytest

from priordiff.report import (
    ColourScale,
    Column,
    Figure,
    Picture,
    Report,
    Sheet,
    spectrogram_png,
    wav_bytes,
)

VOID = {"meta", "img", "link", "br", "hr", "input"}
# Attributes through which a page loads something.
ADDRESSES = {"src", "href", "srcset", "data", "action", "poster"}


class Page(HTMLParser):
    """Reads a page, checks that its elements nest, and keeps what tests ask for."""

    def __init__(self, html):
        super().__init__()
        self.open, self.elements, self.text = [], [], ""
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


NASTY = "<script>alert(1)</script> & \"quotes\" 'n' </script>"


@pytest.fixture(scope="module")
def report():
    report = Report(f"Title {NASTY}", f"Subtitle {NASTY}", models=["spectral", NASTY])
    report.heading(f"Heading {NASTY}")
    report.paragraph(f"Paragraph {NASTY}")
    report.facts({f"Fact {NASTY}": NASTY})
    report.table(
        [Column(f"MAE {NASTY}", NASTY, "lower"), Column("PESQ", better="higher")],
        {"spectral": [[0.7, 0.8], None], NASTY: [NASTY, 1.1]},
        baseline=NASTY,
        caption=NASTY,
        corner=NASTY,
    )
    runs = [[(100, 2.0), (200, 1.0)], [(100, 2.2), (200, 0.9)]]
    report.curves(
        f"Curves {NASTY}", {"spectral": runs, NASTY: runs[:1]}, NASTY, NASTY, log_x=True, log_y=True
    )
    picture = spectrogram_png(np.random.default_rng(0).random((8, 8)))
    sound = wav_bytes(np.zeros(100), 16000)
    report.gallery(
        {NASTY: [Figure(NASTY, picture, NASTY, NASTY, sound), Figure("spectral", picture, "a picture")]}
    )
    groups = {NASTY: {NASTY: [Picture(picture, NASTY)]}}
    scale = ColourScale(NASTY, NASTY, NASTY)
    report.sheets(NASTY, [Sheet(NASTY, [NASTY], groups, NASTY, scale)], NASTY)
    report.configuration(f"name: {NASTY}")
    return report


@pytest.fixture(scope="module")
def page(report):
    return Page(report.html())


def test_the_page_loads_nothing_from_anywhere(report, page):
    for _, attributes in page.elements:
        for name in ADDRESSES & attributes.keys():
            assert attributes[name].startswith(("data:", "#"))
    assert "http://" not in report.html()
    assert "https://" not in report.html()
    assert "url(" not in report.html()
    assert "@import" not in report.html()


def test_the_browser_is_told_to_load_nothing(page):
    policies = [meta["content"] for meta in page.all("meta") if "http-equiv" in meta]
    assert len(policies) == 1
    assert policies[0].startswith("default-src 'none'")


def test_no_text_is_read_as_html(report, page):
    assert "<script>alert" not in report.html()
    assert [script.get("type") for script in page.all("script")] == ["application/json", None]


def test_every_text_is_on_the_page(page):
    for part in ("Title", "Subtitle", "Heading", "Paragraph", "Fact", "MAE", "Curves", "name:"):
        assert f"{part} {NASTY}" in page.text


def test_pictures_have_words_and_players_have_labels(page):
    assert [image["alt"] for image in page.all("img")] == [
        NASTY,
        "a picture",
        ", ".join([NASTY] * 4),
        "from black to light",
    ]
    assert [player["aria-label"] for player in page.all("audio")] == [f"{NASTY}: {NASTY}"]


def test_table_headings_say_what_they_head(page):
    assert {heading["scope"] for heading in page.all("th")} == {"row", "col", "rowgroup"}


def test_a_model_has_one_colour_on_the_whole_page():
    report = Report("Colours", models=["a", "b"])
    report.table([Column("x")], {"b": [1.0]})
    report.curves("curve", {"b": [[(1, 1.0), (2, 2.0)]]}, "x", "y")
    report.gallery({"row": [Figure("b", b"", "picture")]})
    html = report.html().split("<main>")[1]
    assert "style-1" in html
    assert "style-0" not in html


def test_more_models_than_colours_are_an_error():
    with pytest.raises(ValueError, match="no colour is left for 'model 8'"):
        Report("Many", models=[f"model {index}" for index in range(9)])


def test_the_page_is_written_whole_in_utf8(report, tmp_path):
    path = tmp_path / "runs" / "report.html"
    report.write(path)
    assert path.read_text(encoding="utf-8") == report.html()
    assert [file.name for file in path.parent.iterdir()] == ["report.html"]


def test_a_page_that_cannot_be_finished_leaves_the_old_one(report, tmp_path, monkeypatch):
    path = tmp_path / "report.html"
    path.write_text("old")

    def full(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(OSError, match=r"report.html .*No space left"):
        report.write(path)
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]


def test_curves_of_different_lengths_share_a_table() -> None:
    report = Report("Two lengths")
    series = {"short": [[(1, 2.0)]], "long": [[(1, 3.0), (2, 1.0)]]}
    report.curves("error", series, x_label="step", y_label="nats")
    assert ">–<" in report.html().replace(" ", ""), "the short curve has no value at the second step"
