"""Where no line ends in a formula within the text, and where one does in a display.

KaTeX, as TeX, lets a line end after any relation or operator outside braces. But "x −" at the end of a line and "y = 0"
on the next are read as two formulas. So what is short stands in braces: a formula, the side of a relation, what is
between two brackets or bars, and a condition.

A display that is wider than its place goes on below, as in print: a line begins with the relation or operator at which
it was broken, or ends with the space before a second formula.
"""

import re
from itertools import pairwise

TOKEN = re.compile(r"\\[a-zA-Z]+ ?|\\.|.", re.DOTALL)
SPLIT = re.compile(r"[&]|\\(?:\\|begin|not|displaystyle)")  # what braces would part from what it belongs to
RELATIONS = {"=", "<", ">", *(rf"\{name}" for name in "le ge ne in to sim propto approx mapsto leftarrow".split())}
OPERATORS = RELATIONS | {"+", "-", *(rf"\{name}" for name in "pm cdot times cup circ mid".split())}
JOINING = RELATIONS - {r"\in", r"\to"} | {"+", "-", r"\pm"}  # with which a line of a display may begin
SIZES = {rf"\{size}{side}" for size in ("big", "Big", "bigg", "Bigg") for side in ("", "l", "r")}
CLOSES = {"(": (")", "]"), "[": (")", "]"), r"\{": (r"\}",), r"\|": (r"\|",), "|": ("|",)}
BEFORE_A_BAR = (*(OPERATORS - {r"\cdot"}), "(", "[", r"\{", ",", r"\max", r"\sum", r"\sup", r"\mathbb{E}")
SPACES = ("", r"\,", r"\;", r"\:", r"\!", "\\")
FACTORS = {r"\sum", r"\prod", r"\max"}  # with which a line begins if it has to
SPACES_BETWEEN = (r"\quad", r"\qquad")  # formulas of one display
SHORT = {"formula": 12, "side": 14, "brackets": 28, "end": 5}  # tokens
IN_DISPLAY = {"formula": 32, "side": 14, "brackets": 20, "line": 40, "stub": 8}  # which a telephone has room for


def unbroken(latex):
    """A formula whose short parts are in braces."""
    start = len(re.match(r"(?:\\displaystyle ?)?", latex)[0])  # which holds to the end of its braces
    return latex[:start] + (latex[start:] if SPLIT.search(latex, start) else in_text(latex[start:]))


def in_text(latex):
    tokens = TOKEN.findall(latex)
    known = [token.strip() for token in tokens]
    parts = Parts(known, SHORT)
    if parts.is_short(0, len(tokens), "formula"):
        return f"{{{latex}}}"
    if parts.relations and 0 < len(tokens) - parts.relations[-1] - 1 <= SHORT["end"]:
        tokens[parts.relations[-1]] += r"\nobreak "  # for "= 0" alone on a line is worse than a line that is short
    if tokens and known[0] in RELATIONS:
        tokens[0] += r"\nobreak "  # a line of a derivation, which goes on from the one above
        if len(tokens) > IN_DISPLAY["formula"]:
            for i in parts.outside - parts.within:
                if i > IN_DISPLAY["stub"] and known[i] in FACTORS and known[i - 1] not in OPERATORS:
                    tokens[i] = rf"\allowbreak {tokens[i]}"
    return in_braces(tokens, parts.kept)


def displayed(latex):
    """A display whose short parts are in braces, and whose lines begin with what joins them."""
    if SPLIT.search(latex):
        return latex
    tokens = TOKEN.findall(latex)
    outside = outside_braces([token.strip() for token in tokens])
    spaces = [i for i in sorted(outside) if tokens[i].strip() in SPACES_BETWEEN]
    made = []
    for start, end in zip([-1, *spaces], [*spaces, len(tokens)], strict=True):
        formula = tokens[start + 1 : end]
        if spaces and 0 < len(formula) <= IN_DISPLAY["formula"]:
            made.append(in_braces(formula, [(0, len(formula))]))
        else:
            made.append(in_lines(formula, is_first=not made))
        made += [rf"{tokens[end].strip()}\allowbreak "] if end < len(tokens) else []
    return "".join(made)


def in_lines(tokens, *, is_first):
    """A formula whose lines begin with what joins its parts, and where these are long, with a sum outside brackets.

    What is not the first of its display does not end a line before it has said of what it speaks.
    """
    known = [token.strip() for token in tokens]
    parts, made = Parts(known, IN_DISPLAY), list(tokens)
    free = sorted(parts.outside - {i for start, end in parts.kept for i in range(start, end)})
    joints, said = [0], is_first
    for i in free:
        before = next((j for j in range(i - 1, -1, -1) if known[j]), None)
        is_sign = before is None or known[before] in OPERATORS or before in parts.opened
        if known[i] in OPERATORS and not is_sign:
            made[i] += r"\nobreak "
            joints += [i] if known[i] in JOINING and said else []
            said = said or known[i] in RELATIONS
    factors = [i for i in free if i not in parts.within and begins_a_factor(known, i)]
    for start, end in pairwise([*joints, len(tokens)]):
        if end - start > IN_DISPLAY["line"]:
            joints += [i for i in factors if start + IN_DISPLAY["stub"] < i < end]
    for i in joints[1:]:
        made[i] = r"\allowbreak " + made[i]
    return in_braces(made, parts.kept)


def begins_a_factor(known, i):
    return known[i] in FACTORS or known[i : i + 4] == [r"\mathbb", "{", "E", "}"]


def in_braces(tokens, kept):
    made = []
    for i, token in enumerate(tokens):
        made += ["}" * sum(end == i for _, end in kept), "{" * sum(start == i for start, _ in kept), token]
    return "".join(made) + "}" * sum(end == len(tokens) for _, end in kept)


class Parts:
    """Of a formula's tokens those outside braces, within brackets and opening them, its relations, and what to keep."""

    def __init__(self, known, short):
        self.known, self.short = known, short
        self.outside = outside_braces(known)
        pairs = brackets(known, self.outside)
        self.opened = {start for start, _, _ in pairs}
        self.within = {i for start, end, _ in pairs for i in range(start, end + 1)}
        self.relations = [i for i in sorted(self.outside - self.within) if known[i] in RELATIONS]
        ends = zip([-1, *self.relations], [*self.relations, len(known)], strict=True)
        self.kept = []  # a pair's inside, or its condition
        for start, end, bar in pairs:
            self.kept += [(at + 1, end) for at in (start, bar) if self.is_short(at + 1, end, "brackets")][:1]
        self.kept += [(start + 1, end) for start, end in ends if self.is_short(start + 1, end, "side")]

    def is_short(self, start, end, kind):
        inside = range(start, end)
        return len(inside) <= self.short[kind] and any(i in self.outside and self.known[i] in OPERATORS for i in inside)


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
