// SPDX-License-Identifier: GPL-2.0
/*
 * Shared by the KUnit suites for high memory: pages and mappings that are freed when the
 * case ends, expected warnings, threads. See highmem_kunit.h.
 */

#include <linux/bug.h>
#include <linux/delay.h>
#include <linux/error-injection.h>
#include <linux/gfp.h>
#include <linux/kmsg_dump.h>
#include <linux/kprobes.h>
#include <linux/kthread.h>
#include <linux/rcupdate.h>
#include <linux/reboot.h>
#include <linux/sched/task.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

#include <asm/sections.h>

#include "highmem_kunit_whitebox.h"

/* ------------------------------------------------------------------- pages */

/*
 * Set when a thread has not ended in time. The thread may still use its pages, so nothing
 * is freed.
 */
static bool leak_pages;

static void release_state(void *state)
{
	if (!leak_pages)
		kvfree(state);
}

/* Zeroed memory for the threads of a case. It is freed when the case ends. */
void *hmk_zalloc(struct kunit *test, size_t size)
{
	void *state = kvzalloc(size, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, state);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, release_state, state), 0);
	return state;
}

static void release_folio(void *folio)
{
	if (!leak_pages)
		folio_put(folio);
}

void hmk_adopt_folio(struct kunit *test, struct folio *folio)
{
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, release_folio, folio), 0);
}

struct folio *hmk_get_folio(struct kunit *test, bool high, unsigned int order)
{
	struct folio *folio = folio_alloc(high ? GFP_HIGHUSER : GFP_KERNEL, order);

	KUNIT_ASSERT_NOT_NULL(test, folio);
	hmk_adopt_folio(test, folio);
#ifdef ARCH_NEEDS_KMAP_HIGH_GET
	/* A page that kmap() has left mapped gets no local slot. */
	kmap_flush_unused();
#endif
	KUNIT_ASSERT_EQ(test, folio_test_highmem(folio),
			high && IS_ENABLED(CONFIG_HIGHMEM));
	return folio;
}

struct page *hmk_get_page(struct kunit *test, bool high)
{
	return folio_page(hmk_get_folio(test, high, 0), 0);
}

static void release_page_set(void *data)
{
	struct page_set *set = data;

	if (leak_pages)
		return;
	while (set->nr)
		__free_page(set->page[--set->nr]);
	kvfree(set);
}

struct page_set *hmk_get_page_set(struct kunit *test, bool high, unsigned int nr)
{
	struct page_set *set = kvzalloc(struct_size(set, page, nr), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, set);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, release_page_set, set), 0);
	while (set->nr < nr) {
		struct page *page = alloc_page(high ? GFP_HIGHUSER : GFP_KERNEL);

		KUNIT_ASSERT_NOT_NULL(test, page);
		set->page[set->nr++] = page;
		if (high && IS_ENABLED(CONFIG_HIGHMEM))
			KUNIT_ASSERT_TRUE(test, PageHighMem(page));
	}
	return set;
}

void hmk_put_page_set(struct kunit *test, struct page_set *set)
{
	kunit_release_action(test, release_page_set, set);
}

static void release_view(void *view)
{
	vunmap(view);
}

/* Maps pages with vmap(), which no code under test takes part in. */
void *hmk_get_view(struct kunit *test, struct page **pages, unsigned int nr)
{
	void *view = vmap(pages, nr, VM_MAP, PAGE_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, view);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, release_view, view), 0);
	return view;
}

static void release_vbuf(void *buf)
{
	vfree(buf);
}

void *hmk_get_vbuf(struct kunit *test, size_t size)
{
	void *buf = vzalloc(size);

	KUNIT_ASSERT_NOT_NULL(test, buf);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, release_vbuf, buf), 0);
	return buf;
}

static void unmap_action(void *page)
{
	kunmap(page);
}

/* kmap() that is undone when the case ends, or by hmk_drop_kmap(). */
void *hmk_hold_kmap(struct kunit *test, struct page *page)
{
	void *addr = kmap(page);

	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, unmap_action, page), 0);
	return addr;
}

