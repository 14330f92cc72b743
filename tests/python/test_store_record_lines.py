"""Lines come out as they went in, however many they are."""

from metaflow_core.store.record_lines import RecordLines


def test_no_lines():
    assert RecordLines().content() == b""


def test_a_few_lines():
    lines = RecordLines([b"a"])
    lines.append(b"")
    lines.extend([b"b", b"c"])
    assert lines.content() == b"a\n\nb\nc\n"


def test_many_lines_stay_in_order_and_take_little_memory():
    made = [
        b'{"task":"%d","artifacts":{"y":{"size":26,"encoding":"r-serialize-3","class":["numeric"]}}}' % i * 4
        for i in range(20_000)
    ]
    lines = RecordLines(made)
    assert lines.content() == b"\n".join(made) + b"\n"
    kept = sum(map(len, lines._packed)) + sum(map(len, lines._loose))
    assert kept < sum(map(len, made)) / 4
