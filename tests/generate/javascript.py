"""Build the JavaScript form of every TypeScript template of the package: `make javascript` writes them."""

from __future__ import annotations

import subprocess
from pathlib import Path

from dbswitch.generate import client
from tests.generate.conftest import SOURCE
from tests.support import npm

TEMPLATES = Path(client.__file__).parent / "templates"
SOURCES = sorted(TEMPLATES.glob("*.ts*"))
_SCRIPT = Path(__file__).parent / "javascript.mjs"


def build(source: Path) -> str:
    """Return `source` without its types."""
    command = ["node", str(_SCRIPT), str(npm.node_modules_for(SOURCE)), str(source)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def main() -> None:
    for source in SOURCES:
        source.with_suffix(".js").write_text(build(source))


if __name__ == "__main__":
    main()
