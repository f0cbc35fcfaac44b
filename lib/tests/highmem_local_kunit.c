// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit suite "highmem_local": the per-task stack of local mappings, kmap_local_*() and
 * kmap_atomic*(). See highmem_kunit.h.
 */

#include <linux/delay.h>
#include <linux/hrtimer.h>
#include <linux/io-mapping.h>
#include <linux/irq_work.h>
#include <linux/kthread.h>
#include <linux/prandom.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/timer.h>

#include "highmem_kunit.h"

/*
 * Does a report name the function that has made the mapping? gcov prevents inlining, so
 * the name is another one.
 */
#ifdef folio_map_local
#define REPORTS_NAME_MAPPER	(IS_ENABLED(CONFIG_DEBUG_KMAP_LOCAL) && \
				 IS_ENABLED(CONFIG_KALLSYMS) && \
				 !IS_ENABLED(CONFIG_GCOV_KERNEL))
#else
#define REPORTS_NAME_MAPPER	0
#endif

/* ------------------------------------------------ map and unmap */

/*
 * Is the former mapping gone? An idle PTE may stay until a flush, unless the kernel is
 * built to find accesses after the unmap. A direct mapping always stays.
 */
static bool local_gone(const void *addr)
{
	/* A probe may have mapped its own page there. */
	if (virt_addr_valid(addr) || hmk_probes_registered)
		return true;
	if (!IS_ENABLED(CONFIG_DEBUG_KMAP_LOCAL))
		kmap_flush_unused();
	return !readable(addr);
}

static unsigned int count_stamped(struct page_set *set, void **addr, unsigned int nr, u32 salt)
{
	unsigned int i, good = 0;

	for (i = 0; i < nr; i++)
		good += stamped(addr[i], set->page[i], salt);
	return good;
}

static void kmap_local_page_round_trip(struct kunit *test)
{
	struct page *page = hmk_get_page(test, true);
	void *view = hmk_get_view(test, &page, 1);
	bool good, through;
	void *addr;

	stamp(view, page, 1);
	addr = kmap_local_page(page);
	good = stamped(addr, page, 1);
	stamp(addr, page, 2);
	kunmap_local(addr);
	through = stamped(view, page, 2);

	KUNIT_EXPECT_TRUE(test, good);
	KUNIT_EXPECT_TRUE(test, through);
	KUNIT_EXPECT_EQ(test, offset_in_page(addr), 0);
	KUNIT_EXPECT_EQ(test, map_depth(current), 0);
	if (IS_ENABLED(CONFIG_HIGHMEM))
		KUNIT_EXPECT_TRUE(test, in_local_slots(addr));
}

static void kmap_local_page_of_low_page(struct kunit *test)
{
	struct page *page = hmk_get_page(test, false);
	void *addr;
	int depth;

	REQUIRES(test, !FORCE_MAP, "kmap_local_page() maps each page of this kernel");
	addr = kmap_local_page(page);
	depth = map_depth(current);
	kunmap_local(addr);
	KUNIT_EXPECT_PTR_EQ(test, addr, page_address(page));
	KUNIT_EXPECT_EQ(test, depth, 0);
	KUNIT_EXPECT_TRUE(test, readable(addr));

	/* A direct mapping has no other protection. */
	addr = kmap_local_page_prot(page, PAGE_KERNEL_RO);
	depth = map_depth(current);
	kunmap_local(addr);
	KUNIT_EXPECT_PTR_EQ(test, addr, page_address(page));
	KUNIT_EXPECT_EQ(test, depth, 0);
}

/* FORCE_MAP is for finding code that uses direct addresses of mapped pages. */
static void kmap_local_page_forced(struct kunit *test)
{
	struct page *page = hmk_get_page(test, false);
	bool good, local;
	void *addr;

	REQUIRES(test, FORCE_MAP, "needs CONFIG_DEBUG_KMAP_LOCAL_FORCE_MAP");
	stamp(page_address(page), page, 3);
	addr = kmap_local_page(page);
	local = in_local_slots(addr);
	good = stamped(addr, page, 3);
	stamp(addr, page, 4);
	kunmap_local(addr);

	KUNIT_EXPECT_TRUE(test, local);
	KUNIT_EXPECT_PTR_NE(test, addr, page_address(page));
	KUNIT_EXPECT_TRUE(test, good);
	KUNIT_EXPECT_TRUE(test, stamped(page_address(page), page, 4));
}

static void kunmap_local_removes_mapping(struct kunit *test)
{
	struct page *page = hmk_get_page(test, true);
	unsigned int cpu;
	void *addr;
	bool held;

	REQUIRES_MAPPING(test);
	for_each_online_cpu(cpu) {
		pin_to_cpu(test, cpu);
		addr = kmap_local_page(page);
		held = readable(addr);
		kunmap_local(addr);
		KUNIT_EXPECT_TRUE(test, held);
		KUNIT_EXPECT_TRUE(test, local_gone(addr));
	}
}

static void kunmap_local_takes_any_offset(struct kunit *test)
{
	static const unsigned int offset[] = { 0, 1, 100, PAGE_SIZE / 2, PAGE_SIZE - 1 };
	struct page *page = hmk_get_page(test, true);
	unsigned int i;

	REQUIRES_MAPPING(test);
	pin_to_cpu(test, first_cpu());
	for (i = 0; i < ARRAY_SIZE(offset); i++) {
		char *addr = kmap_local_page(page);

		kunmap_local(addr + offset[i]);
		KUNIT_EXPECT_EQ(test, map_depth(current), 0);
		KUNIT_EXPECT_TRUE(test, local_gone(addr));
	}
}

/* Each page in a slot must be seen, and no earlier one. */
static void kmap_local_page_reuses_slot(struct kunit *test)
{
	struct page_set *set = hmk_get_page_set(test, true, 64);
	unsigned int i, good = 0, again = 0;

	pin_to_cpu(test, first_cpu());
	for (i = 0; i < set->nr; i++)
		stamp_page(set->page[i], 5);
	for (i = 0; i < set->nr; i++)
		good += page_stamped(set->page[i], 5);
	/* Two pages alternate, and one page is mapped twice. */
	for (i = 0; i < set->nr; i++) {
		stamp_page(set->page[i & 1], 6 + i);
		again += page_stamped(set->page[i & 1], 6 + i);
		again += page_stamped(set->page[i & 1], 6 + i);
	}
	KUNIT_EXPECT_EQ(test, good, set->nr);
	KUNIT_EXPECT_EQ(test, again, 2 * set->nr);
}

