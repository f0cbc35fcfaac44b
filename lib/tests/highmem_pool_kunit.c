// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit suite "highmem_pool": the pkmap pool, kmap() and kunmap(). See highmem_kunit.h.
 */

#include <linux/delay.h>
#include <linux/irq_work.h>
#include <linux/prandom.h>
#include <linux/slab.h>

#include "highmem_kunit.h"

/* -------------------------------------------------- map and unmap */

static void kmap_round_trip(struct kunit *test)
{
	unsigned int high;

	for (high = 0; high < 2; high++) {
		struct page *page = hmk_get_page(test, high);
		void *view = hmk_get_view(test, &page, 1);
		void *addr;

		stamp(view, page, 30);
		addr = hmk_hold_kmap(test, page);
		KUNIT_EXPECT_TRUE(test, stamped(addr, page, 30));
		stamp(addr, page, 31);
		KUNIT_EXPECT_PTR_EQ(test, page_address(page), addr);
		hmk_drop_kmap(test, page);
		KUNIT_EXPECT_TRUE(test, stamped(view, page, 31));
		KUNIT_EXPECT_EQ(test, offset_in_page(addr), 0);
	}
}

static void kmap_of_low_page(struct kunit *test)
{
	struct page *page = hmk_get_page(test, false);
	void *addr = hmk_hold_kmap(test, page);

	KUNIT_EXPECT_PTR_EQ(test, addr, page_address(page));
	KUNIT_EXPECT_PTR_EQ(test, addr, __va(PFN_PHYS(page_to_pfn(page))));
	hmk_drop_kmap(test, page);
	KUNIT_EXPECT_TRUE(test, readable(addr));
}

/* A page stays mapped until its last holder unmaps it. */
static void kmap_of_mapped_page(struct kunit *test)
{
	struct page *page = hmk_get_page(test, true);
	unsigned int i;
	void *addr;

	REQUIRES_HIGHMEM(test);
	addr = hmk_hold_kmap(test, page);
	stamp(addr, page, 32);
	for (i = 0; i < 3; i++)
		KUNIT_EXPECT_PTR_EQ(test, hmk_hold_kmap(test, page), addr);
	for (i = 0; i < 3; i++) {
		hmk_drop_kmap(test, page);
		kmap_flush_unused();
		KUNIT_EXPECT_PTR_EQ(test, page_address(page), addr);
		KUNIT_EXPECT_TRUE(test, stamped_nofault(addr, page, 32));
	}
	hmk_drop_kmap(test, page);
	kmap_flush_unused();
	KUNIT_EXPECT_NULL(test, page_address(page));
	KUNIT_EXPECT_FALSE(test, readable(addr));
}

struct shared_page {
	struct page *page;
	void *addr;
	bool good;
	int error;
};

static void use_shared_page(struct worker *worker)
{
	struct shared_page *shared_page = worker->data;

	shared_page->good = stamped(shared_page->addr, shared_page->page, 33);
	stamp(shared_page->addr, shared_page->page, 34);
}

static void kmap_is_valid_on_all_cpus(struct kunit *test)
{
	struct shared_page *shared_page = kunit_kzalloc(test, sizeof(*shared_page), GFP_KERNEL);
	unsigned int cpu, salt = 33;

	KUNIT_ASSERT_NOT_NULL(test, shared_page);
	shared_page->page = hmk_get_page(test, true);
	shared_page->addr = hmk_hold_kmap(test, shared_page->page);
	for_each_online_cpu(cpu) {
		stamp(shared_page->addr, shared_page->page, salt);
		hmk_join_worker(test, hmk_start_worker(test, cpu, use_shared_page, shared_page));
		KUNIT_EXPECT_TRUE(test, shared_page->good);
		KUNIT_EXPECT_TRUE(test, stamped(shared_page->addr, shared_page->page, 34));
	}
}

/* After a flush no CPU can read an idle mapping, not even through its TLB. */
static void read_shared_page(struct worker *worker)
{
	struct shared_page *shared_page = worker->data;

	shared_page->good = readable(shared_page->addr);
}

