// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit suite "highmem_exhaustion": kmap() when all slots of the pool are held. See
 * highmem_kunit.h.
 *
 * The pool never shrinks. So the cases that need it to grow are skipped once it has all
 * its areas, as in a second run of this suite.
 */

#include <linux/delay.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/notifier.h>
#include <linux/prandom.h>
#include <linux/sched/cputime.h>
#include <linux/sched/mm.h>

#include "highmem_kunit_whitebox.h"

#define NR_EXCESS	4
#define NR_FAR		(POOL_END + NR_EXCESS)
/* The pool grows by so many slots at a time, at most four times. */
#define GROWN_AREA	((POOL_END - LAST_PKMAP) / 4)

#define REQUIRES_GROWTH(test)						\
	REQUIRES(test, hmk_pool_can_grow(), "the pool has all its areas")

/* ------------------------------------------------------------- all slots are held */

/*
 * Without vmalloc space the pool cannot grow, and kmap() waits while all slots are held.
 */

/* Lets the filler map one page more and end. */
static void finish_filler(struct kunit *test, struct filler *filler)
{
	WRITE_ONCE(filler->limit, hmk_filler_held(filler) + 1);
	hmk_release_one(filler);
	hmk_check_filler(test, filler);
}

/* Checks for half a second that the thread sleeps and uses no CPU time. */
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
 * One slot becomes free, seldom or often, at a random step of the filler's kmap().
 * kunmap() must wake the filler. A filler that is not woken finds the slot by itself when
 * it retries to grow the pool, but later than LATE_MS.
 */
#define LATE_MS		40

static unsigned int count_late(struct kunit *test, struct filler *filler,
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
		held = hmk_filler_held(filler);
		start = ktime_get();
		hmk_release_one(filler);
		KUNIT_ASSERT_TRUE_MSG(test, hmk_wait_for_filler(filler, held + 1, TIMEOUT),
				      "a free slot is not used at %u pages", held);
		late += ktime_ms_delta(ktime_get(), start) > LATE_MS;
	}
	return late;
}

#define NR_ROUNDS	200

static void kmap_waits_for_kunmap(struct kunit *test)
{
	struct filler *filler = hmk_start_filler(test, NR_FAR + 2 * NR_ROUNDS, 1);
	unsigned int held, seldom, often;

	hmk_take_space(test, POOL_STEP);
	held = hmk_hold_all(test, filler);
	expect_asleep(test, filler->worker);
	KUNIT_EXPECT_EQ(test, hmk_filler_held(filler), held);

	seldom = count_late(test, filler, NR_ROUNDS / 10, 20000);
	often = count_late(test, filler, NR_ROUNDS, 500);
	kunit_info(test, "%u pages held, late %u times of %u and %u of %u\n", held,
		   seldom, NR_ROUNDS / 10, often, NR_ROUNDS);
	KUNIT_EXPECT_LT(test, seldom, NR_ROUNDS / 10 / 4);
	KUNIT_EXPECT_LT(test, often, NR_ROUNDS / 20);
	finish_filler(test, filler);
}

/* Many tasks wait. Each kunmap() wakes one of them, and few others. */
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

	if (!wait_for_completion_timeout(&queue->go, TIMEOUT) || worker_stopped(worker))
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

/* Counts the wake-ups of tasks that still wait, since the last call. */
static unsigned int count_wake_ups(struct waiter *waiter)
{
	unsigned int i, wake_ups = 0;

	for (i = 0; i < NR_WAITERS; i++) {
		unsigned long switches = READ_ONCE(waiter[i].worker->task->nvcsw);

		if (!READ_ONCE(waiter[i].got))
			wake_ups += switches - waiter[i].switches;
		waiter[i].switches = switches;
	}
	return wake_ups;
}

