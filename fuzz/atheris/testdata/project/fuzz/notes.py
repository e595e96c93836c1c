"""How to write a harness:

def TestOneInput(data):
    ...

atheris.Setup(sys.argv, TestOneInput)
"""

# atheris.Setup(sys.argv, TestOneInput)


class Sample:
    def TestOneInput(self, data):
        return "atheris.Setup(sys.argv, nothing)"
