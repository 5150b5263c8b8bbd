"""A plot of the ratios as SVG: one bar per row, on a scale of powers of two, with a line where both are equal."""
import html
import math

WIDTH, LABEL, LINE, DECADES = 900, 420, 22, 6


def plot(rows, path):
    middle = LABEL + (WIDTH - LABEL) / 2
    step = (WIDTH - LABEL - 80) / 2 / DECADES
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{LINE * (len(rows) + 2)}" '
           'font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="white"/>'
           f'<text x="{middle}" y="14" text-anchor="middle">ratio of medians, in powers of two</text>']
    for at, row in enumerate(rows):
        ratio, y = row.ratio(), LINE * (at + 1)
        length = max(-DECADES, min(DECADES, math.log2(ratio))) * step if ratio > 0 else 0
        good = (length <= 0) if row.lower_is_better else (length >= 0)
        out.append(f'<text x="8" y="{y + 15}">{html.escape(f"{row.name}: {row.unit}")}</text>'
                   f'<rect x="{min(middle, middle + length):.1f}" y="{y + 4}" width="{abs(length):.1f}" height="{LINE - 8}" '
                   f'fill="{"#2a7" if good else "#c63"}"/>'
                   f'<text x="{middle + length + (4 if length >= 0 else -4):.1f}" y="{y + 15}" '
                   f'text-anchor="{"start" if length >= 0 else "end"}">{ratio:.2f}</text>')
    out.append(f'<line x1="{middle}" y1="{LINE}" x2="{middle}" y2="{LINE * (len(rows) + 1)}" stroke="black"/></svg>')
    with open(path, 'w') as file:
        file.write('\n'.join(out) + '\n')
