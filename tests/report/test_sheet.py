import numpy as np
import pytest

from priordiff.report import ColourScale, Picture, Report, Sheet, heatmap_png, image_png
from tests.report.test_media import pixels
from tests.report.test_page import Page


def picture(value=0.0, note=""):
    return Picture(image_png(np.full((2, 2), value)), note)


def page_of(*sheets, models=()):
    report = Report("Sheets", models=models)
    report.sheets("What was made", sheets, "By whom")
    return Page(report.html())


def test_every_picture_says_where_it_stands():
    groups = {"": {"true": [picture(), picture()]}, "evaluations": {"2": [picture(note="0.31"), None]}}
    page = page_of(Sheet("a model", ["cat", "dog"], groups))
    assert [image["alt"] for image in page.all("img")] == [
        "a model, true, cat",
        "a model, true, dog",
        "a model, evaluations, 2, cat",
    ]
    for text in ("What was made", "By whom", "0.31"):
        assert text in page.text
    assert len(page.all("td")) == 4, "the place of a picture that is not there is left empty"
    assert {heading["scope"] for heading in page.all("th")} == {"row", "col", "rowgroup"}


def test_models_have_their_colours_as_titles_and_as_groups():
    rows = {"2": [picture()]}
    report = Report("Sheets", models=["a", "b"])
    report.sheets("titles", [Sheet("b", ["cat"], {"": rows})])
    report.sheets("groups", [Sheet("cat", ["1"], {"b": rows})])
    html = report.html().split("<main>")[1]
    assert html.count("style-1") == 2
    assert "style-0" not in html


def test_a_scale_says_what_its_ends_stand_for():
    scale = ColourScale("Standard deviation", "0", "1.25")
    page = page_of(Sheet("a model", ["cat"], {"": {"std": [picture()]}}, scale=scale))
    for text in ("Standard deviation", "0", "1.25"):
        assert text in page.text
    colours = pixels(scale.png)[0]
    assert colours.shape == (256, 3)
    assert (np.diff(colours.sum(-1)) >= 0).all()


def test_a_row_that_does_not_fit_the_columns_is_named():
    with pytest.raises(ValueError, match="row '2' of the sheet 'a model' has 1 pictures: expected 2"):
        Sheet("a model", ["cat", "dog"], {"evaluations": {"2": [picture()]}})
    with pytest.raises(ValueError, match="no sheet is given for 'nothing'"):
        Report("Sheets").sheets("nothing", [])


def test_small_pictures_are_enlarged_pixel_by_pixel():
    image = np.random.default_rng(0).integers(0, 256, (5, 7, 3))
    enlarged = pixels(image_png(image / 255, at_least=12))
    np.testing.assert_array_equal(enlarged, image.repeat(3, 0).repeat(3, 1))
    np.testing.assert_array_equal(pixels(image_png(image / 255, at_least=4)), image)


def test_a_heat_map_has_the_colours_of_its_scale():
    colours = pixels(ColourScale("", "", "").png)[0]
    drawn = pixels(heatmap_png(np.array([[0.0, 1.0], [2.0, 9.0]]), 0.0, 2.0, at_least=4))
    assert drawn.shape == (4, 4, 3)
    expected = colours[[[0, 128], [255, 255]]].repeat(2, 0).repeat(2, 1)
    np.testing.assert_array_equal(drawn, expected)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: heatmap_png(np.zeros((2, 3, 4))), r"\(2, 3, 4\): expected \(height, width\)"),
        (lambda: heatmap_png(np.zeros((2, 3)), 1.0, 1.0), "low=1.0 is not below high=1.0"),
        (lambda: heatmap_png(np.full((2, 3), np.nan)), "NaN"),
    ],
    ids=["shape", "range", "nan"],
)
def test_numbers_that_can_not_be_drawn_are_named(make, match):
    with pytest.raises(ValueError, match=match):
        make()