static void kmap_flush_unused_removes_idle(struct kunit *test)
{
	struct shared_page *shared_page = kunit_kzalloc(test, sizeof(*shared_page), GFP_KERNEL);
	struct page *idle = hmk_get_page(test, true);
	struct page *held = hmk_get_page(test, true);
	void *held_addr;
	unsigned int cpu;

	REQUIRES_HIGHMEM(test);
	KUNIT_ASSERT_NOT_NULL(test, shared_page);
	held_addr = hmk_hold_kmap(test, held);
	stamp(held_addr, held, 35);
	shared_page->page = idle;
	shared_page->addr = hmk_hold_kmap(test, idle);
	KUNIT_EXPECT_PTR_NE(test, shared_page->addr, held_addr);
	for_each_online_cpu(cpu) {
		hmk_join_worker(test, hmk_start_worker(test, cpu, read_shared_page, shared_page));
		KUNIT_EXPECT_TRUE(test, shared_page->good);
	}
	hmk_drop_kmap(test, idle);

	kmap_flush_unused();
	KUNIT_EXPECT_NULL(test, page_address(idle));
	for_each_online_cpu(cpu) {
		hmk_join_worker(test, hmk_start_worker(test, cpu, read_shared_page, shared_page));
		KUNIT_EXPECT_FALSE(test, shared_page->good);
	}
	KUNIT_EXPECT_PTR_EQ(test, page_address(held), held_addr);
	KUNIT_EXPECT_TRUE(test, stamped_nofault(held_addr, held, 35));
}

static void kmap_to_page_of_pool_address(struct kunit *test)
{
	struct page *page, *start, *end;
	void *addr;

	REQUIRES_HIGHMEM(test);
	page = hmk_get_page(test, true);
	addr = hmk_hold_kmap(test, page);
	/*
	 * kmap_to_page() returns the page, and warns once that no caller should need
	 * this.
	 */
	hmk_provoke(test, "kmap_to_page");
	start = kmap_to_page(addr);
	end = kmap_to_page(addr + PAGE_SIZE - 1);
	hmk_provoked(test);
	KUNIT_EXPECT_PTR_EQ(test, start, page);
	KUNIT_EXPECT_PTR_EQ(test, end, page);
	if (IS_ENABLED(CONFIG_KALLSYMS))
		hmk_expect_report(test, "kmap_to_page");
}

/* Counts the nested mappings, from @first on, whose page kmap_to_page() finds. */
static void check_local_to_page(struct kunit *test, unsigned int first, unsigned int nr)
{
	struct page_set *set = hmk_get_page_set(test, true, nr);
	unsigned int i, good = 0;
	void *addr[15];

	/* The first slot of CPU 0 is the first of all slots. */
	pin_to_cpu(test, 0);
	hmk_provoke(test, "kmap_to_page");
	map_all(set, addr, nr);
	for (i = first; i < nr; i++) {
		good += kmap_to_page(addr[i]) == set->page[i];
		good += kmap_to_page(addr[i] + PAGE_SIZE - 1) == set->page[i];
	}
	unmap_all(addr, nr);
	hmk_provoked(test);
	KUNIT_EXPECT_EQ(test, good, 2 * (nr - first));
}

static void kmap_to_page_of_local_address(struct kunit *test)
{
	REQUIRES_MAPPING(test);
	check_local_to_page(test, 1, 15);
}

/* A mapping beyond the stack is in an overflow slot. */
static void kmap_to_page_of_deep_address(struct kunit *test)
{
	struct page_set *set = hmk_get_page_set(test, true, 20);
	unsigned int i, good = 0;
	void *addr[20];

	REQUIRES_MAPPING(test);
	/* A kernel may also report the depth, which no case checks. */
	hmk_provoke(test, "kmap_to_page");
	map_all(set, addr, 20);
	for (i = 15; i < 20; i++) {
		good += kmap_to_page(addr[i]) == set->page[i];
		good += kmap_to_page(addr[i] + PAGE_SIZE - 1) == set->page[i];
	}
	unmap_all(addr, 20);
	hmk_provoked(test);
	KUNIT_EXPECT_EQ(test, good, 10);
	KUNIT_EXPECT_EQ(test, map_depth(current), 0);
}

static void kmap_to_page_of_first_local_slot(struct kunit *test)
{
	REQUIRES_MAPPING(test);
	check_local_to_page(test, 0, 1);
}

static void is_kmap_addr_in_pool(struct kunit *test)
{
#ifdef CONFIG_HIGHMEM
	struct page *page = hmk_get_page(test, true);
	void *addr = hmk_hold_kmap(test, page);
	unsigned int i;

	KUNIT_EXPECT_TRUE(test, is_kmap_addr(addr));
	KUNIT_EXPECT_TRUE(test, is_kmap_addr(addr + PAGE_SIZE - 1));
	for (i = 0; i < LAST_PKMAP; i++)
		KUNIT_EXPECT_TRUE(test, is_kmap_addr((void *)PKMAP_ADDR(i)));
	addr = (void *)PKMAP_ADDR(LAST_PKMAP);
	KUNIT_EXPECT_TRUE(test, is_kmap_addr(addr - 1));
	KUNIT_EXPECT_FALSE(test, is_kmap_addr(addr) && !in_local_slots(addr));
	addr = (void *)PKMAP_ADDR(0) - 1;
	KUNIT_EXPECT_FALSE(test, is_kmap_addr(addr) && !in_local_slots(addr));
#else
	kunit_skip(test, "needs CONFIG_HIGHMEM");
#endif
}

