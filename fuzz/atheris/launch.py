"""Runs a harness as a program by itself.

    launch.py PROGRAM HARNESS ROOT ARGUMENT...

PROGRAM is what libFuzzer starts when it starts itself again, so it must be the
first of the arguments that the harness sees.
"""

import os
import sys
import types


def main():
    program, harness, root = sys.argv[1:4]
    sys.argv[:] = [program] + sys.argv[4:]
    here = os.path.dirname(harness)
    paths = [here, root, os.path.join(root, "src")]
    sys.path[0:1] = [p for i, p in enumerate(paths) if os.path.isdir(p) and p not in paths[:i]]

    import atheris

    called = []
    setup = atheris.Setup

    def noting_setup(*args, **kwargs):
        called.append(True)
        return setup(*args, **kwargs)

    atheris.Setup = noting_setup

    with open(harness, "rb") as f:
        text = f.read()
    module = types.ModuleType("__main__")
    module.__file__ = harness
    sys.modules["__main__"] = module
    code = compile(text, harness, "exec")
    if b"Setup" in text:
        exec(code, module.__dict__)
    else:
        with atheris.instrument_imports():
            exec(code, module.__dict__)
    if called:
        return
    entry = getattr(module, "TestOneInput", None)
    if entry is None:
        sys.exit("the harness neither calls atheris.Setup nor defines TestOneInput")
    atheris.Setup(sys.argv, atheris.instrument_func(entry))
    atheris.Fuzz()


main()
