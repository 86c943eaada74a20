"""Repositories that look like real ones, each with exactly the findings it must give. Both directions.

A case is a repository: what is committed, what is staged on top, what lies in the work tree unseen by git, and the set of
(rule, path, line) that the judged scope gives. An empty set is the other direction: nothing may be found.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field

# Made up, but of the shape that providers generate. Taken apart so that no scanner takes this file for a leak.
PROD_PASSWORD = "Zk8@vQ2m!x9" + "TfLw$7bN"
PROD_ENCODED = "Zk8%40vQ2m%21x9" + "TfLw%247bN"
PROD_HOST = "db.prod-shop.io"
PROD = f"postgresql://shop:{PROD_ENCODED}@{PROD_HOST}:5432/shop?sslmode=verify-full"
LOCAL = "postgresql://postgres:postgres@localhost:5432/shop"
REAL = "postgresql://app:" + "q7Rv2LxTn4Ws9Kb" + "@db.customer-site.io:5432/app"
TOKEN = "vercel_blob_rw_" + "A9dK2mQx7LpZ4tVb8nRs"

ACCELERATE = (
    "prisma+postgres://accelerate.prisma-data.net/?api_key=eyJhbGciOiJIUzI1NiJ9." + "eyJhcGlfa2V5IjoiMWIz"
)

NEXT_IGNORE = "node_modules\n.next\n.env*\n!.env.example\nenv/*.env\n.dbswitch/\n"
SUFFIXED = f'DATABASE_URL="{LOCAL}"\nDATABASE_URL_LOCAL="{LOCAL}"\nDATABASE_URL_PRODUCTION="{PROD}"\n'
PACKAGE = json.dumps({"name": "shop", "dependencies": {"next": "16.0.7"}, "scripts": {"dev": "next dev"}})
PACKAGE_PRISMA = json.dumps(
    {"name": "shop", "dependencies": {"next": "16.0.7", "prisma": "7.1.0", "@prisma/client": "7.1.0"}}
)
CONFIG = "import 'dotenv/config'\nimport { env } from 'prisma/config'\nexport default { datasource: { url: env('DATABASE_URL') } }\n"
APP = {"package.json": PACKAGE, ".gitignore": NEXT_IGNORE}


@dataclass(frozen=True)
class Case:
    """One repository. `scope`: the words behind `dbswitch check`."""

    name: str
    committed: dict[str, str] = field(default_factory=dict)
    staged: dict[str, str] = field(default_factory=dict)
    tree: dict[str, str] = field(default_factory=dict)
    expected: frozenset[tuple[str, str, int]] = frozenset()
    scope: tuple[str, ...] = ()
    ambient: dict[str, str] = field(default_factory=dict)


def found(*items: tuple[str, str, int]) -> frozenset[tuple[str, str, int]]:
    return frozenset(items)


MUST_FIND = (
    Case(
        "every URL of a protected target counts, not only the first",
        APP,
        {
            "src/a.ts": "connect('ep-9.customer-site.io')\nlogin('q7Rv2LxTn4Ws9Kb')\n",
        },
        {"env/prod.env": f"DATABASE_URL={PROD}\nDIRECT_URL={REAL.replace('db.customer', 'ep-9.customer')}\n"},
        expected=found(("protected-host", "src/a.ts", 1), ("protected-secret", "src/a.ts", 2)),
    ),
    Case(
        "an env file with a real URL is staged",
        {"package.json": PACKAGE},
        {".env.local": f"A=1\nDATABASE_URL={REAL}\n"},
        expected=found(("env-file-tracked", ".env.local", 2)),
    ),
    Case(
        "env/prod.env is staged by force",
        APP,
        {"env/prod.env": f"DATABASE_URL={PROD}\n"},
        expected=found(("env-file-tracked", "env/prod.env", 1)),
    ),
    Case(
        "a tracked .env with a token, and a commit that does not touch it",
        {"package.json": PACKAGE, ".env": f"NEXT_PUBLIC_NAME=shop\nBLOB_READ_WRITE_TOKEN={TOKEN}\n"},
        {"src/a.ts": "export const a = 1\n"},
        expected=found(("env-file-tracked", ".env", 2)),
    ),
    Case(
        "the protected password as it is, in a TypeScript string",
        APP,
        {"src/db.ts": f"const password = '{PROD_PASSWORD}'\n"},
        {".env.local": SUFFIXED},
        expected=found(("protected-secret", "src/db.ts", 1)),
    ),
    Case(
        "the protected URL percent-encoded in another way",
        APP,
        {"src/db.ts": "export const url =\n  'postgresql://shop:Zk8%40vQ2m!x9TfLw$7bN@elsewhere.io/shop'\n"},
        {".env.local": SUFFIXED},
        expected=found(("protected-secret", "src/db.ts", 2)),
    ),
    Case(
        "the protected password in JSON, escaped",
        APP,
        {"config.json": '{\n "pw": "Zk8\\u0040vQ2m\\u0021x9' + 'TfLw$7bN"\n}\n'},
        {".env.local": SUFFIXED},
        expected=found(("protected-secret", "config.json", 2)),
    ),
    Case(
        "the protected password in YAML",
        APP,
        {"deploy.yaml": "db:\n  password: 'Zk8@vQ2m!x9" + "TfLw$7bN'\n"},
        {".env.local": SUFFIXED},
        expected=found(("protected-secret", "deploy.yaml", 2)),
    ),
    Case(
        "the protected password in a compose file, its dollar doubled",
        APP,
        {
            "compose.yaml": "services:\n  db:\n    environment:\n      POSTGRES_PASSWORD: Zk8@vQ2m!x9"
            "TfLw$$7bN\n"
        },
        {".env.local": SUFFIXED},
        expected=found(("protected-secret", "compose.yaml", 4)),
    ),
    Case(
        "the protected password in base64, as Kubernetes wants it",
        APP,
        {"secret.yaml": "data:\n  password: Wms4QHZRMm0heDlUZkx3JDdiTg==\n"},
        {".env.local": SUFFIXED},
        expected=found(("protected-secret", "secret.yaml", 2)),
    ),
    Case(
        "the protected host without any password",
        APP,
        {"scripts/seed.ts": f"const client = connect({{ host: '{PROD_HOST}' }})\n"},
        {"env/prod.env": f"DATABASE_URL={PROD}\n"},
        expected=found(("protected-host", "scripts/seed.ts", 1)),
    ),
    Case(
        "a protected secret is one in a test and in documentation too",
        APP,
        {"tests/a.test.ts": f"const p = '{PROD_PASSWORD}'\n", "README.md": f"Password: {PROD_PASSWORD}\n"},
        {"env/production.env": f"DATABASE_URL={PROD}\n"},
        expected=found(("protected-secret", "tests/a.test.ts", 1), ("protected-secret", "README.md", 1)),
    ),
    Case(
        "a companion token of the protected target",
        APP,
        {"src/blob.ts": f"put(name, body, {{ token: '{TOKEN}' }})\n"},
        {"env/prod.env": f"DATABASE_URL={PROD}\nBLOB_READ_WRITE_TOKEN={TOKEN}\n"},
        expected=found(("protected-secret", "src/blob.ts", 1)),
    ),
    Case(
        "a target that dbswitch.toml protects",
        {**APP, "dbswitch.toml": "[targets.staging]\nprotected = true\n"},
        {"src/a.ts": f"const h = '{PROD_HOST}'\n"},
        {"env/staging.env": f"DATABASE_URL={PROD}\n"},
        expected=found(("protected-host", "src/a.ts", 1)),
    ),
    Case(
        "URLs with passwords in source of several kinds",
        APP,
        {
            "src/db.ts": f"\n  connectionString: '{REAL}',\n",
            "prisma/seed.js": f"const u = `{REAL}`\n",
            "infra/main.tf": f'url = "{REAL}"\n',
            ".github/workflows/ci.yml": f"env:\n  DATABASE_URL: {REAL}\n",
            "config.json": '{"url": "' + REAL.replace("/", "\\/") + '"}\n',
            "jdbc.properties": f"sqlalchemy.url = {REAL.replace('postgresql:', 'postgresql+psycopg:')}\n",
        },
        expected=found(
            ("url-with-password", "src/db.ts", 2),
            ("url-with-password", "prisma/seed.js", 1),
            ("url-with-password", "infra/main.tf", 1),
            ("url-with-password", ".github/workflows/ci.yml", 2),
            ("url-with-password", "config.json", 1),
            ("url-with-password", "jdbc.properties", 1),
        ),
    ),
    Case(
        "a generated password for a real host in documentation and in an example",
        APP,
        {"README.md": f"Use `{REAL}`\n", ".env.example": f"DATABASE_URL={REAL}\n"},
        expected=found(("url-with-password", "README.md", 1), ("url-with-password", ".env.example", 1)),
    ),
    Case(
        "a URL as a query parameter, encoded as a whole",
        APP,
        {"src/a.ts": "fetch('/x?db=postgresql%3A%2F%2Fapp%3Aq7Rv2LxTn4Ws9Kb%40db.customer-site.io%2Fapp')\n"},
        expected=found(("url-with-password", "src/a.ts", 1)),
    ),
    Case(
        "the active target is protected",
        APP,
        {"src/a.ts": "export const a = 1\n"},
        {".env.local": SUFFIXED.replace(LOCAL, PROD, 1)},
        expected=found(("active-protected", ".env.local", 1)),
    ),
    Case(
        "another user of the protected target's database is active",
        APP,
        {"src/a.ts": "export const a = 1\n"},
        {".env.local": SUFFIXED.replace(LOCAL, PROD.replace("://", "://other-"), 1)},
        expected=found(("active-protected", ".env.local", 1)),
    ),
    Case(
        "the shell makes the protected target active",
        APP,
        {"src/a.ts": "export const a = 1\n"},
        {".env.local": SUFFIXED},
        ambient={"DATABASE_URL": PROD},
        expected=found(("active-protected", ".env", 1)),
    ),
    Case(
        "a variable of a protected target beside the active one",
        APP,
        {"src/a.ts": "export const a = 1\n"},
        {".env.local": f"{SUFFIXED}REPORTS_URL={PROD}\n"},
        expected=found(("active-protected", ".env.local", len(SUFFIXED.splitlines()) + 1)),
    ),
    Case(
        "the Prisma CLI reads another variable, which leads to another database",
        {
            "package.json": PACKAGE_PRISMA,
            ".gitignore": NEXT_IGNORE,
            "prisma.config.ts": CONFIG.replace("env('DATABASE_URL')", "env('DIRECT_URL')"),
        },
        tree={".env": f"DATABASE_URL={LOCAL}\nDIRECT_URL={LOCAL.replace('/shop', '/other')}\n"},
        scope=("--all",),
        expected=found(("split-databases", ".env", 2)),
    ),
    Case(
        "private files that git does not ignore",
        {"package.json": PACKAGE, ".gitignore": "node_modules\n"},
        {"src/a.ts": "export const a = 1\n"},
        {".env.local": "A=1\n", "env/local.env": f"DATABASE_URL={LOCAL}\n", ".dbswitch/token": "x\n"},
        expected=found(
            ("not-ignored", ".env.local", 1),
            ("not-ignored", "env/local.env", 1),
            ("not-ignored", ".dbswitch/token", 1),
        ),
    ),
    Case(
        "lines of a committed env file that are no bindings",
        APP,
        {".env.example": "A=1\nexport\nDATABASE URL=x\n# fine\n\nB='open\nC=2\n"},
        expected=found(
            ("malformed-line", ".env.example", 2),
            ("malformed-line", ".env.example", 3),
            ("malformed-line", ".env.example", 6),
        ),
    ),
    Case(
        "a variable bound twice",
        APP,
        {".env.example": 'A=1\nDATABASE_URL=""\nA=2\n'},
        expected=found(("duplicate-binding", ".env.example", 1)),
    ),
    Case(
        "code reads a variable that no file defines",
        APP,
        {
            "src/a.ts": "const a = process.env.DATABASE_URL\nsend(process.env.MAIL_KEY)\nconst c = process.env['OTHER']\n"
        },
        {".env.local": SUFFIXED},
        scope=("--every-variable",),
        expected=found(("undefined-variable", "src/a.ts", 2)),
    ),
    Case(
        "code reads a variable of a target that no file defines",
        APP,
        {"src/a.ts": "send(process.env.MAIL_KEY)\nconnect(process.env.DATABASE_URL_STAGING)\n"},
        {".env.local": SUFFIXED},
        expected=found(("undefined-variable", "src/a.ts", 2)),
    ),
    Case(
        "the whole work tree: readers, shadows, split databases, needs, the example",
        {
            "package.json": PACKAGE_PRISMA,
            ".gitignore": NEXT_IGNORE,
            "prisma.config.ts": CONFIG.replace(
                "url: env('DATABASE_URL')",
                "url: env('DATABASE_URL'), shadowDatabaseUrl: env('SHADOW_DATABASE_URL')",
            ),
            ".env.example": 'DATABASE_URL=""\n',
        },
        tree={
            ".env": f"DATABASE_URL={LOCAL}\n",
            ".env.local": f"DATABASE_URL={LOCAL.replace('/shop', '/other')}\nMAIL_KEY=x\n",
        },
        scope=("--all", "--every-variable"),
        expected=found(
            ("shadowed-variable", ".env", 1),
            ("split-databases", ".env", 1),
            ("undefined-variable", "prisma.config.ts", 3),
            ("example-out-of-step", ".env.example", 1),
        ),
    ),
    Case(
        "URLs that nobody could use, in ignored env files",
        APP,
        tree={
            ".env": "DATABASE_URL=mysql://root@localhost/x\n",
            "env/prod.env": "DATABASE_URL=postgresql://u:pw@/\n",
            "env/staging.env": "DATABASE_URL=postgresql://postgres:postgres@db.customer-site.io:5432/app\n",
        },
        scope=("--all",),
        expected=found(
            ("unusable-url", ".env", 1),
            ("unusable-url", "env/prod.env", 1),
            ("placeholder-password", "env/staging.env", 1),
        ),
    ),
    Case(
        "a password with a dollar that the readers take differently",
        {"package.json": PACKAGE_PRISMA, ".gitignore": NEXT_IGNORE, "prisma.config.ts": CONFIG},
        tree={".env": "DATABASE_URL=postgresql://app:a$bcd@localhost:5432/shop\n"},
        scope=("--all",),
        expected=found(("readers-disagree", ".env", 1), ("split-databases", ".env", 1)),
    ),
    Case(
        "in a monorepo the app's own env files and targets count",
        {
            "package.json": '{"workspaces": ["apps/*"]}',
            ".gitignore": NEXT_IGNORE,
            "apps/web/package.json": PACKAGE,
        },
        {
            "apps/web/src/a.ts": f"const p = '{PROD_PASSWORD}'\n",
            "packages/db/b.ts": f"const h = '{PROD_HOST}'\n",
        },
        {"apps/web/.env.local": SUFFIXED},
        expected=found(
            ("protected-secret", "apps/web/src/a.ts", 1), ("protected-host", "packages/db/b.ts", 1)
        ),
    ),
    Case(
        "URLs behind which another @ follows, and passwords in other places of a URL",
        APP,
        {
            "a.yml": f"x: [{REAL},admin@example.com]\ny: {REAL},me@localhost\n",
            "a.properties": "url=jdbc:postgresql://db.customer-site.io/app?user=a&password=q7Rv2LxTn4Ws9Kb\n",
            "a.json": '{"url": "postgresql:\\/\\/db.customer-site.io\\/app?password=q7Rv2LxTn4Ws' + '9Kb"}\n',
        },
        expected=found(
            ("url-with-password", "a.yml", 1),
            ("url-with-password", "a.yml", 2),
            ("url-with-password", "a.properties", 1),
            ("url-with-password", "a.json", 1),
        ),
    ),
    Case(
        "the key of Prisma Postgres and of Accelerate",
        APP,
        {
            "src/a.ts": f"new PrismaClient({{ datasourceUrl: '{ACCELERATE}' }})\n",
            ".env.production": f"A=1\nDATABASE_URL={ACCELERATE.replace('+postgres', '')}\n",
        },
        expected=found(
            ("url-with-password", "src/a.ts", 1),
            ("env-file-tracked", ".env.production", 2),
            ("unusable-url", ".env.production", 2),
        ),
    ),
    Case(
        "secrets that Next.js would send to every browser",
        APP,
        tree={
            ".env.local": f"{SUFFIXED}NEXT_PUBLIC_DB={REAL}\n",
            ".env": f"NEXT_PUBLIC_DATABASE_URL={LOCAL}\nNEXT_PUBLIC_STRIPE_KEY=pk_live_51HxAbCdEf0123456789\n",
            "env/prod.env": f"DATABASE_URL={PROD}\nBLOB_READ_WRITE_TOKEN={TOKEN}\nNEXT_PUBLIC_BLOB={TOKEN}\n",
        },
        scope=("--all",),
        expected=found(("public-secret", ".env.local", 4), ("public-secret", "env/prod.env", 3)),
    ),
    Case(
        "hosts and passwords that merely look like placeholders",
        APP,
        {
            "src/a.ts": "".join(
                f"'{REAL.replace('db.customer-site.io', host)}'\n"
                for host in (
                    "db.foodpanda.io",
                    "db.sidebar.io",
                    "economy-db.corp.io",
                    "postgres.railway.internal",
                )
            )
            + "'postgres://app:K7QW9XZ2M4"
            + "TTR5PL@db.customer-site.io/x'\n",
        },
        expected=found(*(("url-with-password", "src/a.ts", line) for line in range(1, 6))),
    ),
    Case(
        "files in UTF-16, as PowerShell writes them",
        APP,
        {
            ".env.production": f"A=1\nDATABASE_URL={REAL}\n".encode("utf-16").decode("latin-1"),
            "src/a.ts": f"\nconst u = '{REAL}'\n".encode("utf-16-be").decode("latin-1"),
        },
        expected=found(("env-file-tracked", ".env.production", 2), ("url-with-password", "src/a.ts", 2)),
    ),
    Case(
        "a protected secret in a bundle, a source map and a build",
        APP,
        {
            "public/a.min.js": f"p='{PROD_PASSWORD}'\n",
            "public/a.js.map": f'["{PROD_PASSWORD}"]\n',
            ".next/server/b.js": f"p='{PROD_PASSWORD}'\n",
        },
        {"env/prod.env": f"DATABASE_URL={PROD}\n"},
        expected=found(
            ("protected-secret", "public/a.min.js", 1),
            ("protected-secret", "public/a.js.map", 1),
            ("protected-secret", ".next/server/b.js", 1),
        ),
    ),
    Case(
        "the state folder staged by force",
        APP,
        {".dbswitch/journal": f"DATABASE_URL={REAL}\n"},
        expected=found(("not-ignored", ".dbswitch/journal", 1)),
    ),
    Case(
        "a rule spelled wrong in a comment allows nothing",
        APP,
        {"src/a.ts": f"const u = '{REAL}' // dbswitch-check: ignore[undefined_variable]\n"},
        expected=found(("url-with-password", "src/a.ts", 1)),
    ),
    Case(
        "a comment for another rule allows nothing",
        APP,
        {"src/a.ts": f"const u = '{REAL}' // dbswitch-check: ignore[unusable-url]\n"},
        expected=found(("url-with-password", "src/a.ts", 1)),
    ),
)

MUST_NOT_FIND = (
    Case(
        "variables that no target sets, unless they are asked for",
        {**APP, ".env.example": 'DATABASE_URL=""\n'},
        {"src/a.ts": "send(process.env.MAIL_KEY)\nconst c = process.env['OTHER']\n"},
        {".env.local": f"DATABASE_URL={LOCAL}\nSENTRY_DSN=x\n"},
        scope=("--all",),
    ),
    Case("an empty repository"),
    Case(
        "a new Next.js project", APP, {"src/app/page.tsx": "export default function Page() { return null }\n"}
    ),
    Case(
        "a careful project at work",
        {**APP, ".env.example": 'DATABASE_URL="postgresql://USER:PASSWORD@HOST:5432/DATABASE"\n'},
        {
            "src/db.ts": "export const url = process.env.DATABASE_URL!\n",
            "src/env.ts": "if (process.env.NODE_ENV === 'production' && !process.env.CI) throw new Error('x')\n",
        },
        {".env.local": SUFFIXED, "env/prod.env": f"DATABASE_URL={PROD}\n", ".dbswitch/.gitignore": "*\n"},
    ),
    Case(
        "placeholders of every taste in examples",
        APP,
        {
            ".env.example": (
                'A="postgresql://user:password@localhost:5432/mydb?schema=public"\n'
                'B="postgres://<user>:<password>@<host>:5432/<db>"\n'
                "C=postgresql://postgres.abcdefghij:[YOUR-PASSWORD]@aws-0-eu-west-1.pooler.supabase.com:6543/postgres\n"
                "D=postgresql://neondb_owner:your_password@ep-cool-darkness-123456.us-east-2.aws.neon.tech/neondb\n"
                "E=postgres://username:********@db.customer-site.io/app\n"
                "F=postgresql://USER:PASSWORD@HOST:PORT/DATABASE\n"
                "G=postgresql://${DB_USER}:${DB_PASSWORD}@${DB_HOST}:5432/app\n"
                "BLOB_READ_WRITE_TOKEN=vercel_blob_rw_your_token_here\n"
                "H=prisma+postgres://accelerate.prisma-data.net/?api_key=YOUR_API_KEY\n"
                f"I={ACCELERATE.replace('accelerate.prisma-data.net', 'localhost:51213')}\n"
                "J=postgresql://localhost/app?user=app&password=q7Rv2LxTn4Ws\n"
                "K=postgresql://HOST/DATABASE?user=USER&password=PASSWORD_1\n"
            ),
            "env/prod.env.example": 'DATABASE_URL="postgresql://USER:PASSWORD@HOST:5432/DATABASE"\n',
        },
    ),
    Case(
        "documentation and tests with made-up URLs",
        APP,
        {
            "README.md": "Set `postgres://alice:s3cret@db.example.com:5432/app` or\n`postgresql://alex:AbC123dEf@ep-cool-darkness-123456.us-east-2.aws.neon.tech/dbname?sslmode=require`.\n",
            "docs/setup.mdx": "postgresql://prisma:prisma@db.mycompany.io:5432/prisma\n",
            "src/url.test.ts": "expect(parse('postgres://bob:hunter2@prod.db.internal:5432/x')).toBe(1)\nparse('postgres://u:p%40ss@h/d')\n",
            "tests/fixtures/a.json": '{"url": "postgres://root:toor@10.0.0.1/a"}\n',
            "__tests__/b.ts": "const url = 'postgresql://scott:tiger@pg.acme.com/orcl'\n",
            "CHANGELOG.md": "- accept postgres://user:pa$$@host/db\n",
        },
    ),
    Case(
        "local services in compose files, workflows and scripts",
        APP,
        {
            "compose.yaml": "services:\n  web:\n    environment:\n      DATABASE_URL: postgresql://shop:Tr0ub4dor3horse@db:5432/shop\n",
            ".github/workflows/ci.yml": "env:\n  DATABASE_URL: postgres://postgres:postgres@localhost:5432/test\n",
            "scripts/dev.sh": 'export DATABASE_URL="postgresql://app:a8Kd92LmXq0Z@127.0.0.1:5432/app"\n',
            "Makefile": "URL=postgres://postgres:mysecretpassword@host.docker.internal/db\n",
        },
    ),
    Case(
        "URLs put together from variables",
        APP,
        {
            "src/a.ts": "const u = `postgresql://${user}:${password}@${host}:5432/${db}`\nconst v = 'postgresql://' + user + ':' + pw + '@' + host\n",
            "a.py": "url = f'postgresql://{user}:{password}@{host}/{db}'\nb = 'postgresql://%s:%s@%s/db' % t\n",
            "values.yaml": "url: postgresql://{{ .Values.user }}:{{ .Values.pw }}@{{ .Values.host }}/db\n",
            "main.tf": 'url = "postgresql://${var.user}:${var.password}@${aws_db.host}/db"\n',
        },
    ),
    Case(
        "URLs without a password, and of other databases",
        APP,
        {
            "src/a.ts": "a('postgresql://app@db.customer-site.io/app'); b('postgres://db.customer-site.io/app'); c('https://u:p@x.io')\n"
        },
    ),
    Case(
        "env files that are made to be committed",
        {"package.json": PACKAGE, ".gitignore": ".env*.local\n.dbswitch/\nenv/*.env\n"},
        {
            ".env": "NEXT_PUBLIC_SITE=https://shop.io\nNEXT_PUBLIC_STRIPE_KEY=pk_live_51HxAbCdEf0123456789\nPORT=3000\n",
            ".env.development": f"DATABASE_URL={LOCAL}\nNEXTAUTH_SECRET=development-secret\n",
            ".env.test": "DATABASE_URL=postgresql://postgres:postgres@localhost:5433/test\n",
            ".env.production": "NEXT_PUBLIC_API=https://api.shop.io\nSENTRY_AUTH_TOKEN=encrypted:BDkd93kfKdk2kd93kdkwk3kdkKD\n",
        },
    ),
    Case(
        "things that merely look like the protected target",
        APP,
        {
            "src/a.ts": "const host = 'db.prod-shop.io.evil.test', b = 'mydb.prod-shop.io', c = 'Zk8', d = 'x9TfLw'\n",
            "b.txt": "shop\npostgres\nlocalhost\n5432\n",
        },
        {".env.local": SUFFIXED},
    ),
    Case(
        "a prod database on a shared pooler host, which many projects name",
        APP,
        {
            "docs/a.md": "aws-0-eu-central-1.pooler.supabase.com\n",
            "src/b.ts": "// see aws-0-eu-central-1.pooler.supabase.com\n",
        },
        {
            "env/prod.env": "DATABASE_URL=postgresql://p.ref:"
            + PROD_ENCODED
            + "@aws-0-eu-central-1.pooler.supabase.com:6543/postgres\n"
        },
    ),
    Case(
        "a prod target with a local or a weak password gives no word to search for",
        APP,
        {"src/a.ts": "const user = 'postgres'; const host = 'localhost'; const password = 'password'\n"},
        {
            "env/prod.env": "DATABASE_URL=postgresql://postgres:postgres@localhost:5432/postgres\n",
            ".env.local": "DATABASE_URL=postgresql://a:b@localhost/c\n",
        },
    ),
    Case(
        "variables with a default, a check, in a comment, or of the platform",
        APP,
        {
            "src/a.ts": (
                "const a = process.env.LOG_LEVEL ?? 'info'\nconst b = process.env.B || ''\nif (process.env.C) run()\n"
                "if (!process.env.D) throw 1\nconst e = process.env.E === '1'\n// process.env.F\nprocess.env.G = 'x'\n"
                "const h = process.env.VERCEL_URL + process.env.PORT + process.env.npm_package_version\n"
                "const i = process.env.I ? 1 : 2\n"
            ),
            "src/a.test.ts": "process.env.ONLY_IN_TESTS\n",
            "src/b.py": "process.env.PYTHON\n",
        },
        {".env.local": SUFFIXED},
    ),
    Case(
        "files with .env. in their names that no dotenv reader reads",
        APP,
        {
            "cypress.env.json": '{\n "a": 1\n}\n',
            "jest.env.ts": "process.env.X = '1'\nexport {}\n",
            "types/process.env.d.ts": "declare global {\n}\n",
        },
    ),
    Case(
        "code of a project without any env file, as in CI",
        {"package.json": PACKAGE},
        {"src/a.ts": "export const u = process.env.DATABASE_URL\n"},
        scope=("--all",),
    ),
    Case(
        "comments that allow a finding",
        APP,
        {
            "src/a.ts": f"const u = '{REAL}' // dbswitch-check: ignore[url-with-password] rotated\n",
            "src/b.py": f"# dbswitch-check: ignore\nu = '{REAL}'\n",
            "src/c.ts": f"// dbswitch-check: ignore-file[url-with-password]\n\nconst u = '{REAL}'\nconst v = '{REAL}'\n",
            "src/d.ts": f"const u = '{REAL}' // pragma: allowlist secret\n",
        },
    ),
    Case(
        "rules turned off and paths excluded",
        {
            **APP,
            "dbswitch.toml": '[check]\nexclude = ["fixtures/", "*.sql"]\n[check.rules]\nprotected-host = "off"\n',
        },
        {
            "src/a.ts": f"const h = '{PROD_HOST}'\n",
            "fixtures/x.ts": f"'{REAL}'\n",
            "db/dump.sql": f"-- {REAL}\n",
        },
        {"env/prod.env": f"DATABASE_URL={PROD}\n"},
    ),
    Case(
        "lock files, bundles and binaries",
        APP,
        {
            "package-lock.json": f'{{"resolved": "{REAL}"}}\n',
            "public/a.min.js": f"'{REAL}'\n",
            "logo.png": f"\x89PNG\0{REAL}\n",
        },
    ),
    Case(
        "a work tree in good order",
        {
            "package.json": PACKAGE_PRISMA,
            ".gitignore": NEXT_IGNORE,
            "prisma.config.ts": CONFIG,
            ".env.example": 'DATABASE_URL=""\nMULTI=\nREF=\n# OPTIONAL=\n',
            "src/db.ts": "new PrismaPg({ connectionString: process.env.DATABASE_URL })\n",
        },
        tree={
            ".env": f'DATABASE_URL="{LOCAL}"\n',
            ".env.local": SUFFIXED + "OPTIONAL=1\nMULTI='a\nb'\nREF=\"${OPTIONAL}/x\"\n",
            "env/prod.env": f"# the shop\nexport DATABASE_URL='{PROD}'\n",
        },
        scope=("--all",),
    ),
    Case(
        "the same database written in two ways is one database",
        {"package.json": PACKAGE_PRISMA, ".gitignore": NEXT_IGNORE, "prisma.config.ts": CONFIG},
        tree={
            ".env": f"DATABASE_URL={LOCAL}\n",
            ".env.local": f"DATABASE_URL='{LOCAL.replace('postgresql:', 'postgres:')}'\n",
        },
        scope=("--all",),
    ),
    Case(
        "the deletion of a leak",
        {**APP, "src/a.ts": f"const u = '{REAL}'\n"},
        {"src/a.ts": "const u = process.env.DATABASE_URL\n"},
    ),
)
