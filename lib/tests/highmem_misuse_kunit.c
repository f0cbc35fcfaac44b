// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit suite "highmem_misuse": kunmap_local() of each address that a caller can
 * plausibly pass, at several depths. Documentation/mm/highmem-debug.rst has the same
 * table. See highmem_kunit.h.
 */

#include <linux/errno.h>
#include <linux/memblock.h>
#include <linux/pfn.h>

#include "highmem_kunit_whitebox.h"

#if HAVE_INTERNALS

/* Depths with nothing below the mapping, in the stack, at its end, and in an overflow slot. */
static const unsigned int depths[] = { 1, 2, 5, 15, 16, 17, 20 };
#define MOST_MAPS	20

/* The mapping that has the address. */
enum of {
	LATEST,
	EARLIER,	/* the mapping below the latest one */
	UNMAPPED,	/* a mapping above the latest one that is unmapped already */
	NO_MAPPING,
};

struct misuse {
	const char *name;
	enum of of;
	long offset;		/* from the first byte of the mapping */
	void *addr;		/* for NO_MAPPING */
	const char *report;	/* NULL: no report */
};

#define OUTSIDE		"outside the mapping"
#define UNKNOWN		"kunmap_local() of address"
#define NOT_OURS	"no kmap_local function returns"

static const struct misuse misuses[] = {
	{ "first_byte", LATEST, 0 },
	{ "any_byte", LATEST, 1234 },
	{ "last_byte", LATEST, PAGE_SIZE - 1 },
	{ "behind", LATEST, PAGE_SIZE, NULL, OUTSIDE },
	{ "before", LATEST, -64, NULL, OUTSIDE },
	{ "earlier", EARLIER, 0, NULL, "out of order" },
	{ "earlier_any_byte", EARLIER, 77, NULL, "out of order" },
	{ "earlier_behind", EARLIER, PAGE_SIZE, NULL, OUTSIDE },
	{ "earlier_before", EARLIER, -1, NULL, OUTSIDE },
	{ "given_back", UNMAPPED, 0, NULL, UNKNOWN },
	{ "given_back_any_byte", UNMAPPED, 99, NULL, UNKNOWN },
	{ "given_back_behind", UNMAPPED, PAGE_SIZE, NULL, UNKNOWN },
	{ "null", NO_MAPPING, 0, NULL, NOT_OURS },
	{ "page_zero", NO_MAPPING, 0, (void *)8, NOT_OURS },
	{ "user_address", NO_MAPPING, 0, (void *)(16 * PAGE_SIZE), NOT_OURS },
	{ "error_pointer", NO_MAPPING, 0, (void *)-ENOMEM, NOT_OURS },
};

KUNIT_ARRAY_PARAM_DESC(misuse, misuses, name);

struct result {
	unsigned int lost;	/* other mappings that do not show their page */
	unsigned int left;	/* slots in use at the end */
	unsigned int reports;
	bool in_order;		/* the mapping is in an overflow slot, which has no order */
};

/* Maps @depth pages, makes the misuse, checks and unmaps the other mappings. */
static struct result try_misuse(struct kunit *test, const struct misuse *misuse,
				struct page_set *set, unsigned int depth)
{
	void *addr[MOST_MAPS + 1], *p = misuse->addr;
	int ends = misuse->of == LATEST ? depth - 1 :
		   misuse->of == EARLIER ? depth - 2 : -1;
	struct result result = { };
	int i;

	hmk_provoke(test, misuse->report ?: "WARNING: ");
	map_all(set, addr, depth);
	result.in_order = ends >= 0 && !in_local_slots(addr[ends]);
	if (misuse->of == UNMAPPED) {
		addr[depth] = kmap_local_page(set->page[depth]);
		kunmap_local(addr[depth]);
		p = addr[depth] + misuse->offset;
	} else if (ends >= 0) {
		p = addr[ends] + misuse->offset;
	}
	kunmap_local(p);
	for (i = depth - 1; i >= 0; i--)
		result.lost += i != ends && !stamped_nofault(addr[i], set->page[i], 110);
	for (i = depth - 1; i >= 0; i--) {
		if (i != ends)
			kunmap_local(addr[i]);
	}
	result.left = map_depth(current);
	hmk_provoked(test);
	result.reports = hmk_reports();
	return result;
}

