// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit suite "highmem_dcache": which pages each helper of <linux/highmem.h> flushes from
 * the data cache, how often, and that no byte changes after the last flush. The expected
 * pages are those that mainline flushes. See highmem_kunit.h.
 *
 * The inline helpers are compiled here with macros that count calls of
 * flush_dcache_page() and flush_dcache_folio(). zero_user_segments() is not inline on
 * kernels with local mappings. Its flushes are seen on MIPS only, see call_watched().
 * Other architectures skip the helpers that call it.
 */

#include <linux/mm.h>
#include <linux/cacheflush.h>

#ifdef _LINUX_HIGHMEM_H
#error "The helpers are compiled already, with flushes that are not counted."
#endif

static void note_flush(struct page *page);
static void note_folio_flush(struct folio *folio);

#undef flush_dcache_page
#undef flush_dcache_folio
#define flush_dcache_page(page)		note_flush(page)
#define flush_dcache_folio(folio)	note_folio_flush(folio)

#include <linux/jhash.h>
#include <linux/string.h>
#include <linux/string_choices.h>

#include "highmem_kunit.h"

#ifdef folio_map_local
#define HAVE_RUNS	1
#define OUT_OF_LINE	KMAP_LOCAL_MAPS_PAGES
#else
#define HAVE_RUNS	0
#define OUT_OF_LINE	IS_ENABLED(CONFIG_HIGHMEM)
#endif

/* ------------------------------------------------------------------ flushes */

#define MAX_ORDER_SEEN	2
#define MAX_PAGES	BIT(MAX_ORDER_SEEN)
#define OLD_BYTE	0x5a

static struct {
	struct folio *folio;
	unsigned int flushes[MAX_PAGES];
	u32 then[MAX_PAGES];		/* the page's bytes at its last flush */
	unsigned int elsewhere;		/* flushes of pages that are not in the folio */
} watch;

static u32 hash_page(struct page *page)
{
	void *addr = kmap_local_page(page);
	u32 hash = jhash(addr, PAGE_SIZE, 0);

	kunmap_local(addr);
	return hash;
}

static void note_flush(struct page *page)
{
	unsigned long i = page_to_pfn(page) - folio_pfn(watch.folio);

	if (i < folio_nr_pages(watch.folio)) {
		watch.flushes[i]++;
		watch.then[i] = hash_page(page);
	} else {
		watch.elsewhere++;
	}
}

static void note_folio_flush(struct folio *folio)
{
	unsigned int i;

	for (i = 0; i < folio_nr_pages(folio); i++)
		note_flush(folio_page(folio, i));
}

static void start_watch(struct folio *folio)
{
	unsigned int i;

	memset(&watch, 0, sizeof(watch));
	watch.folio = folio;
	for (i = 0; i < folio_nr_pages(folio); i++) {
		void *addr = kmap_local_page(folio_page(folio, i));

		memset(addr, OLD_BYTE, PAGE_SIZE);
		kunmap_local(addr);
	}
}

/* -------------------------------------------------------------- the helpers */

/* The arguments of a helper. */
struct target {
	struct folio *folio;
	size_t start, end, len;		/* bytes of the folio */
	size_t start2, end2;
	struct page *page;		/* the page with these bytes, if all are in one page */
	size_t offset;			/* of @start in that page */
};

static const u8 *new_bytes;		/* No byte of it is OLD_BYTE. */
static u8 *sink;
static struct page *other;
static struct vm_area_struct plain_vma;
#define USER_ADDR	0x400000UL

static void do_clear_user_highpage(const struct target *t)
{
	clear_user_highpage(t->page, USER_ADDR);
}

static void do_clear_highpage(const struct target *t)
{
	clear_highpage(t->page);
}

static void do_clear_highpage_kasan_tagged(const struct target *t)
{
	clear_highpage_kasan_tagged(t->page);
}

static void do_copy_user_highpage(const struct target *t)
{
	copy_user_highpage(t->page, other, USER_ADDR, &plain_vma);
}

static void do_copy_highpage(const struct target *t)
{
	copy_highpage(t->page, other);
}

