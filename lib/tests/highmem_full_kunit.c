// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit suite "highmem_full": kmap() when all slots of the pool are held. See
 * highmem_kunit.h.
 *
 * The pool never shrinks, so the cases that need it to grow are skipped once it has all
 * its areas: in a second run of this suite, or after a machine has used them up.
 */

#include <linux/delay.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/notifier.h>
#include <linux/prandom.h>
#include <linux/sched/cputime.h>
#include <linux/sched/mm.h>

#include "highmem_kunit_inside.h"

#define NR_EXCESS	4
#define NR_FAR		(POOL_END + NR_EXCESS)
/* The pool grows by so many slots at a time, and four times at most */
#define GROWN_AREA	((POOL_END - LAST_PKMAP) / 4)

#define NEEDS_GROWTH(test)						\
	NEEDS(test, hmk_pool_can_grow(), "the pool has all its areas")

/* ------------------------------------------------------------------- memory short */

/*
 * Without address space for more slots the pool cannot grow, and kmap() has to wait when
 * all are held.
 */

/* Let the hoarder have one page more, and see that it is through with that */
static void end_hoard(struct kunit *test, struct hoard *hoard)
{
	WRITE_ONCE(hoard->limit, hmk_hoard_held(hoard) + 1);
	hmk_release_one(hoard);
	hmk_check_hoard(test, hoard);
}

/* Wait for half a second. Does the thread do so as well, and sleep meanwhile? */
static void expect_asleep(struct kunit *test, struct worker *worker)
{
	u64 ran = task_sched_runtime(worker->task);
	u64 start = ktime_get_ns();
	unsigned int i, asleep = 0;

	for (i = 0; i < 50; i++) {
		usleep_range(9000, 11000);
		asleep += READ_ONCE(worker->task->__state) == TASK_UNINTERRUPTIBLE;
	}
	ran = task_sched_runtime(worker->task) - ran;
	kunit_info(test, "asleep %u times of 50, ran %llu us of %llu\n", asleep,
		   div_u64(ran, NSEC_PER_USEC), div_u64(ktime_get_ns() - start, NSEC_PER_USEC));
	KUNIT_EXPECT_GT(test, asleep, 40);
	KUNIT_EXPECT_LT(test, ran, div_u64(ktime_get_ns() - start, 5));
}

/*
 * One slot becomes free, now and then or again and again, at any moment of what
 * the hoarder does. It must hear of it: a task that looks for itself from time to
 * time would find the slot as well, but late.
 */
#define LATE_MS		40

static unsigned int count_late(struct kunit *test, struct hoard *hoard,
			       unsigned int rounds, unsigned int pause_us)
{
	unsigned int held, late = 0;
	struct rnd_state rnd;
	ktime_t start;

	prandom_seed_state(&rnd, 70);
	while (rounds--) {
		unsigned int pause = prandom_u32_state(&rnd) % pause_us;

		if (pause > 1000)
			usleep_range(pause, pause + 100);
		else
			udelay(pause);
		held = hmk_hoard_held(hoard);
		start = ktime_get();
		hmk_release_one(hoard);
		KUNIT_ASSERT_TRUE_MSG(test, hmk_wait_for_hoard(hoard, held + 1, PATIENCE),
				      "no use made of a free slot at %u pages", held);
		late += ktime_ms_delta(ktime_get(), start) > LATE_MS;
	}
	return late;
}

#define NR_ROUNDS	200

static void kmap_waits_for_kunmap(struct kunit *test)
{
	struct hoard *hoard = hmk_start_hoard(test, NR_FAR + 2 * NR_ROUNDS, 1);
	unsigned int held, seldom, often;

	hmk_take_space(test, POOL_STEP);
	held = hmk_hold_all(test, hoard);
	expect_asleep(test, hoard->worker);
	KUNIT_EXPECT_EQ(test, hmk_hoard_held(hoard), held);

	seldom = count_late(test, hoard, NR_ROUNDS / 10, 20000);
	often = count_late(test, hoard, NR_ROUNDS, 500);
	kunit_info(test, "%u pages held, late %u times of %u and %u of %u\n", held,
		   seldom, NR_ROUNDS / 10, often, NR_ROUNDS);
	KUNIT_EXPECT_LT(test, seldom, NR_ROUNDS / 10 / 4);
	KUNIT_EXPECT_LT(test, often, NR_ROUNDS / 20);
	end_hoard(test, hoard);
}

