import pytest
from metaflow_core.r_literal import r_literal


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "NULL"),
        (True, "TRUE"),
        (3, "3"),
        (3.0, "3"),
        (0.1, "0.1"),
        (60000.0, "60000"),
        ('say "hi"\n', '"say \\"hi\\"\\n"'),
        ("x" * 100, '"' + "x" * 57 + '..."'),
        ([1, "a", False], 'c(1, "a", FALSE)'),
        (list(range(9)), "c(0, 1, 2, 3, 4, ...)"),
        ({"a": 1}, "a named list"),
    ],
)
def test_values_as_r_writes_them(value, shown):
    assert r_literal(value) == shown