/* Nests @nr mappings four times and checks each of them. */
static void check_nesting(struct kunit *test, unsigned int nr)
{
	struct page_set *set = hmk_get_page_set(test, true, nr);
	void **addr = kunit_kcalloc(test, nr, sizeof(*addr), GFP_KERNEL);
	unsigned int round, i, j, shared = 0, good = 0, gone = 0;
	int depth = -1;

	KUNIT_ASSERT_NOT_NULL(test, addr);
	pin_to_cpu(test, first_cpu());
	for (i = 0; i < nr; i++)
		stamp_page(set->page[i], nr);

	for (round = 0; round < 4; round++) {
		for (i = 0; i < nr; i++) {
			addr[i] = kmap_local_page(set->page[i]);
			for (j = 0; j < i; j++)
				shared += addr[i] == addr[j];
		}
		good += count_stamped(set, addr, nr, nr + round);
		for (i = 0; i < nr; i++)
			stamp(addr[i], set->page[i], nr + round + 1);
		good += count_stamped(set, addr, nr, nr + round + 1);
		unmap_all(addr, nr);
		depth = map_depth(current);
		if (depth)
			break;
	}
	KUNIT_ASSERT_EQ(test, depth, 0);
	KUNIT_EXPECT_EQ(test, shared, 0);
	KUNIT_EXPECT_EQ(test, good, 2 * 4 * nr);

	for (i = 0; i < nr; i++)
		gone += local_gone(addr[i]);
	KUNIT_EXPECT_EQ(test, gone, nr);
	for (i = 0; i < nr; i++)
		KUNIT_EXPECT_TRUE(test, page_stamped(set->page[i], nr + 4));
}

static void kmap_local_page_nests_15_deep(struct kunit *test)
{
	check_nesting(test, 2);
	check_nesting(test, 15);
}

static void kmap_local_page_nests_16_deep(struct kunit *test)
{
	REQUIRES_MAPPING(test);
	check_nesting(test, 16);
}

/* More mappings than the stack has slots. */
static void kmap_local_page_nests_24_deep(struct kunit *test)
{
	unsigned int i;

	REQUIRES_MAPPING(test);
	/* 36 rounds take 288 overflow slots. A kernel that leaks its 256 overflow slots fails. */
	for (i = 0; i < 9 && map_depth(current) == 0; i++)
		check_nesting(test, 24);
	if (map_depth(current) == 0)
		check_nesting(test, 15);
}

static void kmap_local_page_prot_read_only(struct kunit *test)
{
	struct page *page = hmk_get_page(test, true);
	u32 word = 0x12345678;
	bool good, refused;
	void *addr;

	stamp_page(page, 7);
	addr = kmap_local_page_prot(page, PAGE_KERNEL_RO);
	good = stamped(addr, page, 7);
	refused = copy_to_kernel_nofault(addr, &word, sizeof(word));
	kunmap_local(addr);
	KUNIT_EXPECT_TRUE(test, good);
	if (CAN_MAP && IS_ENABLED(CONFIG_X86))
		KUNIT_EXPECT_TRUE(test, refused);

	addr = kmap_local_page_prot(page, DEFAULT_PROT);
	stamp(addr, page, 8);
	kunmap_local(addr);
	KUNIT_EXPECT_TRUE(test, page_stamped(page, 8));
	KUNIT_EXPECT_EQ(test, map_depth(current), 0);
}

static void kmap_local_pfn_shows_page(struct kunit *test)
{
	unsigned int high;

	for (high = 0; high < 2; high++) {
		struct page *page = hmk_get_page(test, high);
		void *view = hmk_get_view(test, &page, 1);
		bool good;
		void *addr;

		stamp(view, page, 9);
		addr = kmap_local_pfn(page_to_pfn(page));
		good = stamped(addr, page, 9);
		stamp(addr, page, 10);
		kunmap_local(addr);
		KUNIT_EXPECT_TRUE(test, good);
		KUNIT_EXPECT_TRUE(test, stamped(view, page, 10));
		KUNIT_EXPECT_EQ(test, map_depth(current), 0);
	}
}

static void kmap_local_folio_at_offsets(struct kunit *test)
{
	static const unsigned int within[] = { 0, 1, 1000, PAGE_SIZE - 1 };
	struct folio *folio = hmk_get_folio(test, true, 3);
	struct page *pages[8];
	struct rnd_state rnd;
	unsigned int i, j;
	u8 *view;

	prandom_seed_state(&rnd, 22);
	for (i = 0; i < 8; i++)
		pages[i] = folio_page(folio, i);
	view = hmk_get_view(test, pages, 8);
	prandom_bytes_state(&rnd, view, folio_size(folio));

	for (i = 0; i < 8; i++) {
		for (j = 0; j < ARRAY_SIZE(within); j++) {
			size_t offset = i * PAGE_SIZE + within[j];
			u8 *addr = kmap_local_folio(folio, offset);
			bool good = !memcmp(addr, view + offset, PAGE_SIZE - within[j]);

			kunmap_local(addr);
			KUNIT_EXPECT_EQ(test, offset_in_page(addr), within[j]);
			KUNIT_EXPECT_TRUE(test, good);
			KUNIT_EXPECT_EQ(test, map_depth(current), 0);
		}
	}
}

/* The context between kmap_atomic() and kunmap_atomic(). */
struct atomic_context {
	int preempt;
	bool pagefaults_off;
	bool good;
};

static struct atomic_context atomic_context_of(const void *addr, struct page *page, u32 salt)
{
	return (struct atomic_context) {
		.preempt = preempt_count(),
		.pagefaults_off = pagefault_disabled(),
		.good = stamped(addr, page, salt),
	};
}

static void expect_atomic(struct kunit *test, struct atomic_context inside, int before)
{
	KUNIT_EXPECT_TRUE(test, inside.pagefaults_off);
	KUNIT_EXPECT_TRUE(test, inside.good);
	if (IS_ENABLED(CONFIG_PREEMPT_COUNT) && !IS_ENABLED(CONFIG_PREEMPT_RT))
		KUNIT_EXPECT_GT(test, inside.preempt, before);
	KUNIT_EXPECT_EQ(test, preempt_count(), before);
	KUNIT_EXPECT_FALSE(test, pagefault_disabled());
	KUNIT_EXPECT_EQ(test, map_depth(current), 0);
}

static void kmap_atomic_context(struct kunit *test)
{
	int before = preempt_count();
	struct atomic_context inside;
	unsigned int high;
	void *addr;

	for (high = 0; high < 2; high++) {
		struct page *page = hmk_get_page(test, high);

		stamp_page(page, 11);
		addr = kmap_atomic(page);
		inside = atomic_context_of(addr, page, 11);
		stamp(addr, page, 12);
		kunmap_atomic(addr);
		expect_atomic(test, inside, before);
		KUNIT_EXPECT_TRUE(test, page_stamped(page, 12));
	}
}

