#!/usr/bin/env python3
"""Writes the highlight queries of Helix and Zed: those of Neovim under their names. `--check` only compares."""

import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent
# The first that fits counts; a name that none fits is the same everywhere.
NAMES = {
    "../helix/queries/highlights.scm": [
        (r"@variable\.member|@property", "@variable.other.member"),
        (r"@boolean", "@constant.builtin.boolean"),
        (r"@function\.call", "@function"),
        (r"@keyword\.(import|repeat|conditional)", r"@keyword.control.\1"),
        (r"@number", "@constant.numeric"),
        (r"@comment\.documentation", "@comment.line.documentation"),
    ],
    "../zed/languages/dslc/highlights.scm": [
        (r"@variable\.member", "@property"),
        (r"@variable\.builtin", "@variable.special"),
        (r"@function\.call", "@function"),
        (r"@keyword\.\w+", "@keyword"),
        (r"@comment\.documentation", "@comment.doc"),
    ],
}


def renamed(text, names):
    def rename(match):
        for pattern, name in names:
            if re.fullmatch(pattern, match[0]):
                return re.sub(pattern, name, match[0])
        return match[0]

    body = re.sub(r"@[a-z_.]+", rename, text.split("\n", 1)[1])
    return "; Written by tree-sitter-dslc/queries.py from tree-sitter-dslc/queries/highlights.scm.\n" + body


def main():
    text = (HERE / "queries/highlights.scm").read_text()
    for path, names in NAMES.items():
        made = renamed(text, names)
        if "--check" not in sys.argv:
            (HERE / path).write_text(made)
        elif (HERE / path).read_text() != made:
            sys.exit(f"{path} is not what queries.py makes of queries/highlights.scm: run editors/tree-sitter-dslc/queries.py")


main()
