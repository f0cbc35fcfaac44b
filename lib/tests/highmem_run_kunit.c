// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit suite "highmem_run": runs of neighbouring pages (kmap_local_span()), whole folios
 * (folio_map_local()), and the helpers that use runs. See highmem_kunit.h and
 * highmem_kunit_whitebox.h.
 */

#include <linux/delay.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

#include "highmem_kunit_whitebox.h"

#ifdef folio_map_local

/*
 * Are folios of high memory mapped in runs? Where caches alias, they are mapped page by
 * page.
 */
#if defined(arch_kmap_local_map_idx) || defined(arch_kmap_local_high_get)
#define HAVE_RUNS	0
#else
#define HAVE_RUNS	CAN_MAP
#endif
/* Slots of a page and of its guard. */
#define STEP		2
#define MOST_PAGES	16
/* A run leaves room for so many single pages. */
#define SPARE_PAGES	9

/* ---------------------------------------------------------- runs of one folio */

#define RUN_MAX_ORDER	5

struct sample {
	struct folio *folio;
	size_t size;
	u8 *view;		/* all of the folio, through vmap() */
	struct rnd_state rnd;
};

static struct sample *get_sample(struct kunit *test, bool high, unsigned int order)
{
	struct sample *sample = hmk_zalloc(test, sizeof(*sample));
	struct page *pages[1 << RUN_MAX_ORDER];
	unsigned int i;

	sample->folio = hmk_get_folio(test, high, order);
	sample->size = folio_size(sample->folio);
	for (i = 0; i < 1 << order; i++)
		pages[i] = folio_page(sample->folio, i);
	sample->view = hmk_get_view(test, pages, 1 << order);
	prandom_seed_state(&sample->rnd, 800 + order);
	prandom_bytes_state(&sample->rnd, sample->view, sample->size);
	return sample;
}

/* Has the folio a direct mapping that kmap_local_page() uses? */
static bool is_direct(struct folio *folio)
{
	return !folio_test_highmem(folio) && !FORCE_MAP;
}

/*
 * The number of bytes that kmap_local_span() must map for @len bytes at @offset, with
 * @slots slots in use.
 */
static size_t expected_length(struct folio *folio, size_t offset, size_t len,
			      unsigned int slots)
{
	unsigned int room = 1;

	if (is_direct(folio))
		return len;
	while (HAVE_RUNS && room < KMAP_LOCAL_MAX_PAGES &&
	       slots + ALIGN(room + STEP, STEP) + SPARE_PAGES * STEP <= MOST_PAGES * STEP)
		room++;
	return min_t(size_t, len, room * PAGE_SIZE - offset_in_page(offset));
}

static const char *try_run(struct sample *sample, size_t offset, size_t len)
{
	size_t right = expected_length(sample->folio, offset, len, 0), covered = len;
	const char *fault = NULL;
	u8 *addr;

	addr = kmap_local_span(sample->folio, offset, &covered);
	if (covered != right)
		fault = "covers the wrong number of bytes";
	else if (offset_in_page(addr) != offset_in_page(offset))
		fault = "starts elsewhere in the page";
	else if (memcmp(addr, sample->view + offset, covered))
		fault = "shows other bytes";
	kunmap_local_span(addr, covered);
	if (map_depth(current))
		fault = "leaves something mapped";
	return fault;
}

#define NR_RANDOM	100

/* Offsets around the bounds of pages and of runs. */
static size_t bound(size_t size, unsigned int i)
{
	static const int around[] = { -1, 0, 1 };
	static const unsigned int page[] = { 0, 1, 2, 7, 8, 9 };

	if (i < 18)
		return min(page[i / 3] * PAGE_SIZE + (i ? around[i % 3] : 0), size);
	return size - (i - 18) * (PAGE_SIZE / 2 + 1);
}

#define NR_BOUNDS	20

static bool next_bounds(struct sample *sample, unsigned int i, size_t *from, size_t *to)
{
	size_t size = sample->size;

	if (i < NR_BOUNDS * NR_BOUNDS) {
		*from = bound(size, i / NR_BOUNDS);
		*to = bound(size, i % NR_BOUNDS);
	} else {
		*from = prandom_u32_state(&sample->rnd) % size;
		*to = *from + 1 + prandom_u32_state(&sample->rnd) % (size - *from);
	}
	return *from < *to && *to <= size;
}

