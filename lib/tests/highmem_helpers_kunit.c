// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit suite "highmem_helpers": zones, counters, page_address() and the helpers of
 * <linux/highmem.h>. See highmem_kunit.h.
 */

#include <linux/gfp.h>
#include <linux/mmzone.h>
#include <linux/prandom.h>
#include <linux/sort.h>
#include <linux/string.h>
#include <linux/string_choices.h>

#include "highmem_kunit.h"

/* ----------------------------------------- zones, counters, addresses */

static void highmem_pages_exist(struct kunit *test)
{
	struct page *page = alloc_page(GFP_HIGHUSER);
	bool high;

	KUNIT_ASSERT_NOT_NULL(test, page);
	high = PageHighMem(page);
	__free_page(page);

	KUNIT_EXPECT_EQ(test, high, IS_ENABLED(CONFIG_HIGHMEM));
	if (IS_ENABLED(CONFIG_HIGHMEM))
		KUNIT_EXPECT_GT_MSG(test, totalhigh_pages(), 0,
				    "no high memory: give the machine more RAM");
	else
		KUNIT_EXPECT_EQ(test, totalhigh_pages() + nr_free_highpages(), 0);
}

static void totalhigh_pages_sums_zones(struct kunit *test)
{
	unsigned long sum = 0;
	struct zone *zone;

	for_each_populated_zone(zone)
		if (is_highmem(zone))
			sum += zone_managed_pages(zone);

	KUNIT_EXPECT_EQ(test, totalhigh_pages(), sum);
	KUNIT_EXPECT_LE(test, nr_free_highpages(), sum);
}

/* Pages on per-CPU lists of the allocator do not count as free. */
static unsigned long count_free_highpages(void)
{
	drain_all_pages(NULL);
	return nr_free_highpages();
}

static void nr_free_highpages_follows_use(struct kunit *test)
{
	/*
	 * Each CPU's counter may lag by so many pages, and other tasks allocate as well.
	 */
	const unsigned long slack = 128 * num_online_cpus() + 256;
	unsigned long before, during, after, nr;
	struct page_set *set;

	REQUIRES_HIGHMEM(test);
	nr = min(8 * slack, totalhigh_pages() / 4);
	KUNIT_ASSERT_GT(test, nr, 2 * slack);

	before = count_free_highpages();
	set = hmk_get_page_set(test, true, nr);
	during = count_free_highpages();
	hmk_put_page_set(test, set);
	after = count_free_highpages();

	KUNIT_EXPECT_LE(test, during, before - nr + slack);
	KUNIT_EXPECT_GE(test, during, before - nr - slack);
	KUNIT_EXPECT_GE(test, after, before - slack);
	KUNIT_EXPECT_LE(test, after, before + slack);
}

static void page_address_of_low_page(struct kunit *test)
{
	struct page *page = hmk_get_page(test, false);
	void *addr = page_address(page);

	KUNIT_EXPECT_PTR_EQ(test, addr, __va(PFN_PHYS(page_to_pfn(page))));
	KUNIT_EXPECT_PTR_EQ(test, virt_to_page(addr), page);
	KUNIT_EXPECT_PTR_EQ(test, kmap_to_page(addr), page);
	KUNIT_EXPECT_PTR_EQ(test, kmap_to_page(addr + PAGE_SIZE - 1), page);
}

static void page_address_of_high_page(struct kunit *test)
{
	struct page *page, *other;
	void *addr;

	REQUIRES_HIGHMEM(test);
	page = hmk_get_page(test, true);
	other = hmk_get_page(test, true);
	/* Earlier users of these frames may have left idle mappings. */
	kmap_flush_unused();

	KUNIT_EXPECT_NULL(test, page_address(page));
	addr = hmk_hold_kmap(test, page);
	KUNIT_EXPECT_PTR_EQ(test, page_address(page), addr);
	KUNIT_EXPECT_NULL(test, page_address(other));
	hmk_drop_kmap(test, page);
	kmap_flush_unused();
	KUNIT_EXPECT_NULL(test, page_address(page));
}

/* ---------------------------------------------------------- helpers */

/*
 * An arena is a folio between two others, which are its neighbours in memory if the
 * allocator has such, and a model of all three in plain memory. A helper is applied to
 * the folio and, in its simplest form, to the model. Then all bytes must be equal.
 *
 * A fence page is mapped locally meanwhile. Its slots are next to those of the helper, so
 * a write past the end of a mapping is seen, too.
 */
#define ARENA_TRIES	8
#define ARENA_MAX_ORDER	3
#define CANARY		64
#define CANARY_BYTE	0xa5
#define FENCE_SALT	4711

