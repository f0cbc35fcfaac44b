// SPDX-License-Identifier: GPL-2.0
/* For suites that test internals. See highmem_kunit_whitebox.h. */

#include "highmem_kunit_whitebox.h"

/* ------------------------------------------------------------------- slots */

#ifdef CONFIG_KMAP_LOCAL
static pte_t slot_pte_at(unsigned long addr)
{
	pte_t *ptep = virt_to_kpte(addr & PAGE_MASK);

	return ptep ? ptep_get(ptep) : __pte(0);
}
#endif

/* Reads the page table, which a TLB may differ from. */
bool hmk_slot_maps(const void *addr, struct page *page)
{
#ifdef CONFIG_KMAP_LOCAL
	pte_t pte = slot_pte_at((unsigned long)addr);

	return pte_present(pte) && pte_pfn(pte) == page_to_pfn(page);
#else
	return true;
#endif
}

bool hmk_slot_empty(const void *addr)
{
#ifdef CONFIG_KMAP_LOCAL
	return pte_none(slot_pte_at((unsigned long)addr));
#else
	return true;
#endif
}

/* The number of slots with a PTE, of @cpu or, if @cpu is negative, of all CPUs. */
unsigned int hmk_slots_filled(int cpu)
{
	unsigned int filled = 0;
#ifdef CONFIG_KMAP_LOCAL
	unsigned int first = FIX_KMAP_BEGIN, last = FIX_KMAP_END, i;

	if (cpu >= 0) {
		first += cpu * KM_MAX_IDX;
		last = first + KM_MAX_IDX - 1;
	}
	for (i = first; i <= last; i++)
		filled += !pte_none(slot_pte_at(__fix_to_virt(i)));
#endif
	return filled;
}

/* ------------------------------------------------------------------ events */

#if HAVE_COUNTERS
static void stop_counting(void *unused)
{
	static_branch_disable(&highmem_stats_on);
}

void hmk_count_events(struct kunit *test)
{
	hmk_pause_probes(test);
	static_branch_enable(&highmem_stats_on);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, stop_counting, NULL), 0);
}

struct events hmk_events(void)
{
	return (struct events) {
		.maps = highmem_stat_sum(HIGHMEM_STAT_LOCAL_MAP),
		.ptes = highmem_stat_sum(HIGHMEM_STAT_LOCAL_PTE),
		.flushes = highmem_stat_sum(HIGHMEM_STAT_LOCAL_FLUSH),
	};
}
#else
void hmk_count_events(struct kunit *test)
{
	kunit_skip(test, "needs CONFIG_DEBUG_FS and the counters of mm/highmem_debug.c");
}

struct events hmk_events(void)
{
	return (struct events) { };
}
#endif

struct events hmk_events_since(struct events then)
{
	struct events now = hmk_events();

	return (struct events) {
		.maps = now.maps - then.maps,
		.ptes = now.ptes - then.ptes,
		.flushes = now.flushes - then.flushes,
	};
}

/*
 * Tolerance for long operations: other tasks and interrupts may map some pages meanwhile.
 */
#define TOLERANCE	4

void hmk_expect_about(struct kunit *test, struct events events, unsigned long maps,
		      unsigned long ptes)
{
	KUNIT_EXPECT_GE_MSG(test, events.maps, maps, "pages mapped");
	KUNIT_EXPECT_LE_MSG(test, events.maps, maps + TOLERANCE, "pages mapped");
	KUNIT_EXPECT_GE_MSG(test, events.ptes, ptes, "page table entries written");
	KUNIT_EXPECT_LE_MSG(test, events.ptes, ptes + TOLERANCE, "page table entries written");
	KUNIT_EXPECT_LE_MSG(test, events.flushes, ptes + TOLERANCE, "flushes");
}

void hmk_expect_events(struct kunit *test, struct events events, unsigned long ptes,
		       unsigned long flushes)
{
	KUNIT_EXPECT_EQ_MSG(test, events.ptes, ptes, "page table entries written");
	KUNIT_EXPECT_EQ_MSG(test, events.flushes, flushes, "flushes");
}

/* --------------------------------------------------------------- interrupts */

/*
 * Each CPU has three interrupters: a hard interrupt and a softirq at random times, and an
 * irq_work that the softirq queues while its own pages are mapped.
 */
#define INTERRUPT_ORDER		2
#define INTERRUPT_MIN_NS	(100 * NSEC_PER_USEC)
#define INTERRUPT_MAX_NS	(500 * NSEC_PER_USEC)

struct interrupter {
	struct hrtimer hrtimer;
	struct irq_work irq_work;
	struct interrupter *on_top;
	enum hrtimer_mode mode;
	struct folio *folio;
	struct rnd_state rnd;
	u32 salt[1 << INTERRUPT_ORDER];
	unsigned int runs;
	unsigned int over_maps;
	unsigned int bad;
};

struct interrupters {
	unsigned int nr;
	struct interrupter irq[];
};

