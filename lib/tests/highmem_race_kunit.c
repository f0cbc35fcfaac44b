// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit suite "highmem_race": tasks on all CPUs map, unmap, look up and flush the same
 * pages at the same time. See highmem_kunit.h.
 */

#include <linux/delay.h>
#include <linux/hrtimer.h>
#include <linux/prandom.h>
#include <linux/slab.h>

#include "highmem_kunit.h"

#define RACE_SALT	60
#define MAX_RACERS	8
#define MAX_WINDOW	4
#define LOOKUP_NS	(500 * NSEC_PER_USEC)

struct race {
	struct page_set *set;
	unsigned int hot;	/* three of four turns are for so many pages; 0: no such set */
	unsigned int window;	/* pages that a racer holds at a time */
	unsigned int pause_us;	/* between two flushes */
	unsigned int nr_racers;
	struct racer *racer[MAX_RACERS];
	struct page *flush_page; /* only the flusher maps it */
	unsigned int slots;	/* of the pool, before the race */
	struct completion go;
	unsigned int nr_workers;
	struct worker *worker[2 * MAX_RACERS + 1];

	atomic_long_t maps;
	atomic_long_t flushes;
	atomic_long_t lookups;
	/* Faults; all must stay 0. */
	atomic_t moved;		/* the address of a held page changed */
	atomic_t foreign;	/* a page showed another page's data */
	atomic_t lost;		/* a write was lost */
	atomic_t kept;		/* a flush left an idle page mapped */
	atomic_t invalid;	/* page_address() returned an impossible address */
	atomic_t left;		/* a page was mapped at the end */
};

/* What a racer has written to a page: how often, and at which address. */
struct record {
	u32 writes;
	u32 *word;
};

struct racer {
	struct race *race;
	unsigned int line;	/* the word of each page that is this racer's */
	struct rnd_state rnd;
	struct record record[];
};

/* ---------------------------------------------------------------------- racers */

static u32 mark(struct racer *racer, unsigned int nr)
{
	return stamp_word(racer->race->set->page[nr], racer->record[nr].writes, racer->line);
}

/* The racer holds the page, so the page's address and the racer's word cannot change. */
static void check_page(struct racer *racer, unsigned int nr)
{
	struct race *race = racer->race;
	struct page *page = race->set->page[nr];
	struct record *record = &racer->record[nr];

	if (page_address(page) != record->word)
		atomic_inc(&race->moved);
	/* One word identifies the page, as a PTE maps a whole page. */
	if (READ_ONCE(record->word[0]) != stamp_word(page, RACE_SALT, 0))
		atomic_inc(&race->foreign);
	if (record->writes && READ_ONCE(record->word[racer->line]) != mark(racer, nr))
		atomic_inc(&race->lost);
}

static void take_page(struct racer *racer, unsigned int nr)
{
	struct record *record = &racer->record[nr];

	record->word = kmap(racer->race->set->page[nr]);
	check_page(racer, nr);
	record->writes++;
	WRITE_ONCE(record->word[racer->line], mark(racer, nr));
}

static void drop_page(struct racer *racer, unsigned int nr)
{
	check_page(racer, nr);
	kunmap(racer->race->set->page[nr]);
}

static unsigned int pick_page(struct racer *racer)
{
	struct race *race = racer->race;
	u32 random = prandom_u32_state(&racer->rnd);

	if (race->hot && random % 4)
		return random / 4 % race->hot;
	return random / 4 % race->set->nr;
}

static void race_on_pool(struct worker *worker)
{
	struct racer *racer = worker->data;
	unsigned int window = racer->race->window;
	unsigned int held[MAX_WINDOW];
	unsigned int i, turn = 0;

	wait_for_completion_timeout(&racer->race->go, TIMEOUT);
	while (!worker_stopped(worker)) {
		for (i = 0; i < 64; i++, turn++) {
			if (turn >= window)
				drop_page(racer, held[turn % window]);
			held[turn % window] = pick_page(racer);
			take_page(racer, held[turn % window]);
		}
		atomic_long_add(i, &racer->race->maps);
		/* Sometimes holds the pages for as long as a flush takes. */
		if (prandom_u32_state(&racer->rnd) % 256 == 0)
			schedule_timeout_uninterruptible(1);
		else
			cond_resched();
	}
	for (i = 0; i < min(turn, window); i++)
		drop_page(racer, held[i]);
}

