"""One R process that answers questions, so that thousands of values can be compared by R itself."""

# ruff: noqa: E501 - lines of R and of values
from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path

_LOOP = r"""
options(warn = -1)
input <- file("stdin", "r", encoding = "UTF-8")
read_all <- function(path) readBin(path, "raw", file.size(path))
repeat {
  line <- readLines(input, n = 1L)
  if (!length(line)) break
  answer <- tryCatch(
    paste(capture.output(cat(format(eval(parse(text = jsonlite::fromJSON(line), keep.source = FALSE), globalenv())))), collapse = " "),
    error = function(e) paste("error:", conditionMessage(e))
  )
  cat(jsonlite::toJSON(answer, auto_unbox = TRUE), "\n", sep = "")
  flush(stdout())
}
"""


class RProcess:
    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="r-process-"))
        (self.folder / "loop.R").write_text(_LOOP, encoding="utf-8")
        self._process = subprocess.Popen(
            ["Rscript", "--vanilla", str(self.folder / "loop.R")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    def ask(self, code: str) -> str:
        """What R prints for the value of an expression."""
        self._process.stdin.write(json.dumps(code, ensure_ascii=False) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "R has ended"
        return json.loads(line)

    def bytes_of(self, code: str, xdr: bool = False) -> bytes:
        """The serialized value of an expression."""
        path = self.folder / "from-r"
        flag = "TRUE" if xdr else "FALSE"
        answer = self.ask(f'{{writeBin(serialize({{{code}}}, NULL, xdr = {flag}, version = 3L), "{path}"); "written"}}')
        assert answer == "written", answer
        return path.read_bytes()

    def is_identical(self, data: bytes, code: str) -> bool:
        """Are these bytes the value of the expression?"""
        path = self.folder / "to-r"
        path.write_bytes(data)
        answer = self.ask(f'identical(unserialize(read_all("{path}")), {{{code}}})')
        assert answer in ("TRUE", "FALSE"), answer
        return answer == "TRUE"

    def shown(self, data: bytes, code: str = "deparse(x)") -> str:
        """What R says about the value `x` of these bytes."""
        path = self.folder / "to-r"
        path.write_bytes(data)
        return self.ask(f'{{x <- unserialize(read_all("{path}")); {code}}}')

    def close(self) -> None:
        import shutil

        self._process.stdin.close()
        self._process.wait(20)
        self._process.stdout.close()
        shutil.rmtree(self.folder)