static void check_page(struct interrupter *irq, unsigned int i, void *addr)
{
	struct page *page = folio_page(irq->folio, i);

	irq->bad += !stamped(addr, page, irq->salt[i]);
	stamp(addr, page, ++irq->salt[i]);
}

/* Maps up to INTERRUPT_MAPS pages, lets another interrupt come, then checks the pages. */
static void map_pages(struct interrupter *irq, unsigned int nr)
{
	void *addr[INTERRUPT_MAPS];
	unsigned int i;

	for (i = 0; i < nr; i++)
		addr[i] = kmap_local_page(folio_page(irq->folio, i));
	if (irq->on_top)
		irq_work_queue(&irq->on_top->irq_work);
	for (i = 0; i < nr; i++)
		check_page(irq, i, addr[i]);
	unmap_all(addr, nr);
}

static void map_run(struct interrupter *irq, unsigned int nr)
{
#ifdef folio_map_local
	size_t len = nr * PAGE_SIZE;
	void *addr = kmap_local_span(irq->folio, PAGE_SIZE, &len);
	unsigned int i;

	if (irq->on_top)
		irq_work_queue(&irq->on_top->irq_work);
	for (i = 0; i < len / PAGE_SIZE; i++)
		check_page(irq, 1 + i, addr + i * PAGE_SIZE);
	kunmap_local_span(addr, len);
#else
	map_pages(irq, nr);
#endif
}

static void map_in_interrupt(struct interrupter *irq)
{
	u32 random = prandom_u32_state(&irq->rnd);
	unsigned int depth = map_depth(current);

	irq->over_maps += depth > 0;
	if (random & 1)
		map_run(irq, 1 + random / 2 % INTERRUPT_MAPS);
	else
		map_pages(irq, 1 + random / 2 % INTERRUPT_MAPS);
	irq->bad += map_depth(current) != depth;
	irq->runs++;
}

static ktime_t next_interrupt(struct interrupter *irq)
{
	return ns_to_ktime(INTERRUPT_MIN_NS + prandom_u32_state(&irq->rnd) %
			   (u32)(INTERRUPT_MAX_NS - INTERRUPT_MIN_NS));
}

static enum hrtimer_restart hrtimer_interrupt_task(struct hrtimer *hrtimer)
{
	struct interrupter *irq = container_of(hrtimer, struct interrupter, hrtimer);

	map_in_interrupt(irq);
	hrtimer_forward_now(hrtimer, next_interrupt(irq));
	return HRTIMER_RESTART;
}

static void irq_work_interrupt_task(struct irq_work *irq_work)
{
	map_in_interrupt(container_of(irq_work, struct interrupter, irq_work));
}

static void init_interrupter(struct kunit *test, struct interrupter *irq, enum hrtimer_mode mode)
{
	unsigned int i;

	irq->folio = hmk_get_folio(test, true, INTERRUPT_ORDER);
	for (i = 0; i < 1 << INTERRUPT_ORDER; i++)
		stamp_page(folio_page(irq->folio, i), 0);
	prandom_seed_state(&irq->rnd, 400 + (unsigned long)irq / sizeof(*irq));
	irq->mode = mode;
	irq->irq_work = IRQ_WORK_INIT_HARD(irq_work_interrupt_task);
	hmk_hrtimer_setup(&irq->hrtimer, hrtimer_interrupt_task, mode);
}

/* Runs on the CPU to be interrupted. */
static void start_hrtimers(void *data)
{
	struct interrupter *irq = data;

	hrtimer_start(&irq[0].hrtimer, next_interrupt(&irq[0]), irq[0].mode);
	hrtimer_start(&irq[1].hrtimer, next_interrupt(&irq[1]), irq[1].mode);
}

static void end_interrupters(void *data)
{
	struct interrupters *interrupters = data;
	unsigned int i;

	for (i = 0; i < interrupters->nr; i++)
		hrtimer_cancel(&interrupters->irq[i].hrtimer);
	for (i = 0; i < interrupters->nr; i++)
		irq_work_sync(&interrupters->irq[i].irq_work);
}

struct interrupters *hmk_start_interrupters(struct kunit *test)
{
	unsigned int cpu, nr = 3 * num_online_cpus();
	struct interrupters *interrupters;

	interrupters = hmk_zalloc(test, struct_size(interrupters, irq, nr));
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, end_interrupters, interrupters), 0);
	for_each_online_cpu(cpu) {
		struct interrupter *irq = &interrupters->irq[interrupters->nr];

		if (interrupters->nr == nr)
			break;
		init_interrupter(test, irq, HRTIMER_MODE_REL_PINNED_HARD);
		init_interrupter(test, irq + 1, HRTIMER_MODE_REL_PINNED_SOFT);
		init_interrupter(test, irq + 2, HRTIMER_MODE_REL);
		irq[1].on_top = &irq[2];
		interrupters->nr += 3;
		KUNIT_ASSERT_EQ(test, smp_call_function_single(cpu, start_hrtimers, irq, 1), 0);
	}
	return interrupters;
}

