// SPDX-License-Identifier: GPL-2.0-only
/// Find common mistakes with pages that may be in high memory:
///
/// 1. page_address(), folio_address() or page_to_virt() of a page that may have no
///    permanent address
/// 2. kmap() where kmap_local_page() would do
/// 3. local mappings that are not unmapped in the reverse order
/// 4. a return that leaves mapped what another path unmaps
/// 5. an address that is unmapped after it was moved, perhaps out of the page
///
/// The mode "patch" converts what is safe without a look at other functions: whole
/// pages that are cleared or copied by their address (1), kmap() whose address is
/// only read, written or handed to functions that do no more (2), and two unmaps
/// that follow each other in the wrong order (3). See Documentation/mm/highmem-debug.rst.
///
//# 1 looks at where a page comes from, in the same function. It knows nothing of
//# page caches that are told to stay in low memory (inode_nohighmem(),
//# mapping_set_gfp_mask()), nor of code for 64-bit machines only.
//# 4 believes that a path which asks for the address, or passes a condition with the
//# unmap behind it, is right: conditions that belong together are beyond it. It
//# takes an address that is kept in a structure for one that is unmapped later,
//# and functions whose name has put, release or unmap in it for those that do so.
//# 5 does not know how far an address is moved. Any address inside the page is right.
// Confidence: Moderate
// Options: --no-includes --include-headers

virtual patch
virtual context
virtual org
virtual report

// --------------------------------------------------------------------------
// 1. The address of an unknown page
// --------------------------------------------------------------------------

// Pages of files, of user space, of scatterlists and the like.
@addr1 depends on !patch exists@
expression pg, E;
identifier from = { find_get_page, find_lock_page, grab_cache_page,
	grab_cache_page_write_begin, grab_cache_page_nowait, pagecache_get_page,
	read_cache_page, read_mapping_page, shmem_read_mapping_page,
	filemap_get_folio, __filemap_get_folio, filemap_lock_folio,
	filemap_grab_folio, read_cache_folio, read_mapping_folio,
	sg_page, skb_frag_page, bio_page, bio_iter_page, vmalloc_to_page,
	page_cache_alloc, __page_cache_alloc, vma_alloc_folio, alloc_page_vma };
position p1, p2;
@@

  pg = from@p1(...)
  ... when != pg = E
      when != PageHighMem(pg)
      when != folio_test_highmem(pg)
      when != kmap(pg)
(
* page_address@p2(pg)
|
* page_address@p2(&pg->page)
|
* folio_address@p2(pg)
|
* page_to_virt@p2(pg)
)

// Where the call says which memory: of those only what may be high memory.
@addr2 depends on !patch exists@
expression pg, E;
identifier alloc = { alloc_page, alloc_pages, alloc_pages_node, folio_alloc,
	__folio_alloc, filemap_alloc_folio, read_cache_page_gfp,
	find_or_create_page, shmem_read_mapping_page_gfp };
position p1, p2;
@@

  pg = alloc@p1(..., <+...
(
  __GFP_HIGHMEM
|
  GFP_HIGHUSER
|
  GFP_HIGHUSER_MOVABLE
)
  ...+>, ...)
  ... when != pg = E
      when != PageHighMem(pg)
      when != folio_test_highmem(pg)
      when != kmap(pg)
(
* page_address@p2(pg)
|
* page_address@p2(&pg->page)
|
* folio_address@p2(pg)
|
* page_to_virt@p2(pg)
)

// Without a variable in between.
@addr3 depends on !patch@
expression E;
identifier from = { sg_page, skb_frag_page, bio_page, bio_iter_page,
	vmalloc_to_page };
position p2;
@@

(
* page_address@p2(from(...))
|
* page_to_virt@p2(from(...))
|
* page_address@p2(E.bv_page)
|
* page_address@p2(E->bv_page)
|
* page_to_virt@p2(E.bv_page)
|
* page_to_virt@p2(E->bv_page)
)

// What user space has in its page tables.
@addr4 depends on !patch exists@
expression pages, i;
identifier pin =~ "^(get|pin)_user_pages";
position p1, p2;
@@

  pin@p1(..., pages, ...)
  ... when != PageHighMem(pages[i])
      when != kmap(pages[i])
(
* page_address@p2(pages[i])
|
* page_to_virt@p2(pages[i])
)