/* ---------------------------------------------------------- flushes and lookups */

/* Only the flusher maps this page, so no flush may leave it mapped. */
static void flush_race(struct worker *worker)
{
	struct race *race = worker->data;
	struct page *page = race->flush_page;
	u32 salt = 0;
	void *addr;

	wait_for_completion_timeout(&race->go, TIMEOUT);
	while (!worker_stopped(worker)) {
		addr = kmap(page);
		stamp(addr, page, ++salt);
		kunmap(page);
		kmap_flush_unused();
		if (page_address(page) || stamped_nofault(addr, page, salt))
			atomic_inc(&race->kept);
		atomic_long_inc(&race->flushes);
		if (race->pause_us)
			usleep_range(race->pause_us, 2 * race->pause_us);
		else
			cond_resched();
	}
}

struct lookup {
	struct race *race;
	struct hrtimer hrtimer;
	struct rnd_state rnd;
	struct rnd_state timer_rnd;
};

/* A task that does not hold the page may use the address only for comparison. */
static void look_up(struct race *race, struct rnd_state *rnd)
{
	struct page *page = race->set->page[prandom_u32_state(rnd) % race->set->nr];
	void *addr = page_address(page);

	if (addr && (offset_in_page(addr) || !is_kmap_addr(addr)))
		atomic_inc(&race->invalid);
#ifdef ARCH_NEEDS_KMAP_HIGH_GET
	addr = kmap_high_get(page);
	if (addr) {
		if (page_address(page) != addr)
			atomic_inc(&race->moved);
		if (READ_ONCE(*(u32 *)addr) != stamp_word(page, RACE_SALT, 0))
			atomic_inc(&race->foreign);
		kunmap_high(page);
	}
#endif
	atomic_long_inc(&race->lookups);
}

static enum hrtimer_restart look_up_by_hrtimer(struct hrtimer *hrtimer)
{
	struct lookup *lookup = container_of(hrtimer, struct lookup, hrtimer);

	look_up(lookup->race, &lookup->timer_rnd);
	hrtimer_forward_now(hrtimer, ns_to_ktime(LOOKUP_NS));
	return HRTIMER_RESTART;
}

/* Looks pages up in a task, and in interrupts on the same CPU. */
static void look_up_race(struct worker *worker)
{
	struct lookup *lookup = worker->data;
	unsigned int i;

	wait_for_completion_timeout(&lookup->race->go, TIMEOUT);
	hmk_hrtimer_setup(&lookup->hrtimer, look_up_by_hrtimer, HRTIMER_MODE_REL_PINNED_HARD);
	hrtimer_start(&lookup->hrtimer, ns_to_ktime(LOOKUP_NS), HRTIMER_MODE_REL_PINNED_HARD);
	while (!worker_stopped(worker)) {
		for (i = 0; i < 32; i++)
			look_up(lookup->race, &lookup->rnd);
		usleep_range(200, 400);
	}
	hrtimer_cancel(&lookup->hrtimer);
}

/* ------------------------------------------------------------------ start and end */

static struct race *get_race(struct kunit *test, unsigned int nr_pages)
{
	struct race *race = hmk_zalloc(test, sizeof(*race));
	unsigned int i;

	init_completion(&race->go);
	race->slots = hmk_pool_slots();
	race->flush_page = hmk_get_page(test, true);
	race->set = hmk_get_page_set(test, true, nr_pages);
	for (i = 0; i < nr_pages; i++)
		stamp_page(race->set->page[i], RACE_SALT);
	race->nr_racers = clamp(num_online_cpus(), 4U, MAX_RACERS + 0U);
	for (i = 0; i < race->nr_racers; i++) {
		struct racer *racer = hmk_zalloc(test, struct_size(racer, record, nr_pages));

		racer->race = race;
		racer->line = (i + 1) * STAMP_STRIDE + 1;
		prandom_seed_state(&racer->rnd, 100 + i);
		race->racer[i] = racer;
	}
	return race;
}

