/* SPDX-License-Identifier: GPL-2.0 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM highmem

#if !defined(_TRACE_HIGHMEM_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_HIGHMEM_H

#include <linux/mm.h>
#include <linux/tracepoint.h>

#ifdef CONFIG_HIGHMEM
/**
 * pkmap_fill - kmap() has put a page into a slot that was free
 * @page: the page
 * @vaddr: the slot's address
 *
 * Tells what the pool is used for: a page that comes up again and again is one
 * that reclaim should have kept, or one whose user wants kmap_local_page().
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
 * pkmap_reclaim - idle slots were made free, or there were none
 * @all: kmap_flush_unused() asked for it; otherwise kmap() found no free slot
 * @condemned: slots that were idle and not spared
 * @freed: those of them that kmap() did not take back before they were cleared
 *
 * Every event with slots freed stands for a flush of all TLBs.
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

/**
 * pkmap_grow - all slots were held, so an area was asked of vmalloc space
 * @start: its address; 0 if there was no memory or no address space for it
 * @slots: how many slots it has
 *
 * There are few areas and they are kept, so that this is a rare event.
 */
TRACE_EVENT(pkmap_grow,
	    TP_PROTO(unsigned long start, unsigned int slots),
	    TP_ARGS(start, slots),
	    TP_STRUCT__entry(__field(unsigned long, start)
			     __field(unsigned int, slots)),
	    TP_fast_assign(__entry->start = start;
			   __entry->slots = slots;),
	    TP_printk("start=0x%lx slots=%u", __entry->start, __entry->slots));

DECLARE_EVENT_CLASS(pkmap_wait_class,
		    TP_PROTO(const struct page *page),
		    TP_ARGS(page),
		    TP_STRUCT__entry(__field(unsigned long, pfn)),
		    TP_fast_assign(__entry->pfn = page_to_pfn(page);),
		    TP_printk("pfn=0x%lx", __entry->pfn));

/**
 * pkmap_wait_begin - kmap() sleeps: no slot, and no memory for more of them
 * @page: the page to be mapped
 */
DEFINE_EVENT(pkmap_wait_class, pkmap_wait_begin,
	     TP_PROTO(const struct page *page), TP_ARGS(page));

/**
 * pkmap_wait_end - kmap() was woken, or looks again by itself
 * @page: the page to be mapped
 *
 * The time since pkmap_wait_begin is what exhaustion costs the caller.
 */
DEFINE_EVENT(pkmap_wait_class, pkmap_wait_end,
	     TP_PROTO(const struct page *page), TP_ARGS(page));
#endif /* CONFIG_HIGHMEM */

/**
 * kmap_local_overflow - a task has more local mappings than its stack holds
 * @depth: how many it has without this one
 * @vaddr: where the page is mapped instead; the end of the reserve when that
 *	   is used up, too
 *
 * Needs no more than one leak to go on for ever, while the warning comes once.
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
