"""The extension that keeps a formula and the mark after it on one line, and says where one is broken."""

import pytest
from docutils import nodes
from docutils.utils import new_document

from book._ext import breaks, typography
from tests.live import Visit


def test_marks_move_into_the_formula_before_them_and_nowhere_else():
    document = new_document("page")
    document += nodes.paragraph(
        "", "", nodes.emphasis("", "One"), nodes.Text("."), nodes.math("", "a"), nodes.Text(".")
    )
    typography.keep_together(document)
    emphasis, stop, formula, rest = document[0].children
    assert (emphasis.astext(), stop.astext(), rest.astext()) == ("One", ".", "")
    assert formula.astext() == r"a\text{.}"


def test_what_stands_at_a_short_formula_stays_on_its_line():
    document = new_document("page")
    long = nodes.math("", "x+" * 20)
    text = [
        nodes.Text("(the "),
        nodes.math("", r"\pi"),
        nodes.Text("’s own, and ("),
        nodes.math("", "n"),
        nodes.Text("-th), ("),
    ]
    document += nodes.paragraph("", "", *text, long, nodes.Text("’s"))
    typography.keep_together(document)
    together = list(document.findall(nodes.inline))
    assert [[part.astext() for part in inline.children] for inline in together] == [[r"\pi", "’s"], ["(", "n", "-th"]]
    assert document.astext() == rf"(the \pi’s own, and (n-th), ({'x+' * 20}’s"


@pytest.mark.parametrize(
    ("latex", "kept"),
    [
        ("P(s_t=s)", "P({s_t=s})"),
        (r"(1-\gamma)V(s)", r"({1-\gamma})V(s)"),
        (r"e^{(k+1)}", r"e^{(k+1)}"),
        (r"\big\|a+b\big\|V", r"\big\|{a+b}\big\|V"),
        (r"\mathbb{E}[\chi|s=t]M", r"\mathbb{E}[{\chi|s=t}]M"),
        (r"\max|r-s|V", r"\max|{r-s}|V"),
        (r"P(b|a)P(a|b)", r"P(b|a)P(a|b)"),
        (r"H(\pi(\cdot|s))|a-b|", r"H({\pi({\cdot|s})})|a-b|"),
        (r"E\big[a\,\big|\,s\big]\big[b\,\big|\,t=1\big]", r"E\big[a\,\big|\,s\big]\big[{b\,\big|\,t=1}\big]"),
        (r"\bigl(a+b\bigr)c", r"\bigl({a+b}\bigr)c"),
        (r"\big(a+b\big)\left(a+b\right)", r"\big({a+b}\big)\left(a+b\right)"),
        ("(a+b+c+d+e+f+g+h+i+j+k+l+m+n+o+p)", "(a+b+c+d+e+f+g+h+i+j+k+l+m+n+o+p)"),
        (r"\frac{(a+b}{c)}", r"\frac{(a+b}{c)}"),
        (r"[0,1)\cup(2,3]", r"[0,1)\cup(2,3]"),
        ("E[a+b+c+d+e+f+g+h+i+j+k+l+m+n|s=t]M", "E[a+b+c+d+e+f+g+h+i+j+k+l+m+n|{s=t}]M"),
    ],
)
def test_no_line_ends_inside_short_brackets(latex, kept):
    longer = "+abcdefghijklmnopq"
    assert breaks.unbroken(latex + longer) == kept + longer


@pytest.mark.parametrize(
    ("latex", "kept"),
    [
        (r"\mathbb{E}[a+b+c+d+e+f+g+h]=0", r"\mathbb{E}[{a+b+c+d+e+f+g+h}]=\nobreak 0"),
        (r"a+b+c+d+e+f+g\le bc", r"{a+b+c+d+e+f+g}\le \nobreak bc"),
        ("aaaaaaaaaa=bbbbbbbbbb", "aaaaaaaaaa=bbbbbbbbbb"),
        (r"\displaystyle =\sum_ka_kb_kc_kd_kefghijk", r"\displaystyle =\nobreak \sum_ka_kb_kc_kd_kefghijk"),
    ],
)
def test_what_a_short_last_side_is_equal_to_stands_on_its_line(latex, kept):
    assert breaks.unbroken(latex) == kept