/* Many wait. Each kunmap() lets one of them on, and need not disturb the others */
#define NR_WAITERS	32

struct queue {
	struct page_set *set;
	struct completion go;
	struct completion leave;
	atomic_t got;
	atomic_t bad;
};

struct waiter {
	struct queue *queue;
	struct worker *worker;
	struct page *page;
	bool got;
	unsigned long switches;
};

static void wait_in_queue(struct worker *worker)
{
	struct waiter *waiter = worker->data;
	struct queue *queue = waiter->queue;

	if (!wait_for_completion_timeout(&queue->go, PATIENCE) || worker_stopped(worker))
		return;
	if (!stamped(kmap(waiter->page), waiter->page, 71))
		atomic_inc(&queue->bad);
	WRITE_ONCE(waiter->got, true);
	atomic_inc(&queue->got);
	while (!worker_stopped(worker))
		if (wait_for_completion_timeout(&queue->leave, HZ / 10))
			break;
	kunmap(waiter->page);
}

/* How often those who wait still have been woken, since the last time and in all */
static unsigned int count_disturbed(struct waiter *waiter)
{
	unsigned int i, disturbed = 0;

	for (i = 0; i < NR_WAITERS; i++) {
		unsigned long switches = READ_ONCE(waiter[i].worker->task->nvcsw);

		if (!READ_ONCE(waiter[i].got))
			disturbed += switches - waiter[i].switches;
		waiter[i].switches = switches;
	}
	return disturbed;
}

static bool wait_for_count(atomic_t *count, unsigned int nr)
{
	unsigned long end = jiffies + PATIENCE;

	while (atomic_read(count) < nr) {
		if (time_after(jiffies, end))
			return false;
		usleep_range(200, 400);
	}
	return true;
}

static struct waiter *start_waiters(struct kunit *test, struct queue *queue)
{
	struct waiter *waiter = hmk_zalloc(test, NR_WAITERS * sizeof(*waiter));
	unsigned int i;

	queue->set = hmk_get_page_set(test, true, NR_WAITERS);
	init_completion(&queue->go);
	init_completion(&queue->leave);
	for (i = 0; i < NR_WAITERS; i++) {
		stamp_page(queue->set->page[i], 71);
		waiter[i].queue = queue;
		waiter[i].page = queue->set->page[i];
		waiter[i].worker = hmk_start_worker(test, -1, wait_in_queue, &waiter[i]);
	}
	return waiter;
}

static void kmap_waiters_are_woken_one_by_one(struct kunit *test)
{
	struct queue *queue = hmk_zalloc(test, sizeof(*queue));
	struct waiter *waiter = start_waiters(test, queue);
	struct hoard *hoard = hmk_start_hoard(test, NR_FAR, 1);
	unsigned int i, round, quick = 0, crowded = 0;
	ktime_t start;

	hmk_take_space(test, POOL_STEP);
	hmk_hold_all_and_go(test, hoard);
	complete_all(&queue->go);
	msleep(200);
	KUNIT_EXPECT_EQ(test, atomic_read(&queue->got), 0);
	for (round = 1; round <= NR_WAITERS; round++) {
		count_disturbed(waiter);
		start = ktime_get();
		hmk_release_one(hoard);
		KUNIT_ASSERT_TRUE_MSG(test, wait_for_count(&queue->got, round),
				      "no use made of free slot %u", round);
		usleep_range(1000, 1200);
		if (ktime_ms_delta(ktime_get(), start) < 20 && round <= NR_WAITERS - 4) {
			quick++;
			crowded += count_disturbed(waiter) > (NR_WAITERS - round) / 2;
		}
		KUNIT_EXPECT_EQ(test, atomic_read(&queue->got), round);
	}
	kunit_info(test, "in %u of %u rounds most were woken in vain\n", crowded, quick);
	KUNIT_EXPECT_LE(test, crowded, quick / 4);

	complete_all(&queue->leave);
	for (i = 0; i < NR_WAITERS; i++)
		hmk_join_worker(test, waiter[i].worker);
	KUNIT_EXPECT_EQ(test, atomic_read(&queue->bad), 0);
	hmk_check_hoard(test, hoard);
	if (quick < NR_WAITERS / 4)
		kunit_skip(test, "this machine is too slow to tell who woke whom");
}

