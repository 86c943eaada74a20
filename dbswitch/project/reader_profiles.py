"""Who reads which env files in this project: the profiles that `envfiles/precedence.py` computes with, and the files."""

from __future__ import annotations

import contextlib

from dbswitch.envfiles.effective_values import read_env_files
from dbswitch.envfiles.precedence import DEV_FILES, START_FILES, Reader, ReaderProfile
from dbswitch.errors import EnvFileError
from dbswitch.project.discovery import Project


def profiles(project: Project) -> tuple[ReaderProfile, ...]:
    """Return the readers that must agree after a switch: Next.js dev, and the Prisma CLI where there is one."""
    cli = ReaderProfile(Reader.PRISMA, project.prisma.env_files, project.prisma.overriding)
    return (ReaderProfile(Reader.NEXT_DEV, DEV_FILES), *((cli,) if project.prisma.version else ()))


def all_profiles(project: Project) -> tuple[ReaderProfile, ...]:
    """Return every reader to compare: those of :func:`profiles`, `next start`, and the shell (no file at all)."""
    start = (ReaderProfile(Reader.NEXT_START, START_FILES),) if project.next is not None else ()
    return (*profiles(project), *start, ReaderProfile(Reader.SHELL, ()))


def url_variables(project: Project, reader: Reader) -> tuple[str, ...]:
    """Return the variables that a reader takes the database's URL from; the first that is set counts."""
    return project.cli_variables if reader is Reader.PRISMA else (project.primary_variable,)


def read_files(project: Project) -> dict[str, bytes]:
    """Return all files that some reader reads, by name; those of production that can be read. Raises EnvFileError."""
    found = read_env_files(project.root, [name for one in profiles(project) for name in one.files])
    for name in START_FILES if project.next is not None else ():
        with contextlib.suppress(EnvFileError):
            found = read_env_files(project.root, (name,)) | found
    return found