void hmk_drop_kmap(struct kunit *test, struct page *page)
{
	kunit_release_action(test, unmap_action, page);
}

/* After a faulty unmap a TLB may keep an entry that breaks the next cases. */
static void flush_stale_tlb(void *page)
{
	kmap(page);
	kunmap(page);
	kmap_flush_unused();
}

void hmk_guard_against_stale_tlb(struct kunit *test)
{
	struct page *page = hmk_get_page(test, true);

	KUNIT_ASSERT_EQ(test, kunit_add_action(test, flush_stale_tlb, page), 0);
}

/* ----------------------------------------------------------------- reports */

/*
 * The log from log_start on is searched for @wanted. @seen counts the lines that have it.
 */
static struct kmsg_dump_iter log_start;
static const char *wanted;
static unsigned int seen;

static void end_provoking(void *unused)
{
	struct kmsg_dump_iter iter = log_start;
	static char line[256];
	size_t len;

	while (kmsg_dump_get_line(&iter, false, line, sizeof(line), &len))
		if (strnstr(line, wanted, len))
			seen++;
	pr_info("highmem_kunit: provoked\n");
}

/*
 * From here on the kernel is expected to print a warning that contains @needle. A line
 * in the log at either end marks the warning as expected, for scripts and for readers.
 */
void hmk_provoke(struct kunit *test, const char *needle)
{
	kunit_info(test, "highmem_kunit: provoking \"%s\"\n", needle);
	kmsg_dump_rewind(&log_start);
	log_start.cur_seq = log_start.next_seq;
	/* The once flags of WARN_ON_ONCE(), and of WARN_ONCE() and its relatives. */
	generic_bug_clear_once();
	memset(__start_once, 0, __end_once - __start_once);
	wanted = needle;
	seen = 0;
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, end_provoking, NULL), 0);
}

void hmk_provoked(struct kunit *test)
{
	kunit_release_action(test, end_provoking, NULL);
}

/* The number of lines with @needle of hmk_provoke(). Call it after hmk_provoked(). */
unsigned int hmk_reports(void)
{
	return seen;
}

void hmk_expect_report(struct kunit *test, const char *needle)
{
	if (!IS_ENABLED(CONFIG_BUG))
		return;
	KUNIT_EXPECT_GT_MSG(test, seen, 0,
			    "no report with \"%s\" in it", needle);
}

/* ------------------------------------------------------------------ probes */

/* While this is set, the probes of highmem_traced_kunit.c map nothing. */
bool hmk_probes_paused;

/* The probes are registered. */
bool hmk_probes_registered;

/* Probes that read another page's data or left a page mapped, since the last case. */
atomic_t hmk_probe_faults;

static void resume_probes(void *unused)
{
	WRITE_ONCE(hmk_probes_paused, false);
}

/* For cases that look at idle slots or count events. */
void hmk_pause_probes(struct kunit *test)
{
	if (hmk_probes_paused)
		return;
	WRITE_ONCE(hmk_probes_paused, true);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, resume_probes, NULL), 0);
	/*
	 * Probes run with preemption off, so this waits for all that are running. Idle
	 * slots may hold their pages: a flush unmaps these.
	 */
	synchronize_rcu();
	kmap_flush_unused();
}

/* ----------------------------------------------------------------- threads */

static int worker_main(void *data)
{
	struct worker *worker = data;

	worker->run(worker);
	worker->depth = map_depth(current);
	/* The case may free the worker after this. */
	complete_all(&worker->done);
	return 0;
}

static void end_worker(void *data)
{
	struct worker *worker = data;

	WRITE_ONCE(worker->stop, true);
	if (!wait_for_completion_timeout(&worker->done, TIMEOUT)) {
		kunit_fail_current_test("a thread has not ended");
		leak_pages = true;
		return;
	}
	put_task_struct(worker->task);
	kfree(worker);
}