struct arena {
	struct folio *folio;
	struct folio *next;
	size_t size;
	u8 *view;		/* the three folios, through vmap() */
	u8 *model;		/* their expected contents */
	const u8 *noise;	/* random bytes for writes */
	u8 *out;		/* buffer for reads, between canaries */
	struct page *fence;
	unsigned int step;
	struct rnd_state rnd;
	/* The range of the helper under test. */
	size_t off;
	size_t len;
};

static int folio_order_in_memory(const void *a, const void *b)
{
	unsigned long x = folio_pfn(*(struct folio **)a);
	unsigned long y = folio_pfn(*(struct folio **)b);

	return x < y ? -1 : x > y;
}

static struct arena *get_arena(struct kunit *test, bool high, unsigned int order)
{
	struct arena *arena = kunit_kzalloc(test, sizeof(*arena), GFP_KERNEL);
	struct page *pages[3 << ARENA_MAX_ORDER];
	struct folio *folio[ARENA_TRIES];
	unsigned int i, j, nr = 0, first = 0;
	size_t noise_size;
	u8 *noise;

	KUNIT_ASSERT_NOT_NULL(test, arena);
	for (i = 0; i < ARENA_TRIES; i++)
		folio[i] = hmk_get_folio(test, high, order);
	sort(folio, ARENA_TRIES, sizeof(folio[0]), folio_order_in_memory, NULL);
	for (i = 0; i + 2 < ARENA_TRIES; i++)
		if (folio_pfn(folio[i + 2]) - folio_pfn(folio[i]) == 2UL << order)
			first = i;
	for (i = first; i < first + 3; i++)
		for (j = 0; j < 1U << order; j++)
			pages[nr++] = folio_page(folio[i], j);

	arena->folio = folio[first + 1];
	arena->next = folio[first + 2];
	arena->size = folio_size(arena->folio);
	arena->fence = hmk_get_page(test, high);
	stamp_page(arena->fence, FENCE_SALT);

	noise_size = 4 * arena->size;
	noise = hmk_get_vbuf(test, noise_size);
	prandom_seed_state(&arena->rnd, 20 + order);
	prandom_bytes_state(&arena->rnd, noise, noise_size);
	arena->noise = noise;
	arena->out = hmk_get_vbuf(test, arena->size + PAGE_SIZE + 2 * CANARY);
	arena->view = hmk_get_view(test, pages, nr);
	arena->model = hmk_get_vbuf(test, 3 * arena->size);
	memcpy(arena->model, noise, 3 * arena->size);
	memcpy(arena->view, noise, 3 * arena->size);
	return arena;
}

/* Random bytes that differ from those of the last steps. */
static const u8 *fresh_noise(struct arena *arena)
{
	return arena->noise + arena->step * 61 % arena->size;
}

static u8 *fresh_out(struct arena *arena)
{
	memset(arena->out, CANARY_BYTE, arena->size + PAGE_SIZE + 2 * CANARY);
	return arena->out + CANARY;
}

/* Did the helper write exactly @len bytes to the buffer of fresh_out()? */
static bool only_wrote(struct arena *arena, size_t len)
{
	size_t rest = arena->size + PAGE_SIZE + CANARY - len;

	return !memchr_inv(arena->out, CANARY_BYTE, CANARY) &&
	       !memchr_inv(arena->out + CANARY + len, CANARY_BYTE, rest);
}

static u8 *model_at(struct arena *arena, size_t off)
{
	return arena->model + arena->size + off;
}

/* Offsets and lengths at the bounds of pages and folio. */
#define NR_EDGES	11

static size_t edge(size_t size, unsigned int i)
{
	switch (i) {
	case 0: return 0;
	case 1: return 1;
	case 2: return PAGE_SIZE - 1;
	case 3: return PAGE_SIZE;
	case 4: return PAGE_SIZE + 1;
	case 5: return 2 * PAGE_SIZE;
	case 6: return size - PAGE_SIZE - 1;
	case 7: return size - PAGE_SIZE;
	case 8: return size - PAGE_SIZE + 1;
	case 9: return size - 1;
	default: return size;
	}
}

#define NR_RANDOM	200

/* Advances to the next range within the folio. */
static bool next_range(struct arena *arena)
{
	size_t size = arena->size;

	while (arena->step < NR_EDGES * NR_EDGES + NR_RANDOM) {
		unsigned int i = arena->step++;

		if (i < NR_EDGES * NR_EDGES) {
			arena->off = edge(size, i / NR_EDGES);
			arena->len = edge(size, i % NR_EDGES);
		} else {
			arena->off = prandom_u32_state(&arena->rnd) % size;
			arena->len = prandom_u32_state(&arena->rnd) % (size - arena->off + 1);
		}
		if (arena->off < size && arena->len <= size - arena->off)
			return true;
	}
	return false;
}

/*
 * Applies a helper to the folio, then to the model. Returns false if the result is wrong.
 */
