"""How the text refers to works, by names and year, and the labels by which it finds them in the bibliography.

They stand there in the order of their labels: of an author what was written alone, with one other, with more, by year.
At the end of a page stand those that it cites, for paper.
"""

import re
from dataclasses import dataclass, field
from html import escape

from pybtex.plugin import register_plugin
from pybtex.richtext import Text
from pybtex.style.formatting.plain import Style as Plain
from pybtex.style.labels import BaseLabelStyle
from pybtex.style.sorting import BaseSortingStyle
from sphinxcontrib.bibtex.plugin import register_plugin as register_reference_style
from sphinxcontrib.bibtex.style.referencing import BracketStyle, PersonStyle
from sphinxcontrib.bibtex.style.referencing.author_year import AuthorYearReferenceStyle

from book._ext.plain import described

NBSP = "\N{NO-BREAK SPACE}"


@dataclass
class References(AuthorYearReferenceStyle):
    bracket_parenthetical: BracketStyle = field(default_factory=lambda: BracketStyle(sep="; "))
    person: PersonStyle = field(default_factory=lambda: PersonStyle(other=f"{NBSP}et{NBSP}al."))


def name_of(person):
    return str(Text.from_latex(" ".join(person.prelast_names + person.last_names)))


class ByLabel(BaseSortingStyle):
    def sorting_key(self, entry):
        authors = entry.persons["author"]
        named = authors if len(authors) == 2 else authors[:1]
        return [name_of(authors[0]).lower(), min(len(authors), 3), *map(name_of, named), entry.fields["year"]]


class NamesAndYear(BaseLabelStyle):
    """Works whose labels would be the same tell themselves apart by a letter in their year's field."""

    def format_labels(self, entries):
        for entry in entries:
            first, *others = map(name_of, entry.persons["author"])
            names = f"{first} et al." if len(others) > 1 else " and ".join([first, *others])
            yield f"{names}, {entry.fields['year']}"


class Style(Plain):
    default_label_style = NamesAndYear
    default_sorting_style = ByLabel


def add_works(app, page, template, context, doctree):
    """At the end of a page, the works that it cites."""
    cited = set(re.findall(r'href="[^"#]*bibliography\.html#([^"]+)"', context.get("body", "")))
    works = [work for work in app.env.get_domain("cite").citations if work.citation_id in cited]
    if doctree is not None and works:
        lines = (f"<p>[{escape(work.formatted_entry.label)}] {escape(described(work))}</p>" for work in works)
        context["body"] += f'<section class="works-cited"><h2>Works cited</h2>{"".join(lines)}</section>'


def setup(app):
    app.connect("html-page-context", add_works)
    register_plugin("pybtex.style.formatting", "names_and_year", Style)
    register_reference_style("sphinxcontrib.bibtex.style.referencing", "names_and_year", References)
    return {"version": "1", "parallel_read_safe": True}
