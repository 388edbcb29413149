"""Where no line ends in a formula within the text.

KaTeX, as TeX, lets a line end after any relation or operator outside braces. But "x −" at the end of a line and "y = 0"
on the next are read as two formulas. So what is short stands in braces: a formula, the side of a relation, what is
between two brackets or bars, and a condition.
"""

import re

TOKEN = re.compile(r"\\[a-zA-Z]+ ?|\\.|.", re.DOTALL)
SPLIT = re.compile(r"[&]|\\(?:\\|begin|not|displaystyle)")  # what braces would part from what it belongs to
RELATIONS = {"=", "<", ">", *(rf"\{name}" for name in "le ge ne in to sim propto approx mapsto leftarrow".split())}
OPERATORS = RELATIONS | {"+", "-", *(rf"\{name}" for name in "pm cdot times cup circ mid".split())}
SIZES = {rf"\{size}{side}" for size in ("big", "Big", "bigg", "Bigg") for side in ("", "l", "r")}
CLOSES = {"(": (")", "]"), "[": (")", "]"), r"\{": (r"\}",), r"\|": (r"\|",), "|": ("|",)}
BEFORE_A_BAR = (*(OPERATORS - {r"\cdot"}), "(", "[", r"\{", ",", r"\max", r"\sum", r"\sup", r"\mathbb{E}")
SPACES = ("", r"\,", r"\;", r"\:", r"\!", "\\")
SHORT = {"formula": 12, "side": 14, "brackets": 28, "end": 5}  # tokens


def unbroken(latex):
    """A formula whose short parts are in braces."""
    start = len(re.match(r"(?:\\displaystyle ?)?", latex)[0])  # which holds to the end of its braces
    return latex[:start] + (latex[start:] if SPLIT.search(latex, start) else in_braces(latex[start:]))


def in_braces(latex):
    tokens = TOKEN.findall(latex)
    known = [token.strip() for token in tokens]
    outside = outside_braces(known)

    def to_keep(start, end, kind):
        inside = range(start, end)
        return len(inside) <= SHORT[kind] and any(i in outside and known[i] in OPERATORS for i in inside)

    if to_keep(0, len(tokens), "formula"):
        return f"{{{latex}}}"
    pairs = brackets(known, outside)
    within = {i for start, end, _ in pairs for i in range(start, end + 1)}
    relations = [i for i in sorted(outside - within) if known[i] in RELATIONS]
    ends = zip([-1, *relations], [*relations, len(tokens)], strict=True)
    kept = []  # a pair's inside, or its condition
    for start, end, bar in pairs:
        kept += [(begin + 1, end) for begin in (start, bar) if to_keep(begin + 1, end, "brackets")][:1]
    kept += [(start + 1, end) for start, end in ends if to_keep(start + 1, end, "side")]
    if relations and 0 < len(tokens) - relations[-1] - 1 <= SHORT["end"]:
        tokens[relations[-1]] += r"\nobreak "  # for "= 0" alone on a line is worse than a line that is short
    if tokens and known[0] in RELATIONS:
        tokens[0] += r"\nobreak "  # a line of a derivation, which goes on from the one above
    for i, token in enumerate(tokens):
        closed, opened = sum(end == i for _, end in kept), sum(start == i for start, _ in kept)
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
    """(start, end, bar) of the tokens that open and close each pair of brackets or bars; an end's size belongs to it.

    The bar is that before a condition; where there is none, it is the start.
    """
    pairs, opened, bars = [], [], {}
    for i in sorted(outside):
        token = known[i]
        if opened and token in CLOSES[known[opened[-1]]]:
            start, end = opened.pop(), i - (known[i - 1] in SIZES)
            pairs.append((start, end, bars.get(start, start)))
        elif token in CLOSES and (token != "|" or begins(known[:i])):
            opened.append(i)
        elif token == "|" and opened:
            bars[opened[-1]] = i
    return pairs


def begins(before):
    """Whether a bar after these tokens begins an absolute value: a condition stands after what it is for."""
    if before and before[-1] in SIZES:
        before = before[:-1]
    said = "".join(token for token in before if token not in SPACES)
    return not said or said.endswith(BEFORE_A_BAR)
