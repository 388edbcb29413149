"""The ten-seed version of each chapter's experiment: `make studies` makes the runs, and what the page shows of them.

Finished runs are kept in _build/studies, so that one that was interrupted goes on where it stopped. What they gave goes
to book/_data/studies.json, and from there, by `python -m book.studies --draw`, to the figures and tables of
book/larger-studies.md.
"""

import argparse
import json
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
DATA = ROOT / "book" / "_data"
SEEDS = 10


def experiments():
    """(name, curves of the variants (seeds, points), where the points are): what the chapters run, with more seeds."""
    from rlbook.neural import compare_deep_q, compare_natural, compare_q_prop, compare_reinforce

    settings = {"seeds": range(SEEDS), "keep": ROOT / "_build" / "studies"}
    yield "reinforce", returns(compare_reinforce(batches=30, **settings)), np.arange(1, 31)
    runs = compare_deep_q(updates=1200, **settings)
    yield "q-learning", returns(runs), runs["soft"][0].updates
    yield "natural-gradient", returns(compare_natural(batches=20, delta=0.01, **settings)), np.arange(1, 21)
    yield "q-prop", returns(compare_q_prop(batches=16, **settings)), np.arange(1, 17)


def returns(runs):
    return {name: np.array([run.mean_returns for run in of_seeds]) for name, of_seeds in runs.items()}


def make():
    """Make the runs, and write down what they gave, to four decimals."""
    found = {
        name: {"at": at.tolist(), "curves": {variant: np.round(runs, 4).tolist() for variant, runs in curves.items()}}
        for name, curves, at in experiments()
    }
    DATA.mkdir(exist_ok=True)
    (DATA / "studies.json").write_text(json.dumps(found, ensure_ascii=False) + "\n", encoding="utf-8")


# What the page shows -----------------------------------------------------------------------------------------------

COLORS = {  # as in the chapters
    "reinforce": ["PLAIN", "IMPROVED", "BASELINE"],
    "q-learning": ["IMPROVED", "PLAIN", "OTHER"],
    "natural-gradient": ["PLAIN", "IMPROVED", "OTHER"],
    "q-prop": ["BASELINE", "IMPROVED", "PLAIN"],
}
WHERE = {name: "CartPole" for name in COLORS} | {"q-prop": "Pendulum"}
LAST = {"q-learning": 3}  # evaluations that are averaged for what a run ends with; five batches elsewhere


def ends(name, curves):
    """What each run ends with: the mean of its last points, {variant: (seeds,)}."""
    return {variant: np.array(runs)[:, -LAST.get(name, 5) :].mean(axis=1) for variant, runs in curves.items()}


def shown(number):
    return f"{number:.0f}".replace("-", "−")


def joined(words):
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last


def said(end):
    """For each two variants, how far ten seeds tell them apart, in a sentence."""
    names, sentences = list(end), []
    for i, a in enumerate(names):
        for b in names[i + 1 :]:
            low, high = sorted((a, b), key=lambda name: np.median(end[name]))
            share = f"{100 * (end[high][:, None] > end[low]).mean():.0f}\N{NO-BREAK SPACE}%"
            below, above = f"*{low}*", f"*{high}*"
            pairs = f"in {share} of the {end[high].size * end[low].size} pairs of runs {above} ends higher"
            if end[high].min() > end[low].max():
                sentences.append(f"Every run of {above} ends above every run of {below}.")
            elif np.quantile(end[high], 0.25) > np.quantile(end[low], 0.75):
                sentences.append(
                    f"The middle halves of {below} and {above} are apart and single runs overlap: {pairs}."
                )
            else:
                sentences.append(f"Even the middle halves of {below} and {above} overlap: {pairs}.")
    return " ".join(sentences)


def fragment(name, study):
    """Figure, table and sentences of one study, in MyST."""
    curves, where = study["curves"], WHERE[name]
    end, unit = ends(name, curves), "evaluations" if name in LAST else "batches"
    last = {3: "three", 5: "five"}[LAST.get(name, 5)]
    seeds = len(next(iter(curves.values())))
    means = joined([
        f"that of {variant} from {shown(np.mean(runs, axis=0)[0])} to {shown(np.mean(runs, axis=0)[-1])}"
        for variant, runs in curves.items()
    ])  # fmt: skip
    rows = [
        "| {} | {} | {} | {} to {} | {} to {} |".format(
            variant, shown(x.mean()), *(shown(np.quantile(x, q)) for q in (0.5, 0.25, 0.75, 0, 1))
        )
        for variant, x in end.items()
    ]
    return "\n".join([
        f"```{{figure}} _data/{name}.svg",
        f":name: fig-studies-{name}",
        ":figclass: drawn",
        f":alt: Learning curves of {joined(list(curves))} on {where}, {seeds} runs each and their mean. The means go "
        f"over {len(study['at'])} {unit}: {means}.",
        "",
        f"{where}, {seeds} seeds. Thin lines are single runs, thick ones their means. The table has what the runs "
        f"end with: the mean return of their last {last} {unit}.",
        "```",
        "",
        f"| method | mean | median | middle half | all {seeds} runs |",
        "| --- | ---: | ---: | ---: | ---: |",
        *rows,
        "",
        said(end),
    ]) + "\n"  # fmt: skip


def draw():
    """Figures and fragments from what was written down."""
    import matplotlib.pyplot as plt
    from matplotlib.ticker import MaxNLocator

    from rlbook import plots

    for name, study in json.loads((DATA / "studies.json").read_text(encoding="utf-8")).items():
        colors = [getattr(plots, color) for color in COLORS[name]]
        axis = "gradient steps" if name in LAST else "batch"
        with plots.style():
            ax = plots.lines(study["at"], study["curves"], colors=colors, xlabel=axis, ylabel="mean return")
            ax.xaxis.set_major_locator(MaxNLocator(5, integer=True))
            (DATA / f"{name}.svg").write_text(plots.to_svg(ax.figure) + "\n", encoding="utf-8")
            plt.close(ax.figure)
        (DATA / f"{name}.md").write_text(fragment(name, study), encoding="utf-8")


if __name__ == "__main__":
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--draw", action="store_true", help="draw what is measured already")
    if not asked.parse_args().draw:
        make()
    draw()
