"""The book's Sphinx extensions, as one: `book._ext`, each module of which sets up its own part."""

EXTENSIONS = (
    "rerun",
    "side_by_side",
    "claims",
    "afresh",
    "references",
    "typography",
    "kernel_free",
    "lean",
    "results",
    "exercises",
    "api",
    "launch",
    "plain",
    "house",
)


def setup(app):
    for name in EXTENSIONS:
        app.setup_extension(f"book._ext.{name}")
    return {"version": "1"}
