"""docs/services.md from the @service declarations.

    python -m ntgate.tools.generate_docs            writes it
    python -m ntgate.tools.generate_docs --check    fails when it is not up to date
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import ntgate.services.all  # noqa: F401
from ntgate.dispatch.service import SERVICES, Parameter, Service
from ntgate.dispatch.tables import EXTRA, EXTRA_WIN32, NT, WIN32K, service_table

HEADER = """\
# Services

Generated from the `@service` declarations by `make docs`; do not edit.

The note under *support* says what a service lacks.  One that is not listed below returns
STATUS_NOT_IMPLEMENTED, or 0 if it is win32k's, and is recorded in the run's report.
"""

TABLES = {
    NT: "XP's nt services (table 0)",
    WIN32K: "XP's win32k services (table 1)",
    EXTRA: "Wine's and newer nt services (table 2)",
    EXTRA_WIN32: "Newer win32k services (table 3)",
}
LISTED = (NT, EXTRA)  # those whose missing services are named one by one


def services_page() -> str:
    """The whole page."""
    lines = [HEADER]
    shown: list[Service] = []
    for table, title in TABLES.items():
        rows = service_table(table)
        done = [SERVICES[row.name] for row in rows if row.name in SERVICES]
        shown += done
        lines += [f"## {title}", "", f"{len(done)} of {len(rows)} are implemented.", ""]
        lines += ["| number | service | family | support | what it does |", "|---|---|---|---|---|"]
        lines += [*(_row(service) for service in done), ""]
        missing = [f"{row.name} ({row.number:03x})" for row in rows if row.name not in SERVICES]
        if table in LISTED:
            lines += [f"Not implemented: {', '.join(missing)}.", ""]
    lines += ["## Prototypes", "", "```"]
    lines += [_prototype(service) for service in shown]
    lines += ["```", ""]
    return "\n".join(lines)


def _row(service: Service) -> str:
    number = service.number
    summary = service.summary.splitlines()[0]
    support = service.partial or "full"
    return f"| {number.number:03x} | {number.name} | {service.family} | {support} | {summary} |"


def _prototype(service: Service) -> str:
    parameters = ", ".join(_parameter(parameter) for parameter in service.parameters)
    return f"{service.number.name}({parameters})"


def _parameter(parameter: Parameter) -> str:
    direction = "" if parameter.direction == "in" else f"[{parameter.direction}] "
    return f"{direction}{parameter.type_name} {parameter.name}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    parser.add_argument("--out", type=Path, default=Path("docs/services.md"))
    arguments = parser.parse_args()
    page = services_page()
    if arguments.check:
        current = arguments.out.read_text() if arguments.out.exists() else ""
        if current != page:
            print(f"{arguments.out} is not up to date: run make docs", file=sys.stderr)
            return 1
        return 0
    arguments.out.write_text(page)
    return 0


if __name__ == "__main__":
    sys.exit(main())