static void kmap_local_span_reads_folio(struct kunit *test)
{
	unsigned int order, high, i;
	size_t from, to;

	pin_to_cpu(test, first_cpu());
	for (high = 0; high < 2; high++) {
		for (order = 0; order <= RUN_MAX_ORDER; order++) {
			struct sample *sample = get_sample(test, high, order);

			for (i = 0; i < NR_BOUNDS * NR_BOUNDS + NR_RANDOM; i++) {
				const char *fault = NULL;

				if (next_bounds(sample, i, &from, &to))
					fault = try_run(sample, from, to - from);
				if (fault)
					KUNIT_FAIL_AND_ABORT(test, "order %u, %zu to %zu: %s",
							     order, from, to, fault);
			}
		}
	}
}

/* Bytes that are written through consecutive runs arrive in the folio. */
static void kmap_local_span_writes_folio(struct kunit *test)
{
	struct sample *sample = get_sample(test, true, RUN_MAX_ORDER);
	u8 *bytes = hmk_get_vbuf(test, sample->size);
	size_t offset, len;

	prandom_bytes_state(&sample->rnd, bytes, sample->size);
	for (offset = 0; offset < sample->size; offset += len) {
		u8 *addr;

		len = 1 + prandom_u32_state(&sample->rnd) % (sample->size - offset);
		addr = kmap_local_span(sample->folio, offset, &len);
		memcpy(addr, bytes + offset, len);
		kunmap_local_span(addr, len);
	}
	KUNIT_EXPECT_EQ(test, memcmp(sample->view, bytes, sample->size), 0);
	KUNIT_EXPECT_EQ(test, map_depth(current), 0);
}

/* ------------------------------------------------------------ several mappings */

static void stamp_folio(struct folio *folio, u32 salt)
{
	unsigned int i;

	for (i = 0; i < folio_nr_pages(folio); i++)
		stamp_page(folio_page(folio, i), salt);
}

/* Counts pages that are not mapped at their place behind @addr. */
static unsigned int count_wrong(const void *addr, struct folio *folio, unsigned int first,
				unsigned int nr, u32 salt)
{
	unsigned int i, wrong = 0;

	for (i = 0; i < nr; i++)
		wrong += !stamped(addr + i * PAGE_SIZE, folio_page(folio, first + i), salt);
	return wrong;
}

static unsigned int count_pages_wrong(struct page_set *set, void **addr, unsigned int nr,
				      u32 salt)
{
	unsigned int i, wrong = 0;

	for (i = 0; i < nr; i++)
		wrong += !stamped(addr[i], set->page[i], salt);
	return wrong;
}

/* The fuller the stack, the shorter the run. The shortest run is one page. */
static void kmap_local_span_is_shorter_when_deep(struct kunit *test)
{
	struct page_set *set = hmk_get_page_set(test, true, MOST_PAGES + 2);
	struct folio *folio = hmk_get_folio(test, true, 4);
	unsigned int held, slots, i, wrong;
	void *addr[MOST_PAGES + 2];

	REQUIRES_INTERNALS(test);
	for (i = 0; i < set->nr; i++)
		stamp_page(set->page[i], 100);
	stamp_folio(folio, 101);
	pin_to_cpu(test, first_cpu());
	/* The last two pages go to overflow slots. */
	for (held = 0; held <= set->nr; held++) {
		size_t len = 16 * PAGE_SIZE - 100;
		void *run;

		map_all(set, addr, held);
		slots = map_depth(current);
		run = kmap_local_span(folio, 100, &len);
		wrong = count_wrong(run - 100, folio, 0, PFN_UP(len), 101);
		kunmap_local_span(run, len);
		wrong += count_pages_wrong(set, addr, held, 100);
		unmap_all(addr, held);
		KUNIT_EXPECT_EQ(test, wrong, 0);
		KUNIT_EXPECT_EQ(test, len,
				expected_length(folio, 100, 16 * PAGE_SIZE - 100, slots));
		KUNIT_EXPECT_EQ(test, map_depth(current), 0);
	}
}