static void is_kmap_addr_of_other_memory(struct kunit *test)
{
	static int some_variable;
	struct page *page = hmk_get_page(test, false);
	void *view = hmk_get_view(test, &page, 1);
	void *addr = hmk_hold_kmap(test, page);

	KUNIT_EXPECT_FALSE(test, is_kmap_addr(addr));
	KUNIT_EXPECT_FALSE(test, is_kmap_addr(view));
	KUNIT_EXPECT_FALSE(test, is_kmap_addr(&some_variable));
	KUNIT_EXPECT_FALSE(test, is_kmap_addr(is_kmap_addr_of_other_memory));
	KUNIT_EXPECT_FALSE(test, is_kmap_addr(NULL));
}

static void is_kmap_addr_in_local_slots(struct kunit *test)
{
#if defined(CONFIG_HIGHMEM) && defined(CONFIG_KMAP_LOCAL)
	unsigned long addr;
	unsigned int slot, missed = 0;

	for (slot = FIX_KMAP_BEGIN + 1; slot <= FIX_KMAP_END; slot++) {
		addr = __fix_to_virt(slot);
		missed += !is_kmap_addr((void *)addr);
		missed += !is_kmap_addr((void *)(addr + PAGE_SIZE - 1));
	}
	KUNIT_EXPECT_EQ(test, missed, 0);
	KUNIT_EXPECT_FALSE(test, is_kmap_addr((void *)(__fix_to_virt(FIX_KMAP_END) - 1)));
	addr = __fix_to_virt(FIX_KMAP_BEGIN) + PAGE_SIZE;
	KUNIT_EXPECT_FALSE(test, is_kmap_addr((void *)addr));
#else
	kunit_skip(test, "needs CONFIG_HIGHMEM");
#endif
}

/* The first slot has the highest address, which is the bound of a range check. */
static void is_kmap_addr_in_first_local_slot(struct kunit *test)
{
#if defined(CONFIG_HIGHMEM) && defined(CONFIG_KMAP_LOCAL)
	struct page *page = hmk_get_page(test, true);
	unsigned long addr = __fix_to_virt(FIX_KMAP_BEGIN);
	void *mapped;
	bool found;

	KUNIT_EXPECT_TRUE(test, is_kmap_addr((void *)addr));
	KUNIT_EXPECT_TRUE(test, is_kmap_addr((void *)(addr + PAGE_SIZE - 1)));

	pin_to_cpu(test, 0);
	mapped = kmap_local_page(page);
	found = is_kmap_addr(mapped);
	kunmap_local(mapped);
	KUNIT_EXPECT_TRUE(test, found);
#else
	kunit_skip(test, "needs CONFIG_HIGHMEM");
#endif
}

/* ----------------------------------------- more pages than slots */

#ifdef CONFIG_HIGHMEM
#define NR_HELD		16

/* Maps three times as many pages as there are slots, with some pages held. */
static void kmap_of_more_pages_than_slots(struct kunit *test)
{
	struct page_set *held = hmk_get_page_set(test, true, NR_HELD);
	struct page_set *set = hmk_get_page_set(test, true, 3 * hmk_pool_slots());
	unsigned int i, j, good = 0, kept = 0, local = 0;
	void *held_addr[NR_HELD];

	for (i = 0; i < NR_HELD; i++) {
		held_addr[i] = hmk_hold_kmap(test, held->page[i]);
		stamp(held_addr[i], held->page[i], 36);
	}
	for (i = 0; i < set->nr; i++) {
		stamp(kmap(set->page[i]), set->page[i], 37);
		kunmap(set->page[i]);
		j = i % NR_HELD;
		kept += page_address(held->page[j]) == held_addr[j] &&
			stamped_nofault(held_addr[j], held->page[j], 36);
	}
	for (i = 0; i < set->nr; i++) {
		good += stamped(kmap(set->page[i]), set->page[i], 37);
		kunmap(set->page[i]);
	}
	/* Reads the pages through local mappings. */
	for (i = 0; i < set->nr; i++)
		local += page_stamped(set->page[i], 37);

	KUNIT_EXPECT_EQ(test, kept, set->nr);
	KUNIT_EXPECT_EQ(test, good, set->nr);
	KUNIT_EXPECT_EQ(test, local, set->nr);
	for (i = 0; i < NR_HELD; i++)
		KUNIT_EXPECT_PTR_EQ(test, kmap(held->page[i]), held_addr[i]);
	for (i = 0; i < NR_HELD; i++)
		kunmap(held->page[i]);
}