static bool wait_for_count(atomic_t *count, unsigned int nr)
{
	unsigned long end = jiffies + TIMEOUT;

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
	struct filler *filler = hmk_start_filler(test, NR_FAR, 1);
	unsigned int i, round, quick = 0, many_woken = 0;
	ktime_t start;

	hmk_take_space(test, POOL_STEP);
	hmk_hold_all_and_end(test, filler);
	complete_all(&queue->go);
	msleep(200);
	KUNIT_EXPECT_EQ(test, atomic_read(&queue->got), 0);
	for (round = 1; round <= NR_WAITERS; round++) {
		count_wake_ups(waiter);
		start = ktime_get();
		hmk_release_one(filler);
		KUNIT_ASSERT_TRUE_MSG(test, wait_for_count(&queue->got, round),
				      "free slot %u is not used", round);
		usleep_range(1000, 1200);
		if (ktime_ms_delta(ktime_get(), start) < 20 && round <= NR_WAITERS - 4) {
			quick++;
			many_woken += count_wake_ups(waiter) > (NR_WAITERS - round) / 2;
		}
		KUNIT_EXPECT_EQ(test, atomic_read(&queue->got), round);
	}
	kunit_info(test, "in %u of %u rounds most waiters were woken\n", many_woken, quick);
	KUNIT_EXPECT_LE(test, many_woken, quick / 4);

	complete_all(&queue->leave);
	for (i = 0; i < NR_WAITERS; i++)
		hmk_join_worker(test, waiter[i].worker);
	KUNIT_EXPECT_EQ(test, atomic_read(&queue->bad), 0);
	hmk_check_filler(test, filler);
	if (quick < NR_WAITERS / 4)
		kunit_skip(test, "this machine is too slow to count the wake-ups of a round");
}

/*
 * A task that frees memory (PF_MEMALLOC) must not wait for tasks that may wait for memory
 * themselves. Only such a task gets slots of the reserve.
 */
#define NR_RESERVE	8

struct memalloc_task {
	struct page_set *set;
	unsigned int bad;
	struct completion go;
	struct completion mapped;
	struct completion leave;
};

static void map_in_reserve(struct worker *worker)
{
	struct memalloc_task *memalloc_task = worker->data;
	unsigned int i, noreclaim;

	if (!wait_for_completion_timeout(&memalloc_task->go, TIMEOUT) || worker_stopped(worker))
		return;
	noreclaim = memalloc_noreclaim_save();
	for (i = 0; i < NR_RESERVE; i++) {
		struct page *page = memalloc_task->set->page[i];

		memalloc_task->bad += !stamped(kmap(page), page, 72);
	}
	complete(&memalloc_task->mapped);
	while (!worker_stopped(worker))
		if (wait_for_completion_timeout(&memalloc_task->leave, HZ / 10))
			break;
	while (i--)
		kunmap(memalloc_task->set->page[i]);
	memalloc_noreclaim_restore(noreclaim);
}

static void kmap_keeps_reserve_for_memalloc(struct kunit *test)
{
	struct memalloc_task *memalloc_task = hmk_zalloc(test, sizeof(*memalloc_task));
	struct worker *worker;
	struct filler *filler;
	unsigned int i, held;

	memalloc_task->set = hmk_get_page_set(test, true, NR_RESERVE);
	for (i = 0; i < NR_RESERVE; i++)
		stamp_page(memalloc_task->set->page[i], 72);
	init_completion(&memalloc_task->go);
	init_completion(&memalloc_task->mapped);
	init_completion(&memalloc_task->leave);
	worker = hmk_start_worker(test, -1, map_in_reserve, memalloc_task);
	filler = hmk_start_filler(test, NR_FAR, 1);
	hmk_take_space(test, POOL_STEP);
	held = hmk_hold_all(test, filler);

	complete(&memalloc_task->go);
	KUNIT_ASSERT_TRUE_MSG(test, wait_for_completion_timeout(&memalloc_task->mapped, HZ),
			      "a task with PF_MEMALLOC waits for a slot");
	KUNIT_EXPECT_EQ(test, hmk_filler_held(filler), held);
	complete(&memalloc_task->leave);
	hmk_join_worker(test, worker);
	KUNIT_EXPECT_EQ(test, memalloc_task->bad, 0);
	/* Each kunmap() has woken the filler, which must not take slots of the reserve. */
	msleep(300);
	KUNIT_EXPECT_EQ(test, hmk_filler_held(filler), held);
	finish_filler(test, filler);
}