/* Nests runs until only single pages fit. */
static void kmap_local_span_nested(struct kunit *test)
{
	struct folio *folio[MOST_PAGES];
	size_t len[MOST_PAGES];
	void *addr[MOST_PAGES];
	unsigned int i, nr, most, wrong = 0;

	REQUIRES_INTERNALS(test);
	for (i = 0; i < MOST_PAGES; i++) {
		folio[i] = hmk_get_folio(test, true, 3);
		stamp_folio(folio[i], 102);
	}
	pin_to_cpu(test, first_cpu());
	for (most = 2; most <= 8; most++) {
		for (nr = 0; map_depth(current) < (MOST_PAGES - 1) * STEP; nr++) {
			size_t right = expected_length(folio[nr], 0, most * PAGE_SIZE,
						       map_depth(current));

			len[nr] = most * PAGE_SIZE;
			addr[nr] = kmap_local_span(folio[nr], 0, &len[nr]);
			wrong += len[nr] != right;
		}
		for (i = 0; i < nr; i++)
			wrong += count_wrong(addr[i], folio[i], 0, len[i] / PAGE_SIZE, 102);
		while (nr--)
			kunmap_local_span(addr[nr], len[nr]);
		KUNIT_EXPECT_EQ_MSG(test, wrong, 0, "runs of %u pages", most);
		KUNIT_ASSERT_EQ(test, map_depth(current), 0);
	}
}

/* With CONFIG_DEBUG_KMAP_LOCAL both neighbours of a run are unmapped. */
static void kmap_local_span_has_guards(struct kunit *test)
{
	struct folio *folio = hmk_get_folio(test, true, 3);
	struct page_set *set = hmk_get_page_set(test, true, 2);
	unsigned int nr;

	REQUIRES(test, HAVE_RUNS, "this kernel maps no runs");
	REQUIRES(test, IS_ENABLED(CONFIG_DEBUG_KMAP_LOCAL), "needs CONFIG_DEBUG_KMAP_LOCAL");
	pin_to_cpu(test, first_cpu());
	for (nr = 1; nr <= 6; nr++) {
		size_t len = nr * PAGE_SIZE;
		unsigned int open = 0;
		void *addr, *page[2];

		page[0] = kmap_local_page(set->page[0]);
		addr = kmap_local_span(folio, 0, &len);
		page[1] = kmap_local_page(set->page[1]);
		open += readable(addr - sizeof(u32));
		open += readable(addr + len);
		open += readable(page[0] - sizeof(u32));
		open += readable(page[1] + PAGE_SIZE);
		kunmap_local(page[1]);
		kunmap_local_span(addr, len);
		kunmap_local(page[0]);
		KUNIT_EXPECT_EQ(test, len, nr * PAGE_SIZE);
		KUNIT_EXPECT_EQ(test, open, 0);
		KUNIT_EXPECT_EQ(test, map_depth(current), 0);
	}
}

/* Mapping the same run again writes no PTE, as with a single page. */
static void kmap_local_span_again_writes_no_pte(struct kunit *test)
{
	struct folio *folio = hmk_get_folio(test, true, 3);
	struct events first, again, shifted;
	struct events before;
	size_t len = 8 * PAGE_SIZE;
	void *addr;

	hmk_require_lazy(test);
	REQUIRES(test, HAVE_RUNS, "this kernel maps no runs");
	hmk_count_events(test);
	pin_to_cpu(test, first_cpu());
	kmap_flush_unused();

	before = hmk_events();
	addr = kmap_local_span(folio, 0, &len);
	kunmap_local_span(addr, len);
	first = hmk_events_since(before);
	before = hmk_events();
	addr = kmap_local_span(folio, 0, &len);
	kunmap_local_span(addr, len);
	again = hmk_events_since(before);
	/*
	 * Three pages: two of the slots hold other pages of the run of eight, the third
	 * was a guard.
	 */
	before = hmk_events();
	len = 3 * PAGE_SIZE;
	addr = kmap_local_span(folio, 0, &len);
	kunmap_local_span(addr, len);
	shifted = hmk_events_since(before);

	hmk_expect_events(test, first, 8, 0);
	hmk_expect_events(test, again, 0, 0);
	hmk_expect_events(test, shifted, 3, 2);
	KUNIT_EXPECT_EQ(test, first.maps, 8);
	KUNIT_EXPECT_EQ(test, shifted.maps, 3);
}

