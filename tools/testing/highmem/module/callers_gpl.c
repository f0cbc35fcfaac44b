// SPDX-License-Identifier: GPL-2.0
/*
 * As callers.c, for what only modules under the GPL may call: what mainline
 * exports for them, and what it does not have.
 */

#include <linux/highmem.h>
#include <linux/module.h>

#include "callers.h"

void callers_of_pfns(unsigned long pfn)
{
	kunmap_local(kmap_local_pfn(pfn));
	kunmap_atomic(kmap_atomic_pfn(pfn));
}

void callers_of_spans(struct folio *folio, size_t len)
{
	void *addr = kmap_local_span(folio, 0, &len);

	kunmap_local_span(addr, len);
}

void callers_of_folio_map(struct folio *folio)
{
	void *addr = folio_map_local(folio);

	if (addr)
		folio_unmap_local(folio, addr);
}

MODULE_DESCRIPTION("Callers of the high memory interface for GPL modules");
MODULE_LICENSE("GPL");
