"""A resume that ended before its first task left nothing; what it was to resume is resumed in its place."""

from __future__ import annotations

from ..store.open import Store

__all__ = ["origin_begun"]


def origin_begun(store: Store, flow: str, run: str, step: str | None) -> tuple[str, str | None]:
    """(run to resume, step that is run again in any case). `run` itself, unless it is a resume that never came to a
    task: of the run before it all is there, and must not be done again because a resume failed at once."""
    while True:
        record = store.runs.read_run(flow, run)
        earlier = (record.get("origin") or {}).get("run")
        if earlier is None or not store.runs.exists(flow, earlier):
            return run, step
        if store.runs.list_steps(flow, run) or store.jobs.names(flow, run):
            return run, step
        run, step = earlier, step or record.get("resume_step")
