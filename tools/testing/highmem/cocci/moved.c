// SPDX-License-Identifier: GPL-2.0
/* Addresses that are moved before they are unmapped. */

static void fill_wrong(struct page *page, int n)
{
	char *p = kmap_local_page(page);

	while (n--)
		*p++ = 0;
	kunmap_local(p);					/* finds */
}

static void fill_good(struct page *page, int n)
{
	char *addr = kmap_local_page(page), *p = addr;

	while (n--)
		*p++ = 0;
	kunmap_local(addr);
}

static void steps_wrong(struct bio_vec *bv, int step)
{
	void *p = bvec_kmap_local(bv);
	int i;

	for (i = 0; i < bv->bv_len; i += step) {
		use(p);
		p += step;
	}
	kunmap_local(p);					/* finds */
}

static void steps_good(struct bio_vec *bv, int step)
{
	void *p = bvec_kmap_local(bv);
	int i;

	for (i = 0; i < bv->bv_len; i += step)
		use(p + i);
	kunmap_local(p);
}

static void each_page(struct page **pages, int nr, int off)
{
	char *p;

	for (; nr; nr--, p += off) {
		p = kmap_atomic(*pages++);
		use(p);
		kunmap_atomic(p);
	}
}

static void entries_wrong(struct folio *folio, int n)
{
	struct entry *p = kmap_local_folio(folio, 0);

	for (; n; n--, p++)
		use(p);
	folio_release_kmap(folio, p);				/* finds */
}

static int inflate_wrong(struct page *page)
{
	struct z_stream_s s = { 0 };
	int rc;

	s.next_out = kmap_local_page(page);
	s.avail_out = PAGE_SIZE;
	rc = zlib_inflate(&s, 0);
	kunmap_local(s.next_out);				/* finds */
	return rc;
}

static int inflate_good(struct page *page)
{
	struct z_stream_s s = { 0 };
	void *addr = kmap_local_page(page);
	int rc;

	s.next_out = addr;
	s.avail_out = PAGE_SIZE;
	rc = zlib_inflate(&s, 0);
	kunmap_local(addr);
	return rc;
}

static int inflate_into_wrong(struct z_stream_s *s, struct page *page, int off)
{
	int rc;

	s->next_out = kmap_local_page(page) + off;
	rc = zlib_inflate(s, 0);
	kunmap_local(s->next_out);				/* finds */
	return rc;
}

static void copy_wrong(struct scatterlist *sg, void *buf, int len)
{
	int off = 0, n;
	void *addr;

	for (; len; len -= n) {
		n = min(len, sg->length - off);
		addr = kmap_atomic(sg_page(sg)) + sg->offset + off;
		memcpy(buf + off, addr, n);
		off += n;
		kunmap_atomic(addr - sg->offset - off);		/* finds */
	}
}

static void copy_good(struct scatterlist *sg, void *buf, int len)
{
	int off = 0, n;
	void *addr;

	for (; len; len -= n) {
		n = min(len, sg->length - off);
		addr = kmap_atomic(sg_page(sg)) + sg->offset + off;
		memcpy(buf + off, addr, n);
		kunmap_atomic(addr - sg->offset - off);
		off += n;
	}
}

static void backwards_wrong(struct page *page, void *from, int end, int len)
{
	char *p = kmap_local_page(page) + end;

	memcpy(p - len, from, len);
	kunmap_local(p);					/* finds */
}

static void backwards_good(struct page *page, void *from, int end, int len)
{
	char *p = kmap_local_page(page) + end;

	memcpy(p - len, from, len);
	kunmap_local(p - 1);
}
