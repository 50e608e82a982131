"""Services: their manager starts when it is asked for, and ends with the last program."""

from __future__ import annotations

import json

from program_run import Runner

LIFE = """\
@echo off
sc query Spooler | find "STATE"
net start Spooler
sc query Spooler | find "STATE"
net stop Spooler
sc create mine binPath= c:\\windows\\system32\\spoolsv.exe type= own
sc qc mine >nul
sc delete mine
sc query mine >nul
if errorlevel 1 echo gone
exit /b 0
"""


def test_a_service_from_start_to_stop(run: Runner) -> None:
    (run.folder / "a.bat").write_text(LIFE)
    lines = [" ".join(line.split()) for line in run("cmd.exe", "/c", "a.bat").lines()]
    states = [line for line in lines if line.startswith("STATE")]
    assert states == ["STATE : 1 STOPPED", "STATE : 4 RUNNING"]
    assert lines[-1] == "gone"


def test_a_program_without_services_starts_none(run: Runner) -> None:
    report = run.folder / "report.json"
    run("hostname.exe", options=["--report", str(report)])
    services = json.loads(report.read_text())["services"]
    assert "NtSetInformationProcess" not in services
    assert "NtCreateUserProcess" not in services