/*
 * A task that is freeing memory must not wait for those who may be waiting for
 * memory themselves. It gets a slot, and nobody else does, then or later.
 */
#define NR_RESERVE	8

struct rescue {
	struct page_set *set;
	unsigned int bad;
	struct completion go;
	struct completion mapped;
	struct completion leave;
};

static void map_in_reserve(struct worker *worker)
{
	struct rescue *rescue = worker->data;
	unsigned int i, noreclaim;

	if (!wait_for_completion_timeout(&rescue->go, PATIENCE) || worker_stopped(worker))
		return;
	noreclaim = memalloc_noreclaim_save();
	for (i = 0; i < NR_RESERVE; i++)
		rescue->bad += !stamped(kmap(rescue->set->page[i]), rescue->set->page[i], 72);
	complete(&rescue->mapped);
	while (!worker_stopped(worker))
		if (wait_for_completion_timeout(&rescue->leave, HZ / 10))
			break;
	while (i--)
		kunmap(rescue->set->page[i]);
	memalloc_noreclaim_restore(noreclaim);
}

static void kmap_keeps_reserve_for_memalloc(struct kunit *test)
{
	struct rescue *rescue = hmk_zalloc(test, sizeof(*rescue));
	struct worker *worker;
	struct hoard *hoard;
	unsigned int i, held;

	rescue->set = hmk_get_page_set(test, true, NR_RESERVE);
	for (i = 0; i < NR_RESERVE; i++)
		stamp_page(rescue->set->page[i], 72);
	init_completion(&rescue->go);
	init_completion(&rescue->mapped);
	init_completion(&rescue->leave);
	worker = hmk_start_worker(test, -1, map_in_reserve, rescue);
	hoard = hmk_start_hoard(test, NR_FAR, 1);
	hmk_take_space(test, POOL_STEP);
	held = hmk_hold_all(test, hoard);

	complete(&rescue->go);
	KUNIT_ASSERT_TRUE_MSG(test, wait_for_completion_timeout(&rescue->mapped, HZ),
			      "a task that frees memory waits for others");
	KUNIT_EXPECT_EQ(test, hmk_hoard_held(hoard), held);
	complete(&rescue->leave);
	hmk_join_worker(test, worker);
	KUNIT_EXPECT_EQ(test, rescue->bad, 0);
	/* Long enough for the hoarder to look for itself */
	msleep(300);
	KUNIT_EXPECT_EQ(test, hmk_hoard_held(hoard), held);
	end_hoard(test, hoard);
}

/*
 * With a single slot to be had each page gets the same one, more often than any
 * counter of some bits can tell apart. Late lookups must not take it for theirs.
 */
#define NR_FILLS	600

struct refill {
	struct page_set *set;
	void *addr;
	struct completion go;
	atomic_t bad;
	atomic_t elsewhere;
	atomic_long_t lookups;
};

static void fill_slot(struct refill *refill, unsigned int step, unsigned int fills)
{
	unsigned int i;

	for (i = 0; i < fills; i++) {
		struct page *page = refill->set->page[i * step % refill->set->nr];
		void *addr = kmap(page);

		if (!stamped(addr, page, 73))
			atomic_inc(&refill->bad);
		if (addr != refill->addr || page_address(page) != addr)
			atomic_inc(&refill->elsewhere);
		kunmap(page);
	}
}