/*
 * Two CPUs use each mapping, and each slot is used for two pages. A CPU whose TLB keeps
 * an old entry reads or writes another page.
 */
#define NR_BATCH	64

struct batch {
	struct page_set *set;
	void *addr[NR_BATCH];
	unsigned int first;
	unsigned int bad;
	struct completion go;
	struct completion done;
};

static void check_batches(struct worker *worker)
{
	struct batch *batch = worker->data;
	unsigned int i;

	while (!worker_stopped(worker)) {
		if (!wait_for_completion_timeout(&batch->go, HZ / 10))
			continue;
		for (i = 0; i < NR_BATCH; i++) {
			struct page *page = batch->set->page[batch->first + i];

			batch->bad += !stamped(batch->addr[i], page, 38);
			stamp(batch->addr[i], page, 39);
		}
		complete(&batch->done);
	}
}

static void kmap_reuse_flushes_all_cpus(struct kunit *test)
{
	struct batch *batch = kunit_kzalloc(test, sizeof(*batch), GFP_KERNEL);
	unsigned int i, bad = 0;
	bool answered = true;

	REQUIRES_TWO_CPUS(test);
	KUNIT_ASSERT_NOT_NULL(test, batch);
	init_completion(&batch->go);
	init_completion(&batch->done);
	batch->set = hmk_get_page_set(test, true,
				      roundup(2 * hmk_pool_slots(), NR_BATCH) + NR_BATCH);
	pin_to_cpu(test, first_cpu());
	hmk_start_worker(test, second_cpu(), check_batches, batch);

	for (batch->first = 0; answered && batch->first < batch->set->nr;
	     batch->first += NR_BATCH) {
		struct page **page = batch->set->page + batch->first;

		for (i = 0; i < NR_BATCH; i++) {
			batch->addr[i] = kmap(page[i]);
			stamp(batch->addr[i], page[i], 38);
		}
		complete(&batch->go);
		answered = wait_for_completion_timeout(&batch->done, TIMEOUT);
		for (i = 0; i < NR_BATCH; i++) {
			bad += !stamped(batch->addr[i], page[i], 39);
			kunmap(page[i]);
		}
	}
	KUNIT_EXPECT_TRUE(test, answered);
	KUNIT_EXPECT_EQ(test, batch->bad, 0);
	KUNIT_EXPECT_EQ(test, bad, 0);
}

/*
 * Three of four kmap() calls are for a small set of pages, the fourth is for other pages
 * in turn. The set should stay mapped.
 */
#define NR_HOT	64

static void kmap_keeps_hot_pages(struct kunit *test)
{
	struct page_set *hot = hmk_get_page_set(test, true, NR_HOT);
	struct page_set *cold = hmk_get_page_set(test, true, 4 * hmk_pool_slots());
	unsigned int i, j, tries = 0, hits = 0, bad = 0;

	for (i = 0; i < NR_HOT; i++)
		stamp_page(hot->page[i], 50);
	for (i = 0; i < 2 * cold->nr; i++) {
		for (j = 0; j < 3; j++) {
			struct page *page = hot->page[(3 * i + j) % NR_HOT];

			/* Nothing is mapped in the first round. */
			tries += 3 * i + j >= NR_HOT;
			hits += page_address(page) && 3 * i + j >= NR_HOT;
			bad += !stamped(kmap(page), page, 50);
			kunmap(page);
		}
		kmap(cold->page[i % cold->nr]);
		kunmap(cold->page[i % cold->nr]);
	}
	kunit_info(test, "%u of %u were still mapped\n", hits, tries);
	KUNIT_EXPECT_EQ(test, bad, 0);
	KUNIT_EXPECT_GE(test, 100 * hits, 99 * tries);
}

/* ------------------------------------------------- several tasks */

/*
 * Two tasks map the same page at the same moment. Both must get the same slot, or one
 * task unmaps the slot of the other.
 */
#define NR_RACES	500

struct race {
	struct page_set *set;
	void **addr[2];
	atomic_t joined;
	atomic_t started;
	atomic_t late;
};

