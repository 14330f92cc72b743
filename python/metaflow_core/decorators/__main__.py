"""`python -m metaflow_core.decorators` prints the table of decorators, which is kept in inst/decorators.json for R."""

from __future__ import annotations

from ..canonical import canonical_json
from .table import decorator_table

if __name__ == "__main__":
    print(canonical_json(decorator_table(), indent=1))