static void do_copy_mc_user_highpage(const struct target *t)
{
	if (copy_mc_user_highpage(t->page, other, USER_ADDR, &plain_vma))
		kunit_fail_current_test("bytes were not copied");
}

static void do_copy_mc_highpage(const struct target *t)
{
	if (copy_mc_highpage(t->page, other))
		kunit_fail_current_test("bytes were not copied");
}

static void do_memcpy_page(const struct target *t)
{
	memcpy_page(t->page, t->offset, other, 0, t->len);
}

static void do_memset_page(const struct target *t)
{
	memset_page(t->page, t->offset, 0, t->len);
}

static void do_memcpy_from_page(const struct target *t)
{
	memcpy_from_page(sink, t->page, t->offset, t->len);
}

static void do_memcpy_to_page(const struct target *t)
{
	memcpy_to_page(t->page, t->offset, new_bytes, t->len);
}

static void do_memzero_page(const struct target *t)
{
	memzero_page(t->page, t->offset, t->len);
}

static void do_unmap_and_put_page(const struct target *t)
{
	folio_get(t->folio);
	unmap_and_put_page(t->page, kmap_local_page(t->page));
}

static void do_zero_user_of_page(const struct target *t)
{
	zero_user(t->page, t->offset, t->len);
}

static void do_zero_user(const struct target *t)
{
	zero_user(folio_page(t->folio, 0), t->start, t->len);
}

static void do_zero_user_segment(const struct target *t)
{
	zero_user_segment(folio_page(t->folio, 0), t->start, t->end);
}

static void do_zero_user_segments(const struct target *t)
{
	zero_user_segments(folio_page(t->folio, 0), t->start, t->end, t->start2, t->end2);
}

static void do_folio_zero_range(const struct target *t)
{
	folio_zero_range(t->folio, t->start, t->len);
}

static void do_folio_zero_segment(const struct target *t)
{
	folio_zero_segment(t->folio, t->start, t->end);
}

static void do_folio_zero_segments(const struct target *t)
{
	folio_zero_segments(t->folio, t->start, t->end, t->start2, t->end2);
}

static void do_memcpy_from_folio(const struct target *t)
{
	memcpy_from_folio(sink, t->folio, t->start, t->len);
}

static void do_memcpy_to_folio(const struct target *t)
{
	memcpy_to_folio(t->folio, t->start, new_bytes, t->len);
}

static void do_memcpy_from_file_folio(const struct target *t)
{
	memcpy_from_file_folio(sink, t->folio, t->start, t->len);
}

/* With no byte left the last page is mapped; mainline returns a wrong address. */
static void do_folio_zero_tail(const struct target *t)
{
	bool none = t->start == folio_size(t->folio);
	void *addr = kmap_local_folio(t->folio, t->start - none);
	void *back = folio_zero_tail(t->folio, t->start, addr + none);

	kunmap_local(none ? addr : back);
}

/* Mainline writes beyond its mapping if the data ends with a page of high memory. */
static void do_folio_fill_tail(const struct target *t)
{
	if (HAVE_RUNS || !folio_test_highmem(t->folio) || !t->len || offset_in_page(t->end))
		folio_fill_tail(t->folio, t->start, new_bytes, t->len);
	else
		flush_dcache_folio(t->folio);
}

static void do_folio_release_kmap(const struct target *t)
{
	folio_get(t->folio);
	folio_release_kmap(t->folio, kmap_local_page(t->page));
}

enum flushed {
	NO_PAGE,
	ARCH_PAGE,	/* no page; an architecture may flush user mappings */
	ONE_PAGE,	/* the page, also for length 0 */
	EACH_PAGE,	/* each page with a zeroed byte, by zero_user_segments() */
	ALL_PAGES,	/* the folio, also for length 0 */
};