/* Runs @run in a new thread, on @cpu unless that is negative. */
struct worker *hmk_start_worker(struct kunit *test, int cpu,
				void (*run)(struct worker *), void *data)
{
	struct worker *worker = kzalloc(sizeof(*worker), GFP_KERNEL);
	struct task_struct *task;

	KUNIT_ASSERT_NOT_NULL(test, worker);
	worker->run = run;
	worker->data = data;
	init_completion(&worker->done);
	task = kthread_create(worker_main, worker, "highmem_kunit");
	if (IS_ERR(task)) {
		kfree(worker);
		worker = NULL;
	}
	KUNIT_ASSERT_NOT_NULL_MSG(test, worker, "no thread");
	worker->task = get_task_struct(task);
	if (cpu >= 0)
		kthread_bind(task, cpu);
	wake_up_process(task);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, end_worker, worker), 0);
	return worker;
}

void hmk_join_worker(struct kunit *test, struct worker *worker)
{
	KUNIT_ASSERT_NE_MSG(test, wait_for_completion_timeout(&worker->done, TIMEOUT), 0,
			    "a thread has not ended");
	KUNIT_EXPECT_EQ_MSG(test, worker->depth, 0, "a thread ended with pages mapped");
}

/* --------------------------------------------------- slots and address space */

#ifdef CONFIG_HIGHMEM
static bool in_pool(unsigned long addr)
{
#if HAVE_INTERNALS
	/* is_kmap_addr() is also true in the overflow area, in vmalloc space. */
	return is_pkmap_addr(addr);
#else
	return is_kmap_addr((void *)addr) && !in_local_slots((void *)addr);
#endif
}

/* The number of slots in the pool: in its window and in vmalloc space. */
unsigned int hmk_pool_slots(void)
{
	unsigned long addr;
	unsigned int nr = LAST_PKMAP;

	for (addr = VMALLOC_START; addr < VMALLOC_END; addr += PAGE_SIZE)
		nr += in_pool(addr) && addr - PKMAP_ADDR(0) >= LAST_PKMAP * PAGE_SIZE;
	return nr;
}

/* A pool with all areas has POOL_END slots, plus those of its reserve. */
bool hmk_pool_can_grow(void)
{
	return hmk_pool_slots() < POOL_END;
}

#define MAX_SPACES	4096

struct spaces {
	unsigned int nr;
	struct vm_struct *vm[MAX_SPACES];
};

static void give_space(void *data)
{
	struct spaces *spaces = data;

	while (spaces->nr)
		free_vm_area(spaces->vm[--spaces->nr]);
}

/*
 * Allocates address space from vmalloc space, without memory, until less than @least
 * bytes are left in one piece. hmk_give_space() or the end of the case frees it. A case
 * must create its threads before: their stacks may be in vmalloc space, and the kernel
 * logs an allocation that fails.
 */
struct spaces *hmk_take_space(struct kunit *test, unsigned long least)
{
	struct spaces *spaces = hmk_zalloc(test, sizeof(*spaces));
	unsigned long size = SZ_512M;

	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, give_space, spaces), 0);
	while (size >= least && spaces->nr < MAX_SPACES) {
		struct vm_struct *vm = get_vm_area(size, VM_MAP | VM_NO_GUARD);

		if (vm)
			spaces->vm[spaces->nr++] = vm;
		else
			size /= 2;
	}
	KUNIT_ASSERT_LT(test, spaces->nr, MAX_SPACES);
	return spaces;
}

void hmk_give_space(struct kunit *test, struct spaces *spaces)
{
	kunit_release_action(test, give_space, spaces);
}

static void fill_slots(struct worker *worker)
{
	struct filler *filler = worker->data;

	while (filler->held < READ_ONCE(filler->limit) && !worker_stopped(worker)) {
		struct page *page = filler->set->page[filler->held];
		void *addr;

		if (filler->held && filler->held == filler->pause &&
		    !wait_for_completion_timeout(&filler->go, TIMEOUT))
			return;
		addr = kmap(page);
		filler->bad += !stamped(addr, page, 40) || !is_kmap_addr(addr);
		stamp(addr, page, 41);
		/* Pairs with hmk_filler_held(): a page that is counted is mapped. */
		smp_store_release(&filler->held, filler->held + 1);
	}
}

