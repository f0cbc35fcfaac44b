// SPDX-License-Identifier: GPL-2.0
/*
 * A module that calls what mainline's <linux/highmem.h> lets any module call. It
 * is compiled and held against the kernel's exports, never loaded: "make builds".
 *
 * The licence that it names is the point of it. Mainline's inline functions need
 * nothing that is exported for GPL modules only, and neither may ours.
 */

#include <linux/highmem.h>
#include <linux/module.h>

#include "callers.h"

void callers_of_kmap(struct page *page)
{
	void *addr = kmap(page);

	WARN_ON(kmap_to_page(addr) != page || page_address(page) != addr);
	kunmap(page);
	pr_info("%lu\n", totalhigh_pages());
}

void callers_of_kmap_local(struct page *page, struct folio *folio)
{
	kunmap_local(kmap_local_page(page));
	kunmap_local(kmap_local_page_prot(page, PAGE_KERNEL));
	kunmap_local(kmap_local_folio(folio, 0));
	kunmap_atomic(kmap_atomic(page));
	kunmap_atomic(kmap_atomic_prot(page, PAGE_KERNEL));
	unmap_and_put_page(page, kmap_local_page(page));
	folio_release_kmap(folio, kmap_local_folio(folio, 0));
}

void callers_of_page_helpers(struct page *to, struct page *from, char *buf)
{
	/* x86-64 has clear_page() for GPL modules only. */
	if (!IS_ENABLED(CONFIG_X86_64))
		clear_highpage(to);
	copy_highpage(to, from);
	memcpy_page(to, 0, from, 0, PAGE_SIZE);
	memset_page(to, 0, 0, PAGE_SIZE);
	memcpy_from_page(buf, from, 0, PAGE_SIZE);
	memcpy_to_page(to, 0, buf, PAGE_SIZE);
	memzero_page(to, 0, PAGE_SIZE);
	zero_user_segments(to, 0, 8, 16, 24);
	zero_user_segment(to, 0, 8);
	zero_user(to, 0, 8);
}

void callers_of_folio_helpers(struct folio *folio, char *buf)
{
	void *addr = kmap_local_folio(folio, 0);

	kunmap_local(folio_zero_tail(folio, 0, addr));
	folio_zero_segments(folio, 0, 8, 16, 24);
	folio_zero_segment(folio, 0, 8);
	folio_zero_range(folio, 0, 8);
	memcpy_from_folio(buf, folio, 0, PAGE_SIZE);
	memcpy_to_folio(folio, 0, buf, PAGE_SIZE);
	folio_fill_tail(folio, 0, buf, PAGE_SIZE);
	memcpy_from_file_folio(buf, folio, 0, PAGE_SIZE);
}

MODULE_DESCRIPTION("Callers of mainline's high memory interface");
MODULE_LICENSE("Proprietary");
