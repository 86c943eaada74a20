"""Point a running Next.js + Prisma dev app at another Postgres, and prove it."""

__version__ = "0.1.0"
