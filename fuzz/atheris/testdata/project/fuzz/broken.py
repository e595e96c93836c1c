import sys

import atheris

import record_of_nothing


def check(data):
    record_of_nothing.read(data)


atheris.Setup(sys.argv, check)
atheris.Fuzz()