static void kmap_atomic_prot_context(struct kunit *test)
{
	struct page *page = hmk_get_page(test, true);
	int before = preempt_count();
	struct atomic_context inside;
	u32 word = 0x12345678;
	bool refused;
	void *addr;

	stamp_page(page, 13);
	addr = kmap_atomic_prot(page, PAGE_KERNEL_RO);
	inside = atomic_context_of(addr, page, 13);
	refused = copy_to_kernel_nofault(addr, &word, sizeof(word));
	kunmap_atomic(addr);
	expect_atomic(test, inside, before);
	if (CAN_MAP && IS_ENABLED(CONFIG_X86))
		KUNIT_EXPECT_TRUE(test, refused);
}

static void kmap_atomic_pfn_context(struct kunit *test)
{
	struct page *page = hmk_get_page(test, true);
	int before = preempt_count();
	struct atomic_context inside;
	void *addr;

	stamp_page(page, 14);
	addr = kmap_atomic_pfn(page_to_pfn(page));
	inside = atomic_context_of(addr, page, 14);
	kunmap_atomic(addr + PAGE_SIZE - 1);
	expect_atomic(test, inside, before);
}

static void kmap_atomic_within_local(struct kunit *test)
{
	struct page_set *set = hmk_get_page_set(test, true, 4);
	struct atomic_context inside[2];
	int before = preempt_count();
	unsigned int good, i;
	void *addr[4];

	for (i = 0; i < 4; i++)
		stamp_page(set->page[i], 15);
	addr[0] = kmap_local_page(set->page[0]);
	addr[1] = kmap_atomic(set->page[1]);
	addr[2] = kmap_local_page(set->page[2]);
	addr[3] = kmap_atomic(set->page[3]);
	good = count_stamped(set, addr, 4, 15);
	kunmap_atomic(addr[3]);
	kunmap_local(addr[2]);
	inside[0] = atomic_context_of(addr[1], set->page[1], 15);
	kunmap_atomic(addr[1]);
	inside[1] = atomic_context_of(addr[0], set->page[0], 15);
	kunmap_local(addr[0]);

	KUNIT_EXPECT_EQ(test, good, 4);
	KUNIT_EXPECT_FALSE(test, inside[1].pagefaults_off);
	KUNIT_EXPECT_TRUE(test, inside[1].good);
	KUNIT_EXPECT_EQ(test, inside[1].preempt, before);
	expect_atomic(test, inside[0], before);
}

/* Drivers map frames of low memory and of devices this way, also without high memory. */
static void kmap_local_pfn_prot_reuses_slot(struct kunit *test)
{
#ifdef CONFIG_KMAP_LOCAL
	struct page_set *set = hmk_get_page_set(test, false, 16);
	unsigned int i, wrong = 0, missed = 0;

	pin_to_cpu(test, first_cpu());
	for (i = 0; i < set->nr; i++)
		stamp(page_address(set->page[i]), set->page[i], 16);
	for (i = 0; i < set->nr; i++) {
		struct page *page = set->page[i];
		void *addr = __kmap_local_pfn_prot(page_to_pfn(page), PAGE_KERNEL);

		wrong += !stamped(addr, page, 16);
		stamp(addr, page, 17);
		kunmap_local_indexed(addr);
		missed += !stamped(page_address(page), page, 17);
		KUNIT_EXPECT_TRUE(test, in_local_slots(addr));
		KUNIT_EXPECT_EQ(test, map_depth(current), 0);
	}
	KUNIT_EXPECT_EQ_MSG(test, wrong, 0, "another page's data was read");
	KUNIT_EXPECT_EQ_MSG(test, missed, 0, "another page was written to");
#else
	kunit_skip(test, "needs CONFIG_KMAP_LOCAL");
#endif
}

#ifdef CONFIG_HAVE_ATOMIC_IOMAP
/* The BIOS image below 1 MB: each PC has one, and its contents do not change. */
#define FIRMWARE_BASE	0xf0000UL
#define FIRMWARE_SIZE	0x10000UL

static void release_io_mapping(void *mapping)
{
	io_mapping_free(mapping);
}
#endif

static void io_mapping_map_local_wc_shows_device(struct kunit *test)
{
#ifdef CONFIG_HAVE_ATOMIC_IOMAP
	const u8 *direct = __va(FIRMWARE_BASE);
	struct io_mapping *mapping;
	unsigned int differ = 0;
	unsigned long offset;

	pin_to_cpu(test, first_cpu());
	mapping = io_mapping_create_wc(FIRMWARE_BASE, FIRMWARE_SIZE);
	KUNIT_ASSERT_NOT_NULL(test, mapping);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, release_io_mapping, mapping), 0);

	for (offset = 0; offset < FIRMWARE_SIZE; offset += PAGE_SIZE) {
		void __iomem *addr = io_mapping_map_local_wc(mapping, offset);
		bool good = !memcmp((const void __force *)addr, direct + offset, PAGE_SIZE);

		io_mapping_unmap_local(addr);
		KUNIT_EXPECT_TRUE_MSG(test, good, "wrong page at %#lx", offset);
		KUNIT_EXPECT_EQ(test, map_depth(current), 0);
		differ += offset && memcmp(direct, direct + offset, PAGE_SIZE);
	}
	if (!differ)
		kunit_mark_skipped(test, "all pages of the firmware are equal");
#else
	kunit_skip(test, "needs CONFIG_HAVE_ATOMIC_IOMAP");
#endif
}

/* With CONFIG_DEBUG_KMAP_LOCAL both neighbours of a mapping are unmapped. */
static void kmap_local_page_has_guards(struct kunit *test)
{
	struct page_set *set = hmk_get_page_set(test, true, 3);
	unsigned int i, open = 0;
	void *addr[3];

	REQUIRES_MAPPING(test);
	REQUIRES(test, IS_ENABLED(CONFIG_DEBUG_KMAP_LOCAL), "needs CONFIG_DEBUG_KMAP_LOCAL");
	pin_to_cpu(test, first_cpu());
	map_all(set, addr, 3);
	for (i = 0; i < 3; i++) {
		open += readable(addr[i] + PAGE_SIZE);
		open += readable(addr[i] - sizeof(u32));
	}
	unmap_all(addr, 3);
	KUNIT_EXPECT_EQ(test, open, 0);
}

/* ------------------------------------ tasks, CPUs and interrupts */

/*
 * Two threads on one CPU with mappings at the same depths. They wake each other in turn,
 * or the scheduler preempts them. Each must find its own pages after the other one has
 * run.
 */
#define PAIR_MAPS	5
#define PAIR_ROUNDS	1000

struct task_pair {
	struct page_set *set[2];
	struct completion turn[2];
	atomic_t joined;
	bool busy;
	unsigned int bad[2];
	unsigned int rounds_run[2];
	unsigned long switches[2];
};

