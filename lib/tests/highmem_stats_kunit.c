// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit suite "highmem_stats": counters, the listing of the pool and tracepoints, as
 * Documentation/mm/highmem-debug.rst describes them. See highmem_kunit.h and
 * highmem_kunit_whitebox.h.
 */

#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mman.h>
#include <linux/mount.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/tracepoint.h>

#include "highmem_kunit_whitebox.h"

#if HAVE_COUNTERS && defined(CONFIG_HIGHMEM)

/* ------------------------------------------------------------------- counters */

struct totals {
	unsigned long nr[NR_HIGHMEM_STATS];
};

static struct totals totals_now(void)
{
	struct totals totals;
	unsigned int i;

	for (i = 0; i < NR_HIGHMEM_STATS; i++)
		totals.nr[i] = highmem_stat_sum(i);
	return totals;
}

/*
 * Checks how much each counter has risen since @then. The arguments are pairs of a
 * counter and a number, and -1 at the end. Other counters must not have risen.
 * HIGHMEM_STAT_LOCAL_DEEPEST is not a sum, and is not checked.
 */
static void expect_rise(struct kunit *test, struct totals then, ...)
{
	struct totals now = totals_now(), want = { };
	unsigned int i;
	va_list args;
	int id;

	va_start(args, then);
	for (id = va_arg(args, int); id >= 0; id = va_arg(args, int))
		want.nr[id] = va_arg(args, int);
	va_end(args);
	for (i = 0; i < HIGHMEM_STAT_LOCAL_DEEPEST; i++)
		KUNIT_EXPECT_EQ_MSG(test, now.nr[i] - then.nr[i], want.nr[i], "counter %u", i);
}

#define MAPPED		10

static void counts_kmap(struct kunit *test)
{
	struct page_set *set = hmk_get_page_set(test, true, MAPPED);
	struct totals then;
	unsigned int i;

	kmap_flush_unused();
	hmk_count_events(test);
	then = totals_now();
	for (i = 0; i < MAPPED; i++)
		hmk_hold_kmap(test, set->page[i]);
	expect_rise(test, then, HIGHMEM_STAT_KMAP_MISS, MAPPED, -1);

	then = totals_now();
	kmap(set->page[0]);
	kunmap(set->page[0]);
	for (i = 0; i < MAPPED; i++)
		hmk_drop_kmap(test, set->page[i]);
	kmap(set->page[1]);
	kunmap(set->page[1]);
	expect_rise(test, then, HIGHMEM_STAT_KMAP_HIT, 2, -1);

	/* A held slot is not reclaimed. */
	hmk_hold_kmap(test, set->page[2]);
	then = totals_now();
	kmap_flush_unused();
	expect_rise(test, then, HIGHMEM_STAT_PKMAP_RECLAIM, 1, HIGHMEM_STAT_PKMAP_FLUSH, 1,
		    HIGHMEM_STAT_PKMAP_FREED, MAPPED - 1, -1);
	then = totals_now();
	kmap_flush_unused();
	expect_rise(test, then, HIGHMEM_STAT_PKMAP_RECLAIM, 1, -1);
}

/* kmap() and kmap_local_page() of low memory count nothing. */
static void counts_no_low_memory(struct kunit *test)
{
	struct page *page = hmk_get_page(test, false);
	struct totals then;
	void *addr;

	REQUIRES(test, !FORCE_MAP, "kmap_local_page() maps each page of this kernel");
	hmk_count_events(test);
	then = totals_now();
	kmap(page);
	kunmap(page);
	addr = kmap_local_page(page);
	kunmap_local(addr);
	expect_rise(test, then, -1);
}

