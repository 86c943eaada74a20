"""The project's targets, for the other packages: listing them, resolving one, and which one is active."""

from __future__ import annotations

from dbswitch.project.active import Active, ActiveKind, ReaderState, active
from dbswitch.project.resolving import (
    Target,
    find,
    known_values,
    list_targets,
    lookup,
    resolve,
    resolve_ref,
    variable_names,
)
from dbswitch.project.target_sources import SourceKind, TargetRef

__all__ = [
    "Active",
    "ActiveKind",
    "ReaderState",
    "SourceKind",
    "Target",
    "TargetRef",
    "active",
    "find",
    "known_values",
    "list_targets",
    "lookup",
    "resolve",
    "resolve_ref",
    "variable_names",
]
