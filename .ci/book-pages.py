#!/usr/bin/env python3
"""A preprocessor of mdBook: pages from outside of docs/ become pages of the book, and links follow.

mdBook gives the book as JSON and takes it back. A page such as ../schemas/README.md, which docs/SUMMARY.md names,
is moved to schemas/README.md of the book. A link to a file of the repository that is no page leads to the
repository's address, which BOOK_REPOSITORY has (such as https://github.com/OWNER/ivs-apply/blob/main); without an
address it becomes text. Comments that hold commands of the tests are left out.
"""

import json
import os
import posixpath
import re
import sys

FENCE = re.compile(r"^(`{3,}).*?^\1\s*$", re.M | re.S)
COMMENT = re.compile(r"^<!--.*?-->\n?", re.M | re.S)
LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)")
HTML = re.compile(r'((?:src|srcset|href)=")([^"]+)(")')


def chapters(items):
    """Every chapter of the book, in order."""
    for item in items:
        chapter = item.get("Chapter") if isinstance(item, dict) else None
        if chapter:
            yield chapter
            yield from chapters(chapter["sub_items"])


def inside(source):
    """Where a page of the repository is in the book; paths are those from docs/. mdBook calls a README.md index.md."""
    return re.sub(r"(^|/)README\.md$", r"\1index.md", source.removeprefix("../"))


def outside_of_fences(text, change):
    """The text with every part of it changed that is in no block of code."""
    parts, end = [], 0
    for fence in FENCE.finditer(text):
        parts += [change(text[end:fence.start()]), fence.group()]
        end = fence.end()
    return "".join(parts + [change(text[end:])])


def followed(chapter, pages, address):
    """The text of a page with links as they are in the book."""
    source = chapter["source_path"]
    here = posixpath.dirname(inside(source))

    def target(link):
        """The link in the book; None where there is nothing to link to."""
        path, mark, anchor = link.partition("#")
        if "://" in path or link.startswith("mailto:") or not path:
            return link
        named = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
        if named in pages or (not named.startswith("..") and os.path.exists(posixpath.join("docs", named))):
            return posixpath.relpath(inside(named), here or ".") + mark + anchor
        file = posixpath.normpath(posixpath.join("docs", named))
        return f"{address}/{file}{mark}{anchor}" if address else None

    def link(found):
        to = target(found[3])
        return found[2] if to is None else f"{found[1]}[{found[2]}]({to})"

    def html(found):
        to = target(found[2])
        return found[0] if to is None else found[1] + to + found[3]

    def change(text):
        return HTML.sub(html, LINK.sub(link, COMMENT.sub("", text)))

    return outside_of_fences(chapter["content"], change)


def main():
    if sys.argv[1:2] == ["supports"]:
        sys.exit(0 if sys.argv[2:] == ["html"] else 1)
    _, book = json.load(sys.stdin)
    address = os.environ.get("BOOK_REPOSITORY", "").rstrip("/")
    every = list(chapters(book["items"]))
    pages = {it["source_path"] for it in every if it["source_path"]}
    for chapter in every:
        if chapter["source_path"]:
            chapter["content"] = followed(chapter, pages, address)
            chapter["path"] = inside(chapter["path"])
    json.dump(book, sys.stdout)


if __name__ == "__main__":
    main()