/* More pages than slots, and one page many times. */
static void counts_reclaim(struct kunit *test)
{
	struct page_set *set = hmk_get_page_set(test, true, 2 * hmk_pool_slots());
	struct totals then, now;
	unsigned int i;

	kmap_flush_unused();
	hmk_count_events(test);
	then = totals_now();
	for (i = 0; i < set->nr; i++) {
		kmap(set->page[i]);
		kunmap(set->page[i]);
		kmap(set->page[0]);
		kunmap(set->page[0]);
	}
	now = totals_now();
	KUNIT_EXPECT_EQ(test, now.nr[HIGHMEM_STAT_KMAP_HIT] + now.nr[HIGHMEM_STAT_KMAP_MISS] -
			then.nr[HIGHMEM_STAT_KMAP_HIT] - then.nr[HIGHMEM_STAT_KMAP_MISS],
			2 * set->nr);
	KUNIT_EXPECT_GE(test, now.nr[HIGHMEM_STAT_KMAP_MISS] - then.nr[HIGHMEM_STAT_KMAP_MISS],
			set->nr);
	KUNIT_EXPECT_GT(test, now.nr[HIGHMEM_STAT_PKMAP_FLUSH],
			then.nr[HIGHMEM_STAT_PKMAP_FLUSH]);
	KUNIT_EXPECT_GT(test, now.nr[HIGHMEM_STAT_PKMAP_FREED],
			then.nr[HIGHMEM_STAT_PKMAP_FREED]);
	KUNIT_EXPECT_EQ(test, now.nr[HIGHMEM_STAT_PKMAP_WAIT],
			then.nr[HIGHMEM_STAT_PKMAP_WAIT]);
}

static void counts_waits(struct kunit *test)
{
	struct filler *filler = hmk_start_filler(test, POOL_END + 4, 1);
	struct spaces *spaces = hmk_take_space(test, POOL_STEP);
	struct totals then, now;

	hmk_count_events(test);
	then = totals_now();
	hmk_hold_all_and_end(test, filler);
	now = totals_now();
	hmk_give_space(test, spaces);
	hmk_check_filler(test, filler);
	KUNIT_EXPECT_GT(test, now.nr[HIGHMEM_STAT_PKMAP_WAIT],
			then.nr[HIGHMEM_STAT_PKMAP_WAIT]);
}

#define NESTED		18

/* With preemption off, since __kmap_local_sched_in() may write PTEs. */
static void map_and_unmap(struct page_set *set, unsigned int nr)
{
	void *addr[NESTED];

	preempt_disable();
	map_all(set, addr, nr);
	unmap_all(addr, nr);
	preempt_enable();
}

static void counts_local(struct kunit *test)
{
	struct page_set *set = hmk_get_page_set(test, true, NESTED);
	struct totals then;

	pin_to_cpu(test, first_cpu());
	hmk_pause_probes(test);
	kmap_flush_unused();
	hmk_count_events(test);
	then = totals_now();
	map_and_unmap(set, 5);
	expect_rise(test, then, HIGHMEM_STAT_LOCAL_MAP, 5, HIGHMEM_STAT_LOCAL_PTE, 5, -1);
	KUNIT_EXPECT_GE(test, highmem_stat_sum(HIGHMEM_STAT_LOCAL_DEEPEST), 5);

	then = totals_now();
	map_and_unmap(set, NESTED);
	expect_rise(test, then, HIGHMEM_STAT_LOCAL_MAP, NESTED,
		    HIGHMEM_STAT_LOCAL_PTE, is_lazy() ? NESTED - 5 : NESTED,
		    HIGHMEM_STAT_LOCAL_OVERFLOW, NESTED - 16, -1);
}

static void counts_nothing_when_off(struct kunit *test)
{
	struct page_set *set = hmk_get_page_set(test, true, 5);
	struct totals then = totals_now();
	void *addr[5];

	KUNIT_ASSERT_FALSE(test, static_key_enabled(&highmem_stats_on));
	map_all(set, addr, 5);
	unmap_all(addr, 5);
	kmap(set->page[0]);
	kunmap(set->page[0]);
	kmap_flush_unused();
	expect_rise(test, then, -1);
}

/* --------------------------------------------------------- listing of the pool */

struct area_line {
	unsigned int slots, clean, idle, held, holders, hot;
};

#define LISTING_SIZE	4096

/* The sum over all areas of the listing. */
static struct area_line read_listing(struct kunit *test)
{
	struct seq_file m = { .size = LISTING_SIZE };
	struct area_line sum = { };
	char *line, *rest;

	m.buf = kunit_kzalloc(test, LISTING_SIZE, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, m.buf);
	pkmap_show(&m, NULL);
	KUNIT_ASSERT_LT(test, m.count, m.size);
	rest = m.buf;
	while ((line = strsep(&rest, "\n")) && *line) {
		struct area_line a;
		unsigned long start;
		int got = sscanf(line, "%lx %u clean %u idle %u held %u holders %u hot %u",
				 &start, &a.slots, &a.clean, &a.idle, &a.held, &a.holders,
				 &a.hot);

		KUNIT_EXPECT_EQ_MSG(test, got, 7, "in line \"%s\"", line);
		sum.slots += a.slots;
		sum.clean += a.clean;
		sum.idle += a.idle;
		sum.held += a.held;
		sum.holders += a.holders;
		sum.hot += a.hot;
	}
	return sum;
}

