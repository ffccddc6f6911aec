"""`python -m priordiff` is `priordiff`."""

from __future__ import annotations

import sys

from priordiff.commands import main

__all__ = ["main"]

if __name__ == "__main__":
    sys.exit(main())
