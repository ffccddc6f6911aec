"""Turns the formulas that arithmatex has marked into MathML, which needs neither scripts nor a network."""

from __future__ import annotations

import html
import re

from latex2mathml.converter import convert

FORMULA = re.compile(
    r'<(?P<tag>span|div) class="arithmatex">\s*\\(?P<open>[(\[])(?P<latex>.*?)\\[)\]]\s*</(?P=tag)>',
    re.DOTALL,
)


# What the converter leaves without the spaces of TeX: the name of a function, and whether "(" follows.
FUNCTION = re.compile(
    r'<m[io](?P<rest>[^>]*)>(?P<name>[A-Za-z]{2,})</m[io]>(?=(?P<call><mo stretchy="false">&#x00028;)?)'
)


def to_mathml(match: re.Match[str]) -> str:
    display = "block" if match["open"] == "[" else "inline"
    latex = html.unescape(match["latex"]).strip()
    latex = re.sub(r"\\mathrm\{(\w)\}", r"\\mathrm \1", latex)  # a lone letter in braces stays italic
    # Only so does the exponent of a norm belong to all of it, and not to the bar on its right.
    latex = re.sub(r"(?<!\\left)\\lVert", r"\\left\\lVert", latex)
    latex = re.sub(r"(?<!\\right)\\rVert", r"\\right\\rVert", latex)
    latex = re.sub(r"\\mathbf(?: 1|\{1\})", "𝟏", latex)  # browsers make no letter bold
    return FUNCTION.sub(_spaced, convert(latex, display=display))


def _spaced(function: re.Match[str]) -> str:
    after = "0" if function["call"] else "0.167em"
    return f'<mo form="prefix" lspace="0.167em" rspace="{after}"{function["rest"]}>{function["name"]}</mo>'


def on_page_content(content: str, **_: object) -> str:
    """Called by mkdocs with each page's HTML; a formula that cannot be converted stops the build."""
    return FORMULA.sub(to_mathml, content)