static void race_to_map(struct worker *worker)
{
	struct race *race = worker->data;
	unsigned int me = atomic_inc_return(&race->joined) - 1;
	unsigned int i;

	for (i = 0; i < race->set->nr && !worker_stopped(worker); i++) {
		unsigned long end = jiffies + HZ;

		atomic_inc(&race->started);
		while (atomic_read(&race->started) < 2 * (i + 1)) {
			if (time_after(jiffies, end)) {
				atomic_inc(&race->late);
				return;
			}
			cpu_relax();
		}
		race->addr[me][i] = kmap(race->set->page[i]);
	}
}

static void kmap_by_two_tasks_at_once(struct kunit *test)
{
	struct race *race = kunit_kzalloc(test, sizeof(*race), GFP_KERNEL);
	struct worker *worker[2];
	unsigned int i, same = 0, gone = 0;

	REQUIRES_TWO_CPUS(test);
	KUNIT_ASSERT_NOT_NULL(test, race);
	race->set = hmk_get_page_set(test, true, min(NR_RACES, LAST_PKMAP / 2));
	for (i = 0; i < 2; i++) {
		race->addr[i] = kunit_kcalloc(test, race->set->nr, sizeof(void *),
					      GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, race->addr[i]);
	}
	worker[0] = hmk_start_worker(test, first_cpu(), race_to_map, race);
	worker[1] = hmk_start_worker(test, second_cpu(), race_to_map, race);
	for (i = 0; i < 2; i++)
		hmk_join_worker(test, worker[i]);

	for (i = 0; i < race->set->nr; i++) {
		same += race->addr[0][i] && race->addr[0][i] == race->addr[1][i];
		if (race->addr[0][i])
			kunmap(race->set->page[i]);
		if (race->addr[1][i])
			kunmap(race->set->page[i]);
	}
	kmap_flush_unused();
	for (i = 0; i < race->set->nr; i++)
		gone += !page_address(race->set->page[i]);
	KUNIT_EXPECT_EQ(test, atomic_read(&race->late), 0);
	KUNIT_EXPECT_EQ(test, same, race->set->nr);
	KUNIT_EXPECT_EQ(test, gone, race->set->nr);
}

/* One page with more holders than fit in a byte, until the last holder unmaps it. */
#define NR_HOLDERS	4
#define NR_HOLDS	300

struct holders {
	struct page *page;
	void *addr;
	atomic_t held;
	atomic_t bad;
};

static void hold_often(struct worker *worker)
{
	struct holders *holders = worker->data;
	unsigned int i;

	for (i = 0; i < NR_HOLDS; i++) {
		if (kmap(holders->page) != holders->addr)
			atomic_inc(&holders->bad);
		atomic_inc(&holders->held);
	}
}

static void drop_often(struct worker *worker)
{
	struct holders *holders = worker->data;

	while (atomic_dec_if_positive(&holders->held) >= 0) {
		if (page_address(holders->page) != holders->addr ||
		    !stamped_nofault(holders->addr, holders->page, 51))
			atomic_inc(&holders->bad);
		kunmap(holders->page);
	}
}

static void drop_rest(void *data)
{
	struct holders *holders = data;

	while (atomic_dec_if_positive(&holders->held) >= 0)
		kunmap(holders->page);
}

static void kmap_many_holders(struct kunit *test)
{
	struct holders *holders = hmk_zalloc(test, sizeof(*holders));
	struct worker *worker[NR_HOLDERS];
	unsigned int i;

	REQUIRES_HIGHMEM(test);
	holders->page = hmk_get_page(test, true);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, drop_rest, holders), 0);
	holders->addr = kmap(holders->page);
	atomic_inc(&holders->held);
	stamp(holders->addr, holders->page, 51);
	for (i = 0; i < NR_HOLDERS; i++)
		worker[i] = hmk_start_worker(test, -1, hold_often, holders);
	for (i = 0; i < NR_HOLDERS; i++)
		hmk_join_worker(test, worker[i]);
	KUNIT_EXPECT_EQ(test, atomic_read(&holders->held), NR_HOLDERS * NR_HOLDS + 1);

	for (i = 0; i < NR_HOLDERS; i++)
		worker[i] = hmk_start_worker(test, -1, drop_often, holders);
	for (i = 0; i < 10; i++)
		kmap_flush_unused();
	for (i = 0; i < NR_HOLDERS; i++)
		hmk_join_worker(test, worker[i]);
	KUNIT_EXPECT_EQ(test, atomic_read(&holders->bad), 0);
	kmap_flush_unused();
	KUNIT_EXPECT_NULL(test, page_address(holders->page));
	KUNIT_EXPECT_FALSE(test, readable(holders->addr));
}

