import sys

import atheris

with atheris.instrument_imports():
    import record


@atheris.instrument_func
def TestOneInput(data):
    record.name(data)


def main():
    atheris.Setup(sys.argv, TestOneInput)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
