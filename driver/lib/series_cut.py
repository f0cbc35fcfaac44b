#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
#
# series_cut.py SERIES BASE FIXED UNHOOKED FINAL BENCH OUT: cuts what FINAL has unlike
# BASE into the steps that the files in the folder SERIES describe. FIXED has the files
# of BASE that the fixes change, as they are then: the first step follows on these.
# UNHOOKED has those that all steps but the last make, where they differ from BASE.
# For each step it leaves OUT/NN-name/tree, the files as they are after it, and
# OUT/NN-name/message; and OUT/00-cover/message. Figures in messages come from the
# folder BENCH.
#
# series/README tells how a step is written down.

import fnmatch
import os
import re
import shlex
import statistics
import sys


class Mistake(Exception):
    """A mistake in series/ or in the source."""


def read(path):
    with open(path, encoding='utf-8') as f:
        return f.read()


def write(path, text, like=None):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, 'w', encoding='utf-8') as f:
        f.write(text)
    if like:
        os.chmod(path, os.stat(like).st_mode & 0o777)


# ------------------------------------------------------------------- figures

class Figures:
    """What bench/ recorded: medians of all runs, and what was run."""

    def __init__(self, folder, base):
        self.facts = {'base': base}
        for line in read(os.path.join(folder, 'facts.tsv')).splitlines():
            name, value = line.split('\t')
            self.facts[name] = value
        runs = {}
        for line in read(os.path.join(folder, 'results.tsv')).splitlines():
            kernel, _, row, key, value = line.split('\t')
            runs.setdefault((kernel, row, key), []).append(value)
        self.rows = runs

    def figure(self, kernel, row, key):
        values = self.rows.get((kernel, row, key))
        if not values:
            raise Mistake(f'bench/results.tsv has no {kernel} {row} {key}')
        return statistics.median(float(value) for value in values)

    def of(self, words):
        """fact:NAME, or KERNEL:ROW:KEY[:WIDTH] with the kernel mainline, unhooked,
        ours, "less" (per cent that ours is less) or "more" (the difference)."""
        kind, *rest = words.split(':')
        if kind == 'fact' and len(rest) == 1:
            if rest[0] not in self.facts:
                raise Mistake(f'bench/facts.tsv has no {rest[0]}')
            return self.facts[rest[0]]
        if kind not in ('mainline', 'unhooked', 'ours', 'less', 'more') or \
                len(rest) not in (2, 3):
            raise Mistake(f'@{{{words}}} is no placeholder')
        row, key = rest[:2]
        width = int(rest[2]) if len(rest) == 3 else 0
        if kind in ('less', 'more'):
            theirs = self.figure('pristine', row, key)
            ours = self.figure('ours', row, key)
            text = f'{100 - 100 * ours / theirs:.0f}' if kind == 'less' \
                else f'{ours - theirs:+.0f}'
        else:
            name = 'pristine' if kind == 'mainline' else kind
            text = f'{self.figure(name, row, key):.0f}'
        return text.rjust(width)

    def fill(self, text, where):
        """@{...} everywhere in a message; what is unknown is an error."""
        try:
            text = re.sub(r'@\{([^}\n]*)\}', lambda m: self.of(m[1]), text)
        except Mistake as mistake:
            raise Mistake(f'{where}: {mistake}') from None
        if '@{' in text:
            raise Mistake(f'{where}: a placeholder is not closed')
        return text


# --------------------------------------------------------------------- edits

def unescape(word):
    return word.replace('\\t', '\t').replace('\\n', '\n')


