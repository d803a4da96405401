"""Adds pages from outside of docs/ to the documentation site."""

from pathlib import Path

from mkdocs.structure.files import File

OUTSIDE = ("SECURITY.md", "CHANGELOG.md")


def on_files(files, config):
    """Add the pages."""
    root = Path(config.config_file_path).parent
    for name in OUTSIDE:
        if (root / name).is_file():
            files.append(File.generated(config, name.lower(), content=(root / name).read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown, page, **_):
    """Correct links to and from these pages."""
    for name in OUTSIDE:
        markdown = markdown.replace(f"](../{name}", f"]({name.lower()}")
    return markdown.replace("](docs/", "](") if page.file.src_uri in {name.lower() for name in OUTSIDE} else markdown