typedef bool (*helper_fn)(struct arena *arena, size_t off, size_t len);

static bool try_helper(struct kunit *test, struct arena *arena, helper_fn helper)
{
	void *fence = kmap_local_page(arena->fence);
	int depth = map_depth(current);
	bool right = helper(arena, arena->off, arena->len);
	bool balanced = map_depth(current) == depth;
	bool intact = stamped(fence, arena->fence, FENCE_SALT);
	bool agrees;

	kunmap_local(fence);
	agrees = !memcmp(arena->view, arena->model, 3 * arena->size);
	if (right && balanced && intact && agrees)
		return true;

	KUNIT_FAIL(test, "%s folio of %zu bytes, offset %zu, length %zu:%s%s%s%s",
		   str_high_low(folio_test_highmem(arena->folio)),
		   arena->size, arena->off, arena->len,
		   right ? "" : " wrong answer;",
		   balanced ? "" : " mapping left behind;",
		   intact ? "" : " wrote beyond a mapping;",
		   agrees ? "" : " the folios hold something else than the model");
	return false;
}

static void check_helper(struct kunit *test, helper_fn helper)
{
	unsigned int order, high;

	for (high = 0; high <= IS_ENABLED(CONFIG_HIGHMEM); high++) {
		for (order = 0; order <= ARENA_MAX_ORDER; order++) {
			struct arena *arena = get_arena(test, high, order);

			while (next_range(arena))
				if (!try_helper(test, arena, helper))
					return;
		}
	}
}

/* Helpers for one page get the part of the range that is in the range's first page. */
struct page_range {
	struct page *page;
	size_t off;
	size_t len;
};

static struct page_range in_one_page(struct arena *arena, size_t off, size_t len)
{
	return (struct page_range) {
		.page = folio_page(arena->folio, off / PAGE_SIZE),
		.off = offset_in_page(off),
		.len = min_t(size_t, len, PAGE_SIZE - offset_in_page(off)),
	};
}

static bool do_memcpy_from_page(struct arena *arena, size_t off, size_t len)
{
	struct page_range s = in_one_page(arena, off, len);
	u8 *out = fresh_out(arena);

	memcpy_from_page(out, s.page, s.off, s.len);
	return only_wrote(arena, s.len) && !memcmp(out, model_at(arena, off), s.len);
}

static void memcpy_from_page_spans(struct kunit *test)
{
	check_helper(test, do_memcpy_from_page);
}

static bool do_memcpy_to_page(struct arena *arena, size_t off, size_t len)
{
	struct page_range s = in_one_page(arena, off, len);
	const u8 *from = fresh_noise(arena);

	memcpy_to_page(s.page, s.off, from, s.len);
	memcpy(model_at(arena, off), from, s.len);
	return true;
}

static void memcpy_to_page_spans(struct kunit *test)
{
	check_helper(test, do_memcpy_to_page);
}

/* From the next folio, at another offset, to the middle folio. */
static bool do_memcpy_page(struct arena *arena, size_t off, size_t len)
{
	struct page_range s = in_one_page(arena, off, len);
	size_t from = arena->step * 97 % (PAGE_SIZE - s.len + 1);

	memcpy_page(s.page, s.off, folio_page(arena->next, 0), from, s.len);
	memcpy(model_at(arena, off), model_at(arena, arena->size + from), s.len);
	return true;
}

static bool do_memcpy_page_within(struct arena *arena, size_t off, size_t len)
{
	struct page_range s = in_one_page(arena, off, len);
	size_t from = s.off + s.len <= PAGE_SIZE - s.len ? s.off + s.len : 0;

	s.len = min(s.len, from ? PAGE_SIZE - from : s.off);
	memcpy_page(s.page, s.off, s.page, from, s.len);
	memcpy(model_at(arena, off), model_at(arena, off - s.off + from), s.len);
	return true;
}

static void memcpy_page_spans(struct kunit *test)
{
	check_helper(test, do_memcpy_page);
	check_helper(test, do_memcpy_page_within);
}

static bool do_memset_page(struct arena *arena, size_t off, size_t len)
{
	struct page_range s = in_one_page(arena, off, len);
	int val = arena->step * 7 - 300;

	memset_page(s.page, s.off, val, s.len);
	memset(model_at(arena, off), val, s.len);
	return true;
}

static void memset_page_spans(struct kunit *test)
{
	check_helper(test, do_memset_page);
}

/* Zeroing zeroes proves nothing, so the page gets random bytes first. */
static void refill(struct arena *arena)
{
	const u8 *from = fresh_noise(arena);

	memcpy(arena->model, from, 3 * arena->size);
	memcpy(arena->view, from, 3 * arena->size);
}

static bool do_memzero_page(struct arena *arena, size_t off, size_t len)
{
	struct page_range s = in_one_page(arena, off, len);

	refill(arena);
	memzero_page(s.page, s.off, s.len);
	memset(model_at(arena, off), 0, s.len);
	return true;
}