// The folio that a file's operation is handed.
@aops@
identifier ops;
identifier fn !~ "symlink";	// these are in low memory: see page_get_link()
identifier op = { read_folio, launder_folio, release_folio, invalidate_folio,
	migrate_folio, writepage };
@@

  struct address_space_operations ops = {
	.op = fn,
  };

@addr5 depends on !patch@
identifier aops.fn, folio;
type T;
position p2;
@@

  fn(..., T *folio, ...)
  {
  <...
(
* page_address@p2(folio)
|
* page_address@p2(&folio->page)
|
* folio_address@p2(folio)
|
* page_to_virt@p2(folio)
)
  ...>
  }

// Right for any page, and what one means.
@depends on patch@
expression page;
@@

(
- clear_page(page_address(page))
+ clear_highpage(page)
|
- memset(page_address(page), 0, PAGE_SIZE)
+ memzero_page(page, 0, PAGE_SIZE)
)

@depends on patch@
expression to, from;
@@

(
- copy_page(page_address(to), page_address(from))
+ copy_highpage(to, from)
|
- memcpy(page_address(to), page_address(from), PAGE_SIZE)
+ memcpy_page(to, 0, from, 0, PAGE_SIZE)
)

// --------------------------------------------------------------------------
// 2. kmap() where kmap_local_page() would do
// --------------------------------------------------------------------------

// The address goes where it may outlive the mapping, or changes.
@escapes exists@
local idexpression addr;
expression *P;
expression E, E1;
identifier fld;
position p;
@@

  addr = kmap@p(...)
  ...
(
  return <+...addr...+>;
|
  E.fld = <+...addr...+>
|
  E->fld = <+...addr...+>
|
  E[E1] = <+...addr...+>
|
  *E = <+...addr...+>
|
  P = <+...addr...+>
|
  &addr
|
  addr++
|
  ++addr
|
  addr--
|
  --addr
|
  addr += E
|
  addr -= E
)

// Or to a function that might do more with it than look.
@handed exists@
local idexpression addr;
identifier f != { memcpy, memset, memmove, memcmp, memchr, memchr_inv, memscan,
	strlen, strnlen, strcmp, strncmp, strscpy, strscpy_pad, strchr, strnchr,
	copy_from_user, copy_to_user, copy_from_iter, copy_to_iter,
	__copy_from_user, __copy_to_user, clear_page, copy_page,
	crc32, crc32_le, crc32_be, crc32c, crc_itu_t, csum_partial,
	le16_to_cpu, le32_to_cpu, le64_to_cpu, be16_to_cpu, be32_to_cpu,
	be64_to_cpu, le16_to_cpup, le32_to_cpup, le64_to_cpup, be16_to_cpup,
	be32_to_cpup, be64_to_cpup, get_unaligned_le16, get_unaligned_le32,
	get_unaligned_le64, get_unaligned_be16, get_unaligned_be32,
	get_unaligned_be64, put_unaligned_le16, put_unaligned_le32,
	put_unaligned_le64, put_unaligned_be16, put_unaligned_be32,
	put_unaligned_be64, test_bit_le, find_next_zero_bit_le,
	flush_dcache_page, min, max, min_t, max_t, likely, unlikely,
	pr_debug, pr_info, pr_warn, pr_err, printk, BUG_ON, WARN_ON };
position p;
@@

  addr = kmap@p(...)
  ...
  f(..., <+...addr...+>, ...)

// Every path that maps unmaps, and nothing else is mapped in between.
@easy forall@
local idexpression addr;
expression pg, E;
position p != { escapes.p, handed.p };
@@

  addr = kmap@p(pg)
  ... when strict
      when != pg = E
      when != addr = E
      when != kmap(...)
      when != \(kmap_local_page\|kmap_local_folio\|kmap_atomic\)(...)
  kunmap(pg)

@maybe depends on !patch forall@
local idexpression addr;
expression pg, E;
position p != { escapes.p, easy.p };
@@

  addr = kmap@p(pg)
  ... when strict
      when != pg = E
      when != addr = E
      when != kmap(...)
      when != \(kmap_local_page\|kmap_local_folio\|kmap_atomic\)(...)
  kunmap(pg)

@depends on patch@
local idexpression easy.addr;
expression easy.pg;
position easy.p;
@@

- addr = kmap@p(pg)
+ addr = kmap_local_page(pg)
  ... when strict
- kunmap(pg)
+ kunmap_local(addr)

@depends on context@
position easy.p;
@@

* kmap@p(...)

@depends on context@
position maybe.p;
@@

