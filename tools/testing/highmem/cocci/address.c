// SPDX-License-Identifier: GPL-2.0
/*
 * Addresses of pages that may have none. What scripts/coccinelle/api/highmem.cocci
 * must report is marked; it must report nothing else.
 */

static int cached_page(struct address_space *mapping, char *buf)
{
	struct page *page = read_mapping_page(mapping, 0, NULL);

	if (IS_ERR(page))
		return PTR_ERR(page);
	memcpy(buf, page_address(page), 16);			/* finds */
	put_page(page);
	return 0;
}

static int cached_page_good(struct address_space *mapping, char *buf)
{
	struct page *page = read_mapping_page(mapping, 0, NULL);

	if (IS_ERR(page))
		return PTR_ERR(page);
	memcpy_from_page(buf, page, 0, 16);
	put_page(page);
	return 0;
}

static char first_of_folio(struct address_space *mapping)
{
	struct folio *folio = filemap_get_folio(mapping, 0);

	return *(char *)folio_address(folio);			/* finds */
}

static char first_of_low_folio(struct address_space *mapping)
{
	struct folio *folio = filemap_get_folio(mapping, 0);

	if (folio_test_highmem(folio))
		return 0;
	return *(char *)folio_address(folio);
}

static char first_of_folio_page(struct address_space *mapping)
{
	struct folio *folio = filemap_get_folio(mapping, 0);

	return *(char *)page_address(&folio->page);		/* finds */
}

static void *of_list(struct scatterlist *sg)
{
	return page_to_virt(sg_page(sg)) + sg->offset;		/* finds */
}

static void *of_vec(struct bio_vec *bvec)
{
	return page_address(bvec->bv_page);			/* finds */
}

static char of_vec_good(struct bio_vec *bvec)
{
	char *p = bvec_kmap_local(bvec), first = *p;

	kunmap_local(p);
	return first;
}

static void *new_page(void)
{
	struct page *page = alloc_page(GFP_HIGHUSER | __GFP_ZERO);

	return page_address(page);				/* finds */
}

static void *new_page_good(void)
{
	struct page *page = alloc_page(GFP_KERNEL | __GFP_ZERO);

	return page_address(page);
}

static void *new_page_mapped(void)
{
	struct page *page = alloc_page(GFP_HIGHUSER);

	kmap(page);
	return page_address(page);
}

static void *of_user(unsigned long addr, struct page **pages)
{
	if (get_user_pages_fast(addr, 1, 0, pages) != 1)
		return NULL;
	return page_address(pages[0]);				/* finds */
}

static int some_read_folio(struct file *file, struct folio *folio)
{
	fill(folio_address(folio), folio_size(folio));		/* finds */
	folio_end_read(folio, true);
	return 0;
}

static int good_read_folio(struct file *file, struct folio *folio)
{
	folio_zero_range(folio, 0, folio_size(folio));
	folio_end_read(folio, true);
	return 0;
}

static const struct address_space_operations some_aops = {
	.dirty_folio = filemap_dirty_folio,
	.read_folio = some_read_folio,
};

static const struct address_space_operations good_aops = {
	.read_folio = good_read_folio,
};

static int some_symlink_read_folio(struct file *file, struct folio *folio)
{
	fill(folio_address(folio), 16);
	folio_end_read(folio, true);
	return 0;
}

static const struct address_space_operations symlink_aops = {
	.read_folio = some_symlink_read_folio,
};

static char first_of_low_cache(struct address_space *mapping)
{
	struct page *page = find_or_create_page(mapping, 0, GFP_KERNEL);

	return *(char *)page_address(page);
}

static char first_of_high_cache(struct address_space *mapping)
{
	struct page *page = find_or_create_page(mapping, 0, GFP_HIGHUSER);

	return *(char *)page_address(page);			/* finds */
}
