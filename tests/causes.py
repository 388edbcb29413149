"""Why a build of the book failed, out of all that it said."""

import re

COLOURS = re.compile(r"\x1b\[[\d;]*m")
COMPLAINT = re.compile(r"(^|: )(WARNING|ERROR|CRITICAL|SEVERE): ")  # Sphinx fails the build for each
ERROR = re.compile(r"^(\w+ error|Exception occurred):$")  # with which Sphinx says what ended it
LAST = 40  # lines


def causes(log):
    """The pages that were complained of and the error that ended the build; its last lines, if there is neither.

    A notebook that failed is named with its cell and the cell's traceback. What the programs say of their own inside
    is left out.
    """
    lines, found = COLOURS.sub("", log).splitlines(), []
    within = False
    for line in lines:
        if ERROR.match(line):
            within = True
        elif line.startswith(("Traceback (most recent call last):", "The full traceback has been saved")):
            within = False
        if within or COMPLAINT.search(line):
            found.append(line.rstrip())
    return "\n".join(found or lines[-LAST:])
