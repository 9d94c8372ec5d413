"""A terminal's screen, as `tmux capture-pane -e` writes it, as an SVG picture."""

import re
import unicodedata
from xml.sax.saxutils import escape

CELL, LINE, SIZE, MARGIN = 8.4, 19, 14, 16
FONT = "'DejaVu Sans Mono', Menlo, Consolas, 'Liberation Mono', monospace"
BASIC = "#000000 #cc6666 #8fb573 #e5c07b #61afef #b294bb #56b6c2 #c5c8c6 #666666 #f0746e #b5d68c #f0d080 #8ac6f2 #d0a8e0 #80d0d8 #ffffff".split()


def indexed(n):
    """Colour n of the 256."""
    if n < 16:
        return BASIC[n]
    if n >= 232:
        return "#" + f"{8 + 10 * (n - 232):02x}" * 3
    levels = [0, 95, 135, 175, 215, 255]
    n -= 16
    return "#" + "".join(f"{levels[i]:02x}" for i in (n // 36, n // 6 % 6, n % 6))


class Style:
    """What the escape codes so far have set."""

    def __init__(self):
        self.reset()

    def reset(self):
        self.ink = self.paper = self.line = None
        self.bold = self.italic = self.underlined = self.reverse = False

    def set(self, codes):
        parts = (codes or "0").split(";")
        while parts:
            head, *rest = (int(n or 0) for n in parts.pop(0).split(":"))
            if head in (38, 48, 58):
                rest = rest or [int(parts.pop(0)) for _ in range({"5": 2, "2": 4}[parts[0]])]
                colour = indexed(rest[1]) if rest[0] == 5 else "#" + "".join(f"{n:02x}" for n in rest[-3:])
                setattr(self, {38: "ink", 48: "paper", 58: "line"}[head], colour)
            elif head == 0:
                self.reset()
            elif head == 4:
                self.underlined = rest != [0]
            elif head in (1, 3, 7):
                setattr(self, {1: "bold", 3: "italic", 7: "reverse"}[head], True)
            elif head in (22, 23, 24, 27):
                setattr(self, {22: "bold", 23: "italic", 24: "underlined", 27: "reverse"}[head], False)
            elif head in (39, 49, 59):
                setattr(self, {39: "ink", 49: "paper", 59: "line"}[head], None)
            elif 30 <= head < 38 or 90 <= head < 98:
                self.ink = BASIC[head % 10 + (8 if head >= 90 else 0)]
            elif 40 <= head < 48 or 100 <= head < 108:
                self.paper = BASIC[head % 10 + (8 if head >= 100 else 0)]


def width(character):
    return 0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1


def runs(screen):
    """Pieces of one style: row, column, text, width in cells, style."""
    style = Style()
    for row, line in enumerate(screen.split("\n")):
        column = 0
        for code, text in re.findall(r"\x1b\[([0-9;:]*)m|([^\x1b]+)", line):
            if not text:
                style.set(code)
                continue
            cells = sum(map(width, text))
            yield row, column, text, cells, dict(vars(style))
            column += cells


def picture(screen, columns, title, ink="#e0e2ea", paper="#14161b"):
    """The screen in a window with a title."""
    rows = screen.rstrip("\n").count("\n") + 1
    top = 34
    w, h = columns * CELL + 2 * MARGIN, rows * LINE + top + MARGIN
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {w:.0f} {h:.0f}" width="{w:.0f}" height="{h:.0f}" '
        f'font-family="{FONT}" font-size="{SIZE}">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{w:.0f}" height="{h:.0f}" rx="8" fill="{paper}"/>',
        *(f'<circle cx="{20 + 18 * i}" cy="18" r="5.5" fill="{c}"/>' for i, c in enumerate(["#ec6a5e", "#f4bf4f", "#61c554"])),
        f'<text x="{w / 2:.0f}" y="22" fill="#8b93a3" font-size="12" text-anchor="middle">{escape(title)}</text>',
    ]
    for row, column, text, cells, style in runs(screen.rstrip("\n")):
        front, back = style["ink"] or ink, style["paper"] or paper
        if style["reverse"]:
            front, back = back, front
        x, y = MARGIN + column * CELL, top + row * LINE
        if back != paper:
            out.append(f'<rect x="{x:.1f}" y="{y}" width="{cells * CELL:.1f}" height="{LINE}" fill="{back}"/>')
        stripped = text.strip(" ")
        if stripped:
            x += (len(text) - len(text.lstrip(" "))) * CELL
            length = sum(map(width, stripped)) * CELL
            look = ' font-weight="bold"' * style["bold"] + ' font-style="italic"' * style["italic"]
            out.append(
                f'<text x="{x:.1f}" y="{y + 14}" fill="{front}"{look} textLength="{length:.1f}" '
                f'lengthAdjust="spacingAndGlyphs" xml:space="preserve">{escape(stripped)}</text>'
            )
            if style["underlined"]:
                line = style["line"] or front
                out.append(f'<path d="M{x:.1f} {y + 17}h{length:.1f}" stroke="{line}" stroke-width="1.3"/>')
    return "\n".join([*out, "</svg>", ""])
