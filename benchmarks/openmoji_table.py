"""Makes the table of OpenMoji's drawings that comes with the package from the project's own.

    npm pack openmoji@17.0.0
    python benchmarks/openmoji_table.py openmoji-17.0.0.tgz

writes priordiff/images/openmoji.tsv.
"""

from __future__ import annotations

import argparse
import json
import tarfile
from pathlib import Path
from typing import Any

TABLE = Path(__file__).parents[1] / "priordiff" / "images" / "openmoji.tsv"
HEADER = """\
# The drawings of OpenMoji {version}, the open-source emoji and icon project: https://openmoji.org
# Names, groups and tags by OpenMoji's authors, license CC BY-SA 4.0:
# https://creativecommons.org/licenses/by-sa/4.0/
# Made from its data/openmoji.json by benchmarks/openmoji_table.py. A line without groups and tags is a skin
# tone of the last line that has them.
# hexcode	annotation	group	subgroup	tags
"""


def main() -> None:
    """Read the archive and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("archive", type=Path, help="the npm package openmoji, a .tgz file")
    archive = parser.parse_args().archive
    with tarfile.open(archive) as package:
        version = _json(package, "package/package.json")["version"]
        drawings = _json(package, "package/data/openmoji.json")
    lines = [_line(drawing) for drawing in _bases_first(drawings)]
    TABLE.write_text(HEADER.format(version=version) + "".join(lines), encoding="utf-8", newline="\n")
    print(f"{TABLE}: {len(lines)} drawings, {TABLE.stat().st_size:,} bytes")


def _json(package: tarfile.TarFile, name: str) -> Any:
    file = package.extractfile(name)
    assert file is not None, f"{name} is no file"
    return json.load(file)


def _bases_first(drawings: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The drawings in the order of the emoji keyboard, each followed by its skin tones."""
    variants: dict[str, list[dict[str, Any]]] = {}
    for drawing in drawings:
        base = drawing["skintone_base_hexcode"] if drawing["skintone"] else drawing["hexcode"]
        variants.setdefault(base, []).append(drawing)
    return [
        drawing
        for together in variants.values()
        for drawing in sorted(together, key=lambda drawing: bool(drawing["skintone"]))
    ]


def _line(drawing: dict[str, Any]) -> str:
    if drawing["skintone"]:
        return f"{drawing['hexcode']}\t{drawing['annotation']}\n"
    tags = dict.fromkeys(
        tag.strip() for key in ("tags", "openmoji_tags") for tag in drawing[key].split(",") if tag.strip()
    )
    fields = [drawing[key] for key in ("hexcode", "annotation", "group", "subgroups")]
    return "\t".join([*fields, ", ".join(tags)]) + "\n"


if __name__ == "__main__":
    main()