/*
 * With a single free slot each page gets the same slot, more often than the slot's fill
 * count can tell apart. A late lookup must not use the slot of another page.
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

static void look_up_pages(struct worker *worker)
{
	struct refill *refill = worker->data;
	unsigned int i;

	wait_for_completion_timeout(&refill->go, TIMEOUT);
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

/* A second task that fills the same slot. */
static void fill_slot_by_second_task(struct worker *worker)
{
	struct refill *refill = worker->data;

	if (wait_for_completion_timeout(&refill->go, TIMEOUT) && !worker_stopped(worker))
		fill_slot(refill, 5, NR_FILLS / 4);
}

static void kmap_reuses_last_slot(struct kunit *test)
{
	struct refill *refill = hmk_zalloc(test, sizeof(*refill));
	struct worker *reader, *second;
	struct filler *filler;
	unsigned int i;

	init_completion(&refill->go);
	refill->set = hmk_get_page_set(test, true, 64);
	for (i = 0; i < refill->set->nr; i++)
		stamp_page(refill->set->page[i], 73);
	reader = hmk_start_worker(test, -1, look_up_pages, refill);
	second = hmk_start_worker(test, -1, fill_slot_by_second_task, refill);
	filler = hmk_start_filler(test, NR_FAR, 1);
	hmk_take_space(test, POOL_STEP);
	hmk_hold_all_and_end(test, filler);

	hmk_release_one(filler);
	refill->addr = kmap(refill->set->page[0]);
	kunmap(refill->set->page[0]);
	fill_slot(refill, 1, NR_FILLS / 4);
	complete_all(&refill->go);
	fill_slot(refill, 3, NR_FILLS);

	hmk_join_worker(test, second);
	WRITE_ONCE(reader->stop, true);
	hmk_join_worker(test, reader);
	kunit_info(test, "%ld lookups\n", atomic_long_read(&refill->lookups));
	KUNIT_EXPECT_EQ(test, atomic_read(&refill->bad), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&refill->elsewhere), 0);
	hmk_check_filler(test, filler);
}

/* All slots are held. When vmalloc space is free again, the pool grows. */
static void kmap_grows_when_space_is_free(struct kunit *test)
{
	struct spaces *spaces;
	struct filler *filler;
	unsigned int held;

	REQUIRES_GROWTH(test);
	filler = hmk_start_filler(test, NR_FAR, 1);
	spaces = hmk_take_space(test, POOL_STEP);
	held = hmk_hold_all(test, filler);
	msleep(500);
	KUNIT_EXPECT_EQ(test, hmk_filler_held(filler), held);
	WRITE_ONCE(filler->limit, held + NR_EXCESS);
	hmk_give_space(test, spaces);
	KUNIT_ASSERT_TRUE_MSG(test, hmk_wait_for_filler(filler, held + NR_EXCESS, TIMEOUT / 2),
			      "stuck with %u pages", hmk_filler_held(filler));
	hmk_check_filler(test, filler);
}

/*
 * All slots are held and there is vmalloc space, but no memory for the slots' metadata or
 * for their page tables. The failed attempts leave nothing behind. When there is memory
 * again, the pool grows.
 */
static void kmap_grows_when_memory_is_free(struct kunit *test)
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
	struct filler *filler;
	unsigned int i, held;

	REQUIRES_GROWTH(test);
	filler = hmk_start_filler(test, NR_FAR, 1);
	task = filler->worker->task;
	/*
	 * get_vm_area() fails until the loop below makes another function fail. So no
	 * attempt to grow the pool succeeds before.
	 */
	failure = hmk_fail_calls(test, "get_vm_area", task, 0);
	held = hmk_hold_all(test, filler);
	for (i = 0; i < ARRAY_SIZE(refused); i++) {
		struct failure *earlier = failure;

		failure = hmk_fail_calls(test, refused[i].function, task, refused[i].result);
		hmk_fail_no_more(test, earlier);
		/* Some attempts, which are seconds apart. */
		msleep(5000);
		KUNIT_EXPECT_GT_MSG(test, hmk_failed_calls(failure), 1, "of %s",
				    refused[i].function);
		KUNIT_EXPECT_LT_MSG(test, hmk_failed_calls(failure), 6, "of %s",
				    refused[i].function);
		KUNIT_EXPECT_EQ_MSG(test, hmk_filler_held(filler), held, "without %s",
				    refused[i].function);
	}
	WRITE_ONCE(filler->limit, held + NR_EXCESS);
	hmk_fail_no_more(test, failure);
	KUNIT_ASSERT_TRUE_MSG(test, hmk_wait_for_filler(filler, held + NR_EXCESS, TIMEOUT / 2),
			      "stuck with %u pages", hmk_filler_held(filler));
	hmk_check_filler(test, filler);
}

