"""The book's Sphinx extensions, as one: `book._ext`, each module of which sets up its own part."""

EXTENSIONS = (
    "rerun",
    "side_by_side",
    "claims",
    "afresh",
    "references",
    "typography",
    "kernel_free",
    "derivations",
    "folds",
    "chapters",
    "lean",
    "previews",
    "finder",
    "results",
    "bibliography",
    "exercises",
    "api",
    "names",
    "code",
    "source",
    "launch",
    "plain",
    "house",
    "frame",
)


def setup(app):
    for name in EXTENSIONS:
        app.setup_extension(f"book._ext.{name}")
    return {"version": "1"}