static void kmap_local_span_across_sleep(struct kunit *test)
{
	struct folio *mine = hmk_get_folio(test, true, 3);
	struct walk *walk = hmk_get_walk(test, 103, TASK_MAPS);
	struct interrupters *interrupters;
	unsigned int i, wrong = 0;
	size_t len = 8 * PAGE_SIZE;
	void *addr;

	stamp_folio(mine, 104);
	pin_to_cpu(test, first_cpu());
	interrupters = hmk_start_interrupters(test);
	addr = kmap_local_span(mine, 0, &len);
	for (i = 0; i < 100; i++) {
		if (i % 10 == 0)
			kmap_flush_unused();
		usleep_range(500, 1500);
		wrong += count_wrong(addr, mine, 0, len / PAGE_SIZE, 104);
	}
	kunmap_local_span(addr, len);
	for (i = 0; i < 2000; i++)
		hmk_walk_step(walk);
	while (walk->nr_held)
		hmk_walk_unmap(walk);
	hmk_check_interrupters(test, interrupters);
	hmk_check_walk(test, walk);
	KUNIT_EXPECT_EQ(test, wrong, 0);
	KUNIT_EXPECT_EQ(test, map_depth(current), 0);
}

/* --------------------------------------------------------------------- misuse */

static void kunmap_local_span_out_of_order(struct kunit *test)
{
	struct page_set *set = hmk_get_page_set(test, true, 2);
	struct folio *folio = hmk_get_folio(test, true, 3);
	unsigned int nr, wrong = 0, depth;
	void *addr[2], *run;

	hmk_pause_probes(test);
	REQUIRES_INTERNALS(test);
	pin_to_cpu(test, first_cpu());
	stamp_page(set->page[0], 105);
	stamp_page(set->page[1], 105);
	stamp_folio(folio, 105);
	hmk_provoke(test, "gives back mapping 2 of 3");
	for (nr = 2; nr <= 6; nr++) {
		size_t len = nr * PAGE_SIZE;

		addr[0] = kmap_local_page(set->page[0]);
		run = kmap_local_span(folio, 0, &len);
		addr[1] = kmap_local_page(set->page[1]);
		kunmap_local_span(run, len);
		wrong += !is_lazy() && (!hmk_slot_empty(run) ||
					!hmk_slot_empty(run + len - PAGE_SIZE));
		wrong += count_pages_wrong(set, addr, 2, 105);
		kunmap_local(addr[1]);
		wrong += count_pages_wrong(set, addr, 1, 105);
		kunmap_local(addr[0]);
		depth = map_depth(current);
		KUNIT_EXPECT_EQ_MSG(test, wrong, 0, "runs of %u pages", nr);
		KUNIT_ASSERT_EQ(test, depth, 0);
	}
	hmk_provoked(test);
	hmk_expect_report(test, "gives back mapping 2 of 3");
}

/* Two single mappings are not a run of two. */
static void kunmap_local_span_of_single_pages(struct kunit *test)
{
	struct page_set *set = hmk_get_page_set(test, true, 3);
	unsigned int i, wrong, depth;
	void *addr[3];

	REQUIRES(test, HAVE_RUNS, "this kernel maps no runs");
	pin_to_cpu(test, first_cpu());
	for (i = 0; i < 3; i++)
		stamp_page(set->page[i], 106);
	/* In descending order, so that no two pages are neighbours. */
	if (page_to_pfn(set->page[1]) == page_to_pfn(set->page[2]) + 1)
		swap(set->page[0], set->page[1]);
	hmk_provoke(test, "highmem: ");
	map_all(set, addr, 3);
	depth = map_depth(current);
	kunmap_local_span(addr[2], 2 * PAGE_SIZE);
	wrong = depth != map_depth(current) + STEP;
	wrong += count_pages_wrong(set, addr, 2, 106);
	unmap_all(addr, 2);
	hmk_provoked(test);
	KUNIT_EXPECT_EQ(test, wrong, 0);
	KUNIT_EXPECT_EQ(test, map_depth(current), 0);
	KUNIT_EXPECT_EQ(test, hmk_reports(), 0);
}

/* With too large a length, kunmap_local_span() unmaps the run and nothing else. */
static void kunmap_local_span_too_long(struct kunit *test)
{
	struct folio *folio = hmk_get_folio(test, true, 3);
	struct page *page = hmk_get_page(test, true);
	size_t len = 2 * PAGE_SIZE;
	unsigned int wrong;
	void *addr, *run;

	REQUIRES(test, HAVE_RUNS, "this kernel maps no runs");
	pin_to_cpu(test, first_cpu());
	stamp_page(page, 107);
	hmk_provoke(test, "highmem: ");
	addr = kmap_local_page(page);
	run = kmap_local_span(folio, 0, &len);
	kunmap_local_span(run, 5 * PAGE_SIZE);
	wrong = !stamped_nofault(addr, page, 107);
	if (map_depth(current))
		kunmap_local(addr);
	hmk_provoked(test);
	KUNIT_EXPECT_EQ(test, wrong, 0);
	KUNIT_EXPECT_EQ(test, map_depth(current), 0);
	KUNIT_EXPECT_EQ(test, hmk_reports(), 0);
}