* kmap@p(...)

// --------------------------------------------------------------------------
// 3. Unmapped in the wrong order
// --------------------------------------------------------------------------

@order exists@
local idexpression a, b;
expression E;
identifier map1 = { kmap_local_page, kmap_local_page_prot, kmap_local_folio,
	kmap_local_pfn, kmap_atomic, kmap_atomic_prot, kmap_atomic_pfn };
identifier map2 = { kmap_local_page, kmap_local_page_prot, kmap_local_folio,
	kmap_local_pfn, kmap_atomic, kmap_atomic_prot, kmap_atomic_pfn };
identifier unmap1 = { kunmap_local, kunmap_atomic };
identifier unmap2 = { kunmap_local, kunmap_atomic };
position p1, p2, q1, q2;
@@

  a = \( <+... map1@p1(...) ...+> \)
  ... when != a = E
      when != kunmap_local(a)
      when != kunmap_atomic(a)
  b = \( <+... map2@p2(...) ...+> \)
  ... when != a = E
      when != b = E
      when != kunmap_local(b)
      when != kunmap_atomic(b)
  unmap1@q1(a)
  ... when != a = E
      when != b = E
  unmap2@q2(b)

@depends on context@
position order.q1;
identifier order.unmap1;
@@

* unmap1@q1(...)

@depends on patch && order@
local idexpression order.a, order.b;
position order.q1, order.q2;
identifier order.unmap1, order.unmap2;
@@

- unmap1@q1(a);
- unmap2@q2(b);
+ unmap2(b);
+ unmap1(a);

// --------------------------------------------------------------------------
// 4. A path that does not unmap
// --------------------------------------------------------------------------

@unmaps exists@
local idexpression addr;
identifier map = { kmap_local_page, kmap_local_page_prot, kmap_local_folio,
	kmap_local_pfn, kmap_atomic, kmap_atomic_prot, kmap_atomic_pfn };
expression E;
position p;
@@

  addr = map@p(...)
  ... when != addr = E
(
  kunmap_local(addr)
|
  kunmap_atomic(addr)
)

@forgets depends on !patch exists@
local idexpression unmaps.addr;
identifier unmaps.map;
identifier release =~ "put|release|unmap|free";
expression E, E1;
expression *P;
identifier fld;
position unmaps.p, r;
@@

  addr = map@p(...)
  ... when != addr = E
      when != kunmap_local(<+...addr...+>)
      when != kunmap_atomic(<+...addr...+>)
      when != !addr
      when != addr != NULL
      when != if (...) { ... kunmap_local(addr); ... }
      when != if (...) { ... kunmap_atomic(addr); ... }
      when != if (...) { ... } else { ... kunmap_atomic(addr); ... }
      when != release(..., <+...addr...+>, ...)
      when != E.fld = addr
      when != E->fld = addr
      when != E[E1] = addr
      when != *E = addr
      when != P = <+...addr...+>
(
  return <+...addr...+>;
|
* return@r ...;
)

@kunmaps exists@
expression page;
expression E;
position p;
@@

  kmap@p(page)
  ... when != page = E
  kunmap(page)

@kforgets depends on !patch exists@
expression kunmaps.page;
expression E, E1;
identifier release =~ "put|release|unmap|free";
identifier fld;
position kunmaps.p, r;
@@

  kmap@p(page)
  ... when != page = E
      when != kunmap(page)
      when != if (...) { ... kunmap(page); ... }
      when != release(..., <+...page...+>, ...)
      when != E.fld = page
      when != E->fld = page
      when != E[E1] = page
* return@r ...;

// --------------------------------------------------------------------------
// 5. An address that was moved
// --------------------------------------------------------------------------

@moved depends on !patch exists@
local idexpression addr;
identifier map = { kmap_local_page, kmap_local_page_prot, kmap_local_folio,
	kmap_local_pfn, kmap_atomic, kmap_atomic_prot, kmap_atomic_pfn,
	bvec_kmap_local, scatterwalk_map };
identifier unmap = { kunmap_local, kunmap_atomic, scatterwalk_unmap,
	folio_release_kmap, unmap_and_put_page };
expression E, E1;
position p, q;
@@

  addr = \( <+... map(...) ...+> \)
  ... when != addr = E
      when != unmap(..., addr)
(
  addr@p += E1
|
  addr@p -= E1
|
  addr@p++
|
  ++addr@p
|
  addr@p--
|
  --addr@p
)
  ... when != addr = E