#define NR_SHARED	4
#define NR_SHARERS	4

/*
 * A few pages, mapped by several tasks. Each task writes to its own word of each page and
 * remembers the value. The rest of the page does not change.
 */
struct sharing {
	struct page_set *shared;
	struct page_set *stream;
	atomic_t joined;
	atomic_t bad;
	atomic_long_t maps;
	atomic_long_t flushes;
};

static void share_pages(struct worker *worker)
{
	struct sharing *sharing = worker->data;
	unsigned int line = atomic_inc_return(&sharing->joined) * STAMP_STRIDE + 1;
	u32 last[NR_SHARED] = {};
	struct rnd_state rnd;
	unsigned int i;
	u32 *word;

	prandom_seed_state(&rnd, line);
	while (!worker_stopped(worker)) {
		for (i = 0; i < 100; i++) {
			unsigned int nr = prandom_u32_state(&rnd) % NR_SHARED;
			struct page *page = sharing->shared->page[nr];

			word = kmap(page);
			if (!stamped(word, page, 42) || READ_ONCE(word[line]) != last[nr])
				atomic_inc(&sharing->bad);
			WRITE_ONCE(word[line], ++last[nr]);
			if (READ_ONCE(word[line]) != last[nr])
				atomic_inc(&sharing->bad);
			kunmap(page);
		}
		atomic_long_add(i, &sharing->maps);
		cond_resched();
	}
}

/* Uses up clean slots, so that the shared pages are reclaimed. */
static void stream_pages(struct worker *worker)
{
	struct sharing *sharing = worker->data;
	unsigned int i;

	while (!worker_stopped(worker)) {
		for (i = 0; i < sharing->stream->nr && !worker_stopped(worker); i++) {
			struct page *page = sharing->stream->page[i];

			if (!stamped(kmap(page), page, 43))
				atomic_inc(&sharing->bad);
			kunmap(page);
			if (i % 64 == 0)
				cond_resched();
		}
		atomic_long_add(i, &sharing->maps);
	}
}

static void flush_pool(struct worker *worker)
{
	struct sharing *sharing = worker->data;

	while (!worker_stopped(worker)) {
		kmap_flush_unused();
		atomic_long_inc(&sharing->flushes);
		usleep_range(50, 200);
	}
}

static void check_sharing(struct kunit *test, bool flushing, unsigned int ms)
{
	struct sharing *sharing = kunit_kzalloc(test, sizeof(*sharing), GFP_KERNEL);
	struct worker *worker[NR_SHARERS + 2];
	unsigned int i, nr = 0, cpu = first_cpu();

	KUNIT_ASSERT_NOT_NULL(test, sharing);
	sharing->shared = hmk_get_page_set(test, true, NR_SHARED);
	sharing->stream = hmk_get_page_set(test, true, hmk_pool_slots() + 100);
	for (i = 0; i < NR_SHARED; i++) {
		void *addr = kmap_local_page(sharing->shared->page[i]);

		clear_page(addr);
		stamp(addr, sharing->shared->page[i], 42);
		kunmap_local(addr);
	}
	for (i = 0; i < sharing->stream->nr; i++)
		stamp_page(sharing->stream->page[i], 43);

	while (nr < NR_SHARERS) {
		worker[nr++] = hmk_start_worker(test, cpu, share_pages, sharing);
		cpu = cpumask_next(cpu, cpu_online_mask);
		if (cpu >= nr_cpu_ids)
			cpu = first_cpu();
	}
	worker[nr++] = hmk_start_worker(test, -1, stream_pages, sharing);
	if (flushing)
		worker[nr++] = hmk_start_worker(test, -1, flush_pool, sharing);
	msleep(ms);
	for (i = 0; i < nr; i++)
		WRITE_ONCE(worker[i]->stop, true);
	for (i = 0; i < nr; i++)
		hmk_join_worker(test, worker[i]);

	kunit_info(test, "%ld maps, %ld flushes\n", atomic_long_read(&sharing->maps),
		   atomic_long_read(&sharing->flushes));
	KUNIT_EXPECT_EQ(test, atomic_read(&sharing->bad), 0);
	KUNIT_EXPECT_GT(test, atomic_long_read(&sharing->maps), 0);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&sharing->flushes) > 0, flushing);
	/* No task holds any of these pages. */
	kmap_flush_unused();
	for (i = 0; i < NR_SHARED; i++)
		KUNIT_EXPECT_NULL(test, page_address(sharing->shared->page[i]));
	for (i = 0; i < sharing->stream->nr; i++)
		KUNIT_EXPECT_NULL(test, page_address(sharing->stream->page[i]));
}