static void look_up_late(struct worker *worker)
{
	struct refill *refill = worker->data;
	unsigned int i;

	wait_for_completion_timeout(&refill->go, PATIENCE);
	while (!worker_stopped(worker)) {
		for (i = 0; i < refill->set->nr; i++) {
			struct page *page = refill->set->page[i];
			void *addr = page_address(page);

			if (addr && addr != refill->addr)
				atomic_inc(&refill->elsewhere);
#ifdef ARCH_NEEDS_KMAP_HIGH_GET
			addr = kmap_high_get(page);
			if (addr) {
				if (!stamped(addr, page, 73))
					atomic_inc(&refill->bad);
				kunmap_high(page);
			}
#endif
		}
		atomic_long_add(i, &refill->lookups);
		usleep_range(50, 100);
	}
}

/* Somebody else who wants that slot for his pages */
static void fill_as_well(struct worker *worker)
{
	struct refill *refill = worker->data;

	if (wait_for_completion_timeout(&refill->go, PATIENCE) && !worker_stopped(worker))
		fill_slot(refill, 5, NR_FILLS / 4);
}

static void kmap_refills_one_slot(struct kunit *test)
{
	struct refill *refill = hmk_zalloc(test, sizeof(*refill));
	struct worker *reader, *rival;
	struct hoard *hoard;
	unsigned int i;

	init_completion(&refill->go);
	refill->set = hmk_get_page_set(test, true, 64);
	for (i = 0; i < refill->set->nr; i++)
		stamp_page(refill->set->page[i], 73);
	reader = hmk_start_worker(test, -1, look_up_late, refill);
	rival = hmk_start_worker(test, -1, fill_as_well, refill);
	hoard = hmk_start_hoard(test, NR_FAR, 1);
	hmk_take_space(test, POOL_STEP);
	hmk_hold_all_and_go(test, hoard);

	hmk_release_one(hoard);
	refill->addr = kmap(refill->set->page[0]);
	kunmap(refill->set->page[0]);
	fill_slot(refill, 1, NR_FILLS / 4);
	complete_all(&refill->go);
	fill_slot(refill, 3, NR_FILLS);

	hmk_join_worker(test, rival);
	WRITE_ONCE(reader->stop, true);
	hmk_join_worker(test, reader);
	kunit_info(test, "%ld lookups\n", atomic_long_read(&refill->lookups));
	KUNIT_EXPECT_EQ(test, atomic_read(&refill->bad), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&refill->elsewhere), 0);
	hmk_check_hoard(test, hoard);
}

/* The slots are held still, but space for more is there: it is looked for again */
static void kmap_waits_for_space(struct kunit *test)
{
	struct spaces *spaces;
	struct hoard *hoard;
	unsigned int held;

	NEEDS_GROWTH(test);
	hoard = hmk_start_hoard(test, NR_FAR, 1);
	spaces = hmk_take_space(test, POOL_STEP);
	held = hmk_hold_all(test, hoard);
	msleep(500);
	KUNIT_EXPECT_EQ(test, hmk_hoard_held(hoard), held);
	WRITE_ONCE(hoard->limit, held + NR_EXCESS);
	hmk_give_space(test, spaces);
	KUNIT_ASSERT_TRUE_MSG(test, hmk_wait_for_hoard(hoard, held + NR_EXCESS, PATIENCE / 2),
			      "stuck with %u pages", hmk_hoard_held(hoard));
	hmk_check_hoard(test, hoard);
}

/*
 * The slots are held, there is space for more, but no memory: not for what is
 * known of them, or not for their page tables. That leaves nothing behind, however
 * often it is tried, and when there is memory again it helps.
 */