static void listing_follows_use(struct kunit *test)
{
	struct page_set *set = hmk_get_page_set(test, true, 5);
	struct area_line before, during, after;
	unsigned int i;

	/* Begins without idle slots. */
	kmap(set->page[0]);
	kunmap(set->page[0]);
	kmap_flush_unused();
	before = read_listing(test);
	/* Three slots idle, two held. One of these has two holders and is hot. */
	for (i = 0; i < 3; i++) {
		kmap(set->page[i]);
		kunmap(set->page[i]);
	}
	hmk_hold_kmap(test, set->page[3]);
	hmk_hold_kmap(test, set->page[4]);
	hmk_hold_kmap(test, set->page[4]);
	during = read_listing(test);
	hmk_drop_kmap(test, set->page[4]);
	hmk_drop_kmap(test, set->page[4]);
	hmk_drop_kmap(test, set->page[3]);
	kmap_flush_unused();
	after = read_listing(test);

	KUNIT_EXPECT_GE(test, before.slots, LAST_PKMAP);
	KUNIT_EXPECT_EQ(test, before.idle, 0);
	KUNIT_EXPECT_EQ(test, during.idle, 3);
	KUNIT_EXPECT_EQ(test, during.held - before.held, 2);
	KUNIT_EXPECT_EQ(test, during.holders - before.holders, 3);
	KUNIT_EXPECT_EQ(test, during.hot - before.hot, 1);
	KUNIT_EXPECT_EQ(test, before.clean - during.clean, 5);
	KUNIT_EXPECT_EQ(test, after.clean, before.clean);
	KUNIT_EXPECT_EQ(test, memcmp(&after, &before, sizeof(after)), 0);
}

/* --------------------------------------------------------------- debugfs files */

#define FILE_SIZE	4096

struct debugfs {
	struct vfsmount *mnt;
	unsigned long user;	/* user memory for the buffer */
	char text[FILE_SIZE];
};

static void unmount_debugfs(void *mnt)
{
	kern_unmount(mnt);
}

static struct debugfs *get_debugfs(struct kunit *test)
{
	struct debugfs *debugfs = hmk_zalloc(test, sizeof(*debugfs));
	struct file_system_type *type = get_fs_type("debugfs");

	KUNIT_ASSERT_NOT_NULL(test, type);
	debugfs->mnt = kern_mount(type);
	put_filesystem(type);
	KUNIT_ASSERT_FALSE(test, IS_ERR(debugfs->mnt));
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, unmount_debugfs, debugfs->mnt), 0);
	debugfs->user = kunit_vm_mmap(test, NULL, 0, FILE_SIZE, PROT_READ | PROT_WRITE,
				      MAP_ANONYMOUS | MAP_PRIVATE, 0);
	KUNIT_ASSERT_NE(test, debugfs->user, 0);
	return debugfs;
}

/* Returns the contents of the file as a string. */
static const char *read_file(struct kunit *test, struct debugfs *debugfs, const char *name)
{
	struct file *file = file_open_root_mnt(debugfs->mnt, name, O_RDONLY, 0);
	char __user *user = (char __user *)debugfs->user;
	loff_t pos = 0;
	ssize_t got;

	KUNIT_ASSERT_FALSE_MSG(test, IS_ERR(file), "no %s", name);
	got = vfs_read(file, user, FILE_SIZE - 1, &pos);
	fput(file);
	KUNIT_ASSERT_GT_MSG(test, got, 0, "from %s", name);
	KUNIT_ASSERT_EQ(test, copy_from_user(debugfs->text, user, got), 0);
	debugfs->text[got] = 0;
	return debugfs->text;
}

static ssize_t write_file(struct kunit *test, struct debugfs *debugfs, const char *name,
			  const char *text)
{
	struct file *file = file_open_root_mnt(debugfs->mnt, name, O_WRONLY, 0);
	char __user *user = (char __user *)debugfs->user;
	size_t len = strlen(text);
	loff_t pos = 0;
	ssize_t put;

	KUNIT_ASSERT_FALSE_MSG(test, IS_ERR(file), "no %s", name);
	put = copy_to_user(user, text, len) ? -EFAULT : vfs_write(file, user, len, &pos);
	fput(file);
	return put;
}