@pytest.mark.parametrize(
    ("latex", "kept"),
    [
        ("x^*-x=f(F)x^*+abcdefghijkl", "{x^*-x}=f(F)x^*+abcdefghijkl"),
        (r"|V-V'|\le\|r-s\|+abcdefghijkl", r"{|{V-V'}|}\le\|{r-s}\|+abcdefghijkl"),
        (r"\mathbb{E}[r+V|s]=\mathbb{E}[r-V|t]", r"{\mathbb{E}[{r+V|s}]}={\mathbb{E}[{r-V|t}]}"),
        (r"\displaystyle x-y=\sum_kc_kd_kefghijk", r"\displaystyle {x-y}=\sum_kc_kd_kefghijk"),
        (r"\begin{cases}x=1&y-z\end{cases}", r"\begin{cases}x=1&y-z\end{cases}"),
        (r"a_{i=1}b=\sum_{k=0}^nc_{k+1}d_kefgh", r"a_{i=1}b=\sum_{k=0}^nc_{k+1}d_kefgh"),
    ],
)
def test_no_line_ends_inside_a_short_side_of_a_relation(latex, kept):
    assert breaks.unbroken(latex) == kept


@pytest.mark.parametrize("latex", ["k=7", r"0\le\gamma<1", r"\eta=-\tfrac12\sigma^2"])
def test_no_line_ends_inside_a_short_formula(latex):
    assert breaks.unbroken(latex) == f"{{{latex}}}"


@pytest.mark.parametrize("latex", ["V(s)", r"\gamma", "a+b+c+d+e+f+g+h+i"])
def test_one_without_a_place_to_break_or_not_short_stays_as_it_is(latex):
    assert breaks.unbroken(latex) == latex


# A break may stand where "/" does, and nowhere where "~" does; without these KaTeX would have one after each sign.
@pytest.mark.parametrize(
    ("latex", "lines"),
    [
        ("a=b+c", "a/=~{b+c}"),
        ("a=bbbbbbbbbbbbbbb+c", "a/=~bbbbbbbbbbbbbbb/+~c"),
        ("-a-bbbbbbbbbbbbbbb", "-a/-~bbbbbbbbbbbbbbb"),
        (r"|-a|\le-b\cdot bbbbbbbbbbbbbbb", r"{|{-a}|}/\le~-b\cdot ~bbbbbbbbbbbbbbb"),
        (r"V(s)=\sum_a\pi(a|s)", r"V(s)/=~\sum_a\pi(a|s)"),
        (r"x\in D", r"x\in ~D"),
        (r"\begin{aligned}a&=b\end{aligned}", r"\begin{aligned}a&=b\end{aligned}"),
        # what is short between brackets is kept, and what is long is not
        (r"a=\gamma\gamma\gamma\gamma(1-\lambda)bbbbbb", r"a/=~\gamma\gamma\gamma\gamma({1-\lambda})bbbbbb"),
        ("(aaaaaaaaaaa+bbbbbbbbbbb+c)", "(aaaaaaaaaaa/+~bbbbbbbbbbb/+~c)"),
        # a second formula begins a line, whole, or with what it speaks of
        (r"a=b,\qquad c=d.", r"{a=b,}\qquad/{c=d.}"),
        (r"\quad a=b\quad", r"\quad/{a=b}\quad/"),
        (r"a=b,\qquad c=ddddddddddddddddddddddddddddddd+e", r"{a=b,}\qquad/c=~ddddddddddddddddddddddddddddddd/+~e"),
        # a long product is broken at a sum, but not soon after it has begun
        (
            r"p=aaaaaaaaa\prod_tbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\mathbb{E}[x]",
            r"p/=~aaaaaaaaa/\prod_tbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb/\mathbb{E}[x]",
        ),
        (r"p=a\sum_tbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb", r"p/=~a\sum_tbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"),
    ],
)
def test_a_line_of_a_display_begins_with_what_joins_it(latex, lines):
    assert breaks.displayed(latex) == lines.replace("/", r"\allowbreak ").replace("~", r"\nobreak ")