/* On this CPU no former address of a page may be readable. */
static void count_readable(struct worker *worker)
{
	struct race *race = worker->data;
	unsigned int i, nr;

	for (i = 0; i < race->nr_racers; i++) {
		for (nr = 0; nr < race->set->nr; nr++) {
			u32 *word = race->racer[i]->record[nr].word;

			if (word && readable(word))
				atomic_inc(&race->left);
		}
		cond_resched();
	}
}

/* Checks the pages through local mappings, after all racers have ended. */
static void check_pages(struct kunit *test, struct race *race)
{
	unsigned int i, nr, cpu, mapped = 0, damaged = 0;

	kmap_flush_unused();
	for (nr = 0; nr < race->set->nr; nr++) {
		struct page *page = race->set->page[nr];
		u32 *word;

		mapped += !!page_address(page);
		word = kmap_local_page(page);
		damaged += !stamped(word, page, RACE_SALT);
		for (i = 0; i < race->nr_racers; i++) {
			struct racer *racer = race->racer[i];

			damaged += racer->record[nr].writes &&
				   word[racer->line] != mark(racer, nr);
		}
		kunmap_local(word);
	}
	for_each_online_cpu(cpu)
		hmk_join_worker(test, hmk_start_worker(test, cpu, count_readable, race));

	KUNIT_EXPECT_EQ(test, mapped, 0);
	KUNIT_EXPECT_EQ(test, damaged, 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&race->left), 0);
}

/* The size, in pages, of the address space outside the window that the racers used. */
static unsigned long pages_outside(const struct race *race)
{
	unsigned long low = ULONG_MAX, high = 0;
	unsigned int i, nr;

	for (i = 0; i < race->nr_racers; i++) {
		for (nr = 0; nr < race->set->nr; nr++) {
			unsigned long addr = (unsigned long)race->racer[i]->record[nr].word;

			if (!addr || addr - PKMAP_ADDR(0) < LAST_PKMAP * PAGE_SIZE)
				continue;
			low = min(low, addr);
			high = max(high, addr);
		}
	}
	return high ? (high - low) / PAGE_SIZE + 1 : 0;
}

static void check_counts(struct kunit *test, struct race *race)
{
	kunit_info(test, "%u pages: %ld maps, %ld flushes, %ld lookups\n", race->set->nr,
		   atomic_long_read(&race->maps), atomic_long_read(&race->flushes),
		   atomic_long_read(&race->lookups));
	KUNIT_EXPECT_GT(test, atomic_long_read(&race->maps), 0);
	KUNIT_EXPECT_GT(test, atomic_long_read(&race->flushes), 0);
	KUNIT_EXPECT_GT(test, atomic_long_read(&race->lookups), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&race->moved), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&race->foreign), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&race->lost), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&race->kept), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&race->invalid), 0);
	/* Few slots are held, so reclaim always finds slots. */
	KUNIT_EXPECT_EQ_MSG(test, hmk_pool_slots(), race->slots, "the pool has grown");
	/* Until a case makes the pool grow, only the reserve is outside the window. */
	if (race->slots <= LAST_PKMAP + POOL_RESERVE)
		KUNIT_EXPECT_LE(test, pages_outside(race), POOL_RESERVE);
}

static void add_worker(struct kunit *test, struct race *race, int cpu,
		       void (*run)(struct worker *), void *data)
{
	race->worker[race->nr_workers++] = hmk_start_worker(test, cpu, run, data);
}