static void kunmap_local_of(struct kunit *test)
{
	const struct misuse *misuse = test->param_value;
	struct page_set *set = hmk_get_page_set(test, true, MOST_MAPS + 1);
	unsigned int i, cpu;

	REQUIRES_MAPPING(test);
	hmk_guard_against_stale_tlb(test);
	for (i = 0; i < set->nr; i++)
		stamp_page(set->page[i], 110);
	for_each_online_cpu(cpu) {
		pin_to_cpu(test, cpu);
		for (i = 0; i < ARRAY_SIZE(depths); i++) {
			const char *report = misuse->report;
			struct result result;

			if (misuse->of == EARLIER && depths[i] < 2)
				continue;
			result = try_misuse(test, misuse, set, depths[i]);
			/* Overflow slots have no order. */
			if (misuse->of == EARLIER && result.in_order &&
			    misuse->offset >= 0 && misuse->offset < PAGE_SIZE)
				report = NULL;
			KUNIT_EXPECT_EQ_MSG(test, result.lost, 0, "depth %u", depths[i]);
			KUNIT_EXPECT_EQ_MSG(test, result.reports, !!report, "depth %u", depths[i]);
			/* A leak would break the next depth. */
			KUNIT_ASSERT_EQ_MSG(test, result.left, 0, "depth %u", depths[i]);
		}
	}
#ifdef CONFIG_SMP
	KUNIT_EXPECT_EQ(test, current->migration_disabled, 0);
#endif
}

/* An address of the direct mapping, up to the one behind the page, is not reported. */
static void kunmap_local_of_low_memory(struct kunit *test)
{
	struct page_set *set = hmk_get_page_set(test, true, 2);
	void *low = page_address(hmk_get_page(test, false));
	const struct misuse direct[] = {
		{ "low", NO_MAPPING, 0, low },
		{ "low_any_byte", NO_MAPPING, 0, low + 5 },
		{ "low_behind", NO_MAPPING, 0, low + PAGE_SIZE },
		{ "low_end", NO_MAPPING, 0, __va(PFN_PHYS(max_low_pfn)) },
	};
	unsigned int i;

	REQUIRES_MAPPING(test);
	REQUIRES(test, !FORCE_MAP, "kmap_local_page() maps each page of this kernel");
	for (i = 0; i < 2; i++)
		stamp_page(set->page[i], 110);
	for (i = 0; i < ARRAY_SIZE(direct); i++) {
		struct result result = try_misuse(test, &direct[i], set, 1);

		KUNIT_EXPECT_EQ_MSG(test, result.lost, 0, "%s", direct[i].name);
		KUNIT_EXPECT_EQ_MSG(test, result.reports, 0, "%s", direct[i].name);
		KUNIT_ASSERT_EQ_MSG(test, result.left, 0, "%s", direct[i].name);
	}
}

/* kunmap_atomic() enables preemption for any address. */
static void kunmap_atomic_of_address_behind(struct kunit *test)
{
	struct page_set *set = hmk_get_page_set(test, true, 2);
	unsigned int count = preempt_count(), wrong;
	void *addr[2];

	REQUIRES_MAPPING(test);
	stamp_page(set->page[0], 110);
	hmk_provoke(test, OUTSIDE);
	addr[0] = kmap_local_page(set->page[0]);
	addr[1] = kmap_atomic(set->page[1]);
	kunmap_atomic(addr[1] + PAGE_SIZE);
	wrong = preempt_count() != count || pagefault_disabled();
	wrong += !stamped_nofault(addr[0], set->page[0], 110);
	kunmap_local(addr[0] + PAGE_SIZE);
	hmk_provoked(test);
	KUNIT_EXPECT_EQ(test, wrong, 0);
	KUNIT_EXPECT_EQ(test, map_depth(current), 0);
	/* Two misuses, one report. */
	KUNIT_EXPECT_EQ(test, hmk_reports(), 1);
}