/* Writes on, off and invalid values. */
static void file_switches_counting(struct kunit *test)
{
	static const char name[] = "highmem/stats_enabled";
	struct debugfs *debugfs = get_debugfs(test);

	KUNIT_ASSERT_FALSE(test, static_key_enabled(&highmem_stats_on));
	KUNIT_EXPECT_STREQ(test, read_file(test, debugfs, name), "0\n");
	KUNIT_EXPECT_EQ(test, write_file(test, debugfs, name, "1\n"), 2);
	KUNIT_EXPECT_TRUE(test, static_key_enabled(&highmem_stats_on));
	KUNIT_EXPECT_STREQ(test, read_file(test, debugfs, name), "1\n");
	KUNIT_EXPECT_EQ(test, write_file(test, debugfs, name, "1"), 1);
	KUNIT_EXPECT_EQ(test, write_file(test, debugfs, name, "some"), -EINVAL);
	KUNIT_EXPECT_TRUE(test, static_key_enabled(&highmem_stats_on));
	KUNIT_EXPECT_EQ(test, write_file(test, debugfs, name, "0"), 1);
	KUNIT_EXPECT_FALSE(test, static_key_enabled(&highmem_stats_on));
}

/* One line for each counter, with the names of Documentation/mm/highmem-debug.rst. */
static void file_shows_counters(struct kunit *test)
{
	static const char * const names[] = {
		"kmap_hits", "kmap_misses", "pkmap_reclaims", "pkmap_slots_freed",
		"pkmap_tlb_flushes", "pkmap_waits", "kmap_local_maps",
		"kmap_local_ptes_written", "kmap_local_tlb_flushes", "kmap_local_overflows",
		"kmap_local_deepest",
	};
	struct debugfs *debugfs = get_debugfs(test);
	struct page *page = hmk_get_page(test, true);
	struct totals totals;
	unsigned int i;
	char want[64];
	char *line, *rest;

	hmk_count_events(test);
	kmap(page);
	kunmap(page);
	read_file(test, debugfs, "highmem/stats");
	totals = totals_now();
	KUNIT_EXPECT_GT(test, totals.nr[HIGHMEM_STAT_KMAP_MISS], 0);
	rest = debugfs->text;
	for (i = 0; i < ARRAY_SIZE(names); i++) {
		line = strsep(&rest, "\n");
		KUNIT_ASSERT_NOT_NULL(test, rest);
		if (strstarts(names[i], "kmap_local")) {
			/* Other tasks may map pages meanwhile. */
			KUNIT_EXPECT_TRUE_MSG(test, strstarts(line, names[i]), "\"%s\"", line);
			continue;
		}
		snprintf(want, sizeof(want), "%s %lu", names[i], totals.nr[i]);
		KUNIT_EXPECT_STREQ(test, line, want);
	}
	KUNIT_EXPECT_STREQ(test, rest, "");
}

/* The file shows the output of pkmap_show(). */
static void file_shows_pool(struct kunit *test)
{
	struct seq_file m = { .size = LISTING_SIZE };
	struct debugfs *debugfs = get_debugfs(test);

	m.buf = kunit_kzalloc(test, LISTING_SIZE, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, m.buf);
	read_file(test, debugfs, "highmem/pkmap");
	pkmap_show(&m, NULL);
	m.buf[m.count] = 0;
	KUNIT_EXPECT_STREQ(test, debugfs->text, m.buf);
}

#else

static void requires_statistics(struct kunit *test)
{
	kunit_skip(test, "needs CONFIG_HIGHMEM, CONFIG_DEBUG_FS and mm/highmem_debug.c");
}

#endif

/* ----------------------------------------------------------------- tracepoints */

#if HAVE_INTERNALS && defined(CONFIG_HIGHMEM) && defined(CONFIG_TRACEPOINTS)
#include <trace/events/highmem.h>

struct trace_counts {
	struct page *page;
	const void *vaddr;
	unsigned int fills;
	unsigned int flushes, condemned, freed;
	unsigned int overflows, depth;
	unsigned long where;
};

static void count_fill(void *data, const struct page *page, const void *vaddr)
{
	struct trace_counts *trace_counts = data;

	if (page != trace_counts->page)
		return;
	trace_counts->vaddr = vaddr;
	trace_counts->fills++;
}