static void memzero_page_spans(struct kunit *test)
{
	check_helper(test, do_memzero_page);
}

static bool do_memcpy_from_folio(struct arena *arena, size_t off, size_t len)
{
	u8 *out = fresh_out(arena);

	memcpy_from_folio(out, arena->folio, off, len);
	return only_wrote(arena, len) && !memcmp(out, model_at(arena, off), len);
}

static void memcpy_from_folio_spans(struct kunit *test)
{
	check_helper(test, do_memcpy_from_folio);
}

static bool do_memcpy_to_folio(struct arena *arena, size_t off, size_t len)
{
	const u8 *from = fresh_noise(arena);

	memcpy_to_folio(arena->folio, off, from, len);
	memcpy(model_at(arena, off), from, len);
	return true;
}

static void memcpy_to_folio_spans(struct kunit *test)
{
	check_helper(test, do_memcpy_to_folio);
}

/*
 * The folio is at some offset of a file, and the caller may ask for more bytes than
 * follow. The kernel may copy up to the end of the page or up to the end of the folio.
 */
static bool do_memcpy_from_file_folio(struct arena *arena, size_t off, size_t len)
{
	loff_t pos = (loff_t)arena->size * 0x300000 + off;
	size_t asked = len + (arena->step & 1 ? PAGE_SIZE : 0);
	size_t most = min(asked, arena->size - off);
	size_t least = min(most, PAGE_SIZE - offset_in_page(off));
	u8 *out = fresh_out(arena);
	size_t got = memcpy_from_file_folio(out, arena->folio, pos, asked);

	if (!folio_test_highmem(arena->folio) && !FORCE_MAP)
		least = most;
	return got >= least && got <= most && only_wrote(arena, got) &&
	       !memcmp(out, model_at(arena, off), got);
}

static void memcpy_from_file_folio_spans(struct kunit *test)
{
	check_helper(test, do_memcpy_from_file_folio);
}

static bool do_folio_zero_tail(struct arena *arena, size_t off, size_t len)
{
	void *addr;

	refill(arena);
	addr = kmap_local_folio(arena->folio, off);
	addr = folio_zero_tail(arena->folio, off, addr);
	kunmap_local(addr);
	memset(model_at(arena, off), 0, arena->size - off);
	return true;
}

static void folio_zero_tail_spans(struct kunit *test)
{
	check_helper(test, do_folio_zero_tail);
}

/* With nothing to zero the helper still returns an address in the mapping. */
static void folio_zero_tail_of_nothing(struct kunit *test)
{
	unsigned int order;

	for (order = 0; order < 3; order++) {
		struct folio *folio = hmk_get_folio(test, true, order);
		struct page *last = folio_page(folio, (1 << order) - 1);
		size_t size = folio_size(folio);
		void *addr, *back;

		stamp_page(last, 7);
		addr = kmap_local_folio(folio, size - 1);
		back = folio_zero_tail(folio, size, addr + 1);
		KUNIT_EXPECT_PTR_EQ(test, PTR_ALIGN_DOWN(back, PAGE_SIZE),
				    PTR_ALIGN_DOWN(addr, PAGE_SIZE));
		kunmap_local(addr);
		KUNIT_EXPECT_TRUE(test, page_stamped(last, 7));
	}
}

static void fill_tail_both(struct arena *arena, size_t off, size_t len)
{
	const u8 *from = arena->noise + arena->step;

	refill(arena);
	folio_fill_tail(arena->folio, off, from, len);
	memcpy(model_at(arena, off), from, len);
	memset(model_at(arena, off + len), 0, arena->size - off - len);
}

/* Data that ends at a page boundary is tested below. */
static bool do_folio_fill_tail(struct arena *arena, size_t off, size_t len)
{
	if (len && !offset_in_page(off + len))
		return true;
	fill_tail_both(arena, off, len);
	return true;
}

static void folio_fill_tail_spans(struct kunit *test)
{
	check_helper(test, do_folio_fill_tail);
}

static bool do_folio_fill_tail_boundary(struct arena *arena, size_t off, size_t len)
{
	if (!len || offset_in_page(off + len))
		return true;
	fill_tail_both(arena, off, len);
	return true;
}

static void folio_fill_tail_page_boundary(struct kunit *test)
{
	hmk_guard_against_stale_tlb(test);
	check_helper(test, do_folio_fill_tail_boundary);
}

