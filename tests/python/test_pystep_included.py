"""Files that a flow includes, as a step in Python reads them."""

import pytest
from metaflow_core.engine.commit import reference
from metaflow_core.pystep.state import TaskState
from metaflow_core.store.blobs import digest_of


@pytest.mark.parametrize(("encoding", "wanted"), [("file-text", "a,\u00e4\n"), ("file-bytes", "a,\u00e4\n".encode())])
@pytest.mark.parametrize("times", [1, 20_000])
def test_an_included_file_is_a_text_or_bytes(tmp_path, encoding, wanted, times):
    content = "a,\u00e4\n".encode() * times
    digest = digest_of(content)
    path = tmp_path / digest[:2] / digest
    path.parent.mkdir()
    path.write_bytes(content)
    ref = reference({"digest": digest, "size": len(content), "encoding": encoding})
    state = TaskState({}, str(tmp_path), {"data": ref}, {})
    assert state.read(ref, "artifact 'data'") == wanted * times
