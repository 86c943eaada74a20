# Plain names, as the transaction uses them.
# ruff: noqa: PTH108
"""A power cut at any instant: only what was flushed is sure to be there, and any part of the rest may be."""

from __future__ import annotations

import os
import random
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dbswitch.envfiles import atomic_replace, transaction
from dbswitch.envfiles.transaction import apply, recover
from dbswitch.errors import EnvFileError
from tests.envfiles import crash_scenarios as scenarios, power_cut
from tests.support.amounts import first_and_sweep

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the recorder reads /proc/self/fd")
LIMIT = 400  # images for one instant; so few calls nearly always have fewer
FEW = 40  # for mutants: one image with a wrong state is enough


class Bench:
    """Runs one action on a recorded disk and collects every distinct image a power cut could leave."""

    def __init__(self, tmp_path: Path, scenario: str):
        self.root = tmp_path / "project"
        self.scenario = scenario
        self.source = random.Random(20_26)

    def start(self, image: dict[str, bytes] | None = None) -> None:
        if image is None:
            shutil.rmtree(self.root, ignore_errors=True)
            self.root.mkdir()
            scenarios.build(self.scenario, self.root)
            return
        for folder in (self.root, self.root / "shared", self.root / "state"):
            for entry in list(os.scandir(folder)):
                if entry.is_file(follow_symlinks=False):
                    os.unlink(entry.path)
        for name, content in image.items():
            Path(name).write_bytes(content)

    def record(
        self, action, *, skip: int = 0, limit: int = LIMIT
    ) -> tuple[list[dict[str, bytes]], list[dict[str, bytes]], int, int]:
        """Return the images of all instants, those after the end, the number of effects and of flushes.

        The `skip`-th flush is left out: the mutant that a test must catch.
        """
        disk = power_cut.Disk(self.root)
        during: dict[int, dict[str, bytes]] = {}
        flushes = 0

        def gather() -> None:
            for image in disk.images(limit, self.source):
                during.setdefault(hash(frozenset(image.items())), image)

        with power_cut.recorded(disk, gather):
            recorded_fsync = os.fsync

            def fsync(fd):
                nonlocal flushes
                flushes += 1
                if flushes != skip:
                    recorded_fsync(fd)

            os.fsync = fsync
            try:
                action()
            finally:
                os.fsync = recorded_fsync
        after = list(disk.images(limit, self.source))
        disk.close()
        return list(during.values()), after, disk.effects, flushes

    def faults(self, during, after, *, final: str, allowed=("old", "new")) -> Iterator[str]:
        """Yield what is wrong after recovery of each image; those after the end must need none."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(
                os, "fsync", lambda _fd: None
            )  # thousands of recoveries; none of them meets a power cut
            for image in during:
                self.start(image)
                try:
                    report = recover(self.journal)
                except EnvFileError as error:
                    yield str(error)
                else:
                    yield from self._look(allowed, report and report.text)
            for image in after:
                self.start(image)
                yield from self._look((final,), "after the end")

    def _look(self, allowed, text) -> Iterator[str]:
        word = scenarios.outcome(self.scenario, self.root)
        if word not in allowed:
            yield f"{text}: {word}"
        # Modes are not part of the model.
        yield from (f"{text}: {b}" for b in scenarios.blemishes(self.scenario, self.root) if "mode" not in b)

    @property
    def journal(self) -> Path:
        return self.root / "state" / "journal"

    def apply(self) -> None:
        apply(scenarios.changes(self.scenario, self.root), self.journal)


@pytest.fixture(params=first_and_sweep(["mixture", "edits", "portable"]))
def bench(request, tmp_path, monkeypatch):
    if request.param == "portable":
        monkeypatch.setattr(atomic_replace, "exchange", lambda *_names: False)
    made = Bench(tmp_path, request.param)
    made.start()
    return made


def test_a_power_cut_at_any_instant_leaves_all_old_or_all_new(bench, figure):
    during, after, effects, flushes = bench.record(bench.apply)
    faults = list(bench.faults(during, after, final="new"))
    figure(
        f"power cut: {bench.scenario}: {effects} instants, {flushes} flushes, {len(during)} distinct disks, {len(faults)} wrong",
    )
    assert faults == []
    assert len(during) > 50


def test_a_power_cut_during_rollback_leaves_all_old_or_all_new(bench, figure):
    replace, calls = atomic_replace.replace, []

    def refusing(*args):
        calls.append(args)
        if len(calls) == 3:
            raise OSError(5, "refused by the test")
        replace(*args)

    def fail():
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(atomic_replace, "replace", refusing)
            with pytest.raises(EnvFileError):
                bench.apply()

    during, after, effects, _ = bench.record(fail)
    faults = list(bench.faults(during, after, final="old"))
    figure(
        f"power cut: {bench.scenario}, roll back: {effects} instants, {len(during)} distinct disks, {len(faults)} wrong",
    )
    assert faults == []


def _committed(bench) -> dict[str, bytes]:
    """Return the disk right after the commit point: the journal is there, nothing else has changed."""
    images = []

    def stop_after_commit():
        def refuse(*_args, **_kwargs):
            files = [p for p in bench.root.rglob("*") if p.is_file() and not p.is_symlink()]
            images.append({str(p): p.read_bytes() for p in files})
            raise OSError(5, "stopped by the test")

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(transaction, "_write", refuse)
            with pytest.raises(EnvFileError):
                bench.apply()

    stop_after_commit()
    return images[0]


def test_a_power_cut_during_the_recovery_can_be_recovered(bench, figure):
    image = _committed(bench)
    bench.start(image)
    during, after, effects, _ = bench.record(lambda: recover(bench.journal))
    faults = list(bench.faults(during, after, final="new", allowed=("new",)))
    figure(
        f"power cut: {bench.scenario}, recovery: {effects} instants, {len(during)} distinct disks, {len(faults)} wrong",
    )
    assert faults == []


def test_each_flush_of_a_transaction_is_needed(bench, figure):
    """The mutants of apply: without any one of its flushes, some power cut leaves a wrong state."""
    *_, flushes = bench.record(bench.apply)
    missed = []
    for number in range(1, flushes + 1):
        bench.start()
        during, after, *_ = bench.record(bench.apply, skip=number, limit=FEW)
        if next(bench.faults(during, after, final="new"), None) is None:
            missed.append(number)
    figure(
        f"power cut: {bench.scenario}: {flushes - len(missed)} of {flushes} mutants without a flush caught"
    )
    assert missed == []
    assert flushes >= 6


def test_each_flush_of_a_recovery_is_needed(bench, figure):
    image = _committed(bench)
    bench.start(image)
    *_, flushes = bench.record(lambda: recover(bench.journal))
    missed = []
    for number in range(1, flushes + 1):
        bench.start(image)
        during, after, *_ = bench.record(lambda: recover(bench.journal), skip=number, limit=FEW)
        if next(bench.faults(during, after, final="new", allowed=("new",)), None) is None:
            missed.append(number)
    figure(f"power cut: {bench.scenario}, recovery: {flushes - len(missed)} of {flushes} mutants caught")
    assert missed == []
