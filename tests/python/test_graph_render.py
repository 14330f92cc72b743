from textwrap import dedent

import pytest
from flows import SHAPES, decorator, flow, of_shape, shape, step
from metaflow_core.errors import UnknownOption
from metaflow_core.graph.render import FORMATS, render
from metaflow_core.graph.render.outline import draw_outline

GBM = flow(
    step("start", "fit_models", foreach="grid"),
    step("fit_models", "pick", decorators=[decorator("titus"), decorator("retry")]),
    step("pick", "end", join=True),
    step("end"),
    name="TuneGbm",
)
SWITCH = flow(
    step("start", "train"),
    step("train", {"again": "train", "good": "report", "bad": "skip"}),
    step("report", "mail"),
    step("skip", "mail"),
    step("mail", "end"),
    step("end"),
)


def text(drawing):
    return dedent(drawing).strip("\n")


def test_branch():
    assert dedent(render(shape("branch"))) == text("""
          ┌───────┐
          │ start │
          └───┬───┘
          ┌───┴───┐
          ▼       ▼
        ┌───┐   ┌───┐
        │ a │   │ b │
        └─┬─┘   └─┬─┘
          └───┬───┘
              ▼
          ┌──────┐
          │ join │
          └───┬──┘
              ▼
           ┌─────┐
           │ end │
           └─────┘
    """)


def test_foreach_with_decorators():
    assert dedent(render(GBM)) == text("""
            ┌───────┐
            │ start │
            └───┬───┘
                │ foreach grid
                ▼
        ┌──────────────┐┐
        │  fit_models  ││
        │ titus, retry ││
        └───────┬──────┘┘
                ▼
            ┌──────┐
            │ pick │
            └───┬──┘
                ▼
             ┌─────┐
             │ end │
             └─────┘
    """)


def test_switch_with_recursion():
    assert dedent(render(SWITCH)) == text("""
               ┌───────┐
               │ start │
               └───┬───┘
                   ▼
              ┌─────────┐
              │  train  │
              │  state? │
              │ ↺ again │
              └────┬────┘
             ┌─────┴──────┐
             │ good       │ bad
             ▼            ▼
        ┌────────┐    ┌──────┐
        │ report │    │ skip │
        └────┬───┘    └───┬──┘
             └─────┬──────┘
                   ▼
               ┌──────┐
               │ mail │
               └───┬──┘
                   ▼
                ┌─────┐
                │ end │
                └─────┘
    """)


def test_ascii():
    drawing = render(shape("foreach_in_branch"), ascii=True)
    assert drawing.isascii()
    assert dedent(drawing) == text("""
                   +-------+
                   | start |
                   +---+---+
               +-------+--------+
               v                v
             +---+            +---+
             | a |            | b |
             +-+-+            +-+-+
               | foreach xs     |
               v                |
           +-------++           |
           | inner ||           |
           +---+---++           |
               v                |
        +------------+          |
        | inner_join |          |
        +------+-----+          |
               +-------+--------+
                       v
                +------------+
                | outer_join |
                +------+-----+
                       v
                    +-----+
                    | end |
                    +-----+
    """)


def test_a_wide_flow_becomes_a_list():
    names = [f"branch_{number}" for number in range(9)]
    spec = flow(
        step("start", names), *(step(name, "join") for name in names), step("join", "end", join=True), step("end")
    )
    assert render(spec).splitlines()[1] == "│ branch_0  → join"
    assert "┌" in render(spec, width=200)


def test_outline():
    assert draw_outline(SWITCH) == text("""
        start   → train
        train   → ↺ train (again), report (good), skip (bad), by state
        report  → mail
        skip    → mail
        mail    → end
        end
    """)
    assert draw_outline(GBM) == text("""
        start         ⇉ fit_models, foreach grid
        │ fit_models  → pick                      [titus, retry]
        pick          → end                       joins start
        end
    """)


def test_a_broken_flow_becomes_a_list_that_shows_what_is_missing():
    spec = flow(step("start", ["a", "bb"]), step("a", "a"), step("lost", "end"), step("end"))
    assert render(spec) == text("""
        start  ⇉ a, bb (missing)
        a      → ↺ a
        lost   → end              unreachable
        end                       unreachable
    """)


def test_mermaid():
    assert render(SWITCH, "mermaid") == text("""
        flowchart TD
            s0(["start"])
            s1{"train"}
            s2["report"]
            s3["skip"]
            s4["mail"]
            s5(["end"])
            s0 --> s1
            s1 -- "again" --> s1
            s1 -- "good" --> s2
            s1 -- "bad" --> s3
            s2 --> s4
            s3 --> s4
            s4 --> s5
    """)


def test_dot():
    assert render(GBM, "dot") == text("""
        digraph "TuneGbm" {
          node [shape=box, style=rounded, fontname="Helvetica"];
          edge [fontname="Helvetica", fontsize=10];
          "start" [peripheries=2];
          "fit_models";
          "pick" [shape=hexagon];
          "end";
          "start" -> "fit_models" [label="foreach grid"];
          "fit_models" -> "pick";
          "pick" -> "end";
        }
    """)


def test_quotes_do_not_break_the_languages():
    spec = flow(step('a"b', "end", foreach='x"<y'), step("end"), name='n"')
    assert '"a\\"b" -> "end" [label="foreach x\\"<y"];' in render(spec, "dot")
    assert 's0 -- "foreach x#quot;#lt;y" --> s1' in render(spec, "mermaid")


@pytest.mark.parametrize("entry", SHAPES, ids=lambda entry: entry["name"])
def test_every_step_is_drawn_once(entry):
    drawing = render(of_shape(entry))
    words = drawing.replace("│", " ").split()
    for one in entry["steps"]:
        assert words.count(one["name"]) == 1


@pytest.mark.parametrize("format", FORMATS)
def test_no_format_has_spaces_at_the_ends_of_lines(format):
    drawing = render(SWITCH, format)
    assert all(line == line.rstrip() for line in drawing.split("\n"))
    assert not drawing.endswith("\n")


def test_unknown_format():
    with pytest.raises(UnknownOption) as raised:
        render(GBM, "mermade")
    assert raised.value.hint == "Did you mean 'mermaid'?"
