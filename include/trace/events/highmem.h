/* SPDX-License-Identifier: GPL-2.0 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM highmem

#if !defined(_TRACE_HIGHMEM_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_HIGHMEM_H

#include <linux/mm.h>
#include <linux/tracepoint.h>

#ifdef CONFIG_HIGHMEM
/**
 * pkmap_fill - kmap() has mapped a page in a clean slot
 * @page: the page
 * @vaddr: the slot's address
 *
 * Shows how the pool is used. If a page appears often, reclaim takes its slot too
 * early, or its user should call kmap_local_page().
 */
TRACE_EVENT(pkmap_fill,
	    TP_PROTO(const struct page *page, const void *vaddr),
	    TP_ARGS(page, vaddr),
	    TP_STRUCT__entry(__field(unsigned long, pfn)
			     __field(unsigned long, vaddr)),
	    TP_fast_assign(__entry->pfn = page_to_pfn(page);
			   __entry->vaddr = (unsigned long)vaddr;),
	    TP_printk("pfn=0x%lx vaddr=0x%lx", __entry->pfn, __entry->vaddr));

/**
 * pkmap_reclaim - reclaim is done
 * @all: called by kmap_flush_unused(); otherwise kmap() found no clean slot
 * @condemned: idle slots that reclaim did not spare
 * @freed: slots that it made clean; kmap() took the other condemned ones back
 *
 * Each event with @freed > 0 is one flush of the TLBs of all CPUs.
 */
TRACE_EVENT(pkmap_reclaim,
	    TP_PROTO(bool all, unsigned int condemned, unsigned int freed),
	    TP_ARGS(all, condemned, freed),
	    TP_STRUCT__entry(__field(bool, all)
			     __field(unsigned int, condemned)
			     __field(unsigned int, freed)),
	    TP_fast_assign(__entry->all = all;
			   __entry->condemned = condemned;
			   __entry->freed = freed;),
	    TP_printk("%s condemned=%u freed=%u", __entry->all ? "all" : "cold",
		      __entry->condemned, __entry->freed));

#endif /* CONFIG_HIGHMEM */

/**
 * kmap_local_overflow - a task maps a page and its stack is full
 * @depth: mappings of the task without this one
 * @vaddr: the address of the mapping, in vmalloc space; an address that faults if
 *	   these slots are in use as well
 *
 * After a leak each mapping may overflow.
 */
TRACE_EVENT(kmap_local_overflow,
	    TP_PROTO(unsigned int depth, unsigned long vaddr),
	    TP_ARGS(depth, vaddr),
	    TP_STRUCT__entry(__field(unsigned int, depth)
			     __field(unsigned long, vaddr)),
	    TP_fast_assign(__entry->depth = depth;
			   __entry->vaddr = vaddr;),
	    TP_printk("depth=%u vaddr=0x%lx", __entry->depth, __entry->vaddr));

#endif /* _TRACE_HIGHMEM_H */

#include <trace/define_trace.h>
