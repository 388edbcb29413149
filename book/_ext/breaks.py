"""Where no line ends in a formula within the text.

KaTeX, as TeX, lets a line end after any relation or operator outside braces. But "x −" at the end of a line and "y = 0"
on the next are read as two formulas. So what is short stands in braces: a formula, the side of a relation, and what is
between two brackets or bars.
"""

import re

TOKEN = re.compile(r"\\[a-zA-Z]+ ?|\\.|.", re.DOTALL)
RELATIONS = {"=", "<", ">", *(rf"\{name}" for name in "le ge ne in to sim propto approx iff Rightarrow gets".split())}
OPERATORS = RELATIONS | {"+", "-", r"\cdot", r"\times", r"\mid"}
CLOSES = {"(": (")", "]"), "[": (")", "]"), r"\{": (r"\}",), r"\|": (r"\|",), "|": ("|",)}
SIZES = (r"\big", r"\Big", r"\bigg", r"\Bigg")
BEFORE_A_BAR = (*OPERATORS, *SIZES, "(", "[", r"\{", ",", r"\max", r"\sum", r"\sup", r"\mathbb{E}")
SHORT = {"formula": 12, "side": 14, "brackets": 20}  # tokens


def unbroken(latex):
    """A formula whose short parts are in braces."""
    tokens = TOKEN.findall(latex)
    known = [token.strip() if token.startswith("\\") else token for token in tokens]
    outside = outside_braces(known)

    def to_keep(start, end, kind):
        inside = range(start, end)
        return len(inside) <= SHORT[kind] and any(i in outside and known[i] in OPERATORS for i in inside)

    if to_keep(0, len(tokens), "formula"):
        return f"{{{latex}}}"
    pairs = brackets(known, outside)
    within = {i for start, end in pairs for i in range(start, end + 1)}
    relations = [i for i in sorted(outside - within) if known[i] in RELATIONS]
    ends = zip([-1, *relations], [*relations, len(tokens)], strict=True)
    kept = [(start + 1, end) for start, end in pairs if to_keep(start + 1, end, "brackets")]
    kept += [(start + 1, end) for start, end in ends if to_keep(start + 1, end, "side")]
    for i, token in enumerate(tokens):
        opened, closed = (sum(i == side for side in sides) for sides in zip(*kept, strict=True)) if kept else (0, 0)
        tokens[i] = "}" * closed + "{" * opened + token
    return "".join(tokens) + "}" * sum(end == len(tokens) for _, end in kept)


def outside_braces(known):
    """The places of the tokens that are in no braces, nor between \\left and \\right, where no line ends."""
    found, depth = set(), 0
    for i, token in enumerate(known):
        depth += token in ("{", r"\left")
        if not depth and (not i or known[i - 1] not in ("_", "^", r"\right")):
            found.add(i)
        depth -= token in ("}", r"\right")
    return found


def brackets(known, outside):
    """(start, end) of the tokens that open and close each pair of brackets or bars; an end's size belongs to it."""
    pairs, opened = [], []
    for i in sorted(outside):
        token = known[i]
        if opened and token in CLOSES[known[opened[-1]]]:
            pairs.append((opened.pop(), i - (known[i - 1] in SIZES)))
        elif token in CLOSES and (token != "|" or begins(known[:i])):
            opened.append(i)
    return pairs


def begins(before):
    """Whether a bar after these tokens begins an absolute value: a condition stands after what it is for."""
    said = "".join(before)
    return not said or said.endswith(BEFORE_A_BAR)
