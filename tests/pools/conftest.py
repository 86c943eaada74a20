"""What the tests of pools share."""

from tests.support.fleet import fleet, fleet_of

__all__ = ["fleet", "fleet_of"]
