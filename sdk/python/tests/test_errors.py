"""The errors are those of the workers."""

from __future__ import annotations

import re
from pathlib import Path

from temporalio.exceptions import ApplicationError

from cordon_temporal import ErrorType, cordon_error_type, cordon_failure

KINDS = Path(__file__).parents[3] / "error.go"


def test_they_are_all_kinds_that_workers_have() -> None:
    source = KINDS.read_text()
    kinds = set(re.findall(r'^\t\w+ +Kind = "(\w+)"$', source, re.MULTILINE))
    [final] = re.findall(r"^func \(k Kind\) Retryable.*?case (.*?):", source, re.DOTALL | re.MULTILINE)
    assert {kind.value for kind in ErrorType} == kinds
    assert {kind.value for kind in ErrorType if not kind.retryable} == set(final.split(", ")) < kinds


def test_one_is_found_among_those_that_it_caused() -> None:
    err = ApplicationError("its command failed", type="ToolFailed")
    outer = RuntimeError("the activity failed")
    outer.__cause__ = err
    assert cordon_failure(outer) is err and cordon_error_type(outer) is ErrorType.TOOL_FAILED
    assert cordon_error_type(ApplicationError("?", type="MyOwn")) is None
