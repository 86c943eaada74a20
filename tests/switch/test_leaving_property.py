"""Whatever happens to a project between switches: after a switch no reader gets a value of another target."""

from __future__ import annotations

import random
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from dbswitch.errors import ConfigError, DbswitchError, EnvFileError
from dbswitch.project import git
from dbswitch.project.active_target import ActiveKind, active
from dbswitch.project.discovery import load
from tests.envfiles.real_readers import DOTENV, NEXT, NodeReaders
from tests.support.amounts import slice_and_sweep
from tests.switch import env_only
from tests.switch.env_world import FILES, World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NUMBER = st.integers(0, 127)
STEP = st.tuples(st.integers(0, 12), NUMBER, NUMBER, NUMBER)
STORY = st.tuples(st.integers(0, 4), st.integers(0, 3), st.lists(STEP, min_size=6, max_size=22))
Story = tuple[int, int, list[tuple[int, int, int, int]]]


def random_story(seed: int) -> Story:
    """Return a story in which every number is as likely as any other; Hypothesis prefers small ones."""
    rnd = random.Random(seed)
    highest = rnd.choice((24, 128))
    steps = [
        (rnd.randrange(13), *(rnd.randrange(highest) for _ in range(3))) for _ in range(rnd.randrange(6, 23))
    ]
    return rnd.randrange(5), rnd.randrange(4), steps


STORIES = st.one_of(STORY, st.integers(0, 2**32).map(random_story))
# Each was wrong once: a value of the user's own was lost, a command target was not recognised.
FOUND: tuple[Story, ...] = (
    (0, 1, [(11, 22, 11, 6), (12, 20, 2, 21), (5, 19, 11, 1), (3, 15, 4, 5), (8, 22, 4, 18)]),
    (2, 3, [(11, 6, 14, 10), (10, 18, 3, 16), (6, 0, 11, 12), (10, 13, 18, 7)]),
    (2, 0, [(0, 0, 3, 0), (0, 1, 0, 0), (0, 0, 0, 0), (0, 0, 0, 0), (0, 0, 0, 0), (8, 0, 0, 0)]),
    (
        2,
        0,
        [
            (8, 7, 2, 19), (11, 3, 14, 21), (5, 21, 11, 13), (1, 19, 20, 19), (1, 1, 21, 17), (6, 8, 1, 20),
            (5, 22, 15, 2), (10, 4, 7, 7), (5, 15, 4, 22), (6, 8, 11, 21), (12, 14, 14, 3),
        ],
    ),
)  # fmt: skip
SWITCH = 8  # steps of this kind and above are switches


@pytest.fixture(autouse=True)
def _no_git(monkeypatch: pytest.MonkeyPatch) -> None:
    """Say what git would: the folders are in no repository. Each switch would start it twice, a fifth of the whole time."""

    def refuse(*_: object, **__: object) -> bytes:
        raise git.NoRepositoryError("no git repository here")

    monkeypatch.setattr(git, "run", refuse)


def tell(story: Story, after_switch: Callable[[World, str], None]) -> tuple[int, int]:
    """Live through a story; return how many switches were made, and how many refused."""
    prisma, layout, steps = story
    folder = Path(tempfile.mkdtemp(prefix="dbswitch-story-"))
    made = 0
    try:
        root = folder / "app"
        root.mkdir()
        world = World(root, prisma, layout)
        world.step(0, 0, steps[0][2], 5)
        world.step(0, 1, steps[1][2], 1 + (steps[1][3] & ~3))
        for kind, a, b, c in steps:
            if kind < SWITCH:
                world.step(kind, a, b, c)
            elif world.targets and switch(world, sorted(world.targets)[a % len(world.targets)]):
                made += 1
                after_switch(world, sorted(world.targets)[a % len(world.targets)])
    finally:
        shutil.rmtree(folder)
    return made, world.refused


def switch(world: World, name: str) -> bool:
    """Switch and compare with the model; return whether the switch was made."""
    before = world.snapshot()
    refusable = world.may_refuse(name)
    refused: DbswitchError | None = None
    try:
        env_only.switch(world.root, name, world.exports)
    except (ConfigError, EnvFileError) as error:
        refused = error
    if refused is not None:
        world.refused += 1
        assert refusable, f"refused: {refused.what} {refused.facts}"
        assert world.snapshot() == before
        return False
    world.switched(name)
    faults = world.faults(name, before)
    assert not faults, faults
    return True


def is_active(world: World, name: str) -> None:
    found = active(load(world.root), world.exports)
    assert (found.kind, found.target) == (ActiveKind.ONE, name), found.text


# 5,000 projects, in parts that each keep within the deadline of a sweep.
@pytest.mark.parametrize(
    ("projects", "part"),
    [(20, 0), *(pytest.param(1000, part, marks=pytest.mark.sweep) for part in range(1, 6))],
)
def test_after_every_switch_no_reader_gets_a_value_of_another_target(projects: int, part: int) -> None:
    switches = refusals = 0

    @settings(
        max_examples=projects,
        deadline=None,
        derandomize=projects < 1000,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(STORIES)
    def holds(story: Story) -> None:
        nonlocal switches, refusals
        made, refused = tell(story, is_active)
        switches += made
        refusals += refused

    holds()
    assert switches > 2 * refusals
    print(f"part {part}: {projects} projects, {switches} switches, {refusals} refused")


FOUND_SEEDS = (452, 460, 5204, 5388, 100180, 100202, 100757, 103426, 103671, 107225, 107996, 109749)


@pytest.mark.parametrize("story", [*FOUND, *map(random_story, FOUND_SEEDS)])
def test_stories_that_went_wrong_once_go_well(story: Story) -> None:
    assert tell(story, is_active)[0] > 0


@pytest.fixture(scope="module")
def node() -> Iterator[NodeReaders]:
    readers = NodeReaders()
    yield readers
    readers.close()


@pytest.mark.real
@slice_and_sweep("projects", 20, 300)
def test_the_real_readers_get_what_the_model_says(projects: int, node: NodeReaders) -> None:
    compared = 0

    def compare(world: World, name: str) -> None:
        nonlocal compared
        compared += 1
        read = node.read({file: text.encode() for file, text in world.snapshot().items()})
        wanted = world.targets[name].values
        for reader in NEXT:
            assert {key: read[reader].get(key) for key in wanted} == wanted
            expected = world.reads(FILES)
            assert {key: read[reader].get(key) for key in expected} == expected
        for reader in DOTENV:
            assert read[reader] == world.live(".env")

    @settings(
        max_examples=projects,
        deadline=None,
        derandomize=projects < 100,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(STORIES)
    def holds(story: Story) -> None:
        tell(story, compare)

    holds()
    assert compared > projects
    print(f"{projects} projects, {compared} switches read by the real readers")
