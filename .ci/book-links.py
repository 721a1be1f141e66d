#!/usr/bin/env python3
"""Checks the built book: every link inside it leads to a file and to an anchor that are there.

    python3 .ci/book-links.py FOLDER
"""

import html.parser
import pathlib
import sys
import urllib.parse


class Page(html.parser.HTMLParser):
    """The anchors and the links of a page."""

    def __init__(self, text):
        super().__init__()
        self.anchors, self.links = set(), []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        for name, value in attrs:
            if name in ("id", "name") and value:
                self.anchors.add(value)
            elif name in ("href", "src", "srcset") and value:
                self.links.append(value)


def main():
    root = pathlib.Path(sys.argv[1]).resolve()
    pages = {it: Page(it.read_text("utf-8")) for it in sorted(root.rglob("*.html"))}
    faults, count = [], 0
    for path, page in pages.items():
        # It is served for every address that does not exist, so its links begin at the root of the site.
        if path.name == "404.html":
            continue
        for link in page.links:
            url = urllib.parse.urlsplit(link)
            if url.scheme or url.netloc:
                continue
            count += 1
            to = (path.parent / urllib.parse.unquote(url.path)).resolve() if url.path else path
            if to.is_dir():
                to = to / "index.html"
            anchor = urllib.parse.unquote(url.fragment)
            if not to.is_file() or root not in to.parents:
                faults.append(f"{path.relative_to(root)}: {link}: no such file")
            elif anchor and to in pages and anchor not in pages[to].anchors:
                faults.append(f"{path.relative_to(root)}: {link}: no such anchor")
    for fault in faults:
        print(fault)
    print(f"{len(pages)} pages, {count} links, {len(faults)} of them wrong")
    sys.exit(1 if faults or not count else 0)


if __name__ == "__main__":
    main()