/* A second range before, after, within or across the first. */
static bool do_zero_segments(struct arena *arena, size_t off, size_t len,
			     void (*zero)(struct arena *arena, size_t start1, size_t end1,
					  size_t start2, size_t end2))
{
	size_t start2 = prandom_u32_state(&arena->rnd) % (arena->size + 1);
	size_t end2 = start2 + prandom_u32_state(&arena->rnd) % (arena->size - start2 + 1);

	if (arena->step % 3 == 0)
		end2 = start2;
	refill(arena);
	zero(arena, off, off + len, start2, end2);
	memset(model_at(arena, off), 0, len);
	memset(model_at(arena, start2), 0, end2 - start2);
	return true;
}

static void by_page_segments(struct arena *arena, size_t start1, size_t end1,
			     size_t start2, size_t end2)
{
	zero_user_segments(folio_page(arena->folio, 0), start1, end1, start2, end2);
}

static bool do_zero_user_segments(struct arena *arena, size_t off, size_t len)
{
	return do_zero_segments(arena, off, len, by_page_segments);
}

/* A range beyond the folio is reported, and is zeroed up to the folio's end. */
static void zero_user_beyond_page(struct kunit *test)
{
	struct folio *folio = hmk_get_folio(test, true, 1);
	struct page *pages[] = { folio_page(folio, 0), folio_page(folio, 1) };
	unsigned int i, wrong = 0;
	u8 *view;

	for (i = 0; i < 2; i++)
		stamp_page(pages[i], 8);
	hmk_provoke(test, "WARNING: ");
	zero_user_segments(pages[0], 0, 0, PAGE_SIZE + 8, 2 * PAGE_SIZE + 8);
	zero_user_segments(pages[0], PAGE_SIZE - 8, 3 * PAGE_SIZE, 0, 0);
	hmk_provoked(test);
	view = hmk_get_view(test, pages, 2);
	for (i = PAGE_SIZE - 8; i < 2 * PAGE_SIZE; i++)
		wrong += view[i] != 0;
	KUNIT_EXPECT_EQ(test, wrong, 0);
	KUNIT_EXPECT_EQ(test, *(u32 *)view, stamp_word(pages[0], 8, 0));
	KUNIT_EXPECT_EQ(test, map_depth(current), 0);
	hmk_expect_report(test, "WARNING: ");
}

/*
 * With CONFIG_DEBUG_VM a helper reports a range beyond the page or the folio, and writes
 * nothing.
 */
static void helpers_beyond_end(struct kunit *test)
{
	struct page *page = hmk_get_page(test, true), *other = hmk_get_page(test, true);
	struct folio *folio = hmk_get_folio(test, true, 1);
	char *buf = hmk_zalloc(test, 2 * PAGE_SIZE + 16);
	unsigned int i, wrong = 0;

	REQUIRES(test, IS_ENABLED(CONFIG_DEBUG_VM), "needs CONFIG_DEBUG_VM");
	stamp_page(page, 9);
	stamp_page(other, 9);
	for (i = 0; i < 2; i++)
		stamp_page(folio_page(folio, i), 9);
	hmk_provoke(test, "WARNING: ");
	memcpy_page(page, 8, other, 0, PAGE_SIZE);
	memcpy_page(page, 0, other, 8, PAGE_SIZE);
	memset_page(page, PAGE_SIZE + 1, 0, 0);
	memset_page(page, PAGE_SIZE - 1, 0, 2);
	memcpy_from_page(buf, page, 8, PAGE_SIZE);
	memcpy_to_page(page, 8, buf, PAGE_SIZE);
	memzero_page(page, 8, SIZE_MAX);
	memcpy_from_folio(buf, folio, PAGE_SIZE + 8, PAGE_SIZE);
	memcpy_to_folio(folio, PAGE_SIZE + 8, buf, PAGE_SIZE);
	folio_fill_tail(folio, 2 * PAGE_SIZE, buf, 1);
	hmk_provoked(test);
	for (i = 0; i < 2 * PAGE_SIZE + 16; i++)
		wrong += buf[i] != 0;
	KUNIT_EXPECT_EQ(test, wrong, 0);
	KUNIT_EXPECT_TRUE(test, page_stamped(page, 9));
	KUNIT_EXPECT_TRUE(test, page_stamped(other, 9));
	for (i = 0; i < 2; i++)
		KUNIT_EXPECT_TRUE(test, page_stamped(folio_page(folio, i), 9));
	hmk_expect_report(test, "WARNING: ");
}

/*
 * A read beyond the end fills the buffer with zeroes, so that the buffer does not show
 * the caller's stack. A length that wrapped below 0 fits no buffer: nothing is written.
 */
