"""The transaction of env files: what it keeps, what it refuses, conflicts with other programs, recovery, signals."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import itertools
import os
import signal
import stat
import tempfile
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from dbswitch.envfiles import atomic_replace, journal_format as journals, transaction
from dbswitch.envfiles.journal_format import Journal, JournalEntry
from dbswitch.envfiles.transaction import FileChange, apply, recover, reverse, roll_back
from dbswitch.errors import EnvFileConflictError, EnvFileError, InterruptedSwitchError, RollbackFailedError
from dbswitch.switch.interrupts import Interrupts
from tests.envfiles import crash_scenarios as scenarios

NAMES = (".env", ".env.development", ".env.local")
SECRET = b"s3cr3t-in-a-file"


needs_exchange = pytest.mark.skipif(
    atomic_replace._renameat2() is None, reason="a save between the comparison and the rename is lost here"
)


@pytest.fixture(params=[pytest.param("exchange", marks=needs_exchange), "rename"])
def way(request, monkeypatch):
    """Both ways to replace a file: the exchange of names, and the rename of systems that cannot exchange."""
    if request.param == "rename":
        monkeypatch.setattr(atomic_replace, "exchange", lambda *_names: False)
    return request.param


@pytest.fixture
def project(tmp_path):
    (tmp_path / "state").mkdir()
    for name in NAMES:
        (tmp_path / name).write_bytes(b"A=old\n")
    return tmp_path


def _changes(project, old=b"A=old\n", new=b"A=new\n"):
    return [FileChange(project / name, old, new) for name in NAMES]


def _contents(project):
    return {p.name: p.read_bytes() for p in project.iterdir() if p.is_file()}


def _all(content):
    return dict.fromkeys(NAMES, content)


@contextlib.contextmanager
def _unprivileged():
    """Run the body as a user who is not root: root may write everywhere."""
    if os.geteuid() != 0:
        yield
        return
    groups = os.getgroups()
    os.setgroups([])
    os.setegid(65534)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)


@pytest.fixture
def public():
    """A folder an unprivileged user owns and reaches (pytest's own are closed to others)."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        project = folder / "project"
        project.mkdir()
        if os.geteuid() == 0:
            os.chown(project, 65534, 65534)
        with _unprivileged():
            (project / "state").mkdir()
            for file in NAMES:
                (project / file).write_bytes(b"A=old\n")
        yield project
        for path in (project, *project.iterdir()):
            if path.is_dir():
                path.chmod(0o755)


def test_all_files_change_and_nothing_is_left_behind(project, way):
    apply(_changes(project), project / "state" / "journal")
    assert _contents(project) == _all(b"A=new\n")
    assert list((project / "state").iterdir()) == []


def test_the_reverse_restores_the_previous_bytes(project, way):
    changes = [*_changes(project), FileChange(project / ".env.development.local", None, b"A=new\n")]
    apply(changes, project / "state" / "journal")
    apply(reverse(changes), project / "state" / "journal")
    assert _contents(project) == _all(b"A=old\n")


def test_reversing_changes_that_were_not_applied_changes_nothing(project):
    apply(reverse(_changes(project)), project / "state" / "journal")
    assert _contents(project) == _all(b"A=old\n")


def test_files_are_replaced_in_the_order_given(project, monkeypatch):
    order = []
    replace = atomic_replace.replace
    monkeypatch.setattr(atomic_replace, "replace", lambda *a: (order.append(Path(a[1]).name), replace(*a)))
    apply(_changes(project), project / "state" / "journal")
    assert order == list(NAMES)


def test_mode_owner_symlink_and_attributes_are_kept_and_the_mtime_is_new(project, way):
    real = project / "state" / "kept-elsewhere"
    (project / ".env").rename(real)
    (project / ".env").symlink_to("state/kept-elsewhere")
    real.chmod(0o664)
    if os.geteuid() == 0:
        os.chown(real, 1234, 4321)
    with contextlib.suppress(OSError, AttributeError):
        os.setxattr(real, "user.note", b"mine")
    before = real.stat()
    os.utime(real, (1, 1))
    apply(_changes(project), project / "state" / "journal")
    after = real.stat()
    assert (project / ".env").readlink() == Path("state/kept-elsewhere")
    assert real.read_bytes() == b"A=new\n"
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)
    assert after.st_mtime > 1
    with contextlib.suppress(OSError, AttributeError):
        assert os.getxattr(real, "user.note") == b"mine"