static void run_pair(struct worker *worker)
{
	struct task_pair *task_pair = worker->data;
	unsigned int me = atomic_inc_return(&task_pair->joined) - 1;
	unsigned long end = jiffies + HZ / 2;
	struct page_set *set = task_pair->set[me];
	unsigned int i, round = 0;
	void *addr[PAIR_MAPS];

	map_all(set, addr, PAIR_MAPS);
	for (i = 0; i < PAIR_MAPS; i++)
		stamp(addr[i], set->page[i], 0);
	while (task_pair->busy ? time_before(jiffies, end) : round < PAIR_ROUNDS) {
		if (worker_stopped(worker))
			break;
		if (task_pair->busy) {
			cond_resched();
		} else {
			complete(&task_pair->turn[!me]);
			if (!wait_for_completion_timeout(&task_pair->turn[me], TIMEOUT / 2))
				break;
		}
		task_pair->bad[me] += count_stamped(set, addr, PAIR_MAPS, round) != PAIR_MAPS;
		round++;
		for (i = 0; i < PAIR_MAPS; i++)
			stamp(addr[i], set->page[i], round);
	}
	unmap_all(addr, PAIR_MAPS);
	task_pair->rounds_run[me] = round;
	task_pair->switches[me] = current->nvcsw + current->nivcsw;
	complete(&task_pair->turn[!me]);
}

static void check_pair(struct kunit *test, unsigned int cpu, bool busy)
{
	struct task_pair *task_pair = kunit_kzalloc(test, sizeof(*task_pair), GFP_KERNEL);
	struct worker *worker[2];
	unsigned int i, j, good;

	KUNIT_ASSERT_NOT_NULL(test, task_pair);
	task_pair->busy = busy;
	for (i = 0; i < 2; i++) {
		task_pair->set[i] = hmk_get_page_set(test, true, PAIR_MAPS);
		init_completion(&task_pair->turn[i]);
	}
	for (i = 0; i < 2; i++)
		worker[i] = hmk_start_worker(test, cpu, run_pair, task_pair);
	for (i = 0; i < 2; i++)
		hmk_join_worker(test, worker[i]);

	for (i = 0; i < 2; i++) {
		kunit_info(test, "%u rounds, %lu switches\n",
			   task_pair->rounds_run[i], task_pair->switches[i]);
		KUNIT_EXPECT_EQ(test, task_pair->bad[i], 0);
		KUNIT_EXPECT_GE(test, task_pair->rounds_run[i], busy ? 10 : PAIR_ROUNDS);
		KUNIT_EXPECT_GT(test, task_pair->switches[i], busy ? 3 : PAIR_ROUNDS / 3);
		for (j = 0, good = 0; j < PAIR_MAPS; j++)
			good += page_stamped(task_pair->set[i]->page[j], task_pair->rounds_run[i]);
		KUNIT_EXPECT_EQ(test, good, PAIR_MAPS);
	}
}

static void kmap_local_page_survives_sleep(struct kunit *test)
{
	check_pair(test, first_cpu(), false);
}

static void kmap_local_page_survives_preemption(struct kunit *test)
{
	check_pair(test, num_online_cpus() > 1 ? second_cpu() : first_cpu(), true);
}

#ifdef CONFIG_SMP
struct mover {
	struct task_struct *task;
	unsigned int cpu;
	int error;
};

static void move_task(struct worker *worker)
{
	struct mover *mover = worker->data;

	mover->error = set_cpus_allowed_ptr(mover->task, cpumask_of(mover->cpu));
}
#endif

/* A task with a page mapped stays on its CPU. */
static void kmap_local_page_stays_on_cpu(struct kunit *test)
{
#ifdef CONFIG_SMP
	struct mover *mover = kunit_kzalloc(test, sizeof(*mover), GFP_KERNEL);
	struct page_set *set = hmk_get_page_set(test, true, 2);
	unsigned int i, moved = 0, good = 0, pinned = 0;
	struct worker *worker;
	bool early = false;
	void *addr[2];

	REQUIRES_MAPPING(test);
	REQUIRES_TWO_CPUS(test);
	KUNIT_ASSERT_NOT_NULL(test, mover);
	for (i = 0; i < 2; i++)
		stamp_page(set->page[i], 18);
	pin_to_cpu(test, first_cpu());
	KUNIT_ASSERT_EQ(test, set_cpus_allowed_ptr(current, cpu_online_mask), 0);
	KUNIT_ASSERT_EQ(test, current->migration_disabled, 0);
	mover->task = current;

	/* No assertions here: a failed one ends the task with pages mapped. */
	map_all(set, addr, 2);
	kunmap_local(addr[1]);
	mover->cpu = raw_smp_processor_id() == first_cpu() ? second_cpu() : first_cpu();
	worker = hmk_start_worker(test, mover->cpu, move_task, mover);
	for (i = 0; i < 50; i++) {
		usleep_range(2000, 4000);
		/* The scheduler pins the task when it is scheduled out. */
		pinned += !!current->migration_disabled;
		good += stamped(addr[0], set->page[0], 18);
		moved += raw_smp_processor_id() == mover->cpu;
		early |= completion_done(&worker->done);
	}
	kunmap_local(addr[0]);

	hmk_join_worker(test, worker);
	KUNIT_EXPECT_EQ(test, mover->error, 0);
	KUNIT_EXPECT_EQ(test, pinned, 50);
	KUNIT_EXPECT_EQ(test, moved, 0);
	KUNIT_EXPECT_EQ(test, good, 50);
	KUNIT_EXPECT_FALSE(test, early);
	KUNIT_EXPECT_EQ(test, current->migration_disabled, 0);
	KUNIT_EXPECT_EQ(test, raw_smp_processor_id(), mover->cpu);
#else
	kunit_skip(test, "needs CONFIG_SMP");
#endif
}

#define INTERRUPT_NS	(300 * NSEC_PER_USEC)

/* An interrupt that maps pages above those of the task. */
struct interrupter {
	struct hrtimer hrtimer;
	struct irq_work irq_work;
	struct timer_list timer;
	struct page_set *set;
	u32 salt;
	unsigned int runs;
	unsigned int over_maps;
	unsigned int bad;
	bool stop;
	bool in_thread;	/* runs in a thread, never above other mappings */
};

static void map_in_interrupt(struct interrupter *interrupter)
{
	struct page_set *set = interrupter->set;
	void *addr[2];

	interrupter->over_maps += map_depth(current) > 0;
	map_all(set, addr, 2);
	if (count_stamped(set, addr, 2, interrupter->salt) != 2)
		interrupter->bad++;
	interrupter->salt++;
	stamp(addr[0], set->page[0], interrupter->salt);
	stamp(addr[1], set->page[1], interrupter->salt);
	unmap_all(addr, 2);
	interrupter->runs++;
}

static enum hrtimer_restart hrtimer_interrupt_task(struct hrtimer *hrtimer)
{
	struct interrupter *interrupter = container_of(hrtimer, struct interrupter, hrtimer);

	map_in_interrupt(interrupter);
	hrtimer_forward_now(hrtimer, ns_to_ktime(INTERRUPT_NS));
	return HRTIMER_RESTART;
}