static void helpers_read_beyond_end(struct kunit *test)
{
	struct folio *folio = hmk_get_folio(test, true, 1);
	u8 *buf = hmk_zalloc(test, 2 * PAGE_SIZE);
	unsigned int i;

	REQUIRES(test, IS_ENABLED(CONFIG_DEBUG_VM), "needs CONFIG_DEBUG_VM");
	hmk_provoke(test, "WARNING: ");
	for (i = 0; i < 4; i++) {
		size_t len = i & 2 ? 100 : -(size_t)100;
		size_t zeroes = i & 2 ? 100 : 0;

		memset(buf, CANARY_BYTE, 2 * PAGE_SIZE);
		if (i & 1)
			memcpy_from_page(buf, folio_page(folio, 0), PAGE_SIZE - 99, len);
		else
			memcpy_from_folio(buf, folio, 2 * PAGE_SIZE - 99, len);
		KUNIT_EXPECT_NULL(test, memchr_inv(buf, 0, zeroes));
		KUNIT_EXPECT_NULL(test, memchr_inv(buf + zeroes, CANARY_BYTE,
						   2 * PAGE_SIZE - zeroes));
	}
	hmk_provoked(test);
	hmk_expect_report(test, "WARNING: ");
}

static void zero_user_segments_spans(struct kunit *test)
{
	check_helper(test, do_zero_user_segments);
}

static void by_folio_segments(struct arena *arena, size_t start1, size_t end1,
			      size_t start2, size_t end2)
{
	folio_zero_segments(arena->folio, start1, end1, start2, end2);
}

static bool do_folio_zero_segments(struct arena *arena, size_t off, size_t len)
{
	return do_zero_segments(arena, off, len, by_folio_segments);
}

static void folio_zero_segments_spans(struct kunit *test)
{
	check_helper(test, do_folio_zero_segments);
}

static bool do_folio_zero_segment(struct arena *arena, size_t off, size_t len)
{
	refill(arena);
	folio_zero_segment(arena->folio, off, off + len);
	memset(model_at(arena, off), 0, len);
	return true;
}

static void folio_zero_segment_spans(struct kunit *test)
{
	check_helper(test, do_folio_zero_segment);
}

static bool do_folio_zero_range(struct arena *arena, size_t off, size_t len)
{
	refill(arena);
	folio_zero_range(arena->folio, off, len);
	memset(model_at(arena, off), 0, len);
	return true;
}

static void folio_zero_range_spans(struct kunit *test)
{
	check_helper(test, do_folio_zero_range);
}

static bool do_zero_user_segment(struct arena *arena, size_t off, size_t len)
{
	refill(arena);
	zero_user_segment(folio_page(arena->folio, 0), off, off + len);
	memset(model_at(arena, off), 0, len);
	return true;
}

static void zero_user_segment_spans(struct kunit *test)
{
	check_helper(test, do_zero_user_segment);
}

static bool do_zero_user(struct arena *arena, size_t off, size_t len)
{
	refill(arena);
	zero_user(folio_page(arena->folio, 0), off, len);
	memset(model_at(arena, off), 0, len);
	return true;
}

static void zero_user_spans(struct kunit *test)
{
	check_helper(test, do_zero_user);
}

/* The helper takes any page of a folio. */
static bool do_zero_user_tail(struct arena *arena, size_t off, size_t len)
{
	struct page_range s = in_one_page(arena, off, len);

	refill(arena);
	zero_user(s.page, s.off, s.len);
	memset(model_at(arena, off), 0, s.len);
	return true;
}

static void zero_user_tail_page(struct kunit *test)
{
	check_helper(test, do_zero_user_tail);
}

/* A range of length 0 at the end of the folio. */
static bool do_nothing_at_end(struct arena *arena, size_t off, size_t len)
{
	size_t end = arena->size;
	u8 *out = fresh_out(arena);

	refill(arena);
	memcpy_from_folio(out, arena->folio, end, 0);
	memcpy_to_folio(arena->folio, end, arena->noise, 0);
	folio_zero_range(arena->folio, end, 0);
	folio_zero_segment(arena->folio, end, end);
	folio_zero_segments(arena->folio, end, end, end, end);
	zero_user(folio_page(arena->folio, 0), end, 0);
	folio_fill_tail(arena->folio, end, arena->noise, 0);
	return only_wrote(arena, 0);
}

static void helpers_empty_at_end(struct kunit *test)
{
	hmk_guard_against_stale_tlb(test);
	check_helper(test, do_nothing_at_end);
}

static bool do_clear_highpage(struct arena *arena, size_t off, size_t len)
{
	struct page_range s = in_one_page(arena, off, 0);

	refill(arena);
	clear_highpage(s.page);
	memset(model_at(arena, off - s.off), 0, PAGE_SIZE);
	return true;
}

static void clear_highpage_whole(struct kunit *test)
{
	check_helper(test, do_clear_highpage);
}

static bool do_clear_highpage_kasan_tagged(struct arena *arena, size_t off, size_t len)
{
	struct page_range s = in_one_page(arena, off, 0);

	refill(arena);
	clear_highpage_kasan_tagged(s.page);
	memset(model_at(arena, off - s.off), 0, PAGE_SIZE);
	return true;
}