def test_a_rollback_within_apply_sets_a_new_mtime_too(project, way, monkeypatch):
    for name in NAMES:
        os.utime(project / name, (1, 1))
    _refuse_third(monkeypatch)
    with pytest.raises(EnvFileError):
        apply(_changes(project), project / "state" / "journal")
    assert [(project / n).stat().st_mtime > 1 for n in NAMES] == [
        True,
        True,
        False,
    ]  # the third was never touched


def test_a_created_file_is_private(project):
    apply([FileChange(project / ".env.new", None, b"x")], project / "state" / "journal")
    assert stat.S_IMODE((project / ".env.new").stat().st_mode) == 0o600


def test_the_target_of_a_dangling_symlink_is_created(project):
    (project / ".env.x").symlink_to("state/there")
    apply([FileChange(project / ".env.x", None, b"x")], project / "state" / "journal")
    assert (project / "state" / "there").read_bytes() == b"x"
    assert (project / ".env.x").is_symlink()


def test_two_names_of_one_file_are_one_change_or_none(project):
    (project / ".env.local").unlink()
    (project / ".env.local").symlink_to(".env")
    apply(_changes(project), project / "state" / "journal")
    assert _contents(project) == _all(b"A=new\n")
    differing = [
        FileChange(project / ".env", b"A=new\n", b"1"),
        FileChange(project / ".env.local", b"A=new\n", b"2"),
    ]
    with pytest.raises(EnvFileError, match="same file"):
        apply(differing, project / "state" / "journal")
    assert _contents(project) == _all(b"A=new\n")