static const struct helper {
	const char *name;
	void (*call)(const struct target *t);
	enum flushed flushed;
	bool in_page;	/* takes ranges within one page */
	bool twice;	/* flushes twice, where mainline flushes once */
	bool zeroes;	/* calls zero_user_segments() besides its own flush */
	bool pairs;	/* takes two ranges */
} helpers[] = {
	{ "clear_user_highpage", do_clear_user_highpage, ARCH_PAGE, .in_page = true },
	{ "clear_highpage", do_clear_highpage, NO_PAGE, .in_page = true },
	{ "clear_highpage_kasan_tagged", do_clear_highpage_kasan_tagged, NO_PAGE,
	  .in_page = true },
	{ "copy_user_highpage", do_copy_user_highpage, ARCH_PAGE, .in_page = true },
	{ "copy_highpage", do_copy_highpage, NO_PAGE, .in_page = true },
	{ "copy_mc_user_highpage", do_copy_mc_user_highpage, ARCH_PAGE, .in_page = true },
	{ "copy_mc_highpage", do_copy_mc_highpage, NO_PAGE, .in_page = true },
	{ "memcpy_page", do_memcpy_page, NO_PAGE, .in_page = true },
	{ "memset_page", do_memset_page, NO_PAGE, .in_page = true },
	{ "memcpy_from_page", do_memcpy_from_page, NO_PAGE, .in_page = true },
	{ "memcpy_to_page", do_memcpy_to_page, ONE_PAGE, .in_page = true },
	{ "memzero_page", do_memzero_page, ONE_PAGE, .in_page = true },
	{ "unmap_and_put_page", do_unmap_and_put_page, NO_PAGE, .in_page = true },
	{ "folio_release_kmap", do_folio_release_kmap, NO_PAGE, .in_page = true },
	{ "zero_user_of_page", do_zero_user_of_page, EACH_PAGE, .in_page = true,
	  .zeroes = true },
	{ "zero_user", do_zero_user, EACH_PAGE, .zeroes = true },
	{ "zero_user_segment", do_zero_user_segment, EACH_PAGE, .zeroes = true },
	{ "zero_user_segments", do_zero_user_segments, EACH_PAGE, .zeroes = true,
	  .pairs = true },
	{ "folio_zero_range", do_folio_zero_range, EACH_PAGE, .zeroes = true },
	{ "folio_zero_segment", do_folio_zero_segment, EACH_PAGE, .zeroes = true },
	{ "folio_zero_segments", do_folio_zero_segments, EACH_PAGE, .zeroes = true,
	  .pairs = true },
	{ "memcpy_from_folio", do_memcpy_from_folio, NO_PAGE },
	{ "memcpy_to_folio", do_memcpy_to_folio, ALL_PAGES },
	{ "memcpy_from_file_folio", do_memcpy_from_file_folio, NO_PAGE },
	{ "folio_zero_tail", do_folio_zero_tail, ALL_PAGES, .twice = true },
	{ "folio_fill_tail", do_folio_fill_tail, ALL_PAGES, .twice = true, .zeroes = true },
};