static void clear_highpage_kasan_tagged_whole(struct kunit *test)
{
	check_helper(test, do_clear_highpage_kasan_tagged);
}

/* The address in user space, which matters only where caches alias. */
#define USER_ADDR	0x400000UL

static bool do_clear_user_highpage(struct arena *arena, size_t off, size_t len)
{
	struct page_range s = in_one_page(arena, off, 0);

	refill(arena);
	clear_user_highpage(s.page, USER_ADDR);
	memset(model_at(arena, off - s.off), 0, PAGE_SIZE);
	return true;
}

static void clear_user_highpage_whole(struct kunit *test)
{
	check_helper(test, do_clear_user_highpage);
}

/* Copies a page of the next folio to its counterpart in the middle folio. */
static bool do_copy(struct arena *arena, size_t off,
		    int (*copy)(struct page *to, struct page *from))
{
	struct page_range s = in_one_page(arena, off, 0);
	size_t to = off - s.off;

	refill(arena);
	if (copy(s.page, folio_page(arena->next, off / PAGE_SIZE)))
		return false;
	memcpy(model_at(arena, to), model_at(arena, arena->size + to), PAGE_SIZE);
	return true;
}

/* Copies between zones. An arena is in one zone. */
static void check_copy_across(struct kunit *test, int (*copy)(struct page *to, struct page *from))
{
	struct rnd_state rnd;
	unsigned int i;

	prandom_seed_state(&rnd, 21);
	for (i = 0; i < 4; i++) {
		struct page *from = hmk_get_page(test, i & 1);
		struct page *to = hmk_get_page(test, i & 2);
		u8 *seen_from = hmk_get_view(test, &from, 1);
		u8 *seen_to = hmk_get_view(test, &to, 1);

		prandom_bytes_state(&rnd, seen_from, PAGE_SIZE);
		memset(seen_to, 0, PAGE_SIZE);
		KUNIT_EXPECT_EQ(test, copy(to, from), 0);
		KUNIT_EXPECT_EQ(test, memcmp(seen_to, seen_from, PAGE_SIZE), 0);
	}
}

static struct vm_area_struct plain_vma;

static int by_copy_highpage(struct page *to, struct page *from)
{
	copy_highpage(to, from);
	return 0;
}

static int by_copy_user_highpage(struct page *to, struct page *from)
{
	copy_user_highpage(to, from, USER_ADDR, &plain_vma);
	return 0;
}

static int by_copy_mc_highpage(struct page *to, struct page *from)
{
	return copy_mc_highpage(to, from);
}

static int by_copy_mc_user_highpage(struct page *to, struct page *from)
{
	return copy_mc_user_highpage(to, from, USER_ADDR, &plain_vma);
}

static int by_memcpy_page(struct page *to, struct page *from)
{
	memcpy_page(to, 0, from, 0, PAGE_SIZE);
	return 0;
}

static bool do_copy_highpage(struct arena *arena, size_t off, size_t len)
{
	return do_copy(arena, off, by_copy_highpage);
}

static bool do_copy_user_highpage(struct arena *arena, size_t off, size_t len)
{
	return do_copy(arena, off, by_copy_user_highpage);
}

static bool do_copy_mc_highpage(struct arena *arena, size_t off, size_t len)
{
	return do_copy(arena, off, by_copy_mc_highpage);
}

static bool do_copy_mc_user_highpage(struct arena *arena, size_t off, size_t len)
{
	return do_copy(arena, off, by_copy_mc_user_highpage);
}

static void copy_highpage_whole(struct kunit *test)
{
	check_helper(test, do_copy_highpage);
	check_copy_across(test, by_copy_highpage);
}

static void copy_user_highpage_whole(struct kunit *test)
{
	check_helper(test, do_copy_user_highpage);
	check_copy_across(test, by_copy_user_highpage);
}

static void copy_mc_highpage_whole(struct kunit *test)
{
	check_helper(test, do_copy_mc_highpage);
	check_copy_across(test, by_copy_mc_highpage);
}

static void copy_mc_user_highpage_whole(struct kunit *test)
{
	check_helper(test, do_copy_mc_user_highpage);
	check_copy_across(test, by_copy_mc_user_highpage);
}

static void memcpy_page_across_zones(struct kunit *test)
{
	check_copy_across(test, by_memcpy_page);
}