/* The address behind a run: above a page, below a page, and alone. */
static void kunmap_local_span_of_address_behind(struct kunit *test)
{
	struct page_set *set = hmk_get_page_set(test, true, 2);
	struct folio *folio = hmk_get_folio(test, true, 3);
	unsigned int nr, below, above, wrong = 0, left = 0;

	REQUIRES_MAPPING(test);
	for (nr = 0; nr < 2; nr++)
		stamp_page(set->page[nr], 110);
	hmk_provoke(test, OUTSIDE);
	for (nr = 1; nr <= KMAP_LOCAL_MAX_PAGES && !left; nr++) {
		for (below = 0; below < 2; below++) {
			for (above = 0; above < 2; above++) {
				size_t len = nr * PAGE_SIZE;
				void *addr[2], *span;

				map_all(set, addr, below);
				span = kmap_local_span(folio, 0, &len);
				if (above)
					addr[1] = kmap_local_page(set->page[1]);
				kunmap_local_span(span + len, len);
				if (above) {
					wrong += !stamped_nofault(addr[1], set->page[1], 110);
					kunmap_local(addr[1]);
				}
				wrong += below && !stamped_nofault(addr[0], set->page[0], 110);
				unmap_all(addr, below);
				left += map_depth(current);
			}
		}
	}
	hmk_provoked(test);
	KUNIT_EXPECT_EQ(test, wrong, 0);
	KUNIT_EXPECT_EQ(test, left, 0);
	hmk_expect_report(test, OUTSIDE);
}

#ifdef CONFIG_HIGHMEM
/* kunmap_local() of an address from kmap() does not unmap the page. */
static void kunmap_local_of_kmap(struct kunit *test)
{
	struct page *page = hmk_get_page(test, true);
	void *addr;

#ifdef ARCH_NEEDS_KMAP_HIGH_GET
	kunit_skip(test, "kmap_local_page() of this kernel may return such an address");
#endif
	stamp_page(page, 110);
	hmk_provoke(test, NOT_OURS);
	addr = hmk_hold_kmap(test, page);
	kunmap_local(addr);
	kunmap_local(addr + PAGE_SIZE);
	hmk_provoked(test);
	KUNIT_EXPECT_EQ(test, map_depth(current), 0);
	KUNIT_EXPECT_PTR_EQ(test, page_address(page), addr);
	KUNIT_EXPECT_TRUE(test, stamped_nofault(addr, page, 110));
	KUNIT_EXPECT_EQ(test, hmk_reports(), 1);
}
#endif

static struct kunit_case highmem_misuse_cases[] = {
	KUNIT_CASE_PARAM(kunmap_local_of, misuse_gen_params),
	KUNIT_CASE(kunmap_local_of_low_memory),
	KUNIT_CASE(kunmap_atomic_of_address_behind),
	KUNIT_CASE(kunmap_local_span_of_address_behind),
#ifdef CONFIG_HIGHMEM
	KUNIT_CASE(kunmap_local_of_kmap),
#endif
	{}
};

#else

static void requires_internals(struct kunit *test)
{
	kunit_skip(test, "needs the local mappings of mm/kmap_local.c");
}

static struct kunit_case highmem_misuse_cases[] = {
	KUNIT_CASE(requires_internals),
	{}
};

#endif

static struct kunit_suite highmem_misuse_suite = {
	.name = "highmem_misuse",
	.init = hmk_remember_task,
	.exit = hmk_check_task,
	.test_cases = highmem_misuse_cases,
};

kunit_test_suites(&highmem_misuse_suite);

MODULE_DESCRIPTION("KUnit suite for high memory: misuse of kunmap_local()");
MODULE_LICENSE("GPL");
