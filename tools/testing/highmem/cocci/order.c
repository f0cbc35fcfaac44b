// SPDX-License-Identifier: GPL-2.0
/* Local mappings that are given back in the wrong order, or in the right one. */

static void copy_wrong(struct page *to, struct page *from)
{
	void *dst = kmap_local_page(to);
	void *src = kmap_local_page(from);

	copy_page(dst, src);
	kunmap_local(dst);					/* finds, converts */
	kunmap_local(src);
}

static void copy_good(struct page *to, struct page *from)
{
	void *dst = kmap_local_page(to);
	void *src = kmap_local_page(from);

	copy_page(dst, src);
	kunmap_local(src);
	kunmap_local(dst);
}

static void one_after_the_other(struct page *to, struct page *from, char *buf)
{
	void *p, *q;

	p = kmap_local_page(from);
	memcpy(buf, p, 16);
	kunmap_local(p);
	q = kmap_local_page(to);
	memcpy(q, buf, 16);
	kunmap_local(q);
}

static void apart_wrong(struct folio *folio, struct page *page)
{
	char *a, *b;

	a = kmap_local_folio(folio, 0);
	b = kmap_atomic(page);
	*a = *b;
	kunmap_local(a);					/* finds */
	flush_dcache_folio(folio);
	kunmap_atomic(b);
}

static void again(struct page **pages, int nr)
{
	char *a = kmap_local_page(pages[0]), *b;
	int i;

	for (i = 1; i < nr; i++) {
		b = kmap_local_page(pages[i]);
		*b = *a;
		kunmap_local(b);
	}
	kunmap_local(a);
}

static void offsets_wrong(struct page *to, struct page *from, int off)
{
	void *dst = kmap_local_page(to) + off;
	void *src = kmap_atomic(from) + off / 2;

	copy_page(dst, src);
	flush_dcache_page(to);
	kunmap_local(dst);					/* finds */
	clear_page(src);
	kunmap_atomic(src);
}
