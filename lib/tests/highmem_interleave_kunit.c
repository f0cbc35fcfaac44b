// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit suite "highmem_interleave": one operation between two lock-free steps of another.
 * See highmem_kunit.h and highmem_kunit_whitebox.h.
 *
 * CONFIG_DEBUG_HIGHMEM_RACES adds a call of highmem_race_window() where another CPU can
 * come between two steps. A case runs an operation many times. In run n the n-th window
 * calls a visit function, which does what another task can do there. So each interleaving
 * is tested once, while the suite highmem_race tests some of them by chance.
 */

#include <linux/preempt.h>
#include <linux/sched/mm.h>

#include "highmem_kunit_whitebox.h"

#if HAVE_INTERNALS && defined(CONFIG_DEBUG_HIGHMEM_RACES)

/* -------------------------------------------------------------------- visits */

struct visit {
	struct task_struct *task;	/* only windows of this task count */
	unsigned int at;		/* the number of the window to visit */
	unsigned int seen;		/* windows so far */
	bool inside;
	bool fills;			/* the operation fills a slot */
	void (*act)(struct visit *visit);
	struct page_set *set;
	struct filler *filler;
	void *addr;
	unsigned int held;		/* mappings of the page that the visit function holds */
	unsigned long sleeps;		/* voluntary switches of the task up to the visit */
	unsigned int bad;
	bool before_sleep;	/* counts only windows in which the task is to sleep */
};

static struct visit *current_visit;

static void race_window(void)
{
	struct visit *visit = READ_ONCE(current_visit);

	if (!visit || current != visit->task || !in_task() || visit->inside)
		return;
	if (visit->before_sleep && READ_ONCE(current->__state) == TASK_RUNNING)
		return;
	if (visit->seen++ != visit->at)
		return;
	visit->inside = true;
	visit->act(visit);
	visit->inside = false;
}

static void end_visits(void *unused)
{
	WRITE_ONCE(highmem_race_visit, NULL);
	WRITE_ONCE(current_visit, NULL);
}

static struct visit *get_visit(struct kunit *test, unsigned int pages)
{
	struct visit *visit = hmk_zalloc(test, sizeof(*visit));
	unsigned int i;

	visit->task = current;
	visit->set = hmk_get_page_set(test, true, pages);
	for (i = 0; i < pages; i++)
		stamp_page(visit->set->page[i], 130);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, end_visits, NULL), 0);
	return visit;
}

/*
 * Runs @operation and calls @act in its window number @at. Returns false if @operation
 * has fewer windows.
 */
static bool visit_window(struct visit *visit, unsigned int at, void (*act)(struct visit *),
			 void (*operation)(struct visit *))
{
	visit->at = at;
	visit->seen = 0;
	visit->act = act;
	WRITE_ONCE(current_visit, visit);
	WRITE_ONCE(highmem_race_visit, race_window);
	operation(visit);
	WRITE_ONCE(highmem_race_visit, NULL);
	WRITE_ONCE(current_visit, NULL);
	return visit->seen > at;
}

static bool page_good(struct visit *visit, unsigned int i, const void *addr)
{
	return stamped_nofault(addr, visit->set->page[i], 130);
}

/* -------------------------------------------------------------------- operations */

static void map_and_unmap(struct visit *visit)
{
	struct page *page = visit->set->page[0];
	void *addr = kmap_high(page);

	visit->bad += !page_good(visit, 0, addr) || page_address(page) != addr;
	kunmap_high(page);
}

static void flush(struct visit *visit)
{
	kmap_flush_unused();
}

/* ------------------------------------------------------------------- visit functions */

/*
 * Calls kmap() where this cannot deadlock. With preemption off the operation holds
 * pkmap_lock, and kmap() must find the page without the lock: not while a slot is filled
 * for it.
 */
static void map_page(struct visit *visit)
{
	struct page *page = visit->set->page[0];
	void *addr;

	if (!preemptible() && (visit->fills || !page_address(page)))
		return;
	addr = kmap_high(page);
	visit->bad += !page_good(visit, 0, addr);
	visit->addr = addr;
	visit->held++;
}

static void map_and_unmap_page(struct visit *visit)
{
	map_page(visit);
	for (; visit->held; visit->held--)
		kunmap_high(visit->set->page[0]);
}

static void flush_if_preemptible(struct visit *visit)
{
	if (preemptible())
		kmap_flush_unused();
}

/* -------------------------------------------------------------------------- cases */

/* The pool is unchanged, except for the mappings that the visit function holds. */
static void check_pool(struct kunit *test, struct visit *visit)
{
	struct page *page = visit->set->page[0];
	void *addr;

	/* If a holder is lost, this unmaps the page. */
	kmap_flush_unused();
	addr = page_address(page);
	KUNIT_EXPECT_EQ_MSG(test, visit->bad, 0, "in window %u", visit->at);
	if (visit->held) {
		KUNIT_EXPECT_PTR_EQ_MSG(test, addr, visit->addr, "in window %u", visit->at);
		KUNIT_EXPECT_TRUE_MSG(test, page_good(visit, 0, visit->addr), "in window %u",
				      visit->at);
	}
	for (; visit->held; visit->held--)
		kunmap_high(page);
	kmap_flush_unused();
	KUNIT_EXPECT_NULL_MSG(test, page_address(page), "in window %u", visit->at);
}

