"""Twenty minutes of class from chapters 1 and 3: a picture to project, two files to touch, a sheet to hand out.

    python examples/teacher.py class

writes them into the folder class; without one they are made, looked at and thrown away. The sheet is chapter 1 with
room for answers in place of its solutions, and needs the built book (`make book`).
"""

import json
import sys
import tempfile
from pathlib import Path

from rlbook.widgets import NaturalGradient, VarianceReduction

BOOK = Path(__file__).parents[1]


def prepare(folder):
    # Minutes 0 to 8: what does credit for the past cost? Ask first: does the middle of the cloud move?
    full = VarianceReduction("two-rooms", kappa=1.0)
    to_go = VarianceReduction("two-rooms", kappa=0.0)
    print(f"variance of the full return {full.variance:.2f}, of reward-to-go {to_go.variance:.2f}")
    assert abs(full.mean - to_go.mean).max() < 1e-12, "the middle stays"
    assert to_go.variance < full.variance

    # Projected before anyone touches anything: 1920 pixels wide, for a room that is large.
    figure = full.picture()
    figure.savefig(folder / "cloud.png", dpi=1920 / figure.get_figwidth(), facecolor="white")

    # Then live, on the projector or on the students' own phones: a file each, without a network.
    full.save_html(folder / "cloud.html")

    # Minutes 8 to 16: the same step, written in σ and in log σ.
    bent = NaturalGradient("two-coordinates")
    apart = bent.apart()
    print(f"paths come apart by {apart.euclidean:.2f}, natural ones by {apart.natural:.4f}")
    assert apart.natural < apart.euclidean / 10
    bent.save_html(folder / "coordinates.html")

    # Minutes 16 to 20, and at home: chapter 1 without its solutions.
    names = BOOK / "_build" / "html" / "names.json"
    if names.exists():
        sys.path.insert(0, str(BOOK))
        from book._ext.plain import write

        said = json.loads(names.read_text(encoding="utf-8"))
        first = dict(list(said["chapters"].items())[:1])
        write(folder, said | {"chapters": first}, names.parent.as_uri() + "/", BOOK, handout=True)
    else:
        print("no book is built here yet: make handout writes the sheet")
    for file in sorted(folder.iterdir()):
        print(f"{file.name}: {file.stat().st_size / 1000:.0f} kB")


if len(sys.argv) > 1:
    Path(sys.argv[1]).mkdir(parents=True, exist_ok=True)
    prepare(Path(sys.argv[1]))
else:
    with tempfile.TemporaryDirectory() as folder:
        prepare(Path(folder))