/* Starts all threads, which wait for race->go. */
static void start_race(struct kunit *test, struct race *race)
{
	unsigned int i, cpu = first_cpu();

	add_worker(test, race, -1, flush_race, race);
	for (i = 0; i < race->nr_racers; i++) {
		add_worker(test, race, cpu, race_on_pool, race->racer[i]);
		cpu = cpumask_next(cpu, cpu_online_mask);
		if (cpu >= nr_cpu_ids)
			cpu = first_cpu();
	}
	for_each_online_cpu(cpu) {
		struct lookup *lookup;

		if (race->nr_workers == ARRAY_SIZE(race->worker))
			break;
		lookup = hmk_zalloc(test, sizeof(*lookup));
		lookup->race = race;
		prandom_seed_state(&lookup->rnd, 200 + cpu);
		prandom_seed_state(&lookup->timer_rnd, 300 + cpu);
		add_worker(test, race, cpu, look_up_race, lookup);
	}
}

static bool all_have_run(struct race *race)
{
	return atomic_long_read(&race->maps) && atomic_long_read(&race->flushes) &&
	       atomic_long_read(&race->lookups);
}

/* Runs for @ms, and on a busy host until each kind of worker has run. */
static void run_workers(struct kunit *test, struct race *race, unsigned int ms)
{
	unsigned long end = jiffies + TIMEOUT;
	unsigned int i;

	complete_all(&race->go);
	do {
		msleep(ms);
	} while (!all_have_run(race) && time_before(jiffies, end));
	for (i = 0; i < race->nr_workers; i++)
		WRITE_ONCE(race->worker[i]->stop, true);
	for (i = 0; i < race->nr_workers; i++)
		hmk_join_worker(test, race->worker[i]);
}

static void check_race(struct kunit *test, struct race *race, unsigned int ms)
{
	start_race(test, race);
	run_workers(test, race, ms);
	check_counts(test, race);
	check_pages(test, race);
}

/* --------------------------------------------------------------------------- cases */

/* Each page is held or has just been dropped, while the pool is flushed. */
static void kmap_races_for_few_pages(struct kunit *test)
{
	struct race *race = get_race(test, 2);

	race->window = 1;
	check_race(test, race, 1500);
	race = get_race(test, 8);
	race->window = 3;
	check_race(test, race, 1500);
}

/* More pages than slots: tasks on all CPUs reclaim. */
static void kmap_races_for_many_pages(struct kunit *test)
{
	struct race *race = get_race(test, 3 * hmk_pool_slots());

	race->window = 2;
	race->pause_us = 20000;
	check_race(test, race, 3000);
}

static void kmap_races_for_hot_and_cold_pages(struct kunit *test)
{
	struct race *race = get_race(test, 2 * hmk_pool_slots());

	race->hot = 4;
	race->window = MAX_WINDOW;
	race->pause_us = 2000;
	check_race(test, race, 3000);
}

/* Fewer free slots than tasks, and no vmalloc space: tasks wait in turn. */
#define NR_LEFT		3

static void kmap_races_for_last_slots(struct kunit *test)
{
	struct race *race = get_race(test, 32);
	struct spaces *spaces;
	struct filler *filler;
	unsigned int i;

	race->window = 1;
	race->pause_us = 5000;
	start_race(test, race);
	filler = hmk_start_filler(test, POOL_END + NR_LEFT, 1);
	spaces = hmk_take_space(test, POOL_STEP);
	hmk_hold_all_and_end(test, filler);
	for (i = 0; i < NR_LEFT; i++)
		hmk_release_one(filler);

	run_workers(test, race, 2000);
	hmk_give_space(test, spaces);
	check_counts(test, race);
	check_pages(test, race);
	hmk_check_filler(test, filler);
}

/* --------------------------------------------------------- neighbouring PTEs */

/*
 * The pool writes PTEs without a common lock, so a write to one PTE must not change the
 * next PTE. (Mainline's MIPS stores to both if PTEs have 64 bits.) The task writes one
 * PTE of a pair all the time, and an interrupt writes the other.
 */
#define INTERRUPT_NS	(60 * NSEC_PER_USEC)

