# SPDX-License-Identifier: GPL-2.0
"""Charts of bench-report: SVG in plain text, nothing to install."""

import html
import math

COLOURS = {'mainline': '#d95f02', 'ours': '#1b6ca8', 'mark': '#333333'}
FONT = 'font-family="sans-serif" font-size="12"'


def text(x, y, words, anchor='start', more=''):
    return (f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {more}>'
            f'{html.escape(words)}</text>')


def line(x1, y1, x2, y2, colour='#dddddd', more=''):
    return (f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
            f' stroke="{colour}" {more}/>')


def svg(width, height, title, parts):
    return '\n'.join([
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}"'
        f' height="{height}" viewBox="0 0 {width} {height}" role="img" {FONT}>',
        f'<title>{html.escape(title)}</title>',
        f'<rect width="{width}" height="{height}" fill="white"/>',
        text(10, 20, title, more='font-weight="bold" font-size="14"'),
        *parts, '</svg>'])


def short(value):
    for limit, unit in ((1e9, 'G'), (1e6, 'M'), (1e3, 'k')):
        if value >= limit:
            return f'{value / limit:g}{unit}'
    return f'{value:g}'


class Axis:
    """From a value to a place between two ends, linear from 0 or logarithmic."""

    def __init__(self, values, start, end, log=False):
        self.start, self.end, self.log = start, end, log
        top = max(values) or 1
        if log:
            self.low = math.floor(math.log10(min(values)))
            self.high = max(math.ceil(math.log10(top)), self.low + 1)
            self.ticks = [10 ** n for n in range(self.low, self.high + 1)]
            return
        step = 10 ** math.floor(math.log10(top))
        step = next(s for s in (step / 5, step / 2, step, 2 * step)
                    if top / s <= 6)
        count = math.ceil(top / step)
        self.low, self.high = 0, count * step
        self.ticks = [n * step for n in range(count + 1)]

    def __call__(self, value):
        if self.log:
            value = math.log10(value)
        share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)


def legend(names, x, y):
    """Names in a row; what begins with ours or mainline has that colour."""
    parts = []
    for name in names:
        colour, dash = style(name)
        parts += [line(x, y - 4, x + 24, y - 4, colour,
                       f'stroke-width="3" {dash}'), text(x + 30, y, name)]
        x += 50 + 6.2 * len(name)
    return parts


DASHES = ['', 'stroke-dasharray="6 4"', 'stroke-dasharray="2 3"']


def style(name, known=['']):  # pylint: disable=dangerous-default-value
    """Names are "mainline" or "ours", what follows has a dash of its own."""
    kernel, _, rest = name.partition(', ')
    if rest not in known:
        known.append(rest)
    return COLOURS[kernel], DASHES[known.index(rest) % len(DASHES)]


def curves(title, x_label, y_label, series, log=False, width=560, height=330):
    """series: a list of points (x, y) by name."""
    series = {name: points for name, points in series.items() if points}
    xs = sorted({x for points in series.values() for x, _ in points})
    ys = [y for points in series.values() for _, y in points]
    if not ys:
        return ''
    across = Axis(xs, 70, width - 20)
    up = Axis(ys, height - 55, 55, log)
    parts = legend(series, 70, 40)
    for tick in up.ticks:
        parts += [line(70, up(tick), width - 20, up(tick)),
                  text(64, up(tick) + 4, short(tick), 'end')]
    for tick in xs if len(xs) <= 8 else across.ticks:
        parts += [line(across(tick), height - 55, across(tick), height - 50,
                       '#333333'),
                  text(across(tick), height - 36, f'{tick:g}', 'middle')]
    parts += [line(70, height - 55, width - 20, height - 55, '#333333'),
              text((50 + width) / 2, height - 14, x_label, 'middle'),
              text(0, 0, y_label, 'middle', 'transform="translate(18'
                   f' {height / 2:.0f}) rotate(-90)"')]
    for name, points in series.items():
        colour, dash = style(name)
        path = ' '.join(f'{across(x):.1f},{up(y):.1f}' for x, y in points)
        parts.append(f'<polyline points="{path}" fill="none" {dash}'
                     f' stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{across(x):.1f}" cy="{up(y):.1f}" r="3"'
                  f' fill="{colour}"/>' for x, y in points]
    return svg(width, height, title, parts)


def bars(title, x_label, rows, width=760):
    """rows: (label, mainline, ours, mark or None), horizontal bars."""
    left, top, each = 270, 55, 34
    height = top + each * len(rows) + 50
    values = [v for row in rows for v in row[1:] if v is not None]
    if not values:
        return ''
    across = Axis(values, left, width - 60)
    bottom = height - 45
    parts = legend(['mainline', 'ours'], left, 40)
    if any(row[3] for row in rows):
        parts += [line(left + 190, 28, left + 190, 42, COLOURS['mark'],
                       'stroke-width="3"'), text(left + 198, 40, 'aim')]
    for tick in across.ticks:
        parts += [line(across(tick), top, across(tick), bottom),
                  text(across(tick), bottom + 16, short(tick), 'middle')]
    for i, (label, theirs, ours, mark) in enumerate(rows):
        y = top + each * i + 4
        parts.append(text(left - 8, y + 17, label, 'end'))
        for value, name in ((theirs, 'mainline'), (ours, 'ours')):
            if value is not None:
                parts += [f'<rect x="{left}" y="{y:.1f}" height="12" width='
                          f'"{across(value) - left:.1f}" fill="'
                          f'{COLOURS[name]}"/>',
                          text(across(value) + 4, y + 10, f'{value:.3g}'
                               if value < 100 else f'{value:.0f}')]
            y += 13
        if mark:
            parts.append(line(across(mark), y - 28, across(mark), y + 2,
                              COLOURS['mark'], 'stroke-width="3"'))
    parts += [line(left, top, left, bottom, '#333333'),
              text((left + width - 60) / 2, height - 10, x_label, 'middle')]
    return svg(width, height, title, parts)