/* @idle: the page is in a slot at the beginning. */
static void visit_each_window(struct kunit *test, bool idle, void (*act)(struct visit *),
			      void (*operation)(struct visit *), unsigned int least)
{
	struct visit *visit = get_visit(test, 1);
	unsigned int at = 0;
	bool more;

	visit->fills = !idle;
	do {
		kmap_flush_unused();
		if (idle) {
			kmap_high(visit->set->page[0]);
			kunmap_high(visit->set->page[0]);
		}
		more = visit_window(visit, at, act, operation);
		check_pool(test, visit);
	} while (more && ++at < 100);
	KUNIT_EXPECT_GE_MSG(test, at, least, "windows");
	KUNIT_EXPECT_LT_MSG(test, at, 100, "windows");
}

static void kmap_of_idle_while_mapped(struct kunit *test)
{
	visit_each_window(test, true, map_page, map_and_unmap, 4);
	visit_each_window(test, true, map_and_unmap_page, map_and_unmap, 4);
}

static void kmap_of_idle_while_flushed(struct kunit *test)
{
	visit_each_window(test, true, flush_if_preemptible, map_and_unmap, 4);
}

static void kmap_of_unmapped_while_mapped(struct kunit *test)
{
	visit_each_window(test, false, map_page, map_and_unmap, 4);
	visit_each_window(test, false, map_and_unmap_page, map_and_unmap, 4);
}

/* The visit function maps a page that the flush is about to unmap. */
static void flush_while_mapped(struct kunit *test)
{
	visit_each_window(test, true, map_page, flush, 3);
	visit_each_window(test, true, map_and_unmap_page, flush, 3);
}

/* ------------------------------------------------------------------ one free slot */

#define NR_COUNTED	256	/* values of a slot's fill count */

static void fill_slot(struct visit *visit, unsigned int times)
{
	unsigned int i;

	for (i = 0; i < times; i++) {
		unsigned int nr = 1 + i % (visit->set->nr - 1);
		void *addr = kmap_high(visit->set->page[nr]);

		visit->bad += !page_good(visit, nr, addr);
		kunmap_high(visit->set->page[nr]);
	}
}

/* The slot maps another page, with the same fill count. */
static void fill_256_times(struct visit *visit)
{
	if (visit->at == 0)
		fill_slot(visit, NR_COUNTED);
}

/*
 * The first visit changes the fill count, which kmap() sees. The second visit changes the
 * page, but not the count.
 */
static void fill_twice(struct visit *visit)
{
	if (visit->at == 0) {
		fill_slot(visit, 1);
		kmap_high(visit->set->page[0]);
		kunmap_high(visit->set->page[0]);
		visit->at = 1;
	} else {
		fill_slot(visit, NR_COUNTED);
	}
}

static struct visit *leave_one_slot(struct kunit *test)
{
	struct visit *visit = get_visit(test, 4);

	visit->filler = hmk_start_filler(test, POOL_END + 4, 1);
	hmk_take_space(test, POOL_STEP);
	hmk_hold_all_and_end(test, visit->filler);
	hmk_release_one(visit->filler);
	kmap_flush_unused();
	kmap_high(visit->set->page[0]);
	kunmap_high(visit->set->page[0]);
	return visit;
}

static void check_one_slot(struct kunit *test, struct visit *visit)
{
	unsigned int i;

	KUNIT_EXPECT_EQ(test, visit->bad, 0);
	kmap_flush_unused();
	for (i = 0; i < visit->set->nr; i++)
		KUNIT_EXPECT_NULL(test, page_address(visit->set->page[i]));
	hmk_check_filler(test, visit->filler);
}

static void kmap_of_slot_filled_256_times(struct kunit *test)
{
	struct visit *visit = leave_one_slot(test);

	KUNIT_EXPECT_TRUE(test, visit_window(visit, 0, fill_256_times, map_and_unmap));
	check_one_slot(test, visit);
}

static void kmap_of_slot_filled_twice(struct kunit *test)
{
	struct visit *visit = leave_one_slot(test);

	KUNIT_EXPECT_TRUE(test, visit_window(visit, 0, fill_twice, map_and_unmap));
	KUNIT_EXPECT_EQ(test, visit->at, 1);
	check_one_slot(test, visit);
}

/*
 * kunmap() frees a slot after kmap() has found none and before the task sleeps. That is
 * the second window of kmap().
 */
static void release_slot(struct visit *visit)
{
	visit->sleeps = current->nvcsw;
	kunmap_high(visit->filler->set->page[visit->filler->released++]);
}

