"""The backend suite on this machine."""

import pytest
from backend_suite import BackendSuite, Place

pytestmark = pytest.mark.slow


class TestLocal(BackendSuite):
    @pytest.fixture
    def place(self):
        return Place([])
