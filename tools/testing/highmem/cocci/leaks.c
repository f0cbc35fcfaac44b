// SPDX-License-Identifier: GPL-2.0
/* Paths on which a page stays mapped. */

static int check(struct page *page)
{
	struct head *p = kmap_local_page(page);

	if (p->magic != HEAD_MAGIC)
		return -EINVAL;					/* finds */
	kunmap_local(p);
	return 0;
}

static int check_good(struct page *page)
{
	struct head *p = kmap_local_page(page);
	int err = 0;

	if (p->magic != HEAD_MAGIC)
		err = -EINVAL;
	kunmap_local(p);
	return err;
}

static int check_goto(struct folio *folio)
{
	struct head *p = kmap_local_folio(folio, 0);
	int err = -EINVAL;

	if (p->magic != HEAD_MAGIC)
		goto out;
	err = use(p);
	kunmap_local(p);
out:
	return err;						/* finds */
}

static int check_goto_good(struct folio *folio)
{
	struct head *p = kmap_local_folio(folio, 0);
	int err = -EINVAL;

	if (p->magic != HEAD_MAGIC)
		goto out;
	err = use(p);
out:
	kunmap_local(p);
	return err;
}

static struct head *find(struct folio *folio)
{
	struct head *p = kmap_local_folio(folio, 0);

	if (p->magic == HEAD_MAGIC)
		return p;
	kunmap_local(p);
	return NULL;
}

static int release(struct folio *folio)
{
	struct head *p = kmap_local_folio(folio, 0);

	if (p->magic != HEAD_MAGIC) {
		folio_release_kmap(folio, p);
		return -EINVAL;
	}
	kunmap_local(p);
	return 0;
}

static int check_kmap(struct page *page)
{
	struct head *p = kmap(page);

	if (p->magic != HEAD_MAGIC)
		return -EINVAL;					/* finds */
	if (p->count > 7) {
		kunmap(page);
		return -ERANGE;
	}
	kunmap(page);
	return 0;
}

static int asks_in_vain(struct page *page)
{
	struct head *p = kmap_local_page(page);

	if (!p)
		return -ENOMEM;		/* never: superfluous, not a leak */
	use(p);
	kunmap_local(p);
	return 0;
}

static int maps_if(struct page *page, void *copy, int direct)
{
	void *p = copy;
	int err;

	if (direct)
		p = kmap_local_page(page);
	err = use(p);
	if (direct)
		kunmap_local(p);
	return err;
}
