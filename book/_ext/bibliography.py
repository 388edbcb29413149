"""How the text refers to works, by names and year, and the labels by which it finds them in the bibliography."""

from dataclasses import dataclass, field

from pybtex.plugin import register_plugin
from pybtex.richtext import Tag, Text
from pybtex.style.formatting.plain import Style as Plain
from pybtex.style.labels import BaseLabelStyle
from sphinxcontrib.bibtex.plugin import register_plugin as register_reference_style
from sphinxcontrib.bibtex.style.referencing import BracketStyle, PersonStyle
from sphinxcontrib.bibtex.style.referencing.author_year import AuthorYearReferenceStyle

NBSP = "\N{NO-BREAK SPACE}"  # no line ends between a name and its year


@dataclass
class References(AuthorYearReferenceStyle):
    bracket_parenthetical: BracketStyle = field(default_factory=lambda: BracketStyle(sep="; "))
    person: PersonStyle = field(default_factory=lambda: PersonStyle(other=Text(" ", Tag("em", f"et{NBSP}al."))))
    text_reference_sep: str = NBSP


def name_of(person):
    return str(Text.from_latex(" ".join(person.prelast_names + person.last_names)))


class NamesAndYear(BaseLabelStyle):
    """Works whose labels would be the same tell themselves apart by a letter in their year's field."""

    def format_labels(self, entries):
        for entry in entries:
            first, *others = map(name_of, entry.persons["author"])
            names = f"{first} et al." if len(others) > 1 else " and ".join([first, *others])
            yield f"{names}, {entry.fields['year']}"


class Style(Plain):
    default_label_style = NamesAndYear


def setup(app):
    register_plugin("pybtex.style.formatting", "names_and_year", Style)
    register_reference_style("sphinxcontrib.bibtex.style.referencing", "names_and_year", References)
    return {"version": "1", "parallel_read_safe": True}
