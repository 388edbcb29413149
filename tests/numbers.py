"""What the links of built pages call a statement, an equation or an exercise, and what it is called where it stands."""

import posixpath
import re
from urllib.parse import unquote, urldefrag

KINDS = ".proof[id], .exercise[id], div.math[id^='equation-']"
GENERATED = "prf-prf.html"  # sphinx-proof's own index, which lists labels


def called(soup):
    """{anchor: the number or name and number that stands there} for one page."""
    found = {}
    for place in soup.select(KINDS):
        number = place.select_one(".caption-number, .eqno")
        if number:
            found[place["id"]] = number.get_text().removesuffix("#").strip()
    return found


def links(soups):
    """Each link of some pages to a statement: (page, address, what it says, what is said there); {name: soup} given.

    Map and exercises say only the number where a box is narrow, and a link of one's own words says none.
    """
    names = {name: called(soup) for name, soup in soups.items()}
    for name, soup in soups.items():
        for link in soup.select("a[href*='#']:not(.headerlink)"):
            target, anchor = urldefrag(link["href"])
            page = posixpath.normpath(posixpath.join(posixpath.dirname(name), target)) if target else name
            there = names.get(page, {}).get(unquote(anchor))
            if there and name != GENERATED:
                yield name, link["href"], " ".join(link.get_text().split()), there


def false_ones(found):
    """Of `links`, those that say another number than stands at their target."""
    for page, address, says, there in found:
        number = re.search(r"\(?\d+\.\d+\)?", says)
        known = re.match(rf"(?:Equation )?(?:{re.escape(there)}|{re.escape(there.rpartition(' ')[2])})(?![\d.])", says)
        if number and not known:
            yield f"{page}: the link to {address} says {says!r} for {there!r}"
