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

A service with a note under *support* does what the note says and no more; one that is not
listed below returns STATUS_NOT_IMPLEMENTED and is recorded in the run's report.
"""


def services_page() -> str:
    """The whole page."""
    nt = service_table(NT)
    done = [SERVICES[row.name] for row in nt if row.name in SERVICES]
    extra = [SERVICES[row.name] for row in service_table(EXTRA) if row.name in SERVICES]
    lines = [HEADER, f"{len(done)} of XP SP3's {len(nt)} nt services are implemented.", ""]
    lines += ["| number | service | family | support | what it does |", "|---|---|---|---|---|"]
    lines += [_row(service) for service in done]
    if extra:
        lines += ["", "Services that XP does not have, in table 2:", ""]
        lines += ["| number | service | family | support | what it does |", "|---|---|---|---|---|"]
        lines += [_row(service) for service in extra]
    lines += ["", "## Prototypes", "", "```"]
    lines += [_prototype(service) for service in (*done, *extra)]
    lines += ["```", "", "## Not implemented", ""]
    missing = [f"{row.name} ({row.number:03x})" for row in nt if row.name not in SERVICES]
    lines.append(", ".join(missing) + ".")
    win32k = len(service_table(WIN32K)) + len(service_table(EXTRA_WIN32))
    lines += ["", f"Of the {win32k} win32k services (tables 1 and 3) none is implemented.", ""]
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