/* ----------------------------------------------------------- more pages than slots */

/*
 * Unmaps one page each time the filler waits, until the filler has mapped all its pages.
 */
static bool feed_filler(struct kunit *test, struct filler *filler)
{
	unsigned int nr = filler->set->nr;
	bool waited = false;

	while (!hmk_wait_for_filler(filler, nr, HZ / 4)) {
		unsigned int held = hmk_filler_held(filler);

		if (hmk_wait_for_filler(filler, held + 1, HZ / 4))
			continue;	/* slow, but not waiting */
		waited = true;
		hmk_release_one(filler);
		KUNIT_ASSERT_TRUE_MSG(test, hmk_wait_for_filler(filler, held + 1, 5 * HZ),
				      "a free slot is not used at %u pages", held);
	}
	return waited;
}

/*
 * More pages than slots, in turn, without vmalloc space. kmap() reclaims idle slots and
 * allocates nothing: no vmap notifier of a driver is called, which may take locks, and
 * the log has no warning.
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

/* kthreadd may need space for a stack at any time, so other tasks do not count. */
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

static void kmap_reclaims_without_vmalloc_space(struct kunit *test)
{
	struct stream *stream = hmk_zalloc(test, NR_STREAMS * sizeof(*stream));
	struct worker *worker[NR_STREAMS];
	struct page_set *set;
	unsigned int i;

	REQUIRES_GROWTH(test);
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

/*
 * All slots are held, without vmalloc space. Attempts to grow the pool are seconds apart.
 */
static void kmap_retries_growth_seldom(struct kunit *test)
{
	struct filler *filler;

	REQUIRES_GROWTH(test);
	filler = hmk_start_filler(test, NR_FAR, 1);
	hmk_take_space(test, POOL_STEP);
	hmk_hold_all(test, filler);
	KUNIT_ASSERT_EQ(test, register_vmap_purge_notifier(&shortage_block), 0);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, end_shortage_notes, NULL), 0);
	atomic_set(&nr_notified, 0);
	msleep(5000);
	kunit_info(test, "%d attempts\n", atomic_read(&nr_notified));
	KUNIT_EXPECT_LT(test, atomic_read(&nr_notified), 6);
	finish_filler(test, filler);
}

#if HAVE_INTERNALS
static void set_pkmap_patience(void *patience)
{
	WRITE_ONCE(pkmap_patience, (unsigned long)patience);
}

/* The task that waits reports a long wait, once. */
static void kmap_reports_long_wait(struct kunit *test)
{
	struct filler *filler = hmk_start_filler(test, NR_FAR, 1);
	unsigned long patience = pkmap_patience, switches;
	struct task_struct *task = filler->worker->task;

	hmk_take_space(test, POOL_STEP);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, set_pkmap_patience,
							(void *)patience), 0);
	set_pkmap_patience((void *)(3UL * HZ));
	KUNIT_EXPECT_EQ(test, patience, 30 * HZ);
	hmk_provoke(test, "has waited 3 s for a slot");
	hmk_hold_all(test, filler);
	msleep(5000);
	/* The task is not scheduled any more, so the hung-task detector can report it. */
	switches = task->nvcsw + task->nivcsw;
	msleep(5000);
	KUNIT_EXPECT_EQ(test, task->nvcsw + task->nivcsw, switches);
	hmk_provoked(test);
	KUNIT_EXPECT_EQ(test, hmk_reports(), 1);
	/* The task continues when a slot becomes free. */
	finish_filler(test, filler);
}
#else
static void kmap_reports_long_wait(struct kunit *test)
{
	kunit_skip(test, "this kernel does not report a long wait");
}
#endif

