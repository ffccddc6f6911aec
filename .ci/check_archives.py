"""Checks that the wheel holds the package and nothing else, and that the sdist can be tested: `check_archives.py DIST`."""

import sys
import tarfile
import zipfile
from pathlib import Path

dist = Path(sys.argv[1])
(wheel,) = dist.glob("*.whl")
(sdist,) = dist.glob("*.tar.gz")

in_wheel = zipfile.ZipFile(wheel).namelist()
tops = {name.split("/")[0] for name in in_wheel}
strangers = {top for top in tops if top != "priordiff" and not top.endswith(".dist-info")}
assert not strangers, f"the wheel holds {sorted(strangers)} beside the package"
for name in ("priordiff/py.typed", "priordiff/audio/sentences.txt"):
    assert name in in_wheel, f"the wheel lacks {name}"

in_sdist = {name.partition("/")[2] for name in tarfile.open(sdist).getnames()}
for name in ("pyproject.toml", "LICENSE", "README.md", "tests/conftest.py", "priordiff/audio/sentences.txt"):
    assert name in in_sdist, f"the sdist lacks {name}"
