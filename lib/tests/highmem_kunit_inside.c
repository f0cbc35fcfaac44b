// SPDX-License-Identifier: GPL-2.0
/*
 * For suites that look behind the interface of high memory. See
 * highmem_kunit_inside.h.
 */

#include "highmem_kunit_inside.h"

/* ------------------------------------------------------------------- slots */

#ifdef CONFIG_KMAP_LOCAL
static pte_t slot_pte_at(unsigned long addr)
{
	pte_t *ptep = virt_to_kpte(addr & PAGE_MASK);

	return ptep ? ptep_get(ptep) : __pte(0);
}
#endif

/* Whatever any TLB may think */
bool hmk_slot_shows(const void *addr, struct page *page)
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

/* How many slots of @cpu, or if it is negative of all, have a page */
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

#if COUNTED
static void stop_counting(void *unused)
{
	WRITE_ONCE(highmem_stats_on, 0);
}

void hmk_count_events(struct kunit *test)
{
	hmk_be_alone(test);
	WRITE_ONCE(highmem_stats_on, 1);
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
	kunit_skip(test, "nothing is counted here");
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
 * For what takes so long that others may come in between on some CPU, and map
 * one or the other page.
 */
#define OTHERS	4

void hmk_expect_about(struct kunit *test, struct events events, unsigned long maps,
		      unsigned long ptes)
{
	KUNIT_EXPECT_GE_MSG(test, events.maps, maps, "pages mapped");
	KUNIT_EXPECT_LE_MSG(test, events.maps, maps + OTHERS, "pages mapped");
	KUNIT_EXPECT_GE_MSG(test, events.ptes, ptes, "page table entries written");
	KUNIT_EXPECT_LE_MSG(test, events.ptes, ptes + OTHERS, "page table entries written");
	KUNIT_EXPECT_LE_MSG(test, events.flushes, ptes + OTHERS, "flushes");
}

void hmk_expect_events(struct kunit *test, struct events events, unsigned long ptes,
		       unsigned long flushes)
{
	KUNIT_EXPECT_EQ_MSG(test, events.ptes, ptes, "page table entries written");
	KUNIT_EXPECT_EQ_MSG(test, events.flushes, flushes, "flushes");
}

/* --------------------------------------------------------------- interrupts */

/*
 * Three on each CPU: in hard interrupts and in softirqs, at random times, and in
 * an interrupt that comes in the midst of each of the second.
 */
#define VISIT_ORDER	2
#define VISIT_MIN_NS	(100 * NSEC_PER_USEC)
#define VISIT_MAX_NS	(500 * NSEC_PER_USEC)

struct visitor {
	struct hrtimer hrtimer;
	struct irq_work irq_work;
	struct visitor *on_top;
	enum hrtimer_mode mode;
	struct folio *folio;
	struct rnd_state rnd;
	u32 salt[1 << VISIT_ORDER];
	unsigned int visits;
	unsigned int over_maps;
	unsigned int bad;
};

struct visitors {
	unsigned int nr;
	struct visitor visitor[];
};

static void visit_page(struct visitor *visitor, unsigned int i, void *addr)
{
	struct page *page = folio_page(visitor->folio, i);

	visitor->bad += !stamped(addr, page, visitor->salt[i]);
	stamp(addr, page, ++visitor->salt[i]);
}

/* With up to VISIT_MAPS pages mapped, have another interrupt, then look */
static void visit_pages(struct visitor *visitor, unsigned int nr)
{
	void *addr[VISIT_MAPS];
	unsigned int i;

	for (i = 0; i < nr; i++)
		addr[i] = kmap_local_page(folio_page(visitor->folio, i));
	if (visitor->on_top)
		irq_work_queue(&visitor->on_top->irq_work);
	for (i = 0; i < nr; i++)
		visit_page(visitor, i, addr[i]);
	unmap_all(addr, nr);
}

static void visit_span(struct visitor *visitor, unsigned int nr)
{
#ifdef folio_map_local
	size_t len = nr * PAGE_SIZE;
	void *addr = kmap_local_span(visitor->folio, PAGE_SIZE, &len);
	unsigned int i;

	if (visitor->on_top)
		irq_work_queue(&visitor->on_top->irq_work);
	for (i = 0; i < len / PAGE_SIZE; i++)
		visit_page(visitor, 1 + i, addr + i * PAGE_SIZE);
	kunmap_local_span(addr, len);
#else
	visit_pages(visitor, nr);
#endif
}

static void visit(struct visitor *visitor)
{
	u32 random = prandom_u32_state(&visitor->rnd);
	unsigned int depth = map_depth(current);

	visitor->over_maps += depth > 0;
	if (random & 1)
		visit_span(visitor, 1 + random / 2 % VISIT_MAPS);
	else
		visit_pages(visitor, 1 + random / 2 % VISIT_MAPS);
	visitor->bad += map_depth(current) != depth;
	visitor->visits++;
}

static ktime_t next_visit(struct visitor *visitor)
{
	return ns_to_ktime(VISIT_MIN_NS + prandom_u32_state(&visitor->rnd) %
			   (u32)(VISIT_MAX_NS - VISIT_MIN_NS));
}

static enum hrtimer_restart visit_by_hrtimer(struct hrtimer *hrtimer)
{
	struct visitor *visitor = container_of(hrtimer, struct visitor, hrtimer);

	visit(visitor);
	hrtimer_forward_now(hrtimer, next_visit(visitor));
	return HRTIMER_RESTART;
}

static void visit_by_irq_work(struct irq_work *irq_work)
{
	visit(container_of(irq_work, struct visitor, irq_work));
}

static void init_visitor(struct kunit *test, struct visitor *visitor, enum hrtimer_mode mode)
{
	unsigned int i;

	visitor->folio = hmk_get_folio(test, true, VISIT_ORDER);
	for (i = 0; i < 1 << VISIT_ORDER; i++)
		stamp_page(folio_page(visitor->folio, i), 0);
	prandom_seed_state(&visitor->rnd, 400 + (unsigned long)visitor / sizeof(*visitor));
	visitor->mode = mode;
	visitor->irq_work = IRQ_WORK_INIT_HARD(visit_by_irq_work);
	hmk_hrtimer_setup(&visitor->hrtimer, visit_by_hrtimer, mode);
}

/* On the CPU that is to be visited */
static void start_visits(void *data)
{
	struct visitor *visitor = data;

	hrtimer_start(&visitor[0].hrtimer, next_visit(&visitor[0]), visitor[0].mode);
	hrtimer_start(&visitor[1].hrtimer, next_visit(&visitor[1]), visitor[1].mode);
}

static void end_visits(void *data)
{
	struct visitors *visitors = data;
	unsigned int i;

	for (i = 0; i < visitors->nr; i++)
		hrtimer_cancel(&visitors->visitor[i].hrtimer);
	for (i = 0; i < visitors->nr; i++)
		irq_work_sync(&visitors->visitor[i].irq_work);
}

struct visitors *hmk_start_visitors(struct kunit *test)
{
	unsigned int cpu, nr = 3 * num_online_cpus();
	struct visitors *visitors;

	visitors = hmk_zalloc(test, struct_size(visitors, visitor, nr));
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, end_visits, visitors), 0);
	for_each_online_cpu(cpu) {
		struct visitor *visitor = &visitors->visitor[visitors->nr];

		if (visitors->nr == nr)
			break;
		init_visitor(test, visitor, HRTIMER_MODE_REL_PINNED_HARD);
		init_visitor(test, visitor + 1, HRTIMER_MODE_REL_PINNED_SOFT);
		init_visitor(test, visitor + 2, HRTIMER_MODE_REL);
		visitor[1].on_top = &visitor[2];
		visitors->nr += 3;
		KUNIT_ASSERT_EQ(test, smp_call_function_single(cpu, start_visits, visitor, 1), 0);
	}
	return visitors;
}