static void kmap_of_more_pages_than_slots_held(struct kunit *test)
{
	struct filler *filler = hmk_start_filler(test, hmk_pool_slots() + NR_EXCESS, 0);
	bool waited;

	/* Other tasks hold fewer than half of the slots. */
	KUNIT_ASSERT_TRUE_MSG(test, hmk_wait_for_filler(filler, LAST_PKMAP / 2, TIMEOUT),
			      "the pool ended at %u pages", hmk_filler_held(filler));
	waited = feed_filler(test, filler);
	kunit_info(test, "%s at the end of the pool\n", waited ? "waited" : "did not wait");
	hmk_check_filler(test, filler);
}

/* One task holds 512 pages more than the window has slots, and unmaps none. */
static void kmap_of_512_pages_more_than_window(struct kunit *test)
{
	struct filler *filler = hmk_start_filler(test, LAST_PKMAP + 512, 0);

	KUNIT_ASSERT_TRUE_MSG(test, hmk_wait_for_filler(filler, filler->set->nr, TIMEOUT),
			      "stuck with %u pages", hmk_filler_held(filler));
	hmk_check_filler(test, filler);
}

/*
 * Many tasks hold a quarter of the pages that they need. No task unmaps a page before it
 * has them all.
 */
#define NR_FILLERS	24

static unsigned int count_held(struct filler **filler)
{
	unsigned int i, held = 0;

	for (i = 0; i < NR_FILLERS; i++)
		held += hmk_filler_held(filler[i]);
	return held;
}

/* Waits until each filler holds @nr pages. TIMEOUT is for all of them together. */
static bool wait_for_fillers(struct filler **filler, unsigned int nr)
{
	unsigned long end = jiffies + TIMEOUT;
	unsigned int i;

	for (i = 0; i < NR_FILLERS; i++)
		if (!hmk_wait_for_filler(filler[i], nr, max_t(long, end - jiffies, 0)))
			return false;
	return true;
}

static void check_many_fillers(struct kunit *test, unsigned int total, bool shortage)
{
	unsigned int each = DIV_ROUND_UP(total, NR_FILLERS);
	struct spaces *spaces = NULL;
	struct filler *filler[NR_FILLERS];
	unsigned int i, held;
	bool through;

	for (i = 0; i < NR_FILLERS; i++)
		filler[i] = hmk_start_filler(test, each, each / 4);
	KUNIT_EXPECT_TRUE(test, wait_for_fillers(filler, each / 4));
	if (shortage)
		spaces = hmk_take_space(test, POOL_STEP);
	for (i = 0; i < NR_FILLERS; i++)
		complete(&filler[i]->go);
	if (shortage) {
		msleep(1000);
		held = count_held(filler);
		kunit_info(test, "stalled with %u pages\n", held);
		KUNIT_EXPECT_LT(test, held, each * NR_FILLERS);
		hmk_give_space(test, spaces);
	}
	through = wait_for_fillers(filler, each);
	held = count_held(filler);
	/* A filler that waits maps no more pages when a slot becomes free. */
	for (i = 0; i < NR_FILLERS; i++)
		WRITE_ONCE(filler[i]->worker->stop, true);
	KUNIT_ASSERT_TRUE_MSG(test, through, "stuck with %u pages", held);
	for (i = 0; i < NR_FILLERS; i++)
		hmk_check_filler(test, filler[i]);
}

static void kmap_by_many_tasks_waits_for_space(struct kunit *test)
{
	REQUIRES_GROWTH(test);
	/* One more area is enough. */
	check_many_fillers(test, hmk_pool_slots() + GROWN_AREA / 2, true);
}

static void kmap_by_many_tasks_grows(struct kunit *test)
{
	check_many_fillers(test, POOL_END * 3 / 4, false);
}