/*
 * With too small a length or another page of the run, kunmap_local_span() unmaps the run.
 * It reports only the last address, which is behind the run.
 */
static void kunmap_local_span_too_short(struct kunit *test)
{
	static const struct {
		unsigned int page, nr;
	} part[] = { { 0, 1 }, { 0, 2 }, { 1, 1 }, { 2, 1 }, { 1, 2 }, { 3, 3 } };
	struct folio *folio = hmk_get_folio(test, true, 3);
	struct page *page = hmk_get_page(test, true);
	unsigned int i, wrong = 0, depth[ARRAY_SIZE(part)];
	void *addr, *run;
	size_t len;

	REQUIRES(test, HAVE_RUNS, "this kernel maps no runs");
	pin_to_cpu(test, first_cpu());
	stamp_page(page, 108);
	stamp_folio(folio, 108);
	hmk_provoke(test, "highmem: ");
	for (i = 0; i < ARRAY_SIZE(part); i++) {
		len = 3 * PAGE_SIZE;
		addr = kmap_local_page(page);
		run = kmap_local_span(folio, 0, &len);
		kunmap_local_span(run + part[i].page * PAGE_SIZE, part[i].nr * PAGE_SIZE);
		depth[i] = map_depth(current);
		wrong += !stamped_nofault(addr, page, 108);
		kunmap_local(addr);
		if (map_depth(current))
			break;
	}
	hmk_provoked(test);
	KUNIT_EXPECT_EQ(test, i, ARRAY_SIZE(part));
	KUNIT_EXPECT_EQ(test, wrong, 0);
	KUNIT_EXPECT_EQ(test, map_depth(current), 0);
	while (i--)
		KUNIT_EXPECT_EQ_MSG(test, depth[i], STEP, "in case %u", i);
	KUNIT_EXPECT_EQ(test, hmk_reports(), 1);
}

/* ---------------------------------------------------------------- whole folios */

static unsigned int restamp(void *addr, struct folio *folio, u32 salt)
{
	unsigned int i, wrong = 0;

	for (i = 0; i < folio_nr_pages(folio); i++) {
		wrong += !stamped(addr + i * PAGE_SIZE, folio_page(folio, i), salt);
		stamp(addr + i * PAGE_SIZE, folio_page(folio, i), salt + 1);
	}
	return wrong;
}

static unsigned int folio_damage(struct folio *folio, u32 salt)
{
	unsigned int i, damage = 0;

	for (i = 0; i < folio_nr_pages(folio); i++)
		damage += !page_stamped(folio_page(folio, i), salt);
	return damage;
}

static void folio_map_local_shows_folio(struct kunit *test)
{
	unsigned int order, high;

	for (high = 0; high < 2; high++) {
		for (order = 0; order <= MAX_PAGE_ORDER; order++) {
			struct folio *folio = hmk_get_folio(test, high, order);
			unsigned int wrong;
			void *addr;

			stamp_folio(folio, 110);
			addr = folio_map_local(folio);
			KUNIT_ASSERT_NOT_NULL(test, addr);
			usleep_range(100, 200);
			wrong = restamp(addr, folio, 110);
			folio_unmap_local(folio, addr);
			KUNIT_EXPECT_EQ_MSG(test, wrong, 0, "order %u", order);
			KUNIT_EXPECT_EQ(test, folio_damage(folio, 111), 0);
			KUNIT_EXPECT_EQ(test, map_depth(current), 0);
			if (is_direct(folio))
				KUNIT_EXPECT_PTR_EQ(test, addr, folio_address(folio));
			else if (!is_kmap_addr(addr))
				KUNIT_EXPECT_PTR_EQ(test, vmalloc_to_page(addr), NULL);
		}
	}
}