class Text:
    """The lines of a file in the making. A line is named by how it begins; "a\\nb"
    is a line that is a, with one behind it that begins with b."""

    def __init__(self, text, where):
        self.lines = text.split('\n')
        self.where = where

    def find(self, begin, after=-1, only=True):
        *whole, begin_of_last = begin.split('\n')
        hits = [i for i in range(after + 1, len(self.lines) - len(whole))
                if self.lines[i:i + len(whole)] == whole and
                self.lines[i + len(whole)].startswith(begin_of_last)]
        if not hits or (only and len(hits) > 1):
            raise Mistake(f'{self.where}: {len(hits)} lines begin with '
                          f'"{begin}", one was expected')
        return hits[0]

    def range(self, first, how, last, only=True):
        start = self.find(first, only=only)
        if last == '<EOF>':
            return start, len(self.lines) - 1
        end = start if last == first else self.find(last, start, only=False)
        if how == '..':
            end += 1
        elif how != '..<':
            raise Mistake(f'{self.where}: ".." or "..<", not {how}')
        return start, end

    def cut(self, start, end):
        del self.lines[start:end]
        # No two empty lines where it was, and none at the end.
        if 0 < start < len(self.lines) and \
                not self.lines[start] and not self.lines[start - 1]:
            del self.lines[start]

    def sub(self, old, new):
        text = '\n'.join(self.lines)
        if text.count(old) != 1:
            raise Mistake(f'{self.where}: "{old}" is there '
                          f'{text.count(old)} times, not once')
        self.lines = text.replace(old, new).split('\n')

    def edit(self, words, final):
        verb, *args = words
        if verb == 'cut' and len(args) in (1, 3):
            if len(args) == 1:
                args += ['..', args[0]]
            self.cut(*self.range(*args))
        elif verb == 'cutall' and len(args) == 3:
            self.cut(*self.range(*args, only=False))
            while args[0] in self.lines:
                self.cut(*self.range(*args, only=False))
        elif verb == 'sub' and len(args) == 2:
            self.sub(*args)
        elif verb == 'copy' and len(args) == 5 and args[3] in ('before', 'after'):
            start, end = final.range(*args[:3])
            at = self.find(args[4]) + (args[3] == 'after')
            self.lines[at:at] = final.lines[start:end]
        elif verb == 'append' and len(args) == 3:
            start, end = final.range(*args)
            self.lines[-1:] = [''] + final.lines[start:end] + ['']
        else:
            raise Mistake(f'{self.where}: what is "{" ".join(words)}"?')

    def drop_objects(self, there):
        """In a Makefile: takes out the objects of sources that are not there."""
        lines = []
        for line in self.lines:
            keep = re.sub(r' ([\w-]+)\.o\b', lambda m: m[0] if there(m[1] + '.c')
                          else '', line)
            if keep.rstrip() != line.rstrip() and keep.rstrip().endswith('='):
                continue
            lines.append(keep)
        text = '\n'.join(lines)
        self.lines = re.sub(r'ifeq [^\n]*\nendif\n', '', text).split('\n')


# --------------------------------------------------------------------- steps

def read_first(path, *folders):
    """From the first folder that has it."""
    for folder in folders:
        try:
            return read(os.path.join(folder, path))
        except FileNotFoundError:
            pass
    return ''


def files_in(folder):
    return [os.path.relpath(os.path.join(place, name), folder)
            for place, _, names in os.walk(folder) for name in names]


OTHER_BASE = object()       # the edits that follow are of a file of another base