def test_an_interruption_between_two_files_is_raised_on_after_both_were_put_back(project, way, monkeypatch):
    replace = atomic_replace.replace

    def interrupted(temporary, real, *contents):
        if Path(real).name == NAMES[1]:
            monkeypatch.undo()
            raise KeyboardInterrupt
        replace(temporary, real, *contents)

    monkeypatch.setattr(atomic_replace, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        apply(_changes(project), project / "state" / "journal")
    assert _contents(project) == _all(b"A=old\n")
    assert list((project / "state").iterdir()) == []


def test_a_file_system_that_cannot_exchange_is_told_from_one_that_fails(project, monkeypatch):
    def failing(number):
        return lambda: lambda *_arguments: (ctypes.set_errno(number), -1)[1]

    names = [str(project / name) for name in NAMES[:2]]
    monkeypatch.setattr(atomic_replace, "_renameat2", failing(errno.EINVAL))
    assert atomic_replace.exchange(*names) is False
    apply(_changes(project), project / "state" / "journal")
    assert _contents(project) == _all(b"A=new\n")
    monkeypatch.setattr(atomic_replace, "_renameat2", failing(errno.EIO))
    with pytest.raises(OSError, match="Input/output error"):
        atomic_replace.exchange(*names)


def test_the_journal_is_private_and_no_repr_shows_a_secret(project, monkeypatch):
    seen = []
    replace = atomic_replace.replace

    def look(*args):
        seen.append(stat.S_IMODE((project / "state" / "journal").stat().st_mode))
        replace(*args)

    monkeypatch.setattr(atomic_replace, "replace", look)
    apply(_changes(project, new=SECRET), project / "state" / "journal")
    assert seen == [0o600] * 3
    change = FileChange(project / ".env", SECRET, SECRET)
    entry = JournalEntry("p", "r", SECRET, SECRET, 0o600, -1, -1)
    assert SECRET.decode() not in f"{change!r}{entry!r}{Journal('i', (entry,))!r}"


def test_a_rollback_leaves_a_file_that_was_changed_and_puts_the_others_back(project, way):
    changes = _changes(project)
    apply(changes, project / "state" / "journal")
    (project / ".env").write_bytes(b"theirs\n")
    assert roll_back(changes, project / "state" / "journal") == (project / ".env",)
    assert _contents(project) == {**_all(b"A=old\n"), ".env": b"theirs\n"}


def test_a_rollback_with_no_foreign_change_puts_every_file_back(project, way):
    changes = _changes(project)
    assert roll_back(changes, project / "state" / "journal") == ()
    apply(changes, project / "state" / "journal")
    assert roll_back(changes, project / "state" / "journal") == ()
    assert _contents(project) == _all(b"A=old\n")


# What is refused before anything is written


def _refused(project, path, *, match):
    before = sorted(p.name for p in project.rglob("*"))
    changes = [*_changes(project)[:2], FileChange(path, b"A=old\n", b"A=new\n")]
    with pytest.raises(EnvFileError, match=match) as caught:
        apply(changes, project / "state" / "journal")
    assert sorted(p.name for p in project.rglob("*")) == before
    assert (project / ".env").read_bytes() == b"A=old\n"
    return caught.value


def test_a_fifo_is_refused_without_waiting_for_its_writer(project):
    os.mkfifo(project / "fifo")
    _refused(project, project / "fifo", match="not a regular file")


def test_a_folder_is_refused(project):
    (project / "folder").mkdir()
    _refused(project, project / "folder", match="is a folder")


def test_a_symlink_loop_is_refused(project):
    (project / "a").symlink_to("b")
    (project / "b").symlink_to("a")
    _refused(project, project / "a", match="not a regular file")


def test_a_second_hard_link_is_refused(project):
    os.link(project / ".env.local", project / "other-name")
    error = _refused(project, project / ".env.local", match="hard link")
    assert "cp -p" in error.fix


def test_a_missing_folder_is_refused(project):
    _refused(project, project / "nowhere" / ".env", match="cannot be read")


@pytest.mark.parametrize(("mode", "match"), [(0o200, "not readable"), (0o400, "not writable")])
def test_a_file_without_the_needed_permission_is_refused(public, mode, match):
    with _unprivileged():
        (public / ".env.local").chmod(mode)
        error = _refused(public, public / ".env.local", match=match)
    assert error.fix.startswith("chmod u+")


def test_a_read_only_folder_is_refused(public):
    with _unprivileged():
        public.chmod(0o555)
        error = _refused(public, public / ".env.local", match="read-only")
    assert error.fix.startswith("chmod u+wx")


def test_a_state_folder_that_cannot_be_written_leaves_everything_as_it_was(public):
    with _unprivileged():
        (public / "state").chmod(0o555)
        with pytest.raises(EnvFileError, match="could not be written"):
            apply(_changes(public), public / "state" / "journal")
        assert _contents(public) == _all(b"A=old\n")


@pytest.mark.root
def test_a_file_of_another_user_is_refused_if_its_owner_could_not_be_kept(public):
    os.chown(public / ".env.local", 1234, 65534)
    (public / ".env.local").chmod(0o666)
    with _unprivileged():
        error = _refused(public, public / ".env.local", match="belongs to another user")
    assert error.fix.startswith("sudo chown")


@pytest.mark.root
def test_a_file_of_a_group_that_the_user_is_not_in_is_refused(public):
    os.chown(public / ".env.local", 65534, 1234)
    with _unprivileged():
        _refused(public, public / ".env.local", match="group")


@pytest.mark.root
def test_root_creates_files_for_the_owner_of_the_project(public):
    apply([FileChange(public / ".env.new", None, b"x")], public / "state" / "journal")
    made = (public / ".env.new").stat()
    assert (made.st_uid, made.st_gid) == (65534, 65534)


# Changes by other programs


def test_a_file_changed_before_the_start_is_named_with_both_digests_and_nothing_is_written(project):
    (project / ".env.development").write_bytes(b"theirs\n")
    with pytest.raises(EnvFileConflictError) as caught:
        apply(_changes(project), project / "state" / "journal")
    expected, found = journals.digest(b"A=old\n"), journals.digest(b"theirs\n")
    assert caught.value.facts == (f".env.development: expected {expected}, found {found}",)
    assert _contents(project) == {**_all(b"A=old\n"), ".env.development": b"theirs\n"}


def _save(path, content):
    """Save as vim and VS Code can: a new file, renamed over the old one."""
    draft = path.with_name(path.name + ".swp")
    draft.write_bytes(content)
    draft.rename(path)


@pytest.mark.parametrize("victim", [0, 1, 2])
def test_a_save_before_the_comparison_is_kept_and_the_rest_put_back(project, way, monkeypatch, victim):
    original = atomic_replace.replace

    def interfere(temporary, real, before, after):
        if real.endswith(f"/{NAMES[victim]}") and after == b"A=new\n":
            _save(Path(real), b"theirs\n")
        original(temporary, real, before, after)

    monkeypatch.setattr(atomic_replace, "replace", interfere)
    _conflict_keeps_theirs(project, victim)


@needs_exchange
@pytest.mark.parametrize("saves", [1, 2, 3])
@pytest.mark.parametrize("victim", [0, 1, 2])
def test_the_last_of_the_saves_between_comparison_and_exchange_is_kept(project, monkeypatch, victim, saves):
    original = atomic_replace.exchange
    contents = [b"theirs\n", *(b"save %d\n" % number for number in range(saves - 1))]

    def interfere(temporary, real):
        if real.endswith(f"/{NAMES[victim]}") and contents:
            _save(Path(real), contents.pop())
        return original(temporary, real)

    monkeypatch.setattr(atomic_replace, "exchange", interfere)
    _conflict_keeps_theirs(project, victim)


def test_a_save_after_the_exchange_stays_and_the_switch_succeeds(project, way, monkeypatch):
    original = atomic_replace.replace

    def interfere(temporary, real, before, after):
        original(temporary, real, before, after)
        if real.endswith("/.env"):
            _save(Path(real), b"theirs\n")

    monkeypatch.setattr(atomic_replace, "replace", interfere)
    apply(_changes(project), project / "state" / "journal")
    assert _contents(project) == {**_all(b"A=new\n"), ".env": b"theirs\n"}


def _conflict_keeps_theirs(project, victim):
    with pytest.raises(EnvFileConflictError) as caught:
        apply(_changes(project), project / "state" / "journal")
    assert [fact.partition(":")[0] for fact in caught.value.facts] == [NAMES[victim]]
    assert _contents(project) == {**_all(b"A=old\n"), NAMES[victim]: b"theirs\n"}
    assert list((project / "state").iterdir()) == []


def test_a_file_deleted_during_the_transaction_stays_deleted(project, way, monkeypatch):
    original = atomic_replace.replace

    def interfere(*args):
        if args[1].endswith(".local"):
            Path(args[1]).unlink(missing_ok=True)
        original(*args)

    monkeypatch.setattr(atomic_replace, "replace", interfere)
    with pytest.raises(EnvFileConflictError) as caught:
        apply(_changes(project), project / "state" / "journal")
    assert caught.value.facts[0].endswith("found missing")
    assert _contents(project) == {".env": b"A=old\n", ".env.development": b"A=old\n"}


def test_a_file_created_during_the_transaction_is_not_overwritten(project, way, monkeypatch):
    original = atomic_replace._create

    def interfere(temporary, real):
        Path(real).write_bytes(b"theirs\n")
        original(temporary, real)

    monkeypatch.setattr(atomic_replace, "_create", interfere)
    changes = [*_changes(project), FileChange(project / ".env.new", None, b"ours\n")]
    with pytest.raises(EnvFileConflictError):
        apply(changes, project / "state" / "journal")
    assert _contents(project) == {**_all(b"A=old\n"), ".env.new": b"theirs\n"}


def test_a_save_between_the_comparison_and_a_removal_is_kept(project, way, monkeypatch):
    original = atomic_replace._take_away

    def interfere(temporary, real, before):
        _save(Path(real), b"theirs\n")
        original(temporary, real, before)

    monkeypatch.setattr(atomic_replace, "_take_away", interfere)
    with pytest.raises(EnvFileConflictError):
        apply([FileChange(project / ".env", b"A=old\n", None)], project / "state" / "journal")
    assert _contents(project) == _all(b"A=old\n") | {".env": b"theirs\n"}


# Recovery


def test_recovery_without_a_journal_returns_none(project):
    assert recover(project / "state" / "journal") is None
    assert recover(project / "no-such-folder" / "journal") is None


def test_recovery_finishes_a_committed_change_and_reports_it(project, way):
    changes = _changes(project)
    _commit_only(project, changes)
    report = recover(project / "state" / "journal")
    assert report.completed == tuple(c.path for c in changes)
    assert report.conflicts == ()
    assert all(name in report.text for name in NAMES)
    assert _contents(project) == _all(b"A=new\n")
    assert list((project / "state").iterdir()) == []


def _commit_only(project, changes):
    entries = transaction.checked(changes)
    journals.commit(project / "state" / "journal", Journal("abcd1234", entries))


def test_recovery_leaves_a_file_that_was_changed_and_finishes_the_others(project, way):
    _commit_only(project, _changes(project))
    (project / ".env.development").write_bytes(b"theirs\n")
    report = recover(project / "state" / "journal")
    assert report.conflicts == (project / ".env.development",)
    for content in (b"A=old\n", b"A=new\n", b"theirs\n"):
        assert journals.digest(content) in report.text
    assert _contents(project) == {**_all(b"A=new\n"), ".env.development": b"theirs\n"}
    assert recover(project / "state" / "journal") is None


def test_recovery_leaves_a_folder_that_replaced_a_file(project):
    _commit_only(project, _changes(project))
    (project / ".env").unlink()
    (project / ".env").mkdir()
    report = recover(project / "state" / "journal")
    assert report.conflicts == (project / ".env",)
    assert "not a regular file" in report.text


def test_recovery_restores_a_save_that_a_killed_run_had_displaced(project, way):
    """Killed between the exchange and the comparison of what it displaced."""
    _commit_only(project, _changes(project))
    temporary = Path(f"{project / '.env'}.dbswitch-abcd1234")
    (project / ".env").rename(temporary)
    temporary.write_bytes(b"theirs\n")
    (project / ".env").write_bytes(b"A=new\n")
    report = recover(project / "state" / "journal")
    assert report.conflicts == (project / ".env",)
    assert _contents(project) == {**_all(b"A=new\n"), ".env": b"theirs\n"}


@pytest.mark.parametrize("damage", [b"", b"x", b"dbswitch-journal 1 0\n{}"])
def test_a_journal_that_cannot_be_read_is_kept_and_named(project, damage):
    """It was flushed before it got its name: the env files may be mixed."""
    _commit_only(project, _changes(project))
    path = project / "state" / "journal"
    path.write_bytes(damage or path.read_bytes()[:-1])
    content = path.read_bytes()
    with pytest.raises(EnvFileError, match="cannot be read") as caught:
        recover(path)
    assert str(path) in caught.value.fix
    assert path.read_bytes() == content
    assert _contents(project) == _all(b"A=old\n")


def test_a_leftover_draft_of_a_journal_is_removed(project):
    (project / "state" / ".journal.draft-12ab34cd").write_bytes(SECRET)
    assert recover(project / "state" / "journal") is None
    assert list((project / "state").iterdir()) == []


def test_a_journal_of_an_earlier_run_is_finished_before_a_new_transaction(project):
    _commit_only(project, _changes(project))
    apply(_changes(project, old=b"A=new\n", new=b"A=newer\n"), project / "state" / "journal")
    assert _contents(project) == _all(b"A=newer\n")


def test_recovery_that_cannot_write_keeps_the_journal_and_says_what_to_do(public):
    with _unprivileged():
        _commit_only(public, _changes(public))
        public.chmod(0o555)
        with pytest.raises(EnvFileError, match="could not be finished") as caught:
            recover(public / "state" / "journal")
        assert "again" in caught.value.fix
        public.chmod(0o755)
        assert recover(public / "state" / "journal") is not None
        assert _contents(public) == _all(b"A=new\n")


def _refuse_third(monkeypatch):
    replace, calls = atomic_replace.replace, []

    def refusing(*args):
        calls.append(args)
        if len(calls) == 3:
            raise OSError(28, "No space left on device", args[1])
        replace(*args)

    monkeypatch.setattr(atomic_replace, "replace", refusing)


def test_a_failure_names_the_file_and_says_that_everything_is_as_it_was(project, way, monkeypatch):
    _refuse_third(monkeypatch)
    with pytest.raises(EnvFileError) as caught:
        apply(_changes(project), project / "state" / "journal")
    assert caught.value.facts == (".env.local: No space left on device",)
    assert caught.value.why == "every env file is as it was"
    assert _contents(project) == _all(b"A=old\n")


def test_if_the_rollback_fails_too_the_journal_stays_and_the_next_run_finishes(project, way, monkeypatch):
    def refuse(*_args):
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        _refuse_third(patch)
        patch.setattr(transaction, "_put_back", refuse)
        with pytest.raises(RollbackFailedError) as caught:
            apply(_changes(project), project / "state" / "journal")
    assert any("journal is kept" in fact for fact in caught.value.facts)
    recover(project / "state" / "journal")
    assert _contents(project) == _all(b"A=new\n")


def test_any_single_failing_effect_leaves_everything_unchanged_or_done(tmp_path, way):
    """The same as the strace sweep, without strace: works on every system."""
    seen = set()
    for number in itertools.count(1):
        folder = tmp_path / f"{number}"
        folder.mkdir()
        scenarios.build("mixture", folder)
        count = 0

        def fail(index, number=number):
            nonlocal count
            count = index
            if index == number:
                raise OSError(28, "No space left on device")

        with pytest.MonkeyPatch.context() as patch:
            for name in scenarios.EFFECTS:
                if hasattr(os, name):
                    patch.setattr(os, name, getattr(os, name))  # to be put back
            patch.setattr(atomic_replace, "exchange", atomic_replace.exchange)
            patch.setattr(os, "close", os.close)
            keep = os.close
            scenarios.count_effects(fail, [n for n in scenarios.EFFECTS if n != "access"])  # it cannot fail
            os.close = keep  # a failing close that never closed would leak our descriptors
            try:
                apply(scenarios.changes("mixture", folder), folder / "state" / "journal")
                told = "new"
            except EnvFileError:
                told = "old"
        found = scenarios.outcome("mixture", folder)
        assert found == told, number
        assert scenarios.blemishes("mixture", folder) == [], number
        seen.add(told)
        if count < number:
            break
    assert seen == {"old", "new"}
    assert number > 60


# Signals


@pytest.mark.parametrize("sender", ["same thread", "other thread"])
def test_a_signal_during_a_transaction_is_answered_after_it(project, monkeypatch, sender):
    replace = atomic_replace.replace

    def interrupt(*args):
        if sender == "same thread":
            signal.raise_signal(signal.SIGTERM)
        else:
            thread = threading.Thread(target=os.kill, args=(os.getpid(), signal.SIGTERM))
            thread.start()
            thread.join()
        replace(*args)

    monkeypatch.setattr(atomic_replace, "replace", interrupt)
    with Interrupts() as interrupts, pytest.raises(InterruptedSwitchError), interrupts.deferred():
        apply(_changes(project), project / "state" / "journal")
    assert _contents(project) == _all(b"A=new\n")
    assert list((project / "state").iterdir()) == []


# An exception between open() and `with` leaves a file to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_signal_that_nothing_defers_leaves_all_old_or_all_new_after_the_next_run(project):
    """The interval grows in small steps over the whole length of a transaction, so that signals arrive everywhere."""

    class StoppedError(BaseException):
        pass

    def handler(_number, _frame):
        raise StoppedError

    stopped = recovered = 0
    previous = signal.signal(signal.SIGALRM, handler)
    changes = _changes(project)
    try:
        for step in range(150):
            with contextlib.suppress(StoppedError):
                try:
                    signal.setitimer(signal.ITIMER_REAL, 0.00005 + step * 0.0001)
                    apply(changes, project / "state" / "journal")
                except StoppedError:
                    stopped += 1
                finally:
                    signal.setitimer(signal.ITIMER_REAL, 0)
            recovered += recover(project / "state" / "journal") is not None
            found = _contents(project)
            assert found in (_all(b"A=old\n"), _all(b"A=new\n")), found
            assert list((project / "state").iterdir()) == []
            if found == _all(changes[0].new):
                changes = list(reverse(changes))
    finally:
        signal.signal(signal.SIGALRM, previous)
    assert stopped > 0
    assert recovered < stopped


# Properties

_contents_of_a_file = st.one_of(st.none(), st.binary(max_size=200))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(_contents_of_a_file, _contents_of_a_file), min_size=1, max_size=4),
    st.integers(0, 3),
    st.one_of(st.none(), st.binary(max_size=20)),
)
def test_any_contents_can_be_applied_and_reversed_and_a_foreign_file_stays(
    tmp_path_factory, pairs, victim, foreign
):
    folder = tmp_path_factory.mktemp("any")
    journal = folder / "journal"
    changes = [FileChange(folder / f".env.{i}", old, new) for i, (old, new) in enumerate(pairs)]

    def lay(index):
        for change in changes:
            content = (change.old, change.new)[index]
            change.path.unlink(missing_ok=True)
            if content is not None:
                change.path.write_bytes(content)

    def look():
        return [c.path.read_bytes() if c.path.exists() else None for c in changes]

    lay(0)
    apply(changes, journal)
    assert look() == [c.new for c in changes]
    apply(reverse(changes), journal)
    assert look() == [c.old for c in changes]
    disturbed = changes[victim % len(changes)]
    disturbed.path.unlink(missing_ok=True)
    if foreign is not None:
        disturbed.path.write_bytes(foreign)
    before = look()
    try:
        apply(changes, journal)
    except EnvFileConflictError:
        assert look() == before
    else:
        assert look() == [c.new for c in changes]
        assert foreign in {disturbed.old, disturbed.new}
    assert {p.name for p in folder.iterdir()} <= {c.path.name for c in changes}