/* Three folios of several sizes, and a page between, unmapped in reverse order. */
static void folio_map_local_three_held(struct kunit *test)
{
	static const unsigned int orders[][3] = {
		{ 0, 0, 0 }, { 1, 2, 1 }, { 3, 3, 3 }, { 2, 5, 0 }, { 6, 3, 9 }, { 4, 0, 3 },
	};
	struct page *page = hmk_get_page(test, true);
	unsigned int i, j, wrong = 0;
	struct folio *folio[3];
	void *addr[3], *between;

	stamp_page(page, 112);
	for (i = 0; i < ARRAY_SIZE(orders); i++) {
		for (j = 0; j < 3; j++) {
			folio[j] = hmk_get_folio(test, (i + j) % 4, orders[i][j]);
			stamp_folio(folio[j], 112);
		}
		addr[0] = folio_map_local(folio[0]);
		addr[1] = folio_map_local(folio[1]);
		between = kmap_local_page(page);
		addr[2] = folio_map_local(folio[2]);
		for (j = 0; j < 3; j++)
			wrong += addr[j] ? restamp(addr[j], folio[j], 112) : 1;
		wrong += !stamped(between, page, 112);
		folio_unmap_local(folio[2], addr[2]);
		kunmap_local(between);
		folio_unmap_local(folio[1], addr[1]);
		folio_unmap_local(folio[0], addr[0]);
		for (j = 0; j < 3; j++)
			wrong += folio_damage(folio[j], 113);
		KUNIT_EXPECT_EQ_MSG(test, wrong, 0, "in round %u", i);
		KUNIT_EXPECT_EQ(test, map_depth(current), 0);
	}
}

/* Without vmalloc space large folios cannot be mapped; small ones fit in the stack. */
static void folio_map_local_without_space(struct kunit *test)
{
#ifdef CONFIG_HIGHMEM
	struct folio *folio[MAX_PAGE_ORDER + 1];
	void *addr[MAX_PAGE_ORDER + 1];
	unsigned int order, wrong = 0;
	struct spaces *spaces;

	for (order = 0; order <= MAX_PAGE_ORDER; order++) {
		folio[order] = hmk_get_folio(test, true, order);
		stamp_folio(folio[order], 114);
	}
	spaces = hmk_take_space(test, PAGE_SIZE);
	hmk_provoke(test, "vm");
	for (order = 0; order <= MAX_PAGE_ORDER; order++) {
		addr[order] = folio_map_local(folio[order]);
		if (!addr[order])
			continue;
		wrong += count_wrong(addr[order], folio[order], 0, 1 << order, 114);
		folio_unmap_local(folio[order], addr[order]);
	}
	hmk_provoked(test);
	hmk_give_space(test, spaces);
	KUNIT_EXPECT_EQ(test, wrong, 0);
	KUNIT_EXPECT_EQ(test, map_depth(current), 0);
	for (order = 0; order <= (HAVE_RUNS ? 3 : 0); order++)
		KUNIT_EXPECT_NOT_NULL(test, addr[order]);
	/*
	 * vm_map_ram() may have room for up to 32 pages in an area that it already has.
	 */
	for (order = 6; order <= MAX_PAGE_ORDER; order++)
		KUNIT_EXPECT_NULL(test, addr[order]);
	addr[0] = folio_map_local(folio[MAX_PAGE_ORDER]);
	KUNIT_ASSERT_NOT_NULL(test, addr[0]);
	folio_unmap_local(folio[MAX_PAGE_ORDER], addr[0]);
#else
	kunit_skip(test, "needs CONFIG_HIGHMEM");
#endif
}

/* No memory, first for the array of pages, then for page tables. */
static void folio_map_local_without_memory(struct kunit *test)
{
	static const char * const refused[] = { "__kvmalloc_node_noprof", "vm_map_ram" };
	struct folio *large, *small;
	struct failure *failure;
	unsigned int i;
	void *addr;

	REQUIRES_MAPPING(test);
	large = hmk_get_folio(test, true, MAX_PAGE_ORDER);
	small = hmk_get_folio(test, true, HAVE_RUNS ? 3 : 0);
	stamp_folio(large, 115);
	stamp_folio(small, 115);
	for (i = 0; i < ARRAY_SIZE(refused); i++) {
		failure = hmk_fail_calls(test, refused[i], current, 0);
		KUNIT_EXPECT_NULL_MSG(test, folio_map_local(large), "without %s", refused[i]);
		KUNIT_EXPECT_EQ(test, hmk_failed_calls(failure), 1);
		addr = folio_map_local(small);
		KUNIT_EXPECT_EQ(test, hmk_failed_calls(failure), 1);
		hmk_fail_no_more(test, failure);
		KUNIT_ASSERT_NOT_NULL(test, addr);
		KUNIT_EXPECT_EQ(test, restamp(addr, small, 115), 0);
		folio_unmap_local(small, addr);
		stamp_folio(small, 115);

		addr = folio_map_local(large);
		KUNIT_ASSERT_NOT_NULL(test, addr);
		KUNIT_EXPECT_EQ(test, restamp(addr, large, 115), 0);
		folio_unmap_local(large, addr);
		stamp_folio(large, 115);
	}
	KUNIT_EXPECT_EQ(test, map_depth(current), 0);
}