static void describe_helper(const struct helper *helper, char *name)
{
	strscpy(name, helper->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(helper, helpers, describe_helper);

/* --------------------------------------------------------------- the ranges */

#define P	PAGE_SIZE

/* Pages are bits; bit 0 is the first page of the folio. */
static const struct span {
	const char *what;
	size_t start, end;
	unsigned int bytes;	/* the pages with a byte of the range */
	unsigned int page;	/* the page with the whole range, if there is one */
	size_t start2, end2;
	unsigned int shared;	/* the pages with bytes of both ranges */
} ranges[] = {
	{ "no byte at the start", 0, 0, 0b0000, 0b0001 },
	{ "one byte at the start", 0, 1, 0b0001, 0b0001 },
	{ "no byte inside", 100, 100, 0b0000, 0b0001 },
	{ "bytes inside", 100, 200, 0b0001, 0b0001 },
	{ "bytes up to the page's end", P - 100, P, 0b0001, 0b0001 },
	{ "no byte at the page's end", P, P, 0b0000, 0b0001 },
	{ "all bytes but the first", 1, P, 0b0001, 0b0001 },
	{ "all bytes but the last", 0, P - 1, 0b0001, 0b0001 },
	{ "the first page", 0, P, 0b0001, 0b0001 },
	{ "no byte inside the second page", P + 100, P + 100, 0b0000, 0b0010 },
	{ "the second page's first byte", P, P + 1, 0b0010, 0b0010 },
	{ "the second page", P, 2 * P, 0b0010, 0b0010 },
	{ "no byte at the second page's end", 2 * P, 2 * P, 0b0000, 0b0010 },
	{ "the last page", 3 * P, 4 * P, 0b1000, 0b1000 },
	{ "the last byte", 4 * P - 1, 4 * P, 0b1000, 0b1000 },
	{ "no byte at the folio's end", 4 * P, 4 * P, 0b0000, 0b1000 },
	{ "one byte on each side of a border", P - 1, P + 1, 0b0011 },
	{ "the first page and a byte", 0, P + 1, 0b0011 },
	{ "two pages", 0, 2 * P, 0b0011 },
	{ "the two pages in the middle", P, 3 * P, 0b0110 },
	{ "two halves and what is between", P / 2, 2 * P + P / 2, 0b0111 },
	{ "all from the second page on", P, 4 * P, 0b1110 },
	{ "all but the first and last byte", 1, 4 * P - 1, 0b1111 },
	{ "the whole folio", 0, 4 * P, 0b1111 },
};

static const struct span pairs[] = {
	{ "before and after data", 0, 100, 0b0001, 0, 200, P, 0b0001 },
	{ "no first range", 0, 0, 0b0001, 0, 100, P },
	{ "no second range", 0, 100, 0b0001, 0, P, P },
	{ "a first range that ends before it starts", 200, 100, 0b0001, 0, 300, 400 },
	{ "a second range that ends before it starts", 300, 400, 0b0001, 0, 200, 100 },
	{ "no range at all", 300, 300, 0b0000, 0, 400, 400 },
	{ "the same page twice", 0, P, 0b0001, 0, 0, P, 0b0001 },
	{ "before and after a page", 0, P, 0b1101, 0, 2 * P, 4 * P },
	{ "the second range first", 3 * P, 4 * P, 0b1001, 0, 0, P },
	{ "before and after data that crosses a border", 0, P - 1, 0b0011, 0, P + 1, 2 * P },
	{ "ranges that meet inside a page", 0, P + 100, 0b0111, 0, P + 200, 3 * P, 0b0010 },
	{ "the first page, then no byte", 0, P, 0b0001, 0, 4 * P, 4 * P },
	{ "no byte, then the last", 0, 0, 0b1000, 0, 4 * P - 1, 4 * P },
	{ "all but one byte", 0, P + 100, 0b1111, 0, P + 101, 4 * P, 0b0010 },
};

/* ----------------------------------------------------- flushes in other files */

#ifdef CONFIG_MIPS
static void note_flush_of_address(unsigned long addr)
{
	void *p = (void *)addr;

	note_flush(in_local_slots(p) ? pte_page(ptep_get(virt_to_kpte(addr))) :
				       virt_to_page(p));
}

/*
 * A kernel whose cache aliases flushes each page through a function pointer. The cache of
 * the emulator does not alias. While @call runs, cpu_has_dc_aliases is true and the
 * pointer leads here. Interrupts are off, and there is one CPU.
 *
 * Return: true if flushes in other files are counted.
 */
static bool call_watched(void (*call)(const struct target *t), const struct target *t)
{
	void (*flush)(unsigned long addr) = flush_data_cache_page;
	unsigned int cache = cpu_data[0].dcache.flags;
	unsigned long flags;
	bool seen;

	local_irq_save(flags);
	cpu_data[0].dcache.flags |= MIPS_CACHE_ALIASES;
	flush_data_cache_page = note_flush_of_address;
	seen = cpu_has_dc_aliases && num_online_cpus() == 1;
	call(t);
	flush_data_cache_page = flush;
	cpu_data[0].dcache.flags = cache;
	local_irq_restore(flags);
	return seen;
}
#else
static bool call_watched(void (*call)(const struct target *t), const struct target *t)
{
	call(t);
	return false;
}
#endif

static void do_nothing(const struct target *t)
{
}

static unsigned int expected(const struct helper *helper, const struct span *range,
			     unsigned int all)
{
	switch (helper->flushed) {
	case NO_PAGE:
	case ARCH_PAGE:
		return 0;
	case ONE_PAGE:
		return range->page;
	case EACH_PAGE:
		if (OUT_OF_LINE)
			return range->bytes;
		/*
		 * The inline version flushes the page that it gets. With the first page
		 * of a folio it flushes the whole folio.
		 */
		return helper->in_page && range->page != 0b0001 ? range->page : all;
	default:
		return all;
	}
}

/* How often the helper may flush @page. If @must is true, it has to flush it once. */
static unsigned int allowed(const struct helper *helper, const struct span *range,
			    unsigned int page, bool must)
{
	if (helper->flushed == ARCH_PAGE)
		return range->page == page;
	/* Each range is zeroed and flushed by itself, unless both are in one page. */
	return must * (1 + (helper->twice || (range->shared & page)));
}

static void check_range(struct kunit *test, const struct helper *helper,
			struct folio *folio, const struct span *range)
{
	unsigned int i, nr = folio_nr_pages(folio);
	unsigned int page = range->page ? __ffs(range->page) : 0;
	struct target target = {
		.folio = folio,
		.start = range->start,
		.end = range->end,
		.len = range->end - range->start,
		.start2 = range->start2,
		.end2 = range->end2,
		.page = folio_page(folio, page),
		.offset = range->start - page * PAGE_SIZE,
	};
	unsigned int must = expected(helper, range, BIT(nr) - 1);

	start_watch(folio);
	call_watched(helper->call, &target);

	for (i = 0; i < nr; i++) {
		unsigned int flushes = watch.flushes[i];
		bool this = must & BIT(i);
		bool stale = this && flushes &&
			     watch.then[i] != hash_page(folio_page(folio, i));

		if (flushes >= this && flushes <= allowed(helper, range, BIT(i), this) &&
		    !stale)
			continue;
		KUNIT_FAIL(test, "%s folio of %u pages, %s: page %u is flushed %u times%s, %s",
			   str_high_low(folio_test_highmem(folio)), nr, range->what, i,
			   flushes, stale ? " and written after that" : "",
			   this ? "must be" : "need not be");
	}
	KUNIT_EXPECT_EQ_MSG(test, watch.elsewhere, 0, "%s: other pages are flushed",
			    range->what);
}

static void check_ranges(struct kunit *test, const struct helper *helper,
			 struct folio *folio, const struct span *range, unsigned int nr)
{
	for (; nr--; range++) {
		if (range->end > folio_size(folio) || range->end2 > folio_size(folio))
			continue;
		/* Skips ranges in pages that the folio does not have. */
		if ((range->bytes | range->page) >> folio_nr_pages(folio))
			continue;
		if (helper->in_page && !range->page)
			continue;
		check_range(test, helper, folio, range);
	}
}

static void helper_flushes(struct kunit *test)
{
	const struct helper *helper = test->param_value;
	const size_t size = MAX_PAGES * PAGE_SIZE;
	unsigned int order, high;

	if (helper->zeroes && OUT_OF_LINE && !call_watched(do_nothing, NULL))
		kunit_skip(test, "flushes of zero_user_segments() are counted on MIPS only");

	new_bytes = hmk_get_vbuf(test, size);
	sink = hmk_get_vbuf(test, size);
	for (high = 0; high <= IS_ENABLED(CONFIG_HIGHMEM); high++) {
		other = hmk_get_page(test, high);
		clear_highpage(other);
		for (order = 0; order <= MAX_ORDER_SEEN; order += MAX_ORDER_SEEN) {
			struct folio *folio = hmk_get_folio(test, high, order);

			check_ranges(test, helper, folio, ranges, ARRAY_SIZE(ranges));
			if (helper->pairs)
				check_ranges(test, helper, folio, pairs,
					     ARRAY_SIZE(pairs));
		}
	}
}

static struct kunit_case highmem_dcache_cases[] = {
	KUNIT_CASE_PARAM(helper_flushes, helper_gen_params),
	{}
};

static struct kunit_suite highmem_dcache_suite = {
	.name = "highmem_dcache",
	.init = hmk_remember_task,
	.exit = hmk_check_task,
	.test_cases = highmem_dcache_cases,
};

kunit_test_suites(&highmem_dcache_suite);

MODULE_DESCRIPTION("KUnit suite for high memory: what helpers flush");
MODULE_LICENSE("GPL");
