#!/usr/bin/env python3
"""Merges what the local clouds of a test run were asked for into one file."""

from __future__ import annotations

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from local.local_cloud.permissions.record import RecordedCall, merged  # noqa: E402
from local.local_cloud.state import CALLS_FILE  # noqa: E402

RECORD = ROOT / "tests" / "permissions" / "recorded_calls.json"
STACK = "durable-pipeline"


def main(directory: Path) -> int:
    """Collect every record below a directory.

    Only calls of the template's own roles count, of stacks with the usual name.
    """
    records = []
    for file in sorted(directory.rglob(CALLS_FILE)):
        content = json.loads(file.read_text("utf-8"))
        if content["stack"] == STACK and Path(content["template"]).name == "template.yaml":
            calls = (RecordedCall.from_json(plain) for plain in content["calls"])
            own = set(content["roles"])
            records.append([call for call in calls if call.role in own])
    found = merged(*records)
    if not found:
        print(f"no {CALLS_FILE} below {directory}", file=sys.stderr)
        return 1
    lines = ",\n".join("  " + json.dumps(call) for call in found)
    RECORD.write_text(f"[\n{lines}\n]\n", "utf-8")
    print(f"{len(found)} calls from {len(records)} local clouds are in {RECORD.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