@given(st.binary(max_size=300))
def test_a_journal_decodes_to_what_was_encoded_and_nothing_else_decodes(noise):
    entry = JournalEntry("/p/\udcff", "/r", noise, None, 0o640, 5, -1)
    written = journals.encode(Journal("id", (entry,)))
    assert journals.decode(written) == Journal("id", (entry,))
    assert journals.decode(written[:-1]) is None
    assert journals.decode(noise) is None


@pytest.mark.parametrize("exists", [True, False])
def test_a_symlink_to_a_file_outside_the_project_that_is_not_an_env_file_is_refused(tmp_path, exists):
    folder = tmp_path / "checkout"
    folder.mkdir()
    outside = tmp_path / "authorized_keys"
    if exists:
        outside.write_bytes(b"precious\n")
    (folder / ".env.local").symlink_to(outside)
    old = b"precious\n" if exists else None
    with pytest.raises(EnvFileError, match="does not have the name of an env file"):
        transaction.precheck([FileChange(folder / ".env.local", old, b"A=1\n")])
    assert (outside.read_bytes() if outside.exists() else None) == old


def test_a_symlink_to_an_env_file_of_a_parent_folder_is_followed(tmp_path):
    folder = tmp_path / "apps" / "web"
    folder.mkdir(parents=True)
    (tmp_path / ".env").write_bytes(b"A=0\n")
    (folder / ".env").symlink_to("../../.env")
    transaction.apply([FileChange(folder / ".env", b"A=0\n", b"A=1\n")], tmp_path / "journal")
    assert (tmp_path / ".env").read_bytes() == b"A=1\n"
