/* SPDX-License-Identifier: GPL-2.0 */
/*
 * For suites that test internals: the page tables of the kmap_local slots, the counters
 * of mm/highmem_debug.h, and interrupts and tasks that use local mappings at random. A
 * case is skipped on a kernel without what the case tests.
 */
#ifndef _HIGHMEM_KUNIT_WHITEBOX_H
#define _HIGHMEM_KUNIT_WHITEBOX_H

#include <linux/hrtimer.h>
#include <linux/irq_work.h>
#include <linux/prandom.h>

#include "highmem_kunit.h"

#if defined(CONFIG_KMAP_LOCAL) && defined(KMAP_LOCAL_MAPS_PAGES)
#include "../../mm/highmem_debug.h"
#define HAVE_INTERNALS		1
#else
#define HAVE_INTERNALS		0
#endif

#define HAVE_COUNTERS		(HAVE_INTERNALS && IS_ENABLED(CONFIG_DEBUG_FS))

/*
 * Mappings of a task and of an interrupt. A stack of 15 has room for a task, a softirq
 * and a hard interrupt on top of each other.
 */
#define TASK_MAPS	9
#define INTERRUPT_MAPS	3

/* Does kunmap_local() leave the PTE in the slot? */
static inline bool is_lazy(void)
{
#if HAVE_INTERNALS
	return CAN_MAP && kmap_local_is_lazy();
#else
	return false;
#endif
}

#define REQUIRES_INTERNALS(test)					\
	REQUIRES(test, HAVE_INTERNALS && CAN_MAP, "needs the local mappings of mm/kmap_local.c")

static inline void hmk_require_lazy(struct kunit *test)
{
	REQUIRES(test, is_lazy(), "kunmap_local() of this kernel is eager");
	hmk_pause_probes(test);
}

/* ------------------------------------------------------------------- slots */

bool hmk_slot_maps(const void *addr, struct page *page);
bool hmk_slot_empty(const void *addr);
unsigned int hmk_slots_filled(int cpu);

/* ------------------------------------------------------------------ events */

struct events {
	unsigned long maps;
	unsigned long ptes;
	unsigned long flushes;
};

void hmk_count_events(struct kunit *test);
struct events hmk_events(void);
struct events hmk_events_since(struct events then);

void hmk_expect_about(struct kunit *test, struct events events, unsigned long maps,
		      unsigned long ptes);
void hmk_expect_events(struct kunit *test, struct events events, unsigned long ptes,
		       unsigned long flushes);

/* ----------------------------------------------- interrupts and random walks */

struct interrupters;

struct interrupters *hmk_start_interrupters(struct kunit *test);
bool hmk_all_interrupted(const struct interrupters *interrupters);
void hmk_check_interrupters(struct kunit *test, struct interrupters *interrupters);

/*
 * A walk maps and unmaps pages and runs of its own folio at random, and records what each
 * mapping must show.
 */
#define WALK_ORDER	4
#define WALK_PAGES	BIT(WALK_ORDER)
#define WALK_MAPS	15

struct walk {
	struct folio *folio;
	struct rnd_state rnd;
	unsigned int most;	/* pages mapped at a time, at most */
	bool plain;		/* kmap_local_page() only */
	u32 salt[WALK_PAGES];
	unsigned int nr_held;
	unsigned int pages;
	struct walk_map {
		void *addr;
		unsigned int first;
		unsigned int nr;
		bool run;
		bool read_only;
	} held[WALK_MAPS];
	unsigned int steps;
	unsigned int bad;
};

struct walk *hmk_get_walk(struct kunit *test, unsigned int seed, unsigned int most);
void hmk_walk_step(struct walk *walk);
void hmk_walk_map(struct walk *walk);
void hmk_walk_unmap(struct walk *walk);
void hmk_walk_check_all(struct walk *walk);
void hmk_check_walk(struct kunit *test, struct walk *walk);

#endif /* _HIGHMEM_KUNIT_WHITEBOX_H */