static void irq_work_interrupt_task(struct irq_work *irq_work)
{
	map_in_interrupt(container_of(irq_work, struct interrupter, irq_work));
}

static void timer_interrupt_task(struct timer_list *timer)
{
	struct interrupter *interrupter = timer_container_of(interrupter, timer, timer);

	map_in_interrupt(interrupter);
	if (!READ_ONCE(interrupter->stop))
		mod_timer(timer, jiffies + 1);
}

static void stop_hrtimer(void *hrtimer)
{
	hrtimer_cancel(hrtimer);
}

static void stop_timer(void *timer)
{
	timer_shutdown_sync(timer);
}

static void stop_irq_work(void *irq_work)
{
	irq_work_sync(irq_work);
}

static struct interrupter *get_interrupter(struct kunit *test)
{
	struct interrupter *interrupter = kunit_kzalloc(test, sizeof(*interrupter), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, interrupter);
	interrupter->set = hmk_get_page_set(test, true, 2);
	stamp_page(interrupter->set->page[0], 0);
	stamp_page(interrupter->set->page[1], 0);
	return interrupter;
}

/* Maps, checks and unmaps one to six pages for a second. */
static void map_while_interrupted(struct kunit *test, struct interrupter *interrupter,
				  void (*trigger)(struct interrupter *interrupter))
{
	struct page_set *set = hmk_get_page_set(test, true, 6);
	unsigned int i, nr = 0, rounds = 0, bad = 0;
	unsigned long end = jiffies + HZ;
	void *addr[6];

	while (time_before(jiffies, end)) {
		nr = 1 + rounds++ % set->nr;
		for (i = 0; i < nr; i++) {
			addr[i] = kmap_local_page(set->page[i]);
			stamp(addr[i], set->page[i], rounds);
		}
		if (trigger)
			trigger(interrupter);
		bad += count_stamped(set, addr, nr, rounds) != nr;
		unmap_all(addr, nr);
		cond_resched();
	}
	kunit_info(test, "%u rounds, %u interruptions, %u of them over mappings\n",
		   rounds, interrupter->runs, interrupter->over_maps);
	KUNIT_EXPECT_EQ(test, bad, 0);
	KUNIT_EXPECT_EQ(test, map_depth(current), 0);
}

static void expect_interrupted(struct kunit *test, struct interrupter *interrupter)
{
	KUNIT_EXPECT_EQ(test, interrupter->bad, 0);
	KUNIT_EXPECT_GT(test, interrupter->runs, 10);
	if (CAN_MAP && !interrupter->in_thread)
		KUNIT_EXPECT_GT(test, interrupter->over_maps, 0);
	KUNIT_EXPECT_TRUE(test, page_stamped(interrupter->set->page[0], interrupter->salt));
	KUNIT_EXPECT_TRUE(test, page_stamped(interrupter->set->page[1], interrupter->salt));
}

static void kmap_local_page_in_hrtimer(struct kunit *test)
{
	struct interrupter *interrupter = get_interrupter(test);

	pin_to_cpu(test, first_cpu());
	hmk_hrtimer_setup(&interrupter->hrtimer, hrtimer_interrupt_task,
			  HRTIMER_MODE_REL_PINNED_HARD);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, stop_hrtimer,
							&interrupter->hrtimer), 0);
	hrtimer_start(&interrupter->hrtimer, ns_to_ktime(INTERRUPT_NS),
		      HRTIMER_MODE_REL_PINNED_HARD);
	map_while_interrupted(test, interrupter, NULL);
	kunit_release_action(test, stop_hrtimer, &interrupter->hrtimer);
	expect_interrupted(test, interrupter);
}

static void queue_irq_work(struct interrupter *interrupter)
{
	irq_work_queue(&interrupter->irq_work);
}

static void kmap_local_page_in_irq_work(struct kunit *test)
{
	struct interrupter *interrupter = get_interrupter(test);

	pin_to_cpu(test, first_cpu());
	interrupter->irq_work = IRQ_WORK_INIT_HARD(irq_work_interrupt_task);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, stop_irq_work,
							&interrupter->irq_work), 0);
	map_while_interrupted(test, interrupter, queue_irq_work);
	kunit_release_action(test, stop_irq_work, &interrupter->irq_work);
	expect_interrupted(test, interrupter);
}

static void kmap_local_page_in_softirq(struct kunit *test)
{
	struct interrupter *interrupter = get_interrupter(test);

	pin_to_cpu(test, first_cpu());
	interrupter->in_thread = IS_ENABLED(CONFIG_PREEMPT_RT);
	timer_setup(&interrupter->timer, timer_interrupt_task, TIMER_PINNED);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, stop_timer,
							&interrupter->timer), 0);
	mod_timer(&interrupter->timer, jiffies + 1);
	map_while_interrupted(test, interrupter, NULL);
	WRITE_ONCE(interrupter->stop, true);
	kunit_release_action(test, stop_timer, &interrupter->timer);
	expect_interrupted(test, interrupter);
}

/* ------------------------------------------------- misuse */

static void kmap_local_fork_drops_mappings(struct kunit *test)
{
#ifdef CONFIG_KMAP_LOCAL
	struct task_struct *child = kunit_kzalloc(test, sizeof(*child), GFP_KERNEL);
	struct page *page = hmk_get_page(test, true);

	KUNIT_ASSERT_NOT_NULL(test, child);
	kmap_local_fork(child);
	KUNIT_EXPECT_EQ(test, child->kmap_ctrl.idx, 0);

	child->kmap_ctrl.idx = 2;
	child->kmap_ctrl.pteval[0] = mk_pte(page, PAGE_KERNEL);
	child->kmap_ctrl.pteval[1] = mk_pte(page, PAGE_KERNEL);
	hmk_provoke(test, "WARNING: ");
	kmap_local_fork(child);
	hmk_provoked(test);
	KUNIT_EXPECT_EQ(test, child->kmap_ctrl.idx, 0);
	KUNIT_EXPECT_TRUE(test, pte_none(child->kmap_ctrl.pteval[0]));
	KUNIT_EXPECT_TRUE(test, pte_none(child->kmap_ctrl.pteval[1]));
	hmk_expect_report(test, "WARNING: ");
#else
	kunit_skip(test, "needs CONFIG_KMAP_LOCAL");
#endif
}

