"""The Postgres service of a compose file is found where it is certain, and nothing is guessed."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from dbswitch.project.compose import postgres_service

PLAIN = """
services:
  web:
    build: .
    ports:
      - "3000:3000"
  db:
    image: postgres:16-alpine
    environment:
      POSTGRES_PASSWORD: x
    ports:
      - "5433:5432"  # not the usual one
volumes:
  data:
"""


def test_the_service_that_publishes_postgres_on_the_port_is_found() -> None:
    assert postgres_service(PLAIN, 5433) == "db"


def test_another_port_is_not_it() -> None:
    assert postgres_service(PLAIN, 5432) is None


@pytest.mark.parametrize(
    ("image", "found"),
    [
        ("postgres", True),
        ('"postgis/postgis:16-3.4"', True),
        ("pgvector/pgvector:pg16", True),
        ("docker.example:5000/library/postgres:15", True),
        ("timescale/timescaledb:latest-pg16", True),
        ("mysql:8", False),
        ("my/postgres-exporter-ui", False),
        ("dpage/pgadmin4", False),
    ],
)
def test_only_images_that_are_postgres_count(image: str, *, found: bool) -> None:
    text = f"services:\n  db:\n    image: {image}\n    ports:\n    - 127.0.0.1:5432:5432\n"
    assert (postgres_service(text, 5432) == "db") is found


def test_a_service_outside_the_services_block_is_not_one() -> None:
    assert (
        postgres_service("x-db:\n  db:\n    image: postgres\n    ports:\n      - 5432:5432\n", 5432) is None
    )


@given(st.text(max_size=300), st.integers(1, 65535))
def test_any_text_at_all_gives_a_name_or_none(text: str, port: int) -> None:
    assert postgres_service(text, port) is None or isinstance(postgres_service(text, port), str)
