/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Interfaces of Linux 7.3 that differ from 6.12, for the suites of high memory. Each base
 * has a file of this name.
 */
#ifndef _HIGHMEM_KUNIT_BASE_H
#define _HIGHMEM_KUNIT_BASE_H

#include <linux/highmem.h>
#include <linux/hrtimer.h>
#include <linux/mm.h>
#include <linux/timer.h>
#include <linux/uio.h>

#define FILE_NORESERVE			mk_vma_flags(VMA_NORESERVE_BIT)
#define PICK_FUNCTION			"pick_task_fair"
#define calls_taken(cpu)		per_cpu(irq_stat, cpu).counts[IRQ_COUNT_CALL_FUNCTION]

/* Declared in mm/page_alloc.h, which only mm/ includes. */
void drain_all_pages(struct zone *zone);

static inline void hmk_hrtimer_setup(struct hrtimer *timer,
				     enum hrtimer_restart (*function)(struct hrtimer *),
				     enum hrtimer_mode mode)
{
	hrtimer_setup(timer, function, CLOCK_MONOTONIC, mode);
}

static inline void hmk_hrtimer_setup_on_stack(struct hrtimer *timer,
					      enum hrtimer_restart (*function)(struct hrtimer *),
					      enum hrtimer_mode mode)
{
	hrtimer_setup_on_stack(timer, function, CLOCK_MONOTONIC, mode);
}

/* An architecture with a clear_user_highpage() of its own has no clear_user_pages(). */
#ifdef clear_user_highpage
#define HAS_CLEAR_USER_PAGES		0
static inline void clear_user_pages(void *addr, unsigned long vaddr, struct page *page,
				    unsigned int npages) { }
#else
#define HAS_CLEAR_USER_PAGES		1
#endif

/* Removed from the kernel. Their cases test the functions that callers use instead. */
static inline void zero_user(struct page *page, unsigned int start, unsigned int size)
{
	zero_user_segments(page, start, start + size, 0, 0);
}

static inline void unmap_and_put_page(struct page *page, void *addr)
{
	folio_release_kmap(page_folio(page), addr);
}

static inline size_t copy_page_from_iter_atomic(struct page *page, size_t offset, size_t bytes,
						struct iov_iter *iter)
{
	return copy_folio_from_iter_atomic(page_folio(page), offset, bytes, iter);
}

#endif /* _HIGHMEM_KUNIT_BASE_H */
