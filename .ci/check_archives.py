"""Checks that the wheel in DIST is the whole package and nothing else, and that the sdist can be tested."""

import sys
import tarfile
import zipfile
from pathlib import Path

root, dist = Path(__file__).resolve().parents[1], Path(sys.argv[1])
(wheel,) = dist.glob("*.whl")
(sdist,) = dist.glob("*.tar.gz")

package = {
    path.relative_to(root).as_posix()
    for path in (root / "priordiff").rglob("*")
    if path.is_file() and "__pycache__" not in path.parts
}
in_wheel = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
assert "priordiff/py.typed" in in_wheel, "the wheel is not marked as typed"
assert in_wheel == package, f"the wheel and priordiff/ differ in {sorted(in_wheel ^ package)}"

with tarfile.open(sdist) as archive:
    in_sdist = {name.partition("/")[2] for name in archive.getnames()}
needed = package | {
    "pyproject.toml",
    "LICENSE",
    "README.md",
    "tests/conftest.py",
    "examples/vocoder/__main__.py",
}
assert needed <= in_sdist, f"the sdist lacks {sorted(needed - in_sdist)}"