static void kmap_by_many_tasks(struct kunit *test)
{
	check_sharing(test, false, 2000);
}

static void kmap_by_many_tasks_while_flushed(struct kunit *test)
{
	check_sharing(test, true, 2000);
}

/* --------------------------------------------------------- misuse */

struct atomic_kmap {
	struct irq_work irq_work;
	struct page *page;
	void *addr;
	bool good;
	struct completion done;
};

static void kmap_in_irq_work(struct irq_work *irq_work)
{
	struct atomic_kmap *ak = container_of(irq_work, struct atomic_kmap, irq_work);

	ak->addr = kmap(ak->page);
	ak->good = stamped(ak->addr, ak->page, 44);
	complete(&ak->done);
}

static void kmap_in_atomic_context(struct kunit *test)
{
	struct atomic_kmap *ak = kunit_kzalloc(test, sizeof(*ak), GFP_KERNEL);
	struct page *page = hmk_get_page(test, true);
	bool good, arrived;
	void *addr;

	KUNIT_ASSERT_NOT_NULL(test, ak);
	stamp_page(page, 44);
	ak->page = hmk_get_page(test, true);
	stamp_page(ak->page, 44);
	init_completion(&ak->done);
	ak->irq_work = IRQ_WORK_INIT_HARD(kmap_in_irq_work);
	/* kmap() of an idle mapping would need no free slot. */
	kmap_flush_unused();

	hmk_provoke(test, "kmap() in atomic context");
	preempt_disable();
	addr = kmap(page);
	good = stamped(addr, page, 44);
	preempt_enable();
	kunmap(page);
	kmap_flush_unused();
	local_irq_disable();
	addr = kmap(page);
	good &= stamped(addr, page, 44);
	local_irq_enable();
	kunmap(page);

	irq_work_queue(&ak->irq_work);
	arrived = wait_for_completion_timeout(&ak->done, TIMEOUT);
	irq_work_sync(&ak->irq_work);
	if (arrived)
		kunmap(ak->page);
	hmk_provoked(test);

	KUNIT_EXPECT_TRUE(test, good);
	KUNIT_EXPECT_TRUE(test, arrived);
	KUNIT_EXPECT_TRUE(test, ak->good);
	if (IS_ENABLED(CONFIG_PREEMPT_COUNT))
		hmk_expect_report(test, "kmap() in atomic context");
	kmap_flush_unused();
	KUNIT_EXPECT_NULL(test, page_address(page));
	KUNIT_EXPECT_NULL(test, page_address(ak->page));
}

#ifdef ARCH_NEEDS_KMAP_HIGH_GET
/* kmap_high_get() holds a mapping that exists, and does not sleep. */
static void kmap_high_get_holds(struct kunit *test)
{
	struct page *page = hmk_get_page(test, true);
	void *addr, *local, *got;

	kmap_flush_unused();
	KUNIT_EXPECT_NULL(test, kmap_high_get(page));
	addr = hmk_hold_kmap(test, page);
	stamp(addr, page, 45);
	got = kmap_high_get(page);
	KUNIT_EXPECT_PTR_EQ(test, got, addr);
	hmk_drop_kmap(test, page);
	kmap_flush_unused();
	KUNIT_EXPECT_PTR_EQ(test, page_address(page), addr);
	KUNIT_EXPECT_TRUE(test, stamped_nofault(addr, page, 45));

	/* A local mapping of a page that kmap() has mapped is one more holder. */
	local = kmap_local_page(page);
	if (got)
		kunmap_high(page);
	kmap_flush_unused();
	KUNIT_EXPECT_TRUE(test, stamped_nofault(local, page, 45));
	KUNIT_EXPECT_PTR_EQ(test, local, addr);
	kunmap_local(local);
	kmap_flush_unused();
	KUNIT_EXPECT_NULL(test, page_address(page));
	KUNIT_EXPECT_FALSE(test, readable(addr));
}
#endif