static void kmap_waits_for_memory(struct kunit *test)
{
	static const struct {
		const char *function;
		long result;
	} refused[] = {
		{ "__kvmalloc_node_noprof", 0 },
		{ "apply_to_page_range", -ENOMEM },
	};
	struct failure *failure;
	struct task_struct *task;
	struct hoard *hoard;
	unsigned int i, held;

	NEEDS_GROWTH(test);
	hoard = hmk_start_hoard(test, NR_FAR, 1);
	task = hoard->worker->task;
	/* Before the others, so that there is always something that fails */
	failure = hmk_fail_calls(test, "get_vm_area", task, 0);
	held = hmk_hold_all(test, hoard);
	for (i = 0; i < ARRAY_SIZE(refused); i++) {
		struct failure *earlier = failure;

		failure = hmk_fail_calls(test, refused[i].function, task, refused[i].result);
		hmk_fail_no_more(test, earlier);
		/* Some attempts, but seconds apart */
		msleep(5000);
		KUNIT_EXPECT_GT_MSG(test, hmk_failed_calls(failure), 1, "of %s",
				    refused[i].function);
		KUNIT_EXPECT_LT_MSG(test, hmk_failed_calls(failure), 6, "of %s",
				    refused[i].function);
		KUNIT_EXPECT_EQ_MSG(test, hmk_hoard_held(hoard), held, "without %s",
				    refused[i].function);
	}
	WRITE_ONCE(hoard->limit, held + NR_EXCESS);
	hmk_fail_no_more(test, failure);
	KUNIT_ASSERT_TRUE_MSG(test, hmk_wait_for_hoard(hoard, held + NR_EXCESS, PATIENCE / 2),
			      "stuck with %u pages", hmk_hoard_held(hoard));
	hmk_check_hoard(test, hoard);
}

/* ----------------------------------------------------------- more pages than slots */

/* Give back one page at a time, as soon as the hoarder is stuck, till he is done */
static bool feed_hoard(struct kunit *test, struct hoard *hoard)
{
	unsigned int nr = hoard->set->nr;
	bool waited = false;

	while (!hmk_wait_for_hoard(hoard, nr, HZ / 4)) {
		unsigned int held = hmk_hoard_held(hoard);

		if (hmk_wait_for_hoard(hoard, held + 1, HZ / 4))
			continue;	/* slow, not stuck */
		waited = true;
		hmk_release_one(hoard);
		KUNIT_ASSERT_TRUE_MSG(test, hmk_wait_for_hoard(hoard, held + 1, 5 * HZ),
				      "no use made of a free slot at %u pages", held);
	}
	return waited;
}

/*
 * More pages in turn than slots, none of them held, and vmalloc space used up. Idle
 * slots are reclaimed: nothing is allocated, so no driver hears that vmalloc space is
 * short (its notifier may take locks), and the log has no line about it.
 */
#define NR_STREAMS	3

struct stream {
	struct page_set *set;
	unsigned int first;
	unsigned int bad;
	bool space_is_taken;
};

static void map_in_turn(struct worker *worker)
{
	struct stream *stream = worker->data;
	unsigned int i, nr = stream->set->nr;

	while (!READ_ONCE(stream->space_is_taken) && !worker_stopped(worker))
		schedule_timeout_uninterruptible(1);
	for (i = 0; i < 3 * nr && !worker_stopped(worker); i++) {
		struct page *page = stream->set->page[(stream->first + i) % nr];

		stream->bad += !stamped(kmap(page), page, 74);
		kunmap(page);
		cond_resched();
	}
}

static atomic_t nr_notified;

/* kthreadd may want space for a stack at any time: only calls of the suite count. */
static int note_shortage(struct notifier_block *block, unsigned long action, void *freed)
{
	if (strstarts(current->comm, "highmem_kunit"))
		atomic_inc(&nr_notified);
	return NOTIFY_OK;
}

static struct notifier_block shortage_block = { .notifier_call = note_shortage };

static void end_shortage_notes(void *unused)
{
	unregister_vmap_purge_notifier(&shortage_block);
}