static void count_reclaim(void *data, bool all, unsigned int condemned, unsigned int freed)
{
	struct trace_counts *trace_counts = data;

	trace_counts->flushes += all;
	trace_counts->condemned += condemned;
	trace_counts->freed += freed;
}

static void count_overflow(void *data, unsigned int depth, unsigned long vaddr)
{
	struct trace_counts *trace_counts = data;

	trace_counts->overflows++;
	trace_counts->depth = depth;
	trace_counts->where = vaddr;
}

static void end_tracing(void *data)
{
	unregister_trace_pkmap_fill(count_fill, data);
	unregister_trace_pkmap_reclaim(count_reclaim, data);
	unregister_trace_kmap_local_overflow(count_overflow, data);
	tracepoint_synchronize_unregister();
}

static struct trace_counts *start_tracing(struct kunit *test)
{
	struct trace_counts *trace_counts = hmk_zalloc(test, sizeof(*trace_counts));

	trace_counts->page = hmk_get_page(test, true);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, end_tracing, trace_counts), 0);
	KUNIT_ASSERT_EQ(test, register_trace_pkmap_fill(count_fill, trace_counts), 0);
	KUNIT_ASSERT_EQ(test, register_trace_pkmap_reclaim(count_reclaim, trace_counts), 0);
	KUNIT_ASSERT_EQ(test, register_trace_kmap_local_overflow(count_overflow, trace_counts), 0);
	return trace_counts;
}

static void traces_kmap(struct kunit *test)
{
	struct trace_counts *trace_counts;
	void *addr;

	kmap_flush_unused();
	trace_counts = start_tracing(test);
	addr = kmap(trace_counts->page);
	kunmap(trace_counts->page);
	kmap(trace_counts->page);
	kunmap(trace_counts->page);
	KUNIT_EXPECT_EQ(test, trace_counts->fills, 1);
	KUNIT_EXPECT_PTR_EQ(test, trace_counts->vaddr, (const void *)addr);
	KUNIT_EXPECT_EQ(test, trace_counts->flushes, 0);
	kmap_flush_unused();
	KUNIT_EXPECT_EQ(test, trace_counts->flushes, 1);
	KUNIT_EXPECT_EQ(test, trace_counts->condemned, 1);
	KUNIT_EXPECT_EQ(test, trace_counts->freed, 1);
}

static void traces_overflow(struct kunit *test)
{
	struct page_set *set = hmk_get_page_set(test, true, 17);
	struct trace_counts *trace_counts = start_tracing(test);
	void *addr[17];

	hmk_pause_probes(test);
	map_all(set, addr, 17);
	unmap_all(addr, 17);
	KUNIT_EXPECT_EQ(test, trace_counts->overflows, 1);
	KUNIT_EXPECT_EQ(test, trace_counts->depth, 16);
	KUNIT_EXPECT_EQ(test, trace_counts->where, (unsigned long)addr[16]);
}

#else

static void requires_tracepoints(struct kunit *test)
{
	kunit_skip(test, "needs CONFIG_HIGHMEM, CONFIG_TRACEPOINTS and mm/kmap_local.c");
}

#endif

static struct kunit_case highmem_stats_cases[] = {
#if HAVE_COUNTERS && defined(CONFIG_HIGHMEM)
	KUNIT_CASE(counts_kmap),
	KUNIT_CASE(counts_no_low_memory),
	KUNIT_CASE(counts_reclaim),
	KUNIT_CASE(counts_waits),
	KUNIT_CASE(counts_local),
	KUNIT_CASE(counts_nothing_when_off),
	KUNIT_CASE(listing_follows_use),
	KUNIT_CASE(file_switches_counting),
	KUNIT_CASE(file_shows_counters),
	KUNIT_CASE(file_shows_pool),
#else
	KUNIT_CASE(requires_statistics),
#endif
#if HAVE_INTERNALS && defined(CONFIG_HIGHMEM) && defined(CONFIG_TRACEPOINTS)
	KUNIT_CASE(traces_kmap),
	KUNIT_CASE(traces_overflow),
#else
	KUNIT_CASE(requires_tracepoints),
#endif
	{}
};

static struct kunit_suite highmem_stats_suite = {
	.name = "highmem_stats",
	.init = hmk_remember_task_and_pool,
	.exit = hmk_check_task,
	.test_cases = highmem_stats_cases,
};

kunit_test_suites(&highmem_stats_suite);

MODULE_DESCRIPTION("KUnit suite for high memory: statistics and tracepoints");
MODULE_LICENSE("GPL");