class Series:
    def __init__(self, major, base, fixed, unhooked, final, out):
        self.major = major      # VERSION.PATCHLEVEL of the base
        self.base, self.fixed, self.unhooked = base, fixed, unhooked
        self.final, self.out = final, out
        self.hooked = False     # is this the step with the hooks?
        self.state = {}         # what steps so far have made of a file
        self.last = {}          # the step that touched it last, and how
        self.differ = self.find_differences()

    def find_differences(self):
        """Our files are in the manifest that driver/tree keeps."""
        folder, name = os.path.split(self.final)
        paths = read(os.path.join(folder, '.manifest-' + name)).split()
        return sorted(path for path in {*paths, *files_in(self.fixed)}
                      if self.old(path) != read(os.path.join(self.final, path)))

    def old(self, path):
        return read_first(path, self.fixed, self.base)

    def new(self, path):
        """The file as it is in the end, or just before the last step."""
        if self.hooked:
            return read(os.path.join(self.final, path))
        return read_first(path, self.unhooked, self.base)

    def hook(self):
        self.hooked = True
        for path, (where, _) in self.last.items():
            self.last[path] = (where, 'without the hooks')

    def expand(self, pattern, where):
        found = fnmatch.filter(self.differ, pattern)
        if not found:
            raise Mistake(f'{where}: {pattern} is nothing in which build/linux '
                          'differs from the pristine source with the fixes')
        return found

    def step(self, name, recipe):
        where = 'series/' + name
        changed, optional, not_asked = {}, True, []
        path = text = None
        for line in recipe.splitlines():
            if not line.strip() or line.lstrip().startswith('#'):
                continue
            words = [unescape(word) for word in shlex.split(line)]
            if words[0] == 'in' and len(words) > 2:
                if words[1] != self.major:
                    if line[0] != '\t':
                        path = OTHER_BASE
                    continue
                words = words[2:]
            elif line[0] == '\t' and path is OTHER_BASE:
                continue
            if line[0] == '\t':
                if path is None:
                    raise Mistake(f'{where}: an edit of no file: {line.strip()}')
                final = Text(self.new(path), f'{where}: build/linux/{path}')
                if words == ['objects']:
                    folder = os.path.dirname(path)
                    text.drop_objects(lambda source, folder=folder: os.path.join(
                        folder, source) in {**self.state, **changed})
                else:
                    text.edit(words, final)
                changed[path] = '\n'.join(text.lines)
                self.last[path] = (where, 'in part')
                continue
            path = None
            if words == ['hooked']:
                self.hook()
                continue
            optional &= words[0] in ('maybe', 'checkpatch', 'coccicheck')
            if words[0] in ('checkpatch', 'coccicheck') and len(words) == 3:
                not_asked.append('\t'.join(words) + '\n')
            elif len(words) != 2 or words[0] not in ('final', 'maybe', 'part', 'edit'):
                raise Mistake(f'{where}: what is "{line}"?')
            elif words[0] == 'maybe' and \
                    not fnmatch.filter(self.differ, words[1]):
                continue
            elif words[0] in ('final', 'maybe'):
                for found in self.expand(words[1], where):
                    if found in self.last and self.last[found][1] == 'final':
                        continue        # an earlier step has it
                    changed[found] = self.new(found)
                    self.last[found] = (where, 'final')
            else:
                path, = self.expand(words[1], where)
                was = self.state.get(path, self.old(path))
                text = Text(was if words[0] == 'edit' else self.new(path),
                            f'{where}: {path}')
                changed[path] = '\n'.join(text.lines)
                self.last[path] = (where, 'in part')
        changed = {path: new for path, new in changed.items()
                   if new != self.state.get(path, self.old(path))}
        if not changed and not optional:
            raise Mistake(f'{where} changes nothing')
        self.state.update(changed)
        for path, new in changed.items():
            write(os.path.join(self.out, name, 'tree', path), new,
                  os.path.join(self.final, path))
        if not_asked and changed:
            write(os.path.join(self.out, name, 'not-asked'), ''.join(not_asked))
        return bool(changed)

    def finish(self):
        """Nothing may be left, and what came in parts must be whole."""
        missing = [path for path in self.differ if path not in self.state]
        if missing:
            raise Mistake('no step in series/ takes ' + ' '.join(missing) +
                          '; add it to one')
        for path in self.differ:
            if self.state[path] != read(os.path.join(self.final, path)):
                raise Mistake(f'{path} is not whole in the end; the last step '
                              f'that names it is {self.last[path][0]}')


def main(folder, base, fixed, unhooked, final, bench, out):
    makefile = read(os.path.join(base, 'Makefile'))
    release = '.'.join(re.search(rf'^{name} = (\d+)$', makefile, re.M)[1]
                       for name in ('VERSION', 'PATCHLEVEL', 'SUBLEVEL'))
    major = release.rpartition('.')[0]
    figures = Figures(bench, release)
    series = Series(major, base, fixed, unhooked, final, out)
    for name in sorted(os.listdir(folder)):
        if not re.fullmatch(r'\d\d-[\w-]+', name):
            continue
        message, line, recipe = read(os.path.join(folder, name)) \
            .partition('\n---\n')
        # A line that begins with {BASE} is for that base.
        message = re.sub(r'^\{([\d.]+)\} ?(.*\n)',
                         lambda m: m[2] if m[1] == major else '', message, flags=re.M)
        if name.startswith('00'):
            recipe = None
        elif not line:
            raise Mistake(f'series/{name} has no line "---"')
        elif not series.step(name, recipe):
            print(f'   series/{name}: nothing of it is there yet')
            continue
        write(os.path.join(out, name, 'message'),
              figures.fill(message.rstrip() + '\n', 'series/' + name))
    series.finish()


try:
    main(*sys.argv[1:])
except Mistake as what:
    print(what, file=sys.stderr)
    sys.exit(1)
