"""make bench: measures everything beside its floor and writes RESULTS.md. ROWS=start,tasks,data chooses."""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from timing import RUNS, markdown  # noqa: E402

ALL = ("start", "tasks", "data")


def main() -> None:
    chosen = [name for name in os.environ.get("ROWS", "").split(",") if name] or list(ALL)
    unknown = set(chosen) - set(ALL)
    if unknown:
        raise SystemExit(f"no such rows: {', '.join(sorted(unknown))}; there are: {', '.join(ALL)}")
    rows = []
    for name in chosen:
        print(f"measuring: {name}", file=sys.stderr, flush=True)
        rows += importlib.import_module(f"bench_{name}").rows()
    if os.environ.get("BENCH_JSON"):
        listed = [{"name": row.name, "unit": row.unit, "figures": row.figures} for row in rows]
        Path(os.environ["BENCH_JSON"]).write_text(json.dumps(listed), encoding="utf-8")
        return
    table = markdown(rows)
    print(table)
    if chosen == list(ALL):
        text = f"# Benchmarks\n\n{time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores, min / median / max of {RUNS} runs where there are several. Compare ratios, not machines.\n\n{table}\n"
        (HERE / "RESULTS.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