* unmap@q(..., addr)

// What the address is put into goes to a function that may do so.
@lent depends on !patch exists@
expression S, E, E1;
identifier fld, f;
identifier map = { kmap_local_page, kmap_local_page_prot, kmap_local_folio,
	kmap_local_pfn, kmap_atomic, kmap_atomic_prot, kmap_atomic_pfn,
	bvec_kmap_local, scatterwalk_map };
identifier unmap = { kunmap_local, kunmap_atomic, scatterwalk_unmap };
position p, q;
@@

  S.fld = \( <+... map(...) ...+> \)
  ... when != S.fld = E
  f@p(..., &S, ...)
  ... when != S.fld = E1
* unmap@q(S.fld)

@lentp depends on !patch exists@
expression S, E, E1;
identifier fld, f;
identifier map = { kmap_local_page, kmap_local_page_prot, kmap_local_folio,
	kmap_local_pfn, kmap_atomic, kmap_atomic_prot, kmap_atomic_pfn,
	bvec_kmap_local, scatterwalk_map };
identifier unmap = { kunmap_local, kunmap_atomic, scatterwalk_unmap };
position p, q;
@@

  S->fld = \( <+... map(...) ...+> \)
  ... when != S->fld = E
  f@p(..., S, ...)
  ... when != S->fld = E1
* unmap@q(S->fld)

// What was added is no longer what is subtracted.
@offset depends on !patch exists@
local idexpression addr;
expression off, E, E1, E2;
identifier map = { kmap_local_page, kmap_local_page_prot, kmap_local_folio,
	kmap_local_pfn, kmap_atomic, kmap_atomic_prot, kmap_atomic_pfn,
	bvec_kmap_local, scatterwalk_map };
identifier unmap = { kunmap_local, kunmap_atomic, scatterwalk_unmap };
position p, q;
@@

  addr = \( <+... map(...) ...+> + off \)
  ... when != addr = E
(
  off@p += E1
|
  off@p -= E1
|
  off@p++
|
  off@p--
)
  ... when != addr = E
* unmap@q(E2 - off)

// The address of an end: of the page, if what was added is PAGE_SIZE.
@end depends on !patch exists@
local idexpression addr;
expression E, E1, E2;
identifier map = { kmap_local_page, kmap_local_page_prot, kmap_local_folio,
	kmap_local_pfn, kmap_atomic, kmap_atomic_prot, kmap_atomic_pfn,
	bvec_kmap_local, scatterwalk_map };
identifier unmap = { kunmap_local, kunmap_atomic, scatterwalk_unmap };
identifier f != { kunmap_local, kunmap_atomic, scatterwalk_unmap };
position p, q;
@@

  addr = \( <+... map(...) + E2 ...+> \)
  ... when != addr = E
  f@p(..., addr - E1, ...)
  ... when != addr = E
* unmap@q(addr)

// --------------------------------------------------------------------------
// What is said
// --------------------------------------------------------------------------

@script:python depends on report@
p2 << addr1.p2;
from_ << addr1.from;
@@
coccilib.report.print_report(p2[0], "WARNING: a page from %s() may be in high memory and have no address; map it" % from_)

@script:python depends on org@
p1 << addr1.p1;
p2 << addr1.p2;
@@
cocci.print_main("address of a page that may be in high memory", p2)
cocci.print_secs("from here", p1)

@script:python depends on report@
p2 << addr2.p2;
@@
coccilib.report.print_report(p2[0], "ERROR: a page that was allocated from high memory may have no address; map it")

@script:python depends on org@
p1 << addr2.p1;
p2 << addr2.p2;
@@
cocci.print_main("address of a page that may be in high memory", p2)
cocci.print_secs("from here", p1)

@script:python depends on report@
p2 << addr3.p2;
@@
coccilib.report.print_report(p2[0], "WARNING: a page of a list of buffers may be in high memory and have no address; map it")

@script:python depends on org@
p2 << addr3.p2;
@@
cocci.print_main("address of a page that may be in high memory", p2)

@script:python depends on report@
p2 << addr4.p2;
@@
coccilib.report.print_report(p2[0], "WARNING: a page of user space may be in high memory and have no address; map it")

@script:python depends on org@
p1 << addr4.p1;
p2 << addr4.p2;
@@
cocci.print_main("address of a page that may be in high memory", p2)
cocci.print_secs("from here", p1)

