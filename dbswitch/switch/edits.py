"""Plan a switch's changes to the env files, and remember them for the next switch; the user's own values as a target."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from dbswitch import state_folder
from dbswitch.database.url import DatabaseUrl
from dbswitch.envfiles.document import Document
from dbswitch.envfiles.placement import EditPlan, plan_edits
from dbswitch.envfiles.precedence import DEV_FILES
from dbswitch.errors import EnvFileError, UrlError, UsageError
from dbswitch.project import reader_profiles, targets, written_values
from dbswitch.project.discovery import Project
from dbswitch.project.protection import places_in
from dbswitch.project.targets import Target
from dbswitch.project.value_origin import ValueOrigin, served_urls
from dbswitch.project.written_values import Entered
from dbswitch.redaction import SecretValues

OWN = "(edited by hand)"  # no target can have this name


def remember(project: Project, target: Target) -> None:
    """Remember what a switch is about to write, so that the next can remove it. Raises ConfigError: nothing was changed."""
    folder = project.private_dir
    before = written_values.load(folder)
    grown = before.adding(target.name, target.variables, places_in(project, target.variables))
    if grown is before:
        return
    why = "the next switch needs it (names and digests) to remove what this one writes"
    path = folder / written_values.FILE_NAME
    state_folder.store(path, grown, "the record of what this switch writes", why, "nothing was changed")


def planned(
    project: Project,
    target: Target,
    *,
    files: Mapping[str, bytes],
    written: Entered,
    ambient: Mapping[str, str],
) -> EditPlan:
    """Return the new bytes of the env files (`files`, name to content) for `target`; raises as `plan_edits`.

    Raises EnvFileError: afterwards a reader would still be led to the database of another protected target.
    """
    git_error = project.git_error
    origin = ValueOrigin(project, target, written, targets.list_targets(project, ambient=ambient), ambient)
    files = {**reader_profiles.read_files(project), **files}
    plan = plan_edits(
        files=files,
        variables=target.variables,
        absent=origin.absent,
        profiles=reader_profiles.profiles(project),
        tracked=project.tracked,
        protected=target.protected,
        git_error=("", "") if git_error is None else (str(git_error), git_error.fix),
        knowledge=origin,
    )
    after = files | {edit.name: edit.new for edit in plan.edits}
    served = served_urls(after, reader_profiles.all_profiles(project), origin.protected_owner)
    if served:
        first = served[0]
        own_name = f"{first.variable}_{first.owner.upper().replace('-', '_')}"
        raise EnvFileError(
            f"{first.variable} would still lead to the database of {first.owner}",
            facts=(*(one.text for one in served), "nothing was changed"),
            why=f"on {target.name}, programs that read the env files must not reach a protected database of another target",
            fix=f"remove {first.variable} from {first.source}, or rename it to {own_name} so that it is set for {first.owner} only",
        )
    left = sorted(
        f"{name}: {key} was written by a switch and edited since; it is left unchanged"
        for name in DEV_FILES
        if name in after
        for key in Document.parse(after[name], name).keys & written.variables & origin.absent
    )
    guarded: list[str] = []
    if origin.guardians:
        owners = " and ".join(origin.guardians)
        guarded.append(f"{target.name} leads to the database of {owners}, so it is protected too")
    return replace(plan, notices=(*guarded, *plan.notices, *left))


def own_values(project: Project, ambient: Mapping[str, str]) -> Target:
    """Return the user's own values as a target, protected by place. Raises UsageError or ConfigError, EnvFileError."""
    # A switch keeps them as comments (`# dbswitch:kept`) in the env files. They have no name, so only `dbswitch -` leads to them.
    found = kept(project)
    primary = next((key for key in project.url_variables if key in found), None)
    if primary is None:
        raise _unusable("no database URL is kept")
    try:
        variables = {
            key: DatabaseUrl.parse(value, name=key).env_form() if key in project.url_variables else value
            for key, value in found.items()
        }
        url = DatabaseUrl.parse(found[primary], name=primary)
    except UrlError as error:
        raise _unusable(error.what) from None
    own = Target(OWN, SecretValues(variables), False, "the env files", primary, url)
    return targets.guarded(project, own, targets.list_targets(project, ambient=ambient))


def _unusable(fact: str) -> UsageError:
    return UsageError(
        "the values you had before cannot be restored",
        facts=(fact,),
        why="they are kept as comments (`# dbswitch:kept`) in the env files",
        fix="name a target; `dbswitch targets` lists them",
    )


def kept(project: Project) -> dict[str, str]:
    """Return the user's own values that the env files keep as comments."""
    found: dict[str, str] = {}
    for name, content in reader_profiles.read_files(project).items():
        if name in DEV_FILES:
            for key, value in Document.parse(content, name).kept_values:
                found.setdefault(key, value)
    return found