/* Unmapping in the wrong order unmaps both mappings, and keeps the one below. */
static void kunmap_local_out_of_order(struct kunit *test)
{
	struct page_set *set = hmk_get_page_set(test, true, 3);
	bool kept, gone[2];
	unsigned int i;
	void *addr[3];
	int depth;

	REQUIRES_MAPPING(test);
	hmk_guard_against_stale_tlb(test);
	pin_to_cpu(test, first_cpu());
	for (i = 0; i < 3; i++)
		stamp_page(set->page[i], 19);
	hmk_provoke(test, REPORTS_NAME_MAPPER ?
			  "made by kunmap_local_out_of" : "out of order");

	addr[0] = kmap_local_page(set->page[0]);
	depth = map_depth(current);
	addr[1] = kmap_local_page(set->page[1]);
	addr[2] = kmap_local_page(set->page[2]);
	kunmap_local(addr[1]);
	kunmap_local(addr[2]);
	depth = map_depth(current) - depth;
	kept = stamped_nofault(addr[0], set->page[0], 19);
	gone[0] = local_gone(addr[1]);
	gone[1] = local_gone(addr[2]);
	kunmap_local(addr[0]);

	hmk_provoked(test);
	KUNIT_EXPECT_EQ(test, depth, 0);
	KUNIT_EXPECT_TRUE(test, kept);
	KUNIT_EXPECT_TRUE(test, gone[0]);
	KUNIT_EXPECT_TRUE(test, gone[1]);
	KUNIT_EXPECT_EQ(test, map_depth(current), 0);
	for (i = 0; i < 3; i++)
		KUNIT_EXPECT_TRUE(test, page_stamped(set->page[i], 19));
	hmk_expect_report(test, "out of order");
}

#ifdef folio_map_local
/*
 * kmap_assert_nomap() as at the return to user space. Mainline's report turns lockdep
 * off.
 */
static void return_to_user_unmaps_leak(struct kunit *test)
{
	struct page_set *set = hmk_get_page_set(test, true, 2);
	void *addr[2];
	int depth;

	REQUIRES_MAPPING(test);
	hmk_guard_against_stale_tlb(test);
	pin_to_cpu(test, first_cpu());
	hmk_provoke(test, REPORTS_NAME_MAPPER ?
			  "made by return_to_user" : "with 2 local mappings");
	map_all(set, addr, 2);
	local_irq_disable();
	kmap_assert_nomap();
	depth = map_depth(current);
	local_irq_enable();
	if (depth)
		unmap_all(addr, 2);
	hmk_provoked(test);

	KUNIT_EXPECT_EQ(test, depth, 0);
	/* The slots can be used again. */
	addr[0] = kmap_local_page(set->page[1]);
	stamp(addr[0], set->page[1], 24);
	kunmap_local(addr[0]);
	KUNIT_EXPECT_TRUE(test, page_stamped(set->page[1], 24));
	hmk_expect_report(test, "the leak");
}
#else
static void return_to_user_unmaps_leak(struct kunit *test)
{
	kunit_skip(test, "this kernel does not unmap leaks");
}
#endif

#ifdef folio_map_local
static int end_with_page_mapped(void *page)
{
	kmap_local_page(page);
	/* The scheduler pins the thread when it sleeps. */
	while (!kthread_should_stop())
		schedule_timeout_uninterruptible(1);
	return 0;
}

static void put_thread(void *task)
{
	put_task_struct(task);
}

/*
 * Waits until the thread sleeps with a page mapped. A thread that is stopped before its
 * first run maps nothing.
 */
static void wait_until_pinned(struct kunit *test, struct task_struct *task)
{
	unsigned long end = jiffies + TIMEOUT;

	while ((!map_depth(task) || READ_ONCE(task->__state) == TASK_RUNNING) &&
	       time_before(jiffies, end))
		schedule_timeout_uninterruptible(1);
	KUNIT_EXPECT_NE(test, map_depth(task), 0);
}

/* Until the thread is dead, locks can pin it on PREEMPT_RT. */
static void stop_and_wait_for_death(struct task_struct *task)
{
	unsigned long end = jiffies + TIMEOUT;

	kthread_stop(task);
	while (READ_ONCE(task->__state) != TASK_DEAD && time_before(jiffies, end))
		schedule_timeout_uninterruptible(1);
}

/* A CPU with a pinned task cannot go offline, so a task must not end pinned. */
static void exit_drops_pin(struct kunit *test)
{
	struct page *page = hmk_get_page(test, true);
	struct task_struct *task;

	REQUIRES_MAPPING(test);
	task = kthread_create(end_with_page_mapped, page, "highmem_kunit");
	KUNIT_ASSERT_FALSE(test, IS_ERR(task));
	get_task_struct(task);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, put_thread, task), 0);
	wake_up_process(task);
	wait_until_pinned(test, task);
	hmk_provoke(test, REPORTS_NAME_MAPPER ? "made by end_with_page" :
						"ends with 1 local mappings");
	stop_and_wait_for_death(task);
	hmk_provoked(test);
	KUNIT_EXPECT_EQ(test, map_depth(task), 0);
#ifdef CONFIG_SMP
	KUNIT_EXPECT_EQ(test, task->migration_disabled, 0);
#endif
	hmk_expect_report(test, "the end of a thread with a page mapped");
}
#else
static void exit_drops_pin(struct kunit *test)
{
	kunit_skip(test, "this kernel does not unmap pages at the end of a thread");
}
#endif

static void kunmap_local_of_user_address(struct kunit *test)
{
	struct page *page = hmk_get_page(test, true);
	int held, depth;
	void *addr;
	bool kept;

	REQUIRES_MAPPING(test);
	pin_to_cpu(test, first_cpu());
	stamp_page(page, 20);
	hmk_provoke(test, "kunmap_local() of address");
	addr = kmap_local_page(page);
	held = map_depth(current);
	/* One report for both. */
	kunmap_local((void *)(16 * PAGE_SIZE));
	kunmap_local((void *)(16 * PAGE_SIZE));
	depth = map_depth(current);
	kept = stamped_nofault(addr, page, 20);
	kunmap_local(addr);
	hmk_provoked(test);

	KUNIT_EXPECT_EQ(test, depth, held);
	KUNIT_EXPECT_TRUE(test, kept);
	hmk_expect_report(test, "kunmap_local() of address");
}

/* The second kunmap_local() finds no mapping, and must not unmap another one. */
static void kunmap_local_twice(struct kunit *test)
{
	struct page_set *set = hmk_get_page_set(test, true, 2);
	int held, depth;
	void *addr[2];
	bool kept;

	REQUIRES_MAPPING(test);
	hmk_guard_against_stale_tlb(test);
	pin_to_cpu(test, first_cpu());
	stamp_page(set->page[0], 21);
	hmk_provoke(test, "kunmap_local() of address");
	addr[0] = kmap_local_page(set->page[0]);
	held = map_depth(current);
	addr[1] = kmap_local_page(set->page[1]);
	kunmap_local(addr[1]);
	kunmap_local(addr[1]);
	/* Where the wrong mapping is gone, another call would kill the thread. */
	if (map_depth(current) == held)
		kunmap_local(addr[1]);
	depth = map_depth(current);
	kept = stamped_nofault(addr[0], set->page[0], 21);
	if (depth == held)
		kunmap_local(addr[0]);
	hmk_provoked(test);

	KUNIT_EXPECT_EQ(test, depth, held);
	KUNIT_EXPECT_TRUE(test, kept);
	KUNIT_EXPECT_EQ(test, map_depth(current), 0);
	hmk_expect_report(test, "kunmap_local() of address");
}

