"""Draw docs/pictures/*.svg from their text sources, with D2 (https://d2lang.com, MPL 2.0).

Each picture ends with a digest of its source, by which `tests/test_pictures.py` sees that a source
was changed and not drawn again.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

PICTURES: Final = Path(__file__).resolve().parents[1] / "docs" / "pictures"
STYLE: Final = ("--theme", "0", "--layout", "elk", "--pad", "10")


def stamp(source: Path) -> str:
    """The comment that ends the picture of this source."""
    return f"<!-- drawn from {source.name} {hashlib.sha256(source.read_bytes()).hexdigest()} -->\n"


def main() -> int:
    d2 = shutil.which("d2")
    if d2 is None:
        print(
            "draw_pictures: there is no d2 on PATH; install it (https://d2lang.com/tour/install)"
            " and run `make pictures` again",
            file=sys.stderr,
        )
        return 1
    for source in sorted(PICTURES.glob("*.d2")):
        picture = source.with_suffix(".svg")
        subprocess.run([d2, *STYLE, str(source), str(picture)], check=True)  # noqa: S603
        picture.chmod(0o644)
        with picture.open("a", encoding="utf-8") as file:
            file.write("\n" + stamp(source))
    return 0


if __name__ == "__main__":
    sys.exit(main())