static void vma_alloc_zeroed_movable_folio_is_zero(struct kunit *test)
{
	struct page_set *dirty = hmk_get_page_set(test, true, 64);
	struct vm_area_struct *vma = kunit_kzalloc(test, sizeof(*vma), GFP_KERNEL);
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, vma);
	/* The allocator reuses the page that was freed last. */
	for (i = 0; i < dirty->nr; i++)
		stamp_page(dirty->page[i], i);
	hmk_put_page_set(test, dirty);

	for (i = 0; i < 64; i++) {
		struct folio *folio = vma_alloc_zeroed_movable_folio(vma, USER_ADDR);
		struct page *page;

		KUNIT_ASSERT_NOT_NULL(test, folio);
		hmk_adopt_folio(test, folio);
		KUNIT_ASSERT_EQ(test, folio_size(folio), PAGE_SIZE);
		page = folio_page(folio, 0);
		KUNIT_EXPECT_NULL(test, memchr_inv(hmk_get_view(test, &page, 1), 0, PAGE_SIZE));
	}
}

static void folio_release_kmap_unmaps_and_puts(struct kunit *test)
{
	struct folio *folio = hmk_get_folio(test, true, 1);
	int refs = folio_ref_count(folio);
	int depth, held;
	void *addr;

	folio_get(folio);
	addr = kmap_local_folio(folio, PAGE_SIZE + 100);
	held = map_depth(current);
	folio_release_kmap(folio, addr);
	depth = map_depth(current);

	KUNIT_EXPECT_EQ(test, held > 0, CAN_MAP);
	KUNIT_EXPECT_EQ(test, depth, 0);
	KUNIT_EXPECT_EQ(test, folio_ref_count(folio), refs);
}

static void unmap_and_put_page_of_tail_page(struct kunit *test)
{
	struct folio *folio = hmk_get_folio(test, true, 1);
	int refs = folio_ref_count(folio);
	int depth, held;
	void *addr;

	folio_get(folio);
	addr = kmap_local_page(folio_page(folio, 1));
	held = map_depth(current);
	unmap_and_put_page(folio_page(folio, 1), addr + 7);
	depth = map_depth(current);

	KUNIT_EXPECT_EQ(test, held > 0, CAN_MAP);
	KUNIT_EXPECT_EQ(test, depth, 0);
	KUNIT_EXPECT_EQ(test, folio_ref_count(folio), refs);
}

static struct kunit_case highmem_helpers_cases[] = {
	KUNIT_CASE(highmem_pages_exist),
	KUNIT_CASE(totalhigh_pages_sums_zones),
	KUNIT_CASE(nr_free_highpages_follows_use),
	KUNIT_CASE(page_address_of_low_page),
	KUNIT_CASE(page_address_of_high_page),
	KUNIT_CASE(memcpy_from_page_spans),
	KUNIT_CASE(memcpy_to_page_spans),
	KUNIT_CASE(memcpy_page_spans),
	KUNIT_CASE(memcpy_page_across_zones),
	KUNIT_CASE(memset_page_spans),
	KUNIT_CASE(memzero_page_spans),
	KUNIT_CASE(memcpy_from_folio_spans),
	KUNIT_CASE(memcpy_to_folio_spans),
	KUNIT_CASE(memcpy_from_file_folio_spans),
	KUNIT_CASE(folio_zero_tail_spans),
	KUNIT_CASE(folio_fill_tail_spans),
	KUNIT_CASE(folio_zero_segments_spans),
	KUNIT_CASE(folio_zero_segment_spans),
	KUNIT_CASE(folio_zero_range_spans),
	KUNIT_CASE(zero_user_segments_spans),
	KUNIT_CASE(zero_user_segment_spans),
	KUNIT_CASE(zero_user_spans),
	KUNIT_CASE(zero_user_tail_page),
	KUNIT_CASE(clear_highpage_whole),
	KUNIT_CASE(clear_highpage_kasan_tagged_whole),
	KUNIT_CASE(clear_user_highpage_whole),
	KUNIT_CASE(copy_highpage_whole),
	KUNIT_CASE(copy_user_highpage_whole),
	KUNIT_CASE(copy_mc_highpage_whole),
	KUNIT_CASE(copy_mc_user_highpage_whole),
	KUNIT_CASE(vma_alloc_zeroed_movable_folio_is_zero),
	KUNIT_CASE(folio_release_kmap_unmaps_and_puts),
	KUNIT_CASE(unmap_and_put_page_of_tail_page),
	KUNIT_CASE(helpers_empty_at_end),
	KUNIT_CASE(helpers_beyond_end),
	KUNIT_CASE(helpers_read_beyond_end),
	KUNIT_CASE(zero_user_beyond_page),
	KUNIT_CASE(folio_zero_tail_of_nothing),
	KUNIT_CASE(folio_fill_tail_page_boundary),
	{}
};

static struct kunit_suite highmem_helpers_suite = {
	.name = "highmem_helpers",
	.init = hmk_remember_task,
	.exit = hmk_check_task,
	.test_cases = highmem_helpers_cases,
};

kunit_test_suites(&highmem_helpers_suite);

MODULE_DESCRIPTION("KUnit suite for high memory: zones, addresses and helpers");
MODULE_LICENSE("GPL");