static void kmap_of_many_needs_no_space(struct kunit *test)
{
	struct stream *stream = hmk_zalloc(test, NR_STREAMS * sizeof(*stream));
	struct worker *worker[NR_STREAMS];
	struct page_set *set;
	unsigned int i;

	NEEDS_GROWTH(test);
	set = hmk_get_page_set(test, true, hmk_pool_slots() * 3 / 2 + 500);
	for (i = 0; i < set->nr; i++)
		stamp_page(set->page[i], 74);
	/* A new thread needs vmalloc space for its stack. */
	for (i = 0; i < NR_STREAMS; i++) {
		stream[i] = (struct stream) {
			.set = set,
			.first = i * set->nr / NR_STREAMS,
		};
		worker[i] = hmk_start_worker(test, -1, map_in_turn, &stream[i]);
	}
	hmk_take_space(test, PAGE_SIZE);
	KUNIT_ASSERT_EQ(test, register_vmap_purge_notifier(&shortage_block), 0);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, end_shortage_notes, NULL), 0);
	atomic_set(&nr_notified, 0);
	hmk_provoke(test, "highmem_kunit: vmalloc");
	for (i = 0; i < NR_STREAMS; i++)
		WRITE_ONCE(stream[i].space_is_taken, true);
	for (i = 0; i < NR_STREAMS; i++) {
		hmk_join_worker(test, worker[i]);
		KUNIT_EXPECT_EQ(test, stream[i].bad, 0);
	}
	hmk_provoked(test);
	KUNIT_EXPECT_EQ(test, atomic_read(&nr_notified), 0);
	KUNIT_EXPECT_EQ(test, hmk_reports(), 0);
}

/* All slots held, no space for more: attempts to get some are seconds apart */
static void kmap_asks_seldom_for_space(struct kunit *test)
{
	struct hoard *hoard;

	NEEDS_GROWTH(test);
	hoard = hmk_start_hoard(test, NR_FAR, 1);
	hmk_take_space(test, POOL_STEP);
	hmk_hold_all(test, hoard);
	KUNIT_ASSERT_EQ(test, register_vmap_purge_notifier(&shortage_block), 0);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, end_shortage_notes, NULL), 0);
	atomic_set(&nr_notified, 0);
	msleep(5000);
	kunit_info(test, "%d attempts\n", atomic_read(&nr_notified));
	KUNIT_EXPECT_LT(test, atomic_read(&nr_notified), 6);
	end_hoard(test, hoard);
}

#if OURS
/* A wait that lasts is reported once, by the task that waits */
static void set_patience(void *patience)
{
	WRITE_ONCE(pkmap_patience, (unsigned long)patience);
}

static void kmap_reports_long_wait(struct kunit *test)
{
	struct hoard *hoard = hmk_start_hoard(test, NR_FAR, 1);
	unsigned long patience = pkmap_patience, switches;
	struct task_struct *task = hoard->worker->task;

	hmk_take_space(test, POOL_STEP);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, set_patience, (void *)patience), 0);
	set_patience((void *)(3UL * HZ));
	KUNIT_EXPECT_EQ(test, patience, 30 * HZ);
	hmk_provoke(test, "has waited 3 s for a slot");
	hmk_hold_all(test, hoard);
	msleep(5000);
	/* From now on the hung-task detector sees a task that is never scheduled. */
	switches = task->nvcsw + task->nivcsw;
	msleep(5000);
	KUNIT_EXPECT_EQ(test, task->nvcsw + task->nivcsw, switches);
	hmk_provoked(test);
	KUNIT_EXPECT_EQ(test, hmk_reports(), 1);
	/* And it goes on as soon as there is a slot. */
	end_hoard(test, hoard);
}
#else
static void kmap_reports_long_wait(struct kunit *test)
{
	kunit_skip(test, "a long wait is not reported here");
}
#endif

static void kmap_beyond_pool(struct kunit *test)
{
	struct hoard *hoard = hmk_start_hoard(test, hmk_pool_slots() + NR_EXCESS, 0);
	bool waited;

	/* Somebody else may hold a few slots, but not half of them */
	KUNIT_ASSERT_TRUE_MSG(test, hmk_wait_for_hoard(hoard, LAST_PKMAP / 2, PATIENCE),
			      "the pool ended at %u pages", hmk_hoard_held(hoard));
	waited = feed_hoard(test, hoard);
	kunit_info(test, "%s at the end of the pool\n", waited ? "waited" : "did not wait");
	hmk_check_hoard(test, hoard);
}

