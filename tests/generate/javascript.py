"""Build the JavaScript form of every TypeScript template of the package: `make javascript` writes them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from dbswitch.generate import client
from tests.generate.conftest import SOURCE
from tests.support import npm

if TYPE_CHECKING:
    from collections.abc import Sequence

TEMPLATES = Path(client.__file__).parent / "templates"
SOURCES = sorted(TEMPLATES.glob("*.ts*"))
_SCRIPT = Path(__file__).parent / "javascript.mjs"


def build(sources: Sequence[Path]) -> dict[Path, str]:
    """Return each source without its types."""
    command = ["node", str(_SCRIPT), str(npm.node_modules_for(SOURCE)), *map(str, sources)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return dict(zip(sources, json.loads(done.stdout), strict=True))


def main() -> None:
    for source, text in build(SOURCES).items():
        source.with_suffix(".js").write_text(text)


if __name__ == "__main__":
    main()