/* Has each visitor come once at least? */
bool hmk_all_visited(const struct visitors *visitors)
{
	unsigned int i;

	for (i = 0; i < visitors->nr; i++) {
		if (!READ_ONCE(visitors->visitor[i].visits))
			return false;
	}
	return true;
}

void hmk_check_visitors(struct kunit *test, struct visitors *visitors)
{
	unsigned int i, j, damaged = 0, over_maps = 0;

	kunit_release_action(test, end_visits, visitors);
	for (i = 0; i < visitors->nr; i++) {
		struct visitor *visitor = &visitors->visitor[i];

		KUNIT_EXPECT_EQ_MSG(test, visitor->bad, 0, "in visitor %u", i);
		KUNIT_EXPECT_GT_MSG(test, visitor->visits, 0, "of visitor %u", i);
		over_maps += visitor->over_maps;
		for (j = 0; j < 1 << VISIT_ORDER; j++)
			damaged += !page_stamped(folio_page(visitor->folio, j), visitor->salt[j]);
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

static void look_at(struct walk *walk, struct walk_map *map)
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

/* All that is mapped: is it as it was left? */
void hmk_walk_look(struct walk *walk)
{
	unsigned int i;

	for (i = 0; i < walk->nr_held; i++)
		look_at(walk, &walk->held[i]);
}

/* One mapping more: of a page, of a page to be read only, of some pages */
void hmk_walk_in(struct walk *walk)
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

		map->span = true;
		map->addr = kmap_local_span(walk->folio, map->first * PAGE_SIZE, &len);
		map->nr = len / PAGE_SIZE;
#endif
	} else {
		map->addr = kmap_local_page(folio_page(walk->folio, map->first));
	}
	walk->nr_held++;
	walk->pages += map->nr;
}

void hmk_walk_out(struct walk *walk)
{
	struct walk_map *map = &walk->held[--walk->nr_held];

	walk->pages -= map->nr;
#ifdef folio_map_local
	if (map->span) {
		kunmap_local_span(map->addr, map->nr * PAGE_SIZE);
		return;
	}
#endif
	kunmap_local(map->addr);
}

void hmk_walk(struct walk *walk)
{
	bool in = prandom_u32_state(&walk->rnd) & 1;

	if (!walk->nr_held || (in && walk->pages < walk->most))
		hmk_walk_in(walk);
	else
		hmk_walk_out(walk);
	if (walk->nr_held)
		look_at(walk, &walk->held[prandom_u32_state(&walk->rnd) % walk->nr_held]);
	walk->steps++;
}

/* It is over: nothing is held, and all its pages are as they should be */
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
