// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit suite "highmem_jiffies": the pool while the low 32 bits of jiffies change sign, as
 * they do after some weeks. See highmem_kunit.h. The suite needs one of these parameters
 * on the command line, which hold for all suites of the boot:
 *
 *   highmem_jiffies=sign:20	starts jiffies 20 s before they pass 2^31, which is 25
 *				days after boot if HZ is 1000
 *   highmem_jiffies=wrap:20	starts jiffies 20 s before they wrap to 0
 *
 * With up to 300 s, jiffies start later than without the parameter. So times that were
 * initialized with INITIAL_JIFFIES lie in the past, as on a machine that is up for some
 * time.
 */

#include <linux/init.h>
#include <linux/jiffies.h>
#include <linux/sched.h>
#include <linux/sched/clock.h>
#include <linux/timer.h>

#include "highmem_kunit.h"

#define NR_CHANGE_PAGES	256

/* 64-bit jiffies; 0 without the parameter. */
static u64 first_jiffies __ro_after_init;
static u64 change_jiffies __ro_after_init;

/*
 * Called in setup_arch(), before the first timer.
 *
 * sched_clock() of x86 counts jiffies until the TSC is calibrated, and restarts at 0 then.
 * The offset lets the clock of the scheduler go on. Else that clock stands still on the
 * boot CPU until sched_clock() has caught up, and no tick preempts a task there.
 */
static int __init set_jiffies(char *arg)
{
	u64 change = 1ULL << 32;
	unsigned int seconds;

	if (sscanf(arg, "sign:%u", &seconds) == 1)
		change += 1ULL << 31;
	else if (sscanf(arg, "wrap:%u", &seconds) != 1)
		return -EINVAL;
	if (seconds < 1 || seconds > 300)
		return -EINVAL;

	first_jiffies = change - seconds * HZ;
	change_jiffies = change;
	jiffies_64 = first_jiffies;
#ifdef CONFIG_HAVE_UNSTABLE_SCHED_CLOCK
	__sched_clock_offset = (first_jiffies - INITIAL_JIFFIES) * TICK_NSEC;
#endif
	return 0;
}
early_param("highmem_jiffies", set_jiffies);

/* Logs the time, to show which suite was running. */
static void log_change(struct timer_list *timer)
{
	pr_info("highmem_kunit: jiffies are %#lx\n", jiffies);
}

static DEFINE_TIMER(change_timer, log_change);

static int __init start_change_timer(void)
{
	if (change_jiffies)
		mod_timer(&change_timer, (unsigned long)change_jiffies);
	return 0;
}
device_initcall(start_change_timer);

/*
 * Maps pages until jiffies have changed and one second longer. If earlier suites took
 * longer than that, maps them once.
 */
static void kmap_while_jiffies_change(struct kunit *test)
{
	unsigned int i, bad = 0, rounds = 0;
	struct page_set *set;
	u32 first, now;

	REQUIRES(test, change_jiffies, "needs highmem_jiffies= on the command line");
	set = hmk_get_page_set(test, true, NR_CHANGE_PAGES);
	for (i = 0; i < set->nr; i++)
		stamp_page(set->page[i], 90);

	do {
		for (i = 0; i < set->nr; i++) {
			bad += !stamped(kmap(set->page[i]), set->page[i], 90);
			kunmap(set->page[i]);
		}
		kmap_flush_unused();
		cond_resched();
		rounds++;
	} while (time_before64(get_jiffies_64(), change_jiffies + HZ));

	kunit_info(test, "%u rounds\n", rounds);
	KUNIT_EXPECT_EQ(test, bad, 0);
	first = first_jiffies;
	now = jiffies;
	KUNIT_EXPECT_NE_MSG(test, first >> 31, now >> 31,
			    "jiffies were %#x at boot and are %#x", first, now);
	/* Timers of this length expire up to some seconds late. */
	timer_delete_sync(&change_timer);
}

static struct kunit_case highmem_jiffies_cases[] = {
	KUNIT_CASE(kmap_while_jiffies_change),
	{}
};

static struct kunit_suite highmem_jiffies_suite = {
	.name = "highmem_jiffies",
	.init = hmk_remember_task_and_pool,
	.exit = hmk_check_task,
	.test_cases = highmem_jiffies_cases,
};

kunit_test_suites(&highmem_jiffies_suite);

MODULE_DESCRIPTION("KUnit suite for high memory: jiffies that pass a change of sign");
MODULE_LICENSE("GPL");