/* On kernels without high memory, too, so that developers there see the mistake. */
static void folio_map_local_in_atomic_context(struct kunit *test)
{
	struct folio *folio = hmk_get_folio(test, false, 0);
	unsigned int unmap;
	void *addr;

	REQUIRES(test, IS_ENABLED(CONFIG_DEBUG_ATOMIC_SLEEP), "needs CONFIG_DEBUG_ATOMIC_SLEEP");
	for (unmap = 0; unmap < 2; unmap++) {
		/* The kernel prints one such report in a second. */
		msleep(1500);
		hmk_provoke(test, "sleeping function called");
		if (!unmap) {
			preempt_disable();
			addr = folio_map_local(folio);
			preempt_enable();
			folio_unmap_local(folio, addr);
		} else {
			addr = folio_map_local(folio);
			preempt_disable();
			folio_unmap_local(folio, addr);
			preempt_enable();
		}
		hmk_provoked(test);
		hmk_expect_report(test, "sleeping function called");
	}
	KUNIT_EXPECT_EQ(test, map_depth(current), 0);
}

/* -------------------------------------------------------------------- helpers */

/*
 * The suite "highmem_helpers" tests these helpers at each offset of folios of up to eight
 * pages. Here the folio is longer than the longest run, and the stack is more or less
 * full.
 */
struct model {
	struct sample *sample;
	u8 *expected;
	u8 *noise;
	u8 *out;
};

typedef bool (*helper_fn)(struct model *model, size_t off, size_t len);

static bool by_memcpy_from_folio(struct model *model, size_t off, size_t len)
{
	memset(model->out, 0x5a, len + 1);
	memcpy_from_folio(model->out, model->sample->folio, off, len);
	return !memcmp(model->out, model->expected + off, len) && model->out[len] == 0x5a;
}

static bool by_memcpy_to_folio(struct model *model, size_t off, size_t len)
{
	const u8 *from = model->noise + prandom_u32_state(&model->sample->rnd) % PAGE_SIZE;

	memcpy_to_folio(model->sample->folio, off, from, len);
	memcpy(model->expected + off, from, len);
	return true;
}

static bool by_folio_zero_range(struct model *model, size_t off, size_t len)
{
	folio_zero_range(model->sample->folio, off, len);
	memset(model->expected + off, 0, len);
	return true;
}

static bool by_zero_user_segments(struct model *model, size_t off, size_t len)
{
	zero_user_segments(folio_page(model->sample->folio, 0), off, off + len / 3,
			   off + len / 2, off + len);
	memset(model->expected + off, 0, len / 3);
	memset(model->expected + off + len / 2, 0, len - len / 2);
	return true;
}

static bool by_folio_fill_tail(struct model *model, size_t off, size_t len)
{
	size_t rest = model->sample->size - off - len;

	folio_fill_tail(model->sample->folio, off, model->noise, len);
	memcpy(model->expected + off, model->noise, len);
	memset(model->expected + off + len, 0, rest);
	return true;
}

static bool by_memcpy_from_file_folio(struct model *model, size_t off, size_t len)
{
	size_t got, done;

	for (done = 0; done < len; done += got) {
		got = memcpy_from_file_folio(model->out + done, model->sample->folio,
					     off + done, len - done);
		if (!got || got > len - done)
			return false;
	}
	return !memcmp(model->out, model->expected + off, len);
}

static const struct {
	const char *name;
	helper_fn helper;
} helpers[] = {
	{ "memcpy_from_folio", by_memcpy_from_folio },
	{ "memcpy_to_folio", by_memcpy_to_folio },
	{ "folio_zero_range", by_folio_zero_range },
	{ "zero_user_segments", by_zero_user_segments },
	{ "folio_fill_tail", by_folio_fill_tail },
	{ "memcpy_from_file_folio", by_memcpy_from_file_folio },
};

