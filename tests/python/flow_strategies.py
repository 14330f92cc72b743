"""Random flows: valid ones by construction, and ones with every kind of nonsense in them."""

from __future__ import annotations

from flows import flow, step
from hypothesis import strategies as st


class _Builder:
    """Grows a valid flow from blocks in a row, each being a step, a split with its join, a foreach or a switch."""

    def __init__(self, draw, min_success=None) -> None:
        self._draw = draw
        self._min_success = min_success
        self.steps: list[dict] = []
        self._count = 0

    def name(self) -> str:
        self._count += 1
        return f"s{self._count}"

    def blocks(self, first: str, then: str, depth: int) -> None:
        """Steps which begin at `first` and lead to `then`."""
        if depth == 0 or self._draw(st.booleans()):
            middle = then if self._draw(st.booleans()) else self.name()
            self.steps.append(step(first, middle))
            if middle != then:
                self.blocks(middle, then, depth - 1) if depth else self.steps.append(step(middle, then))
            return
        kind = self._draw(st.sampled_from(["branch", "foreach", "switch", "recursion"]))
        getattr(self, kind)(first, then, depth - 1)

    def branch(self, first: str, then: str, depth: int) -> None:
        bodies = [self.name() for _ in range(self._draw(st.integers(2, 3)))]
        join = self.name()
        self.steps.append(step(first, bodies))
        for body in bodies:
            self.blocks(body, join, depth)
        self.after_join(join, then)

    def foreach(self, first: str, then: str, depth: int) -> None:
        body, join = self.name(), self.name()
        self.steps.append(step(first, body, foreach="xs", **self.spared()))
        self.blocks(body, join, depth)
        self.after_join(join, then)

    def switch(self, first: str, then: str, depth: int) -> None:
        bodies = [self.name() for _ in range(self._draw(st.integers(1, 3)))]
        meet = self.name()
        cases = {f"case{number}": body for number, body in enumerate(bodies)}
        if self._draw(st.booleans()):
            cases["skip"] = meet
        self.steps.append(step(first, cases))
        for body in bodies:
            self.blocks(body, meet, depth)
        self.steps.append(step(meet, then))

    def recursion(self, first: str, then: str, depth: int) -> None:
        self.steps.append(step(first, {"again": first, "done": then}))

    def spared(self) -> dict:
        return {} if self._min_success is None else {"min_success": self._draw(self._min_success)}

    def after_join(self, join: str, then: str) -> None:
        self.steps.append(step(join, then, join=True))


@st.composite
def valid_flows(draw, depth=3, min_success=None):
    """`min_success`: a strategy for that of each foreach; without one every split must succeed."""
    builder = _Builder(draw, min_success)
    builder.blocks("start", "end", depth)
    builder.steps.append(step("end"))
    steps = builder.steps if draw(st.booleans()) else draw(st.permutations(builder.steps))
    return flow(*steps)


@st.composite
def broken_flows(draw):
    """Valid flows to which one or two small things happened."""
    steps = [one.to_dict() for one in draw(valid_flows()).steps]
    for _ in range(draw(st.integers(1, 2))):
        _damage(draw, steps)
    return flow(*steps)


def _damage(draw, steps):
    victim = draw(st.sampled_from(steps))
    names = [one["name"] for one in steps]
    kind = draw(st.sampled_from(["remove", "join", "retarget", "extra", "foreach", "switch"]))
    if kind == "remove" and len(steps) > 1:
        steps.remove(victim)
    elif kind == "join":
        victim["join"] = not victim["join"]
    elif kind == "retarget" and victim["next"]:
        victim["next"][0] = draw(st.sampled_from(names))
    elif kind == "extra":
        victim["next"].append(draw(st.sampled_from(names)))
    elif kind == "foreach":
        victim["foreach"] = None if victim["foreach"] else "xs"
    elif kind == "switch":
        victim["switch"] = {"condition": "state", "cases": {to: to for to in victim["next"]}}


_names = st.one_of(st.sampled_from(["start", "end", "a", "b", "c", "A", "join", ""]), st.text(max_size=5))
_json = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=5)
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=5,
)
_decorators = st.lists(
    st.fixed_dictionaries(
        {
            "name": st.one_of(
                st.sampled_from(
                    [
                        "retry",
                        "catch",
                        "timeout",
                        "resources",
                        "environment",
                        "environment_variables",
                        "batch",
                        "kubernetes",
                        "slurm",
                        "titus",
                        "retri",
                        "policy",
                        "table",
                    ]
                ),
                st.text(max_size=5),
            ),
            "args": st.dictionaries(
                st.one_of(
                    st.sampled_from(["times", "minutes_between_retries", "var", "seconds", "cpu", "vars"]), _names
                ),
                _json,
                max_size=3,
            ),
        }
    ),
    max_size=3,
)


def _steps():
    return st.fixed_dictionaries(
        {
            "name": _names,
            "next": st.lists(_names, max_size=3),
            "foreach": st.one_of(st.none(), _names),
            "join": st.booleans(),
            "has_function": st.booleans(),
            "arity": st.one_of(st.none(), st.integers(-1, 3)),
            "language": st.sampled_from(["r", "python", "julia"]),
            "switch": st.one_of(
                st.none(),
                st.fixed_dictionaries({"condition": _names, "cases": st.dictionaries(_names, _names, max_size=3)}),
            ),
            "line": st.one_of(st.none(), st.integers(0, 9)),
            "decorators": _decorators,
        }
    )


def _parameters():
    return st.fixed_dictionaries(
        {
            "name": _names,
            "type": st.one_of(
                st.none(), st.sampled_from(["int", "float", "str", "bool", "json", "date", "number", ""])
            ),
            "required": st.booleans(),
            "default": _json,
            "has_default": st.booleans(),
            "separator": st.one_of(st.none(), st.text(max_size=2)),
            "is_flag": st.booleans(),
        }
    )


@st.composite
def any_flows(draw):
    """Flows that have the right shape as data, and nothing else right."""
    return flow(
        *draw(st.lists(_steps(), max_size=8)),
        name=draw(_names),
        parameters=draw(st.lists(_parameters(), max_size=3)),
        decorators=draw(_decorators),
    )


any_json = _json