static void kmap_rechecks_slots_before_sleep(struct kunit *test)
{
	struct visit *visit = get_visit(test, 1);

	visit->before_sleep = true;
	visit->filler = hmk_start_filler(test, POOL_END + 4, 1);
	hmk_take_space(test, POOL_STEP);
	hmk_hold_all_and_end(test, visit->filler);
	KUNIT_EXPECT_TRUE(test, visit_window(visit, 0, release_slot, map_and_unmap));
	KUNIT_EXPECT_EQ(test, current->nvcsw, visit->sleeps);
	check_one_slot(test, visit);
}

/* A task with PF_MEMALLOC maps the page in a slot of the reserve. */
static void map_with_memalloc(struct visit *visit)
{
	unsigned int noreclaim = memalloc_noreclaim_save();
	unsigned int state = READ_ONCE(current->__state);

	__set_current_state(TASK_RUNNING);
	map_page(visit);
	__set_current_state(state);
	memalloc_noreclaim_restore(noreclaim);
	visit->sleeps = current->nvcsw;
}

static void kmap_rechecks_page_before_sleep(struct kunit *test)
{
	struct visit *visit = get_visit(test, 1);

	visit->before_sleep = true;
	visit->filler = hmk_start_filler(test, POOL_END + 4, 1);
	hmk_take_space(test, POOL_STEP);
	hmk_hold_all_and_end(test, visit->filler);
	KUNIT_EXPECT_TRUE(test, visit_window(visit, 0, map_with_memalloc, map_and_unmap));
	KUNIT_EXPECT_EQ(test, current->nvcsw, visit->sleeps);
	KUNIT_EXPECT_EQ(test, visit->held, 1);
	check_pool(test, visit);
	hmk_check_filler(test, visit->filler);
}

/* ------------------------------------------------------------------ local mappings */

static void map_locally(struct visit *visit)
{
	void *addr = kmap_local_page(visit->set->page[0]);

	visit->bad += !page_good(visit, 0, addr);
	kunmap_local(addr);
}

static void map_above(struct visit *visit)
{
	void *addr = kmap_local_page(visit->set->page[1]);

	visit->bad += !page_good(visit, 1, addr);
	kunmap_local(addr);
}

/* The slot has mapped page @last before. */
static void visit_each_local_window(struct kunit *test, unsigned int last,
				    void (*act)(struct visit *))
{
	struct visit *visit = get_visit(test, 3);
	unsigned int at = 0, depth = 0;
	bool more;
	void *addr;

	pin_to_cpu(test, first_cpu());
	do {
		addr = kmap_local_page(visit->set->page[last]);
		kunmap_local(addr);
		more = visit_window(visit, at, act, map_locally);
		depth += map_depth(current);
		KUNIT_EXPECT_EQ_MSG(test, visit->bad, 0, "in window %u", at);
	} while (more && ++at < 100);
	KUNIT_EXPECT_EQ(test, depth, 0);
	KUNIT_EXPECT_GE_MSG(test, at, is_lazy() ? 5 : 4, "windows");
	KUNIT_EXPECT_LT_MSG(test, at, 100, "windows");
}

static void kmap_local_page_while_interrupted(struct kunit *test)
{
	visit_each_local_window(test, 0, map_above);
	visit_each_local_window(test, 2, map_above);
}

static void kmap_local_page_while_flushed(struct kunit *test)
{
	visit_each_local_window(test, 0, flush_if_preemptible);
	visit_each_local_window(test, 2, flush_if_preemptible);
}

#else

static void requires_windows(struct kunit *test)
{
	kunit_skip(test, "needs CONFIG_DEBUG_HIGHMEM_RACES");
}

#endif

static struct kunit_case highmem_interleave_cases[] = {
#if HAVE_INTERNALS && defined(CONFIG_DEBUG_HIGHMEM_RACES)
	KUNIT_CASE(kmap_of_idle_while_mapped),
	KUNIT_CASE(kmap_of_idle_while_flushed),
	KUNIT_CASE(kmap_of_unmapped_while_mapped),
	KUNIT_CASE(flush_while_mapped),
	KUNIT_CASE(kmap_of_slot_filled_256_times),
	KUNIT_CASE(kmap_of_slot_filled_twice),
	KUNIT_CASE(kmap_rechecks_slots_before_sleep),
	KUNIT_CASE(kmap_rechecks_page_before_sleep),
	KUNIT_CASE(kmap_local_page_while_interrupted),
	KUNIT_CASE(kmap_local_page_while_flushed),
#else
	KUNIT_CASE(requires_windows),
#endif
	{}
};

/* A probe would add windows. */
static int count_windows(struct kunit *test)
{
	hmk_pause_probes(test);
	return hmk_remember_task_and_pool(test);
}

static struct kunit_suite highmem_interleave_suite = {
	.name = "highmem_interleave",
	.init = count_windows,
	.exit = hmk_check_task,
	.test_cases = highmem_interleave_cases,
};

kunit_test_suites(&highmem_interleave_suite);

MODULE_DESCRIPTION("KUnit suite for high memory: between two steps");
MODULE_LICENSE("GPL");