/* Runs @helper with @held pages mapped, which must not change. */
static bool try_helper(struct model *model, struct page_set *set, unsigned int held,
		       helper_fn helper, size_t off, size_t len)
{
	struct sample *sample = model->sample;
	void *addr[WALK_MAPS];
	bool right;

	map_all(set, addr, held);
	right = helper(model, off, len) && !count_pages_wrong(set, addr, held, 120);
	unmap_all(addr, held);
	return right && !map_depth(current) && !memcmp(sample->view, model->expected, sample->size);
}

static struct model *get_model(struct kunit *test, bool high, unsigned int order)
{
	struct model *model = hmk_zalloc(test, sizeof(*model));

	model->sample = get_sample(test, high, order);
	model->expected = hmk_get_vbuf(test, model->sample->size);
	model->noise = hmk_get_vbuf(test, model->sample->size + PAGE_SIZE);
	model->out = hmk_get_vbuf(test, model->sample->size + 1);
	memcpy(model->expected, model->sample->view, model->sample->size);
	prandom_bytes_state(&model->sample->rnd, model->noise, model->sample->size + PAGE_SIZE);
	return model;
}

static void check_helpers(struct kunit *test, struct model *model, struct page_set *set,
			  unsigned int held)
{
	unsigned int i, j;
	size_t from, to;

	for (i = 0; i < ARRAY_SIZE(helpers); i++) {
		for (j = 0; j < 12; j++) {
			/* Some of the bounds, at random, and some random offsets. */
			unsigned int k = j < 6 ? prandom_u32_state(&model->sample->rnd) %
						 (NR_BOUNDS * NR_BOUNDS) : UINT_MAX;

			if (next_bounds(model->sample, k, &from, &to) &&
			    !try_helper(model, set, held, helpers[i].helper, from, to - from))
				KUNIT_FAIL_AND_ABORT(test, "%s(), %zu to %zu with %u held",
						     helpers[i].name, from, to, held);
		}
	}
}

static void helpers_with_mappings_held(struct kunit *test)
{
	static const unsigned int held[] = { 0, 3, 8, 9, 12, 15 };
	struct page_set *set = hmk_get_page_set(test, true, WALK_MAPS);
	unsigned int i, order, high;

	REQUIRES_MAPPING(test);
	for (i = 0; i < WALK_MAPS; i++)
		stamp_page(set->page[i], 120);
	for (high = 0; high < 2; high++) {
		for (order = 0; order <= RUN_MAX_ORDER; order++) {
			struct model *model = get_model(test, high, order);

			for (i = 0; i < ARRAY_SIZE(held); i++)
				check_helpers(test, model, set, held[i]);
		}
	}
}

#else

static void requires_folio_map_local(struct kunit *test)
{
	kunit_skip(test, "needs folio_map_local()");
}

#endif

static struct kunit_case highmem_run_cases[] = {
#ifdef folio_map_local
	KUNIT_CASE(kmap_local_span_reads_folio),
	KUNIT_CASE(kmap_local_span_writes_folio),
	KUNIT_CASE(kmap_local_span_is_shorter_when_deep),
	KUNIT_CASE(kmap_local_span_nested),
	KUNIT_CASE(kmap_local_span_has_guards),
	KUNIT_CASE(kmap_local_span_again_writes_no_pte),
	KUNIT_CASE(kmap_local_span_across_sleep),
	KUNIT_CASE(kunmap_local_span_out_of_order),
	KUNIT_CASE(kunmap_local_span_of_single_pages),
	KUNIT_CASE(kunmap_local_span_too_long),
	KUNIT_CASE(kunmap_local_span_too_short),
	KUNIT_CASE(folio_map_local_shows_folio),
	KUNIT_CASE(folio_map_local_three_held),
	KUNIT_CASE(folio_map_local_without_space),
	KUNIT_CASE(folio_map_local_without_memory),
	KUNIT_CASE_SLOW(folio_map_local_in_atomic_context),
	KUNIT_CASE(helpers_with_mappings_held),
#else
	KUNIT_CASE(requires_folio_map_local),
#endif
	{}
};

static struct kunit_suite highmem_run_suite = {
	.name = "highmem_run",
	.init = hmk_remember_task,
	.exit = hmk_check_task,
	.test_cases = highmem_run_cases,
};

kunit_test_suites(&highmem_run_suite);

MODULE_DESCRIPTION("KUnit suite for high memory: several pages side by side");
MODULE_LICENSE("GPL");