/*
 * There are 256 overflow slots. Beyond them kmap_local_page() returns an address that faults, and
 * all other mappings stay valid.
 */
#define NR_BEYOND	300

static void kmap_local_page_nests_beyond_overflow_slots(struct kunit *test)
{
	struct page_set *set = hmk_get_page_set(test, true, NR_BEYOND);
	unsigned int i, good, first, wrong = 0;
	void **addr = hmk_zalloc(test, NR_BEYOND * sizeof(*addr));

	REQUIRES_MAPPING(test);
	for (i = 0; i < NR_BEYOND; i++)
		stamp_page(set->page[i], 24);
	hmk_provoke(test, "no slot is left");
	map_all(set, addr, NR_BEYOND);
	for (good = 0; good < NR_BEYOND; good++)
		if (!stamped_nofault(addr[good], set->page[good], 24))
			break;
	for (i = good; i < NR_BEYOND; i++)
		wrong += readable(addr[i]) || in_local_slots(addr[i]);
	unmap_all(addr, NR_BEYOND);
	/* All slots can be used again. */
	map_all(set, addr, good);
	for (i = 0; i < good; i++)
		wrong += !stamped_nofault(addr[i], set->page[i], 24);
	unmap_all(addr, good);
	hmk_provoked(test);

	for (first = 0; first < good && in_local_slots(addr[first]); first++)
		;
	kunit_info(test, "%u slots, %u beyond\n", first, good - first);
	KUNIT_EXPECT_GE(test, first, 15);
	KUNIT_EXPECT_GT(test, good, first);
	KUNIT_EXPECT_LT(test, good, NR_BEYOND);
	KUNIT_EXPECT_EQ(test, wrong, 0);
	KUNIT_EXPECT_EQ(test, map_depth(current), 0);
	for (i = 0; i < NR_BEYOND; i++)
		KUNIT_EXPECT_TRUE(test, page_stamped(set->page[i], 24));
	hmk_expect_report(test, "no slot is left");
}

/* As kunmap_local_twice(), for a mapping in an overflow slot. */
#define NR_DEEP		20

static void kunmap_local_twice_when_deep(struct kunit *test)
{
	struct page_set *set = hmk_get_page_set(test, true, NR_DEEP);
	unsigned int i, wrong = 0;
	void *addr[NR_DEEP];

	REQUIRES_MAPPING(test);
	for (i = 0; i < NR_DEEP; i++)
		stamp_page(set->page[i], 25);
	hmk_provoke(test, "kunmap_local() of address");
	map_all(set, addr, NR_DEEP);
	kunmap_local(addr[NR_DEEP - 1]);
	kunmap_local(addr[NR_DEEP - 1]);
	for (i = 0; i < NR_DEEP - 1; i++)
		wrong += !stamped_nofault(addr[i], set->page[i], 25);
	unmap_all(addr, NR_DEEP - 1);
	hmk_provoked(test);

	KUNIT_ASSERT_FALSE(test, in_local_slots(addr[NR_DEEP - 1]));
	KUNIT_EXPECT_EQ(test, wrong, 0);
	KUNIT_EXPECT_EQ(test, map_depth(current), 0);
#ifdef CONFIG_SMP
	KUNIT_EXPECT_EQ(test, current->migration_disabled, 0);
#endif
	hmk_expect_report(test, "kunmap_local() of address");
}

#ifdef folio_map_local
/* More mappings than the stack has slots: the others are in overflow slots. */
#define NR_LEAKED	20

struct leak {
	struct page_set *set;
	void *addr[NR_LEAKED];
	unsigned int nr;
	unsigned int nr_unmapped;
};

/* Counts the mappings in overflow slots that are still there. */
static unsigned int count_left(struct leak *leak)
{
	unsigned int i, beyond = 0, left = 0;

	for (i = 0; i < NR_LEAKED; i++) {
		if (in_local_slots(leak->addr[i]))
			continue;
		beyond++;
		left += readable(leak->addr[i]);
	}
	return beyond ? left : NR_LEAKED;
}

static unsigned int pins_of(struct task_struct *task)
{
#ifdef CONFIG_SMP
	return task->migration_disabled;
#else
	return 0;
#endif
}

/* As return_to_user_unmaps_leak(). */
static void return_to_user_unmaps_deep_leak(struct kunit *test)
{
	struct leak *leak = hmk_zalloc(test, sizeof(*leak));
	unsigned int pins = pins_of(current);
	int depth;

	REQUIRES_MAPPING(test);
	leak->set = hmk_get_page_set(test, true, NR_LEAKED);
	hmk_provoke(test, "with 20 local mappings");
	map_all(leak->set, leak->addr, NR_LEAKED);
	local_irq_disable();
	kmap_assert_nomap();
	depth = map_depth(current);
	local_irq_enable();
	if (depth)
		unmap_all(leak->addr, NR_LEAKED);
	hmk_provoked(test);

	KUNIT_EXPECT_EQ(test, depth, 0);
	KUNIT_EXPECT_EQ(test, count_left(leak), 0);
	KUNIT_EXPECT_EQ(test, pins_of(current), pins);
}

/* Maps leak->nr pages, unmaps the first leak->nr_unmapped, and ends. */
static int end_with_mapped(void *data)
{
	struct leak *leak = data;

	map_all(leak->set, leak->addr, leak->nr);
	unmap_all(leak->addr, leak->nr_unmapped);
	while (!kthread_should_stop())
		schedule_timeout_uninterruptible(1);
	return 0;
}

static void end_thread_with(struct kunit *test, struct leak *leak, const char *report)
{
	struct task_struct *task;

	leak->set = hmk_get_page_set(test, true, leak->nr);
	task = kthread_create(end_with_mapped, leak, "highmem_kunit");
	KUNIT_ASSERT_FALSE(test, IS_ERR(task));
	get_task_struct(task);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, put_thread, task), 0);
	hmk_provoke(test, report);
	wake_up_process(task);
	wait_until_pinned(test, task);
	/*
	 * Does not read at the addresses yet: the TLB of this CPU would keep their
	 * entries.
	 */
	stop_and_wait_for_death(task);
	hmk_provoked(test);
	KUNIT_EXPECT_EQ(test, map_depth(task), 0);
	KUNIT_EXPECT_EQ(test, pins_of(task), 0);
}

static void exit_drops_pin_of_deep_task(struct kunit *test)
{
	struct leak *leak = hmk_zalloc(test, sizeof(*leak));

	REQUIRES_MAPPING(test);
	leak->nr = NR_LEAKED;
	end_thread_with(test, leak, "ends with 20 local mappings");
	KUNIT_EXPECT_EQ(test, count_left(leak), 0);
}

