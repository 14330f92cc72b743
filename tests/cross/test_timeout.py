"""Steps that run longer than they may: killed with all that they started, wherever they are."""

import pytest

LIMITED = """
library(metaflow)
metaflow("CrossFlow") %>%
  step(step = "start", next_step = "end", timeout(seconds = 2), r_function = function(self) {
    cat("here\\n", file = "notes.log", append = TRUE)
    BODY
  }) %>%
  step(step = "end") %>%
  run()
"""

ENDLESS = {
    "loop": "repeat NULL",
    "compiled code": "m <- matrix(stats::rnorm(9e6), 3000); repeat solve(m)",
    "programs": """
      system('sleep 300 &')
      system('setsid sleep 300 &')
      system('sh -c "setsid sleep 300" | cat', intern = TRUE)
    """,
}
ENDLESS_TOO = {
    "sleep": "Sys.sleep(300)",
    "sort": "x <- stats::rnorm(3e7); repeat sort(x, method = 'radix')",
    "caught": "repeat tryCatch(Sys.sleep(300), interrupt = function(e) NULL, error = function(e) NULL)",
    "processx": "processx::run('sleep', '300')",
}


@pytest.mark.parametrize(
    ("body", "isolation"),
    [
        *(pytest.param(body, "fork", id=name) for name, body in ENDLESS.items()),
        pytest.param(ENDLESS["programs"], "fresh", id="programs of a fresh process"),
        *(pytest.param(body, "fork", id=name, marks=pytest.mark.slow) for name, body in ENDLESS_TOO.items()),
    ],
)
def test_timeout(r_flow, body, isolation):
    flow = r_flow(LIMITED.replace("BODY", body), METAFLOW_ISOLATION=isolation)
    ended = flow.command("run").expect(1)
    flow.wait_gone()
    (record,) = flow.attempts("1")
    assert (record["ok"], record["error"]["cause"]) == (False, "timeout")
    assert "2 seconds" in record["error"]["message"]
    assert "2 seconds" in ended.output
    assert flow.notes() == ["here"]


def test_timeout_then_retry_then_catch(r_flow):
    script = (
        LIMITED.replace("BODY", "Sys.sleep(300)")
        .replace(
            "timeout(seconds = 2),",
            'timeout(seconds = 2), retry(times = 1, minutes_between_retries = 0), catch(var = "problem"),',
        )
        .replace(
            'step(step = "end")',
            """step(step = "end", r_function = function(self) {
      stopifnot(inherits(self$problem, "metaflow_timeout_error"), grepl("2 seconds", conditionMessage(self$problem)))
    })""",
        )
    )
    flow = r_flow(script)
    flow.command("run").expect(0)
    assert flow.notes() == ["here", "here"]
    assert [record["attempt"] for record in flow.attempts("1") if record["step"] == "start"] == [0, 1, 2]
    flow.wait_gone()


def test_a_step_within_its_limit_is_left_alone(r_flow):
    flow = r_flow(LIMITED.replace("BODY", "Sys.sleep(0.5)").replace("seconds = 2", "seconds = 20"))
    flow.command("run").expect(0)