def test_a_chapter_and_its_number_stay_on_one_line_and_a_number_of_per_cent():
    document = new_document("page")
    text = nodes.Text("See chapter 4, chapters 1 and 2, 50 % of it, and ")
    document += nodes.paragraph("", "", text, nodes.literal("", "chapter 3"))
    typography.keep_joints(document)
    joined = "See chapter~4, chapters~1 and 2, 50~% of it, and chapter 3"
    assert document.astext() == joined.replace("~", "\N{NO-BREAK SPACE}")


def test_a_title_breaks_after_its_colon():
    document = new_document("page")
    section = nodes.section("", nodes.title("", "Means: of what?"), nodes.section("", nodes.title("", "And: this")))
    document += section
    typography.break_title(document)
    first, second = document.findall(nodes.title)
    assert [part.astext() for part in first] == ["Means: ", "of what?"]
    assert first[1]["classes"] == ["subtitle"]
    assert [part.astext() for part in second] == ["And: this"]


def test_and_after_a_comma_rather_than_elsewhere():
    document = new_document("page")
    document += nodes.section(
        "", nodes.title("", "Two: take this, give it"), nodes.section("", nodes.title("", "a, b"))
    )
    typography.break_title(document)
    first, second = document.findall(nodes.title)
    parts = [part.astext() for part in first[1] if "part" in getattr(part, "attributes", {}).get("classes", ())]
    assert parts == ["take this,", "give it"]
    assert first.astext() == "Two: take this, give it"
    assert second.astext() == "a, b"


def test_formulas_of_one_display_are_blocks_of_their_own():
    def shown(*pieces):
        return f"<p>{typography.SHOWN}{''.join(pieces)}</span></p>"

    space, gap = (f'<span class="mspace{more}"></span>' for more in ('" style="margin-right:2em;', " allowbreak"))
    comma = '<span class="mspace" style="margin-right:0.1667em;"></span>'
    begins, ends = '<span class="base">a', "b</span>"
    context = {
        "body": shown(begins, ends)
        + shown(begins, space, gap, "</span>", begins, ends, begins, space, gap, comma, "</span>", begins, ends)
    }
    typography.part_formulas(None, "page", "page.html", context, None)
    first = f'<span class="formula">{begins}</span></span>'
    second = f'<span class="formula">{begins}{ends}{begins}</span></span>'
    third = f'<span class="formula">{begins}{ends}</span>'
    assert context["body"] == shown(begins, ends) + shown(" ".join([first, second, third]))


def test_a_second_formula_begins_a_line_at_the_left_and_goes_on_further_in(browser, address):
    """On a telephone, in the definition of the occupancies: two formulas, of which the second goes on below."""
    with Visit(browser, f"{address}/book/04-occupancy.html", viewport={"width": 360, "height": 740}) as visit:
        formulas = visit.page.locator("#def-occupancy div.math .formula")
        pieces = formulas.evaluate_all(
            """(all) => all.map((at) => [...at.querySelectorAll(".base")].map((piece) => {
              const { left, bottom } = piece.getBoundingClientRect();
              return [left, bottom];
            }))"""
        )
    first, second = (formula[0] for formula in pieces)
    assert second[0] == pytest.approx(first[0], abs=1)
    assert second[1] > first[1]
    left, bottom = pieces[1][-1]
    assert left > second[0] + 10
    assert bottom > second[1]