/* The pool grows up to its limit. Then kmap() waits for kunmap(). */
static void kmap_until_all_slots_are_held(struct kunit *test)
{
	struct filler *filler = hmk_start_filler(test, NR_FAR, 0);
	unsigned int held = 0, ends = 0, i;
	bool waited;

	while (held < NR_FAR && hmk_wait_for_filler(filler, held + 1, HZ))
		held = hmk_filler_held(filler);
	KUNIT_ASSERT_GE(test, held, LAST_PKMAP + (POOL_END - LAST_PKMAP) / 4 * 3);
	/* The page behind an area in vmalloc space is not part of the pool. */
	for (i = 0; i < held; i++) {
		void *behind = page_address(filler->set->page[i]) + PAGE_SIZE;

		ends += is_vmalloc_addr(behind) && !readable(behind) && !is_kmap_addr(behind);
	}
	kunit_info(test, "%u areas have an end\n", ends);
	KUNIT_EXPECT_GT(test, ends, 0);
	waited = feed_filler(test, filler);
	kunit_info(test, "%s with %u pages\n", waited ? "waited" : "did not wait", held);
	hmk_check_filler(test, filler);
}

/*
 * 8 million calls of kmap() without kunmap() overflow the slot's count of holders. kmap()
 * reports that. The slot then keeps its page for ever, and other slots work as before.
 * The slot and the page are lost until the next boot.
 */
#define NR_LEAKED	BIT(23)

static void kmap_overflows_holder_count(struct kunit *test)
{
	struct page_set *set = hmk_get_page_set(test, true, 8);
	unsigned int i, wrong = 0;
	struct page *page;
	void *addr;

	REQUIRES(test, !IS_ENABLED(CONFIG_PROVE_LOCKING), "would take minutes");
	page = alloc_page(GFP_HIGHUSER);
	KUNIT_ASSERT_NOT_NULL(test, page);
	addr = kmap(page);
	stamp(addr, page, 74);
	hmk_provoke(test, "too often without kunmap()");
	for (i = 0; i < NR_LEAKED; i++) {
		wrong += kmap(page) != addr;
		if (!(i % 0x40000))
			cond_resched();
	}
	for (i = 0; i < 1000; i++)
		kunmap(page);
	wrong += kmap(page) != addr;
	hmk_provoked(test);
	if (HAVE_INTERNALS)
		hmk_expect_report(test, "too often without kunmap()");
	kmap_flush_unused();
	KUNIT_EXPECT_EQ(test, wrong, 0);
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

/*
 * The order matters, since the pool keeps its areas. The first cases add no area. Three
 * cases add one area each, and the last cases the rest.
 */
static struct kunit_case highmem_exhaustion_cases[] = {
	KUNIT_CASE_SLOW(kmap_waits_for_kunmap),
	KUNIT_CASE(kmap_waiters_are_woken_one_by_one),
	KUNIT_CASE(kmap_keeps_reserve_for_memalloc),
	KUNIT_CASE_SLOW(kmap_retries_growth_seldom),
	KUNIT_CASE_SLOW(kmap_reports_long_wait),
	KUNIT_CASE_SLOW(kmap_reuses_last_slot),
	KUNIT_CASE(kmap_grows_when_space_is_free),
	KUNIT_CASE_SLOW(kmap_grows_when_memory_is_free),
	KUNIT_CASE_SLOW(kmap_by_many_tasks_waits_for_space),
	KUNIT_CASE_SLOW(kmap_reclaims_without_vmalloc_space),
	KUNIT_CASE_SLOW(kmap_of_more_pages_than_slots_held),
	KUNIT_CASE(kmap_of_512_pages_more_than_window),
	KUNIT_CASE(kmap_by_many_tasks_grows),
	KUNIT_CASE_SLOW(kmap_until_all_slots_are_held),
	KUNIT_CASE_SLOW(kmap_overflows_holder_count),
	{}
};

static struct kunit_suite highmem_exhaustion_suite = {
	.name = "highmem_exhaustion",
	.init = hmk_remember_task_and_pool,
	.exit = hmk_check_task,
	.test_cases = highmem_exhaustion_cases,
};

kunit_test_suites(&highmem_exhaustion_suite);

MODULE_DESCRIPTION("KUnit suite for high memory: the pkmap pool when it is full");
MODULE_LICENSE("GPL");
