// SPDX-License-Identifier: GPL-2.0
/*
 * High memory: how much there is, the page at a mapped address, and the helpers of
 * <linux/highmem.h> that are not inline. kmap() is in mm/pkmap.c, local mappings are
 * in mm/kmap_local.c.
 */

#include <linux/export.h>
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/mmzone.h>

#ifdef CONFIG_HIGHMEM

unsigned long __nr_free_highpages(void)
{
	unsigned long free = 0;
	struct zone *zone;

	for_each_populated_zone(zone)
		free += is_highmem(zone) ? zone_page_state(zone, NR_FREE_PAGES) : 0;

	return free;
}

unsigned long __totalhigh_pages(void)
{
	unsigned long total = 0;
	struct zone *zone;

	for_each_populated_zone(zone)
		total += is_highmem(zone) ? zone_managed_pages(zone) : 0;

	return total;
}
EXPORT_SYMBOL(__totalhigh_pages);

/**
 * pkmap_to_page() - the page at an address from kmap()
 * @addr: an address for which is_pkmap_addr() is true
 *
 * Context: any, while the page is held.
 * Return: the page.
 */
struct page *pkmap_to_page(unsigned long addr)
{
	return pte_page(ptep_get(virt_to_kpte(addr)));
}

#endif /* CONFIG_HIGHMEM */

#if KMAP_LOCAL_MAPS_PAGES

/**
 * __kmap_to_page() - out-of-line part of kmap_to_page()
 * @vaddr: an address from kmap(), from a kmap_local function that the calling
 *	   task has not given back yet, or in the direct mapping
 *
 * A caller that maps a page should keep the page instead of its address: an address
 * that is mapped is reported once.
 *
 * Context: any.
 * Return: the page; NULL for a kmap_local slot that this task has not mapped.
 */
struct page *__kmap_to_page(void *vaddr)
{
	if (likely(!is_kmap_addr(vaddr)))
		return virt_to_page(vaddr);

	WARN_ON_ONCE(1);
	if (is_pkmap_addr((unsigned long)vaddr))
		return pkmap_to_page((unsigned long)vaddr);
	return kmap_local_to_page(vaddr);
}
EXPORT_SYMBOL(__kmap_to_page);

/*
 * Zeroes page by page: if the length is at most PAGE_SIZE, gcc inlines memset() as
 * stores of words. The memset() of i386 stores bytes.
 */
static void zero_page_range(struct page *page, size_t from, size_t to)
{
	size_t i, len;
	char *addr;

	for (; from < to; from += len) {
		len = to - from;
		addr = kmap_local_page_span(page, from, &len);
		for (i = 0; i < len; i += PAGE_SIZE)
			memset(addr + i, 0, min(len - i, PAGE_SIZE));
		kunmap_local_span(addr, len);
		for (i = from / PAGE_SIZE; i < PFN_UP(from + len); i++)
			flush_dcache_page(page + i);
	}
}

/* The inline version in <linux/highmem.h> has the kernel-doc. */
void zero_user_segments(struct page *page, unsigned int start1, unsigned int end1,
			unsigned int start2, unsigned int end2)
{
	char *addr;

	end1 = highmem_clamp_end(page, end1);
	end2 = highmem_clamp_end(page, end2);

	/* The common case: the parts of a block, in one page, before and behind data. */
	if (start1 < end1 && end1 <= start2 && start2 < end2 &&
	    start1 / PAGE_SIZE == (end2 - 1) / PAGE_SIZE) {
		page += start1 / PAGE_SIZE;
		addr = kmap_local_page(page);
		memset(addr + offset_in_page(start1), 0, min(end1 - start1, PAGE_SIZE));
		memset(addr + offset_in_page(start2), 0, min(end2 - start2, PAGE_SIZE));
		kunmap_local(addr);
		flush_dcache_page(page);
		return;
	}
	zero_page_range(page, start1, end1);
	zero_page_range(page, start2, end2);
}
EXPORT_SYMBOL(zero_user_segments);

#endif /* KMAP_LOCAL_MAPS_PAGES */