struct pair {
	struct hrtimer hrtimer;
	struct page *page;
	unsigned long addr;	/* of the first of two pages */
	bool written;		/* the second page is mapped */
	unsigned int writes;
	unsigned int lost;
};

static void write_pte(struct pair *pair, unsigned int which)
{
	unsigned long addr = pair->addr + which * PAGE_SIZE;

	set_pte_at(&init_mm, addr, virt_to_kpte(addr),
		   pfn_pte(page_to_pfn(pair->page), PAGE_KERNEL));
}

static void clear_pte(struct pair *pair, unsigned int which)
{
	unsigned long addr = pair->addr + which * PAGE_SIZE;

	pte_clear(&init_mm, addr, virt_to_kpte(addr));
}

static bool pte_is_lost(struct pair *pair, unsigned int which)
{
	pte_t pte = ptep_get(virt_to_kpte(pair->addr + which * PAGE_SIZE));

	return !pte_present(pte) || pte_page(pte) != pair->page;
}

static enum hrtimer_restart write_second(struct hrtimer *hrtimer)
{
	struct pair *pair = container_of(hrtimer, struct pair, hrtimer);

	if (!READ_ONCE(pair->written)) {
		write_pte(pair, 1);
		pair->writes++;
		WRITE_ONCE(pair->written, true);
	}
	hrtimer_forward_now(hrtimer, ns_to_ktime(INTERRUPT_NS));
	return HRTIMER_RESTART;
}

static void end_interrupts(void *data)
{
	struct pair *pair = data;

	hrtimer_cancel(&pair->hrtimer);
}

static void ptes_written_side_by_side(struct kunit *test)
{
	struct page_set *set = hmk_get_page_set(test, true, 3);
	struct pair *pair = hmk_zalloc(test, sizeof(*pair));
	unsigned long end;

	pin_to_cpu(test, first_cpu());
	pair->page = set->page[0];
	/* Any two neighbouring PTEs are good enough. */
	pair->addr = ALIGN((unsigned long)hmk_get_view(test, set->page, 3), 2 * PAGE_SIZE);
	clear_pte(pair, 0);
	clear_pte(pair, 1);
	hmk_hrtimer_setup(&pair->hrtimer, write_second, HRTIMER_MODE_REL_PINNED_HARD);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, end_interrupts, pair), 0);
	hrtimer_start(&pair->hrtimer, ns_to_ktime(INTERRUPT_NS), HRTIMER_MODE_REL_PINNED_HARD);
	for (end = jiffies + 2 * HZ; time_before(jiffies, end); cond_resched()) {
		write_pte(pair, 0);
		pair->lost += pte_is_lost(pair, 0);
		if (READ_ONCE(pair->written)) {
			pair->lost += pte_is_lost(pair, 1);
			clear_pte(pair, 1);
			WRITE_ONCE(pair->written, false);
		}
		clear_pte(pair, 0);
	}
	kunit_release_action(test, end_interrupts, pair);
	kunit_info(test, "%u interrupts\n", pair->writes);
	KUNIT_EXPECT_GT(test, pair->writes, 10);
	KUNIT_EXPECT_EQ(test, pair->lost, 0);
}

static struct kunit_case highmem_race_cases[] = {
	KUNIT_CASE_SLOW(kmap_races_for_few_pages),
	KUNIT_CASE_SLOW(kmap_races_for_many_pages),
	KUNIT_CASE_SLOW(kmap_races_for_hot_and_cold_pages),
	KUNIT_CASE_SLOW(kmap_races_for_last_slots),
	KUNIT_CASE_SLOW(ptes_written_side_by_side),
	{}
};

static struct kunit_suite highmem_race_suite = {
	.name = "highmem_race",
	.init = hmk_remember_task_and_pool,
	.exit = hmk_check_task,
	.test_cases = highmem_race_cases,
};

kunit_test_suites(&highmem_race_suite);

MODULE_DESCRIPTION("KUnit suite for high memory: races over the pkmap pool");
MODULE_LICENSE("GPL");
