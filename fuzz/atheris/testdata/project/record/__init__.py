"""Reads records."""


def total(data):
    """Adds up the bytes of a record that begins with "R"."""
    if len(data) < 2 or data[0] != ord("R"):
        return None
    total = 0
    for i, b in enumerate(data[1:]):
        if b > ord("m"):
            total += 2
        elif b > ord("a"):
            total += 1
        if i == 2 and b == ord("x"):
            total *= 2
    return total


def name(data):
    """Reads the name in a record that begins with "BUG"."""
    if len(data) < 10 or data[0] != ord("B"):
        return None
    if data[1] != ord("U"):
        return None
    if data[2] != ord("G"):
        return None
    return last_of_four(data[3:])


def last_of_four(data):
    """Has the planted bug: there may be more than four."""
    four = [0] * 4
    for i, b in enumerate(data):
        four[i] = b
    return four[3]
