"""Runs the rules, then applies severities, exclusions and allow comments. Pure."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from msgspec.structs import replace

from dbswitch.check import checkout_rules, content_rules, env_file_rules
from dbswitch.check.rules import App, CheckInput, Finding, RuleId, Scope, Severity, sort_key
from dbswitch.check.text_kinds import is_binary, is_env_file, is_example, is_generated, is_state, matches
from dbswitch.errors import ConfigError
from dbswitch.project.config import close_names

_COMMENT = re.compile(rb"dbswitch-check:\s*ignore(?P<file>-file)?(?:\[(?P<rules>[^\]]*)\]?)?")
# Allow comments of other scanners.
_OTHERS = re.compile(rb"pragma:\s*allowlist secret|gitleaks:allow|nosecret")
_HEAD_LINES = 5
_EVERY_RULE = "*"
_EARLIER_FIX = "change the secret; and rewrite the commits that hold it before they are pushed"
_ONLY_COMMENT = re.compile(rb"\s*(?:#|//|/\*|\*|<!--|--|;)")


def severities(configured: Iterable[tuple[str, str]]) -> dict[RuleId, Severity]:
    """Return the severity of every rule, given `[check.rules]`. Raises ConfigError for an unknown rule."""
    known = {rule.value: rule for rule in RuleId}
    found = {rule: rule.severity for rule in RuleId}
    for name, severity in configured:
        if name not in known:
            raise ConfigError(
                f"[check.rules] in dbswitch.toml names an unknown rule `{name}`",
                facts=(f"rules: {', '.join(known)}",),
                why="a misspelled rule would stay enabled",
                fix=close_names(name, tuple(known)) or "see docs/rules.md",
            )
        found[known[name]] = Severity(severity)
    return found


def judge(given: CheckInput, levels: Mapping[RuleId, Severity]) -> tuple[Finding, ...]:
    """Return what the rules find, sorted by place, without what is turned off, excluded or allowed by a comment."""
    found: dict[tuple[str, int, int, str, str], Finding] = {}
    allowed: dict[bytes, dict[int, set[str]]] = {}
    for finding, data in _findings(given):
        severity = levels[finding.rule]
        if severity is Severity.OFF or any(matches(finding.path, pattern) for pattern in given.excluded):
            continue
        if data not in allowed:
            allowed[data] = _allowed_rules(data)
        rules = allowed[data][0] | allowed[data][finding.line]
        if rules.isdisjoint({finding.rule.value, _EVERY_RULE}):
            found[sort_key(finding)] = replace(finding, severity=severity)
    return _one_per_file([found[key] for key in sorted(found)])


def _one_per_file(findings: list[Finding]) -> tuple[Finding, ...]:
    groups: dict[tuple[object, ...], list[Finding]] = {}
    for one in findings:
        groups.setdefault((one.rule, one.path) if one.variable else sort_key(one), []).append(one)
    return tuple(_together(group) if len(group) > 1 else group[0] for group in groups.values())


def _together(group: list[Finding]) -> Finding:
    what, fix = "bound by your env files but not listed here", "add them without their values"
    details = tuple(one.variable for one in group)
    if group[0].rule is RuleId.UNDEFINED_VARIABLE:
        what, fix = "read here, but no env file defines them", "add them to .env.local and .env.example"
        details = tuple(f"{one.variable} (line {one.line})" for one in group)
    entries = tuple(entry for one in group for entry in one.entries)
    what = f"{len(group)} variables are {what}"
    return replace(group[0], what=what, details=details, fix=fix, entries=entries)


def _findings(given: CheckInput) -> Iterator[tuple[Finding, bytes]]:
    """Yield each finding with the content that may hold a comment that allows it."""
    for one in (*_of_files(given), *_of_apps(given)):
        yield one, given.content.get(one.path, given.others.get(one.path, b""))
    for path, data in given.earlier:
        for one in _of_earlier(given, path, data):
            yield one, data


def _of_files(given: CheckInput) -> Iterator[Finding]:
    for path, data in given.content.items():
        if is_state(path):
            yield checkout_rules.state_in_git(path)
        elif not is_binary(data):
            yield from _protected(given, path, data) if is_generated(path) else _of_content(given, path, data)


def _of_content(given: CheckInput, path: str, data: bytes) -> Iterator[Finding]:
    app = _app_of(given, path)
    unignored = app is not None and path.removeprefix(app.folder) in app.unignored
    secrets: list[Finding] = []
    if is_env_file(path):
        if not is_example(path) and not unignored:
            secrets = _tracked(given, path, data, "staged" if given.scope is Scope.INDEX else "tracked")
            yield from secrets
        yield from env_file_rules.env_file(app, path, data, example=is_example(path))
    if not secrets and not unignored:
        yield from _unless_taken(_protected(given, path, data), content_rules.urls_with_password(path, data))
    if app is not None and (app.files or app.examples):
        yield from checkout_rules.needed_by_code(app, path, data, every=given.every_variable)


def _unless_taken(guarded: list[Finding], urls: Iterable[Finding]) -> Iterator[Finding]:
    yield from guarded
    taken = {finding.line for finding in guarded}
    yield from (one for one in urls if one.line not in taken)


def _of_earlier(given: CheckInput, path: str, data: bytes) -> Iterator[Finding]:
    """Find secrets that commits of the range contain and its last commit does not."""
    if is_binary(data):
        return
    secrets: list[Finding] = []
    if is_env_file(path) and not is_example(path):
        secrets = _tracked(given, path, data, "in the history")
    urls = () if is_generated(path) else content_rules.urls_with_password(path, data)
    for one in _unless_taken(secrets or _protected(given, path, data), urls):
        if one.rule is not RuleId.PROTECTED_HOST:
            what = f"{one.what} (in an earlier commit of the range)"
            yield replace(one, what=what, fix=_EARLIER_FIX, entries=())


def _of_apps(given: CheckInput) -> Iterator[Finding]:
    for app in given.apps if given.scope is not Scope.RANGE else ():
        yield from checkout_rules.not_ignored(app)
        yield from checkout_rules.active_protected(app)
        for name in sorted(app.tracked):
            path = app.folder + name
            if path not in given.content:
                yield from _tracked(given, path, given.others.get(path, app.files[name]), "tracked")
        if given.scope is Scope.TREE:
            for name, data in app.files.items():
                if app.folder + name not in given.content:
                    yield from env_file_rules.env_file(app, app.folder + name, data, example=False)
            yield from checkout_rules.shadowed(app)
            yield from checkout_rules.split_databases(app)
            yield from checkout_rules.example_out_of_step(app, every=given.every_variable)


def _tracked(given: CheckInput, path: str, data: bytes, state: str) -> list[Finding]:
    app = _app_of(given, path)
    ignore_in = app.gitignore if app is not None else ".gitignore"
    return env_file_rules.tracked_secrets(path, data, state, ignore_in, _protected(given, path, data))


def _protected(given: CheckInput, path: str, data: bytes) -> list[Finding]:
    guarded = tuple(one for app in given.apps for one in app.protected_targets)
    return list(content_rules.protected_content(path, data, guarded))


def _app_of(given: CheckInput, path: str) -> App | None:
    inside = [app for app in given.apps if path.startswith(app.folder)]
    return max(inside, key=lambda app: len(app.folder), default=None)


def _allowed_rules(data: bytes) -> dict[int, set[str]]:
    """Return the rules that comments allow, by line; 0 is the whole file."""
    found: dict[int, set[str]] = defaultdict(set)
    if _COMMENT.search(data) is None and _OTHERS.search(data) is None:
        return found
    for number, line in enumerate(data.split(b"\n"), start=1):
        if _OTHERS.search(line) is not None:
            found[number].add(RuleId.URL_WITH_PASSWORD)
        for comment in _COMMENT.finditer(line):
            names = (comment["rules"] or b"").decode("utf-8", "replace").replace(",", " ").split()
            rules = names or [_EVERY_RULE]
            if comment["file"] is None:
                found[number].update(rules)
                if _ONLY_COMMENT.match(line) is not None:
                    found[number + 1].update(rules)
            elif number <= _HEAD_LINES:
                found[0].update(rules)
    return found
