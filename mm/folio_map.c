// SPDX-License-Identifier: GPL-2.0
/*
 * folio_map_local() maps all pages of a folio at neighbouring addresses.
 */

#include <linux/export.h>
#include <linux/highmem.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

/* Maps a folio that does not fit the kmap_local stack in vmalloc space. */
static void *folio_map_ram(struct folio *folio, unsigned int nr)
{
	struct page **pages = kvmalloc_array(nr, sizeof(*pages), GFP_KERNEL);
	unsigned int i;
	void *addr;

	if (!pages)
		return NULL;

	for (i = 0; i < nr; i++)
		pages[i] = folio_page(folio, i);
	addr = vm_map_ram(pages, nr, NUMA_NO_NODE);
	kvfree(pages);
	return addr;
}

/**
 * __folio_map_local() - out-of-line part of folio_map_local()
 * @folio: a folio without a direct mapping, or any folio with FORCE_MAP
 *
 * Context: task context; may sleep.
 * Return: the address of the first byte, or NULL.
 */
void *__folio_map_local(struct folio *folio)
{
	unsigned int nr = folio_nr_pages(folio);

	if (nr == 1)
		return kmap_local_page(&folio->page);
	if (kmap_local_room(nr) == nr)
		return __kmap_local_pages(&folio->page, &nr);
	return folio_map_ram(folio, nr);
}
EXPORT_SYMBOL_GPL(__folio_map_local);

/**
 * __folio_unmap_local() - out-of-line part of folio_unmap_local()
 * @folio: the folio
 * @addr: any address in its first page, as mapped by __folio_map_local()
 *
 * Context: the task that made the mapping; may sleep.
 */
void __folio_unmap_local(struct folio *folio, const void *addr)
{
	unsigned int nr = folio_nr_pages(folio);

	/* A single page may be in any window. A run is in fixmap slots. */
	if (nr == 1 || is_kmap_local_fixmap((unsigned long)addr))
		kunmap_local_indexed(addr);
	else
		vm_unmap_ram(PTR_ALIGN_DOWN(addr, PAGE_SIZE), nr);
}
EXPORT_SYMBOL_GPL(__folio_unmap_local);
