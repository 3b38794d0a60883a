"""Lines of logs, for people."""

from __future__ import annotations

import json
from typing import Any, Final

from rich.text import Text

from cli.client.log_lines import LogLine
from cli.documents.logs import instant

_STYLES: Final = {"ERROR": "bold red", "CRITICAL": "bold red", "WARNING": "yellow"}
_SOURCE: Final = 21  # columns: `notification-consumer` is the longest function of the template
_VALUE: Final = 200  # characters of a field; --json has all of it
_OWN_PLACE: Final = frozenset({"run_id", "job_id"})


def log_text(line: LogLine) -> Text:
    """`2026-11-30T08:45:50.025Z  submit-job  00000-003  job submitted  service_id=jr_1`."""
    at = "" if line.at is None else f"{instant(line.at):%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z"
    text = Text(f"{at:<24}  ", style="dim")
    text.append(f"{line.source:<{_SOURCE}}  ", style="cyan")
    text.append(f"{line.unit_id or '':<9}  ", style="")
    text.append(line.message, style=_STYLES.get(line.level or "", "not dim"))
    said = {name: value for name, value in line.fields.items() if name not in _OWN_PLACE}
    if line.job_id and not line.source.startswith("job "):
        said = {"job": line.job_id, **said}
    for name, value in said.items():
        text.append(f"  {name}={_shown(value)}", style="dim")
    for more in (line.more or "").splitlines():
        text.append(f"\n{'':<26}| {more}", style="dim")
    return text


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _VALUE else text[:_VALUE] + "…"