/* One task wants half a pool more than there is, and nobody gives anything back */
static void kmap_far_beyond_pool(struct kunit *test)
{
	struct hoard *hoard = hmk_start_hoard(test, LAST_PKMAP + 512, 0);

	KUNIT_ASSERT_TRUE_MSG(test, hmk_wait_for_hoard(hoard, hoard->set->nr, PATIENCE),
			      "stuck with %u pages", hmk_hoard_held(hoard));
	hmk_check_hoard(test, hoard);
}

/* Many tasks hold a quarter of the pages that they want, and want the rest. None gives back before it has all. */
#define NR_HOARDS	24

static unsigned int count_hoards(struct hoard **hoard)
{
	unsigned int i, held = 0;

	for (i = 0; i < NR_HOARDS; i++)
		held += hmk_hoard_held(hoard[i]);
	return held;
}

/* Do they all hold @nr pages, within a time that is for all of them? */
static bool wait_for_hoards(struct hoard **hoard, unsigned int nr)
{
	unsigned long end = jiffies + PATIENCE;
	unsigned int i;

	for (i = 0; i < NR_HOARDS; i++)
		if (!hmk_wait_for_hoard(hoard[i], nr, max_t(long, end - jiffies, 0)))
			return false;
	return true;
}

static void check_hold_and_want_more(struct kunit *test, unsigned int total, bool shortage)
{
	unsigned int each = DIV_ROUND_UP(total, NR_HOARDS);
	struct spaces *spaces = NULL;
	struct hoard *hoard[NR_HOARDS];
	unsigned int i, held;
	bool through;

	for (i = 0; i < NR_HOARDS; i++)
		hoard[i] = hmk_start_hoard(test, each, each / 4);
	KUNIT_EXPECT_TRUE(test, wait_for_hoards(hoard, each / 4));
	if (shortage)
		spaces = hmk_take_space(test, POOL_STEP);
	for (i = 0; i < NR_HOARDS; i++)
		complete(&hoard[i]->go);
	if (shortage) {
		msleep(1000);
		held = count_hoards(hoard);
		kunit_info(test, "stalled with %u pages\n", held);
		KUNIT_EXPECT_LT(test, held, each * NR_HOARDS);
		hmk_give_space(test, spaces);
	}
	through = wait_for_hoards(hoard, each);
	held = count_hoards(hoard);
	/* Those who are stuck take no more when they get on */
	for (i = 0; i < NR_HOARDS; i++)
		WRITE_ONCE(hoard[i]->worker->stop, true);
	KUNIT_ASSERT_TRUE_MSG(test, through, "stuck with %u pages", held);
	for (i = 0; i < NR_HOARDS; i++)
		hmk_check_hoard(test, hoard[i]);
}

static void kmap_hold_and_want_more_while_short(struct kunit *test)
{
	NEEDS_GROWTH(test);
	/* One more area is enough for this. */
	check_hold_and_want_more(test, hmk_pool_slots() + GROWN_AREA / 2, true);
}

static void kmap_hold_and_want_more(struct kunit *test)
{
	check_hold_and_want_more(test, POOL_END * 3 / 4, false);
}

/* However far kmap() goes, it ends somewhere, and then it must wait and go on */
static void kmap_to_the_end(struct kunit *test)
{
	struct hoard *hoard = hmk_start_hoard(test, NR_FAR, 0);
	unsigned int held = 0, ends = 0, i;
	bool waited;

	while (held < NR_FAR && hmk_wait_for_hoard(hoard, held + 1, HZ))
		held = hmk_hoard_held(hoard);
	KUNIT_ASSERT_GE(test, held, LAST_PKMAP + (POOL_END - LAST_PKMAP) / 4 * 3);
	/* What the pool got elsewhere ends with a page that is none of it */
	for (i = 0; i < held; i++) {
		void *behind = page_address(hoard->set->page[i]) + PAGE_SIZE;

		ends += is_vmalloc_addr(behind) && !readable(behind) && !is_kmap_addr(behind);
	}
	kunit_info(test, "%u areas have an end\n", ends);
	KUNIT_EXPECT_GT(test, ends, 0);
	waited = feed_hoard(test, hoard);
	kunit_info(test, "%s with %u pages\n", waited ? "waited" : "did not wait", held);
	hmk_check_hoard(test, hoard);
}

