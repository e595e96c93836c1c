"""Leaves it to whoever runs it to set the fuzzer up."""

import record


def TestOneInput(data):
    record.total(data)