unsigned int hmk_filler_held(struct filler *filler)
{
	/* Pairs with fill_slots(). */
	return smp_load_acquire(&filler->held);
}

void hmk_release_one(struct filler *filler)
{
	kunmap(filler->set->page[filler->released++]);
}

static void end_filler(void *data)
{
	struct filler *filler = data;
	unsigned int i;

	WRITE_ONCE(filler->worker->stop, true);
	complete(&filler->go);
	for (i = 0; i < 1000 && !completion_done(&filler->worker->done); i++) {
		if (filler->released < hmk_filler_held(filler))
			hmk_release_one(filler);
		else
			usleep_range(10000, 12000);
	}
	while (filler->released < hmk_filler_held(filler))
		hmk_release_one(filler);
}

/* Waits until the filler holds @nr pages. Returns false after @timeout jiffies. */
bool hmk_wait_for_filler(struct filler *filler, unsigned int nr, unsigned long timeout)
{
	unsigned long end = jiffies + timeout;

	while (hmk_filler_held(filler) < nr) {
		if (time_after(jiffies, end))
			return false;
		usleep_range(1000, 2000);
	}
	return true;
}

/*
 * Starts a thread that maps @nr pages. Unless @pause is 0, the thread waits for
 * filler->go when it has mapped @pause pages. hmk_hold_all() completes that.
 */
struct filler *hmk_start_filler(struct kunit *test, unsigned int nr, unsigned int pause)
{
	struct filler *filler = hmk_zalloc(test, sizeof(*filler));
	unsigned int i;

	filler->set = hmk_get_page_set(test, true, nr);
	filler->limit = nr;
	filler->pause = pause;
	init_completion(&filler->go);
	for (i = 0; i < nr; i++)
		stamp_page(filler->set->page[i], 40);
	filler->worker = hmk_start_worker(test, -1, fill_slots, filler);
	KUNIT_ASSERT_EQ(test, kunit_add_action(test, end_filler, filler), 0);
	return filler;
}

/*
 * Lets the filler take all slots that there are, and returns how many pages it holds. The
 * filler then waits in kmap() for one page more.
 */
unsigned int hmk_hold_all(struct kunit *test, struct filler *filler)
{
	unsigned int held;

	complete(&filler->go);
	do {
		held = hmk_filler_held(filler);
	} while (held < filler->limit && hmk_wait_for_filler(filler, held + 1, HZ / 4));
	KUNIT_ASSERT_LT_MSG(test, held, filler->limit, "kmap() never waited");
	return held;
}

/*
 * The same. Then gives the filler that page, after which its thread ends: no task waits.
 */
void hmk_hold_all_and_end(struct kunit *test, struct filler *filler)
{
	WRITE_ONCE(filler->limit, hmk_hold_all(test, filler) + 1);
	hmk_release_one(filler);
	hmk_join_worker(test, filler->worker);
}

/* Waits for the filler's end. Checks that each mapping has led to its own page. */
void hmk_check_filler(struct kunit *test, struct filler *filler)
{
	unsigned int i, good = 0;

	hmk_join_worker(test, filler->worker);
	kunit_release_action(test, end_filler, filler);
	for (i = 0; i < filler->set->nr; i++)
		good += page_stamped(filler->set->page[i], i < filler->held ? 41 : 40);
	KUNIT_EXPECT_EQ(test, good, filler->set->nr);
	KUNIT_EXPECT_EQ(test, filler->bad, 0);
}
#endif /* CONFIG_HIGHMEM */

/* -------------------------------------------------------------- failing calls */

#ifdef CONFIG_FUNCTION_ERROR_INJECTION
struct failure {
	struct kprobe kprobe;
	struct task_struct *task;
	unsigned long result;
	atomic_t calls;
};

