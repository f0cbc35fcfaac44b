#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Writes a module that uses all that headers of the kernel declare.

  callers.py list HEADER...           the names in the headers, one a line
  callers.py write LICENCE HEADER...  the module, for the names on stdin

The headers are read as text, with all branches of their #if lines. Not each
configuration therefore has each name; the compiler tells.

The module takes the address of each function, so that the compiler emits the
body of an inline one. The type of the pointer is that of the header. NAME() on
stdin stands for a call instead: an architecture may have a macro in place of the
function. The module also takes the address of all data and expands each macro
once. Each name has a global symbol use_NAME. In the compiler's messages the name
stands where the file should be.
"""

import re
import sys

# What a macro is expanded to. "u" points to a struct of what there is to use.
MACROS = {
    "LAST_PKMAP": "u->nr = LAST_PKMAP",
    "LAST_PKMAP_MASK": "u->nr = LAST_PKMAP_MASK",
    "PKMAP_ADDR": "u->vaddr = PKMAP_ADDR(u->nr)",
    "PKMAP_BASE": "u->vaddr = PKMAP_BASE",
    "PKMAP_NR": "u->nr = PKMAP_NR(u->vaddr)",
    "arch_kmap_local_post_map": "arch_kmap_local_post_map(u->vaddr, u->pte)",
    "arch_kmap_local_post_unmap": "arch_kmap_local_post_unmap(u->vaddr)",
    "arch_kmap_local_pre_unmap": "arch_kmap_local_pre_unmap(u->vaddr)",
    "arch_kmap_local_set_pte":
        "arch_kmap_local_set_pte(u->mm, u->vaddr, u->ptep, u->pte)",
    "flush_cache_kmaps": "flush_cache_kmaps()",
    "kmap_prot": "u->prot = kmap_prot",
    "kunmap_atomic": "kunmap_atomic(u->addr)",
    "kunmap_local": "kunmap_local(u->addr)",
}

HEAD = """\
// SPDX-License-Identifier: GPL-2.0
#include <linux/highmem.h>
#include <linux/io-mapping.h>
#include <linux/module.h>

struct use {
	struct mm_struct *mm;
	void *addr;
	unsigned long vaddr;
	unsigned int nr;
	pgprot_t prot;
	pte_t pte, *ptep;
};
"""

# What stands before a function's type and is no part of it.
WORDS = r"\b(static|inline|extern|__always_inline|__must_check|__init|__meminit)\b"


def stop(text):
    sys.exit(f"error: {text}")


def read(path):
    """The text of a header without comments and line continuations."""
    try:
        with open(path, encoding="utf-8") as header:
            text = header.read()
    except OSError as error:
        stop(f"{path}: {error.strerror}")
    text = re.sub(r"/\*.*?\*/|//[^\n]*", " ", text, flags=re.S)
    return text.replace("\\\n", " ")


def macros(text):
    """Macros that have a value. An empty one is for #ifdef only."""
    for name, value in re.findall(
            r"^[ \t]*#[ \t]*define[ \t]+(\w+)(.*)", text, re.M):
        if re.sub(r"^\([^)]*\)", "", value).strip() or value.startswith("("):
            yield name


def declarations(text):
    """What is declared at the outermost level, each in one line."""
    text = re.sub(r"^[ \t]*#.*", "", text, flags=re.M)
    body = re.compile(r"\{[^{}]*\}")
    while body.search(text):
        text = body.sub(";", text)
    for one in text.split(";"):
        one = " ".join(one.split())
        if one:
            yield one


def collect(paths):
    """A dictionary from each name to its uses."""
    found = {}
    texts = [(path, read(path)) for path in paths]
    for path, text in texts:
        for one in declarations(text):
            function = re.match(r"([\w\s*]+[\s*])(\w+) ?(\(.*\))$", one)
            if function:
                found.setdefault(function[2], Function(*function.groups()))
            elif re.match(r"extern [^()]+$", one):
                for name in re.findall(r"(\w+)(?:\[.*?\])?(?:,|$)", one):
                    found.setdefault(name, Data(name))
            elif not re.match(r"(struct|enum|union) \w+$", one):
                stop(f"{path}: cannot tell what this declares: {one}")
    for path, text in texts:
        for name in macros(text):
            if name not in found and name not in MACROS:
                stop(f"{path}: the macro {name} is not in the table MACROS"
                     f" of {sys.argv[0]}")
            found.setdefault(name, Macro(name))
    return found


class Function:
    def __init__(self, before, name, parameters):
        self.type = " ".join(re.sub(WORDS, "", before).split())
        self.name = name
        self.parameters = parameters

    def address(self):
        pointer = f"{self.type} (*const use_{self.name}){self.parameters}"
        return f"extern {pointer};\n{pointer} = {self.name};"

    def call(self):
        names = re.findall(r"(\w+) ?(?:,|\)$)", self.parameters)
        call = f"{self.name}({', '.join(n for n in names if n != 'void')})"
        if self.type != "void":
            call = f"return {call}"
        caller = f"{self.type} use_{self.name}{self.parameters}"
        return f"{caller};\n{caller} {{ {call}; }}"


class Data:
    def __init__(self, name):
        self.name = name

    def address(self):
        pointer = f"const void *const use_{self.name}"
        return f"extern {pointer};\n{pointer} = &{self.name};"

    call = address


class Macro:
    def __init__(self, name):
        self.name = name

    def call(self):
        caller = f"void use_{self.name}(struct use *u)"
        return f"{caller};\n{caller} {{ {MACROS[self.name]}; }}"

    address = call


def write(licence, found):
    print(HEAD)
    for name in sys.stdin.read().split():
        use = found.get(name.removesuffix("()"))
        if not use:
            stop(f"{name} is in none of the headers")
        print(f'# 1 "{name}"')
        print(use.call() if name.endswith("()") else use.address())
    print(f'MODULE_DESCRIPTION("Uses what headers declare");\n'
          f'MODULE_LICENSE("{licence}");')


def main():
    if len(sys.argv) > 2 and sys.argv[1] == "list":
        print("\n".join(sorted(collect(sys.argv[2:]))))
    elif len(sys.argv) > 3 and sys.argv[1] == "write":
        write(sys.argv[2], collect(sys.argv[3:]))
    else:
        stop("say list HEADER... or write LICENCE HEADER...")


main()
