"""Which drawings show one idea, by their names."""

from __future__ import annotations

import re

__all__ = ["concept_of"]

_PEOPLE = {"man", "men", "woman", "women", "person", "people", "boy", "girl", "adult", "child"}
_DIRECTIONS = {"left", "right", "up", "down", "leftwards", "rightwards", "upwards", "downwards", "facing"}
_COLOURS = {"black", "blue", "brown", "gray", "green", "grey", "orange", "pink", "purple", "red", "white"}
_COLOURS |= {"yellow", "light", "dark"}
_SIZES = {"small", "medium", "large"}
_FILLERS = {"and", "in", "the", "with"}
_VARIED = _PEOPLE | _DIRECTIONS | _COLOURS | _SIZES | _FILLERS
_SAME = {"mermaid": "merperson", "merman": "merperson", "princess": "prince", "older": "old"}
_CLOCK = re.compile(r"\w+(?: o’clock|-thirty)")
_POSSESSIVE = re.compile(r"’s\b")
_WORD = re.compile(r"\w+(?:’\w+)?")


def concept_of(name: str) -> str:
    """The idea that a drawing shows, by the words of its English name that its variants share.

    Variants of one drawing differ in who is shown (man, woman, person), in the direction, the colour or the
    size. The words for these are dropped. A name of such words alone keeps them, unless they are people, who
    are all one idea, as are all times of a clock.

    Args:
        name: of a drawing in its base form, without a skin tone, such as OpenMoji's annotations.

    Example:
        >>> [concept_of(name) for name in ("woman judge", "judge", "man walking: facing right", "red heart")]
        ['judge', 'judge', 'walking', 'heart']
    """
    if _CLOCK.fullmatch(name):
        return "clock face"
    words = [_SAME.get(word, word) for word in _WORD.findall(_POSSESSIVE.sub("", name.lower()))]
    kept = [word for word in words if word not in _VARIED]
    if not kept and _PEOPLE.intersection(words):
        return "person"
    return " ".join(kept or words)