static int fail_call(struct kprobe *kprobe, struct pt_regs *regs)
{
	struct failure *failure = container_of(kprobe, struct failure, kprobe);

	if (current != failure->task)
		return 0;
	atomic_inc(&failure->calls);
	regs_set_return_value(regs, failure->result);
	override_function_with_return(regs);
	return 1;
}

NOKPROBE_SYMBOL(fail_call);

/*
 * With a post handler the probe is not optimised to a jump, which cannot skip the call.
 */
static void after_call(struct kprobe *kprobe, struct pt_regs *regs, unsigned long flags)
{
}

NOKPROBE_SYMBOL(after_call);

static void end_failing(void *data)
{
	struct failure *failure = data;

	unregister_kprobe(&failure->kprobe);
}

/*
 * Makes @task's calls of @function return @result without running it. The function must
 * not be inlined in its callers.
 */
struct failure *hmk_fail_calls(struct kunit *test, const char *function,
			       struct task_struct *task, unsigned long result)
{
	struct failure *failure = hmk_zalloc(test, sizeof(*failure));

	failure->kprobe.symbol_name = function;
	failure->kprobe.pre_handler = fail_call;
	failure->kprobe.post_handler = after_call;
	failure->task = task;
	failure->result = result;
	KUNIT_ASSERT_EQ(test, register_kprobe(&failure->kprobe), 0);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, end_failing, failure), 0);
	return failure;
}

unsigned int hmk_failed_calls(struct failure *failure)
{
	return atomic_read(&failure->calls);
}

void hmk_fail_no_more(struct kunit *test, struct failure *failure)
{
	kunit_release_action(test, end_failing, failure);
}
#else
struct failure *hmk_fail_calls(struct kunit *test, const char *function,
			       struct task_struct *task, unsigned long result)
{
	kunit_skip(test, "needs CONFIG_FUNCTION_ERROR_INJECTION");
}

unsigned int hmk_failed_calls(struct failure *failure)
{
	return 0;
}

void hmk_fail_no_more(struct kunit *test, struct failure *failure) { }
#endif

/* --------------------------------------------------- start and end of a case */

int hmk_remember_task(struct kunit *test)
{
	test->priv = get_task_struct(current);
	return 0;
}

/* The case in which a task may have died with the pool's lock held. */
static const char *pool_victim;

int hmk_remember_task_and_pool(struct kunit *test)
{
	hmk_remember_task(test);
	if (pool_victim) {
		kunit_err(test, "the pool was lost in %s\n", pool_victim);
		return -EIO;
	}
	return 0;
}

void hmk_risk_pool(struct kunit *test)
{
	pool_victim = test->name;
}

void hmk_pool_survived(void)
{
	pool_victim = NULL;
}

/*
 * KUnit calls this in another thread than the case, also after an assertion that failed.
 */
void hmk_check_task(struct kunit *test)
{
	struct task_struct *task = test->priv;
	unsigned int i;

	if (!task)
		return;
	/* A probe may have a page mapped while the thread ends. */
	for (i = 0; i < 100 && map_depth(task); i++)
		usleep_range(100, 200);
	KUNIT_EXPECT_EQ_MSG(test, map_depth(task), 0, "the case left a page mapped");
	KUNIT_EXPECT_EQ_MSG(test, atomic_xchg(&hmk_probe_faults, 0), 0, "faults of probes");
	put_task_struct(task);
}

#ifdef CONFIG_PREEMPT_RT
/* On PREEMPT_RT a thread prints the log, and a restart does not wait for that thread. */
static int let_results_be_printed(struct notifier_block *block, unsigned long action,
				  void *command)
{
	msleep(500);
	return NOTIFY_DONE;
}

static struct notifier_block before_restart = {
	.notifier_call = let_results_be_printed,
};

static int __init wait_before_restart(void)
{
	return register_reboot_notifier(&before_restart);
}
late_initcall(wait_before_restart);
#endif
