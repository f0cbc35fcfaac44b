// SPDX-License-Identifier: GPL-2.0
/*
 * kmap() where kmap_local_page() would do: marked, and converted where it says
 * "finds, converts". Not where the address lives on.
 */

static void read_some(struct page *page, char *buf)
{
	char *p = kmap(page);					/* finds, converts */

	memcpy(buf, p + 10, 10);
	kunmap(page);
}

static int read_or_fail(struct page *page, struct head *head)
{
	struct head *p;
	int n;

	p = kmap(page);						/* finds, converts */
	if (p->magic != HEAD_MAGIC) {
		kunmap(page);
		return -EINVAL;
	}
	n = p->count;
	head->count = n;
	kunmap(page);
	return n;
}

static void hand_on(struct page *page)
{
	char *p = kmap(page);					/* finds */

	work_on(p);
	kunmap(page);
}

static void keep(struct page *page, struct state *state)
{
	char *p = kmap(page);

	state->addr = p;
	wait_for_completion(&state->done);
	kunmap(page);
}

static char *give(struct page *page)
{
	char *p = kmap(page);

	return p;
}

static void walk(struct page *page)
{
	char *p = kmap(page);

	while (*p)
		p++;
	kunmap(page);
}

static void only_sometimes(struct page *page, int more)
{
	char *p = kmap(page);

	*p = 0;
	if (more)
		return;		/* unmapped elsewhere, or a leak: see leaks.c */
	do_more();
}

static void in_local_order(struct page *page, struct page *other)
{
	char *p = kmap(page);
	char *q = kmap_local_page(other);

	memcpy(p, q, PAGE_SIZE);
	kunmap(page);
	kunmap_local(q);
}
