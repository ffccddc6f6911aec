"""Turns the formulas that arithmatex has marked into MathML, which needs neither scripts nor a network."""

from __future__ import annotations

import html
import re

from latex2mathml.converter import convert

FORMULA = re.compile(
    r'<(?P<tag>span|div) class="arithmatex">\s*\\(?P<open>[(\[])(?P<latex>.*?)\\[)\]]\s*</(?P=tag)>',
    re.DOTALL,
)


def to_mathml(match: re.Match[str]) -> str:
    display = "block" if match["open"] == "[" else "inline"
    return convert(html.unescape(match["latex"]).strip(), display=display)


def on_page_content(content: str, **_: object) -> str:
    """Called by mkdocs with each page's HTML; a formula that cannot be converted stops the build."""
    return FORMULA.sub(to_mathml, content)
