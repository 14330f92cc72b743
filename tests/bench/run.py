"""make bench: measures everything beside its floor and writes it into RESULTS.md, each group of rows when it is done.
ROWS=start,tasks,data,s3,memory,slurm,peers chooses groups; the others keep their figures.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from results import replace_groups  # noqa: E402
from timing import markdown  # noqa: E402

ALL = ("start", "tasks", "data", "s3", "memory", "slurm", "peers")


def main() -> None:
    chosen = [name for name in os.environ.get("ROWS", "").split(",") if name] or list(ALL)
    unknown = set(chosen) - set(ALL)
    if unknown:
        raise SystemExit(f"no such rows: {', '.join(sorted(unknown))}; there are: {', '.join(ALL)}")
    rows = []
    for name in chosen:
        print(f"measuring: {name}", file=sys.stderr, flush=True)
        found = importlib.import_module(f"bench_{name}").rows()
        if not found:  # peers that are not installed
            continue
        print(markdown(found), flush=True)
        rows += found
        # A comparison of two revisions (compare.py) keeps its figures elsewhere.
        if not os.environ.get("BENCH_JSON"):
            replace_groups(HERE / "RESULTS.md", {name: found}, ALL)
    if os.environ.get("BENCH_JSON"):
        listed = [{"name": row.name, "unit": row.unit, "figures": row.figures} for row in rows]
        Path(os.environ["BENCH_JSON"]).write_text(json.dumps(listed), encoding="utf-8")


if __name__ == "__main__":
    main()