@script:python depends on report@
p2 << addr5.p2;
@@
coccilib.report.print_report(p2[0], "WARNING: a page of a file may be in high memory and have no address; map it")

@script:python depends on org@
p2 << addr5.p2;
@@
cocci.print_main("address of a page that may be in high memory", p2)

@script:python depends on report@
p << easy.p;
@@
coccilib.report.print_report(p[0], "opportunity: kmap_local_page() can replace this kmap()")

@script:python depends on org@
p << easy.p;
@@
cocci.print_main("kmap_local_page() can replace this kmap()", p)

@script:python depends on report@
p << maybe.p;
@@
coccilib.report.print_report(p[0], "opportunity: kmap_local_page() can replace this kmap() unless a function that gets the address keeps it")

@script:python depends on org@
p << maybe.p;
@@
cocci.print_main("kmap_local_page() can replace this kmap() unless a function that gets the address keeps it", p)

@script:python depends on report@
p2 << order.p2;
q1 << order.q1;
a << order.a;
b << order.b;
@@
if a != b:	# one variable twice is a loop, or two branches
    coccilib.report.print_report(q1[0], "ERROR: %s is unmapped before %s, which was mapped later, on line %s" % (a, b, p2[0].line))

@script:python depends on org@
p2 << order.p2;
q1 << order.q1;
a << order.a;
b << order.b;
@@
if a != b:
    cocci.print_main("unmapped out of order", q1)
    cocci.print_secs("mapped later", p2)

@script:python depends on report@
p << unmaps.p;
r << forgets.r;
a << unmaps.addr;
@@
coccilib.report.print_report(r[0], "ERROR: returns with %s mapped, on line %s" % (a, p[0].line))

@script:python depends on org@
p << unmaps.p;
r << forgets.r;
@@
cocci.print_main("missing unmap", r)
cocci.print_secs("mapped here", p)

@script:python depends on report@
p << kunmaps.p;
r << kforgets.r;
page << kunmaps.page;
@@
coccilib.report.print_report(r[0], "ERROR: returns without kunmap(%s), mapped on line %s" % (page, p[0].line))

@script:python depends on org@
p << kunmaps.p;
r << kforgets.r;
@@
cocci.print_main("missing kunmap", r)
cocci.print_secs("mapped here", p)

@script:python depends on report@
p << moved.p;
q << moved.q;
addr << moved.addr;
@@
coccilib.report.print_report(q[0], "WARNING: %s was moved and may be outside its page, on line %s" % (addr, p[0].line))

@script:python depends on org@
p << moved.p;
q << moved.q;
@@
cocci.print_main("unmapped by an address that may be outside its page", q)
cocci.print_secs("moved here", p)

@script:python depends on report@
p << lent.p;
q << lent.q;
S << lent.S;
fld << lent.fld;
f << lent.f;
@@
coccilib.report.print_report(q[0], "WARNING: %s.%s may be outside its page if %s() moves it, on line %s" % (S, fld, f, p[0].line))

@script:python depends on org@
p << lent.p;
q << lent.q;
@@
cocci.print_main("unmapped by an address that may be outside its page", q)
cocci.print_secs("may be moved here", p)

@script:python depends on report@
p << lentp.p;
q << lentp.q;
S << lentp.S;
fld << lentp.fld;
f << lentp.f;
@@
coccilib.report.print_report(q[0], "WARNING: %s->%s may be outside its page if %s() moves it, on line %s" % (S, fld, f, p[0].line))

@script:python depends on org@
p << lentp.p;
q << lentp.q;
@@
cocci.print_main("unmapped by an address that may be outside its page", q)
cocci.print_secs("may be moved here", p)

@script:python depends on report@
p << offset.p;
q << offset.q;
addr << offset.addr;
off << offset.off;
@@
coccilib.report.print_report(q[0], "ERROR: %s has changed since it was added to %s, on line %s" % (off, addr, p[0].line))

@script:python depends on org@
p << offset.p;
q << offset.q;
@@
cocci.print_main("unmapped by an address that may be outside its page", q)
cocci.print_secs("the offset changes here", p)

@script:python depends on report@
p << end.p;
q << end.q;
addr << end.addr;
@@
coccilib.report.print_report(q[0], "WARNING: %s is used as an end and may be that of its page, on line %s" % (addr, p[0].line))

@script:python depends on org@
p << end.p;
q << end.q;
@@
cocci.print_main("unmapped by an address that may be outside its page", q)
cocci.print_secs("used as an end here", p)