/* After a misuse: does the pool still fill and reclaim slots? */
static void check_pool_works(struct kunit *test)
{
	struct page_set *set = hmk_get_page_set(test, true, 8);
	unsigned int i;
	void *addr[8];

	for (i = 0; i < 8; i++) {
		addr[i] = hmk_hold_kmap(test, set->page[i]);
		stamp(addr[i], set->page[i], 46);
	}
	for (i = 0; i < 8; i++) {
		KUNIT_EXPECT_TRUE(test, stamped(addr[i], set->page[i], 46));
		KUNIT_EXPECT_PTR_EQ(test, page_address(set->page[i]), addr[i]);
		hmk_drop_kmap(test, set->page[i]);
	}
	kmap_flush_unused();
	for (i = 0; i < 8; i++) {
		KUNIT_EXPECT_NULL(test, page_address(set->page[i]));
		KUNIT_EXPECT_FALSE(test, readable(addr[i]));
	}
}

/* kunmap() of an idle page warns once and changes nothing. */
static void kunmap_of_idle_page(struct kunit *test)
{
	struct page *page = hmk_get_page(test, true);

	kmap_flush_unused();
	stamp(kmap(page), page, 47);
	kunmap(page);
	hmk_provoke(test, "kunmap() of");
	hmk_risk_pool(test);
	kunmap(page);
	hmk_pool_survived();
	hmk_provoked(test);

	KUNIT_EXPECT_TRUE(test, stamped(hmk_hold_kmap(test, page), page, 47));
	hmk_drop_kmap(test, page);
	kmap_flush_unused();
	KUNIT_EXPECT_NULL(test, page_address(page));
	check_pool_works(test);
	hmk_expect_report(test, "kunmap() of");
	KUNIT_EXPECT_LE(test, hmk_reports(), 1);
}

/* kunmap() of a page without a slot warns and changes nothing. */
static void kunmap_of_unmapped_page(struct kunit *test)
{
	struct page *page = hmk_get_page(test, true);

	kmap_flush_unused();
	KUNIT_ASSERT_NULL(test, page_address(page));
	hmk_provoke(test, "kunmap() of");
	hmk_risk_pool(test);
	kunmap(page);
	hmk_pool_survived();
	hmk_provoked(test);

	KUNIT_EXPECT_NULL(test, page_address(page));
	stamp_page(page, 48);
	KUNIT_EXPECT_TRUE(test, stamped(hmk_hold_kmap(test, page), page, 48));
	hmk_drop_kmap(test, page);
	check_pool_works(test);
	hmk_expect_report(test, "kunmap() of");
}
#endif /* CONFIG_HIGHMEM */

static struct kunit_case highmem_pool_cases[] = {
	KUNIT_CASE(kmap_round_trip),
	KUNIT_CASE(kmap_of_low_page),
	KUNIT_CASE(kmap_of_mapped_page),
	KUNIT_CASE(kmap_is_valid_on_all_cpus),
	KUNIT_CASE(kmap_flush_unused_removes_idle),
	KUNIT_CASE(kmap_to_page_of_pool_address),
	KUNIT_CASE(kmap_to_page_of_local_address),
	KUNIT_CASE(kmap_to_page_of_deep_address),
	KUNIT_CASE(kmap_to_page_of_first_local_slot),
	KUNIT_CASE(is_kmap_addr_in_pool),
	KUNIT_CASE(is_kmap_addr_of_other_memory),
	KUNIT_CASE(is_kmap_addr_in_local_slots),
	KUNIT_CASE(is_kmap_addr_in_first_local_slot),
#ifdef CONFIG_HIGHMEM
	KUNIT_CASE(kmap_of_more_pages_than_slots),
	KUNIT_CASE(kmap_reuse_flushes_all_cpus),
	KUNIT_CASE(kmap_keeps_hot_pages),
	KUNIT_CASE(kmap_by_two_tasks_at_once),
	KUNIT_CASE(kmap_many_holders),
	KUNIT_CASE_SLOW(kmap_by_many_tasks),
	KUNIT_CASE_SLOW(kmap_by_many_tasks_while_flushed),
	KUNIT_CASE(kmap_in_atomic_context),
#ifdef ARCH_NEEDS_KMAP_HIGH_GET
	KUNIT_CASE(kmap_high_get_holds),
#endif
	KUNIT_CASE(kunmap_of_unmapped_page),
	KUNIT_CASE(kunmap_of_idle_page),
#endif
	{}
};

static struct kunit_suite highmem_pool_suite = {
	.name = "highmem_pool",
	.init = hmk_remember_task_and_pool,
	.exit = hmk_check_task,
	.test_cases = highmem_pool_cases,
};

kunit_test_suites(&highmem_pool_suite);

MODULE_DESCRIPTION("KUnit suite for high memory: the pkmap pool");
MODULE_LICENSE("GPL");