/*
 * So many kmap() and no kunmap() that the slot cannot count them any more. The page
 * keeps it for ever, whatever comes. Others are not concerned. 8 million calls, and
 * neither the slot nor the page is ever given back.
 */
#define NR_LEAKED	BIT(23)

static void kmap_leaked_without_end(struct kunit *test)
{
	struct page_set *set = hmk_get_page_set(test, true, 8);
	unsigned int i, wrong = 0;
	struct page *page;
	void *addr;

	NEEDS(test, !IS_ENABLED(CONFIG_PROVE_LOCKING), "would take minutes");
	page = alloc_page(GFP_HIGHUSER);
	KUNIT_ASSERT_NOT_NULL(test, page);
	addr = kmap(page);
	stamp(addr, page, 74);
	for (i = 0; i < NR_LEAKED; i++) {
		wrong += kmap(page) != addr;
		if (!(i % 0x40000))
			cond_resched();
	}
	for (i = 0; i < 1000; i++)
		kunmap(page);
	kmap_flush_unused();
	KUNIT_EXPECT_EQ(test, wrong, 0);
	KUNIT_EXPECT_PTR_EQ(test, kmap(page), addr);
	KUNIT_EXPECT_PTR_EQ(test, page_address(page), addr);
	KUNIT_EXPECT_TRUE(test, stamped_nofault(addr, page, 74));
	for (i = 0; i < set->nr; i++) {
		void *other = hmk_hold_kmap(test, set->page[i]);

		KUNIT_EXPECT_PTR_NE(test, other, addr);
		stamp(other, set->page[i], 74);
		hmk_drop_kmap(test, set->page[i]);
	}
	kmap_flush_unused();
	KUNIT_EXPECT_NULL(test, page_address(set->page[0]));
	KUNIT_EXPECT_TRUE(test, stamped_nofault(addr, page, 74));
}

/* The first cases add no area, the three that need one add one each, the last ones the rest. */
static struct kunit_case highmem_full_cases[] = {
	KUNIT_CASE_SLOW(kmap_waits_for_kunmap),
	KUNIT_CASE(kmap_waiters_are_woken_one_by_one),
	KUNIT_CASE(kmap_keeps_reserve_for_memalloc),
	KUNIT_CASE_SLOW(kmap_asks_seldom_for_space),
	KUNIT_CASE_SLOW(kmap_reports_long_wait),
	KUNIT_CASE_SLOW(kmap_refills_one_slot),
	KUNIT_CASE(kmap_waits_for_space),
	KUNIT_CASE_SLOW(kmap_waits_for_memory),
	KUNIT_CASE_SLOW(kmap_hold_and_want_more_while_short),
	KUNIT_CASE_SLOW(kmap_of_many_needs_no_space),
	KUNIT_CASE(kmap_beyond_pool),
	KUNIT_CASE(kmap_far_beyond_pool),
	KUNIT_CASE(kmap_hold_and_want_more),
	KUNIT_CASE_SLOW(kmap_to_the_end),
	KUNIT_CASE_SLOW(kmap_leaked_without_end),
	{}
};

static struct kunit_suite highmem_full_suite = {
	.name = "highmem_full",
	.init = hmk_remember_task_and_pool,
	.exit = hmk_check_task,
	.test_cases = highmem_full_cases,
};

kunit_test_suites(&highmem_full_suite);

MODULE_DESCRIPTION("KUnit suite for high memory: the pkmap pool when it is full");
MODULE_LICENSE("GPL");
