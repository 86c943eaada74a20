"""The content of every file that some reader of the project reads, also of those that a switch never changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbswitch.envfiles.effective_values import read_env_files
from dbswitch.envfiles.precedence import Reader
from dbswitch.errors import EnvFileError
from dbswitch.project.reader_profiles import all_profiles

if TYPE_CHECKING:
    from dbswitch.project.discovery import Project


def read(project: Project) -> dict[str, bytes]:
    """Return name and content of the files that exist; one of production that cannot be read is left out.

    Raises:
        EnvFileError: a file of Next.js dev or the Prisma CLI cannot be read.
    """
    found: dict[str, bytes] = {}
    for profile in all_profiles(project):
        for name in profile.files:
            if name in found:
                continue
            try:
                found |= read_env_files(project.root, (name,))
            except EnvFileError:
                if profile.reader is not Reader.NEXT_START:
                    raise
    return found
