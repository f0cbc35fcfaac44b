// SPDX-License-Identifier: GPL-2.0
/*
 * Frees high memory to the page allocator at boot.
 */
#include <linux/highmem.h>
#include <linux/init.h>
#include <linux/memblock.h>
#include <linux/mmzone.h>

#include <asm/numa.h>

/*
 * Runs before memblock_free_all() frees low memory. With debug_pagealloc a free page
 * leaves the direct mapping, and the walk over memblock's ranges below needs some of
 * these pages.
 */
void __init set_highmem_pages_init(void)
{
	struct zone *zone;

	/* Each page is counted when it is freed, so the counts start from 0. */
	reset_all_zones_managed_pages();

	for_each_populated_zone(zone) {
		if (is_highmem(zone))
			add_highpages_with_active_regions(zone_to_nid(zone),
							  zone->zone_start_pfn,
							  zone_end_pfn(zone));
	}
}