/* Only a mapping in an overflow slot is left when the thread ends. */
#define NR_STACK	16

static void exit_unmaps_overflow_slot(struct kunit *test)
{
	struct leak *leak = hmk_zalloc(test, sizeof(*leak));

	REQUIRES_MAPPING(test);
	leak->nr = NR_STACK + 1;
	leak->nr_unmapped = NR_STACK;
	end_thread_with(test, leak, "ends with 1 local mappings");
	KUNIT_EXPECT_FALSE(test, in_local_slots(leak->addr[NR_STACK]));
	KUNIT_EXPECT_FALSE(test, readable(leak->addr[NR_STACK]));
	hmk_expect_report(test, "a mapping in an overflow slot");
}

/* Tasks nest as deep as btrfs does with 40 devices in RAID 6. */
#define DEEP_TASKS	4
#define DEEP_MAPS	40

struct deep {
	struct page_set *set;
	struct completion *all_mapped;
	atomic_t *mapped;
	unsigned int wrong;
};

static void nest_deep(struct worker *worker)
{
	struct deep *deep = worker->data;
	void *addr[DEEP_MAPS];
	unsigned int round, i;

	map_all(deep->set, addr, DEEP_MAPS);
	if (atomic_inc_return(deep->mapped) == DEEP_TASKS)
		complete_all(deep->all_mapped);
	wait_for_completion_timeout(deep->all_mapped, TIMEOUT);
	for (round = 0; round < 20; round++) {
		for (i = 0; i < DEEP_MAPS; i++) {
			deep->wrong += !stamped_nofault(addr[i], deep->set->page[i], 30 + round);
			if (readable(addr[i]))
				stamp(addr[i], deep->set->page[i], 31 + round);
		}
		schedule_timeout_uninterruptible(1);
	}
	unmap_all(addr, DEEP_MAPS);
}

static void four_tasks_nest_40_deep(struct kunit *test)
{
	struct deep *deep = hmk_zalloc(test, DEEP_TASKS * sizeof(*deep));
	struct completion *all_mapped = hmk_zalloc(test, sizeof(*all_mapped));
	atomic_t *mapped = hmk_zalloc(test, sizeof(*mapped));
	struct worker *worker[DEEP_TASKS];
	unsigned int i, t;

	REQUIRES_MAPPING(test);
	init_completion(all_mapped);
	hmk_provoke(test, "highmem: ");
	for (t = 0; t < DEEP_TASKS; t++) {
		deep[t].set = hmk_get_page_set(test, true, DEEP_MAPS);
		for (i = 0; i < DEEP_MAPS; i++)
			stamp_page(deep[t].set->page[i], 30);
		deep[t].all_mapped = all_mapped;
		deep[t].mapped = mapped;
		worker[t] = hmk_start_worker(test, -1, nest_deep, &deep[t]);
	}
	for (t = 0; t < DEEP_TASKS; t++) {
		hmk_join_worker(test, worker[t]);
		KUNIT_EXPECT_EQ(test, deep[t].wrong, 0);
	}
	hmk_provoked(test);
	/* Deep nesting is no fault, so there is at most one line. */
	KUNIT_EXPECT_LE(test, hmk_reports(), 1);
}
#else
static void return_to_user_unmaps_deep_leak(struct kunit *test)
{
	kunit_skip(test, "this kernel does not unmap leaks");
}

static void exit_drops_pin_of_deep_task(struct kunit *test)
{
	kunit_skip(test, "this kernel does not unmap pages at the end of a thread");
}

static void exit_unmaps_overflow_slot(struct kunit *test)
{
	kunit_skip(test, "this kernel does not unmap pages at the end of a thread");
}

static void four_tasks_nest_40_deep(struct kunit *test)
{
	kunit_skip(test, "this kernel cannot nest that deep");
}
#endif

static struct kunit_case highmem_local_cases[] = {
	KUNIT_CASE(kmap_local_page_round_trip),
	KUNIT_CASE(kmap_local_page_of_low_page),
	KUNIT_CASE(kmap_local_page_forced),
	KUNIT_CASE(kunmap_local_removes_mapping),
	KUNIT_CASE(kunmap_local_takes_any_offset),
	KUNIT_CASE(kmap_local_page_reuses_slot),
	KUNIT_CASE(kmap_local_page_nests_15_deep),
	KUNIT_CASE(kmap_local_page_prot_read_only),
	KUNIT_CASE(kmap_local_pfn_shows_page),
	KUNIT_CASE(kmap_local_folio_at_offsets),
	KUNIT_CASE(kmap_atomic_context),
	KUNIT_CASE(kmap_atomic_prot_context),
	KUNIT_CASE(kmap_atomic_pfn_context),
	KUNIT_CASE(kmap_atomic_within_local),
	KUNIT_CASE(kmap_local_pfn_prot_reuses_slot),
	KUNIT_CASE(io_mapping_map_local_wc_shows_device),
	KUNIT_CASE(kmap_local_page_has_guards),
	KUNIT_CASE(kmap_local_page_survives_sleep),
	KUNIT_CASE(kmap_local_page_survives_preemption),
	KUNIT_CASE(kmap_local_page_stays_on_cpu),
	KUNIT_CASE_SLOW(kmap_local_page_in_hrtimer),
	KUNIT_CASE_SLOW(kmap_local_page_in_irq_work),
	KUNIT_CASE_SLOW(kmap_local_page_in_softirq),
	KUNIT_CASE(kmap_local_fork_drops_mappings),
	KUNIT_CASE(return_to_user_unmaps_leak),
	KUNIT_CASE(exit_drops_pin),
	KUNIT_CASE(kunmap_local_of_user_address),
	KUNIT_CASE(kunmap_local_out_of_order),
	KUNIT_CASE(kunmap_local_twice),
	KUNIT_CASE(kmap_local_page_nests_16_deep),
	KUNIT_CASE(kmap_local_page_nests_24_deep),
	KUNIT_CASE(kunmap_local_twice_when_deep),
	KUNIT_CASE(kmap_local_page_nests_beyond_overflow_slots),
	KUNIT_CASE(return_to_user_unmaps_deep_leak),
	KUNIT_CASE(exit_drops_pin_of_deep_task),
	KUNIT_CASE(exit_unmaps_overflow_slot),
	KUNIT_CASE(four_tasks_nest_40_deep),
	{}
};

static struct kunit_suite highmem_local_suite = {
	.name = "highmem_local",
	.init = hmk_remember_task,
	.exit = hmk_check_task,
	.test_cases = highmem_local_cases,
};

kunit_test_suites(&highmem_local_suite);

MODULE_DESCRIPTION("KUnit suite for high memory: local mappings");
MODULE_LICENSE("GPL");