/* Has each interrupter run? */
bool hmk_all_interrupted(const struct interrupters *interrupters)
{
	unsigned int i;

	for (i = 0; i < interrupters->nr; i++) {
		if (!READ_ONCE(interrupters->irq[i].runs))
			return false;
	}
	return true;
}

void hmk_check_interrupters(struct kunit *test, struct interrupters *interrupters)
{
	unsigned int i, j, damaged = 0, over_maps = 0;

	kunit_release_action(test, end_interrupters, interrupters);
	for (i = 0; i < interrupters->nr; i++) {
		struct interrupter *irq = &interrupters->irq[i];

		KUNIT_EXPECT_EQ_MSG(test, irq->bad, 0, "interrupter %u", i);
		KUNIT_EXPECT_GT_MSG(test, irq->runs, 0, "interrupter %u", i);
		over_maps += irq->over_maps;
		for (j = 0; j < 1 << INTERRUPT_ORDER; j++)
			damaged += !page_stamped(folio_page(irq->folio, j), irq->salt[j]);
	}
	kunit_info(test, "%u interruptions of mappings\n", over_maps);
	KUNIT_EXPECT_EQ(test, damaged, 0);
}

/* ------------------------------------------------------------------- walks */

struct walk *hmk_get_walk(struct kunit *test, unsigned int seed, unsigned int most)
{
	struct walk *walk = hmk_zalloc(test, sizeof(*walk));
	unsigned int i;

	walk->folio = hmk_get_folio(test, true, WALK_ORDER);
	walk->most = most;
	prandom_seed_state(&walk->rnd, seed);
	for (i = 0; i < WALK_PAGES; i++)
		stamp_page(folio_page(walk->folio, i), 0);
	return walk;
}

static void check_map(struct walk *walk, struct walk_map *map)
{
	unsigned int i;

	for (i = 0; i < map->nr; i++) {
		struct page *page = folio_page(walk->folio, map->first + i);
		void *addr = map->addr + i * PAGE_SIZE;
		u32 *salt = &walk->salt[map->first + i];

		walk->bad += !stamped(addr, page, *salt);
		if (!map->read_only)
			stamp(addr, page, ++*salt);
	}
}

/* Checks all pages that are mapped. */
void hmk_walk_check_all(struct walk *walk)
{
	unsigned int i;

	for (i = 0; i < walk->nr_held; i++)
		check_map(walk, &walk->held[i]);
}

/* Maps one page, one page read-only, or a run. */
void hmk_walk_map(struct walk *walk)
{
	struct walk_map *map = &walk->held[walk->nr_held];
	u32 random = prandom_u32_state(&walk->rnd);

	*map = (struct walk_map) { .first = random % WALK_PAGES, .nr = 1 };
	random = random / WALK_PAGES % (walk->plain ? 1 : 8);
	if (random == 7) {
		map->read_only = true;
		map->addr = kmap_local_page_prot(folio_page(walk->folio, map->first),
						 PAGE_KERNEL_RO);
#ifdef folio_map_local
	} else if (random >= 5) {
		unsigned int most = min_t(unsigned int, walk->most - walk->pages,
					  WALK_PAGES - map->first);
		size_t len = (1 + random % most) * PAGE_SIZE;

		map->run = true;
		map->addr = kmap_local_span(walk->folio, map->first * PAGE_SIZE, &len);
		map->nr = len / PAGE_SIZE;
#endif
	} else {
		map->addr = kmap_local_page(folio_page(walk->folio, map->first));
	}
	walk->nr_held++;
	walk->pages += map->nr;
}

void hmk_walk_unmap(struct walk *walk)
{
	struct walk_map *map = &walk->held[--walk->nr_held];

	walk->pages -= map->nr;
#ifdef folio_map_local
	if (map->run) {
		kunmap_local_span(map->addr, map->nr * PAGE_SIZE);
		return;
	}
#endif
	kunmap_local(map->addr);
}

void hmk_walk_step(struct walk *walk)
{
	bool in = prandom_u32_state(&walk->rnd) & 1;

	if (!walk->nr_held || (in && walk->pages < walk->most))
		hmk_walk_map(walk);
	else
		hmk_walk_unmap(walk);
	if (walk->nr_held)
		check_map(walk, &walk->held[prandom_u32_state(&walk->rnd) % walk->nr_held]);
	walk->steps++;
}

/* Checks that nothing is mapped, and all pages of the folio. */
void hmk_check_walk(struct kunit *test, struct walk *walk)
{
	unsigned int i, damaged = 0;

	for (i = 0; i < WALK_PAGES; i++)
		damaged += !page_stamped(folio_page(walk->folio, i), walk->salt[i]);
	KUNIT_EXPECT_EQ(test, walk->nr_held, 0);
	KUNIT_EXPECT_GT(test, walk->steps, 0);
	KUNIT_EXPECT_EQ(test, walk->bad, 0);
	KUNIT_EXPECT_EQ(test, damaged, 0);
}
