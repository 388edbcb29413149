"""The bibliography's labels: the names and the year by which the text refers to a work."""

from pybtex.plugin import register_plugin
from pybtex.richtext import Text
from pybtex.style.formatting.plain import Style as Plain
from pybtex.style.labels import BaseLabelStyle


def name_of(person):
    return str(Text.from_latex(" ".join(person.prelast_names + person.last_names)))


class NamesAndYear(BaseLabelStyle):
    """Works whose labels would be the same tell themselves apart by the letter that their year has in the list."""

    def format_labels(self, entries):
        for entry in entries:
            first, *others = map(name_of, entry.persons["author"])
            names = f"{first} et al." if len(others) > 1 else " and ".join([first, *others])
            yield f"{names}, {entry.fields['year']}"


class Style(Plain):
    default_label_style = NamesAndYear


def setup(app):
    register_plugin("pybtex.style.formatting", "names_and_year", Style)
    return {"version": "1", "parallel_read_safe": True}
