// SPDX-License-Identifier: GPL-2.0
/*
 * /sys/kernel/debug/highmem/ and the delays of CONFIG_DEBUG_HIGHMEM_RACES.
 * Documentation/mm/highmem-debug.rst says what the files mean.
 */

#include <linux/cpumask.h>
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/init.h>
#include <linux/minmax.h>
#include <linux/seq_file.h>

#include "highmem_debug.h"

#ifdef CONFIG_DEBUG_FS

DEFINE_PER_CPU(unsigned long [NR_HIGHMEM_STATS], highmem_stats);
DEFINE_STATIC_KEY_FALSE(highmem_stats_on);

static const char * const stat_names[] = {
	[HIGHMEM_STAT_KMAP_HIT]		= "kmap_hits",
	[HIGHMEM_STAT_KMAP_MISS]	= "kmap_misses",
	[HIGHMEM_STAT_PKMAP_RECLAIM]	= "pkmap_reclaims",
	[HIGHMEM_STAT_PKMAP_FREED]	= "pkmap_slots_freed",
	[HIGHMEM_STAT_PKMAP_FLUSH]	= "pkmap_tlb_flushes",
	[HIGHMEM_STAT_PKMAP_WAIT]	= "pkmap_waits",
	[HIGHMEM_STAT_LOCAL_MAP]	= "kmap_local_maps",
	[HIGHMEM_STAT_LOCAL_PTE]	= "kmap_local_ptes_written",
	[HIGHMEM_STAT_LOCAL_FLUSH]	= "kmap_local_tlb_flushes",
	[HIGHMEM_STAT_LOCAL_OVERFLOW]	= "kmap_local_overflows",
	[HIGHMEM_STAT_LOCAL_DEEPEST]	= "kmap_local_deepest",
};

static_assert(ARRAY_SIZE(stat_names) == NR_HIGHMEM_STATS);

/*
 * What all CPUs have counted since boot, also those that are offline now. The deepest
 * stack is the deepest of all CPUs.
 */
unsigned long highmem_stat_sum(enum highmem_stat stat)
{
	unsigned long count, sum = 0;
	int cpu;

	for_each_possible_cpu(cpu) {
		count = READ_ONCE(per_cpu(highmem_stats, cpu)[stat]);
		sum = stat == HIGHMEM_STAT_LOCAL_DEEPEST ? max(sum, count) : sum + count;
	}
	return sum;
}

static int stats_show(struct seq_file *m, void *unused)
{
	enum highmem_stat stat;

	for (stat = 0; stat < NR_HIGHMEM_STATS; stat++)
		seq_printf(m, "%s %lu\n", stat_names[stat], highmem_stat_sum(stat));
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(stats);
DEFINE_SHOW_ATTRIBUTE(pkmap);

static int stats_enabled_get(void *unused, u64 *value)
{
	*value = static_key_enabled(&highmem_stats_on);
	return 0;
}

static int stats_enabled_set(void *unused, u64 value)
{
	if (value)
		static_branch_enable(&highmem_stats_on);
	else
		static_branch_disable(&highmem_stats_on);
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(stats_enabled_fops, stats_enabled_get, stats_enabled_set, "%llu\n");

static int __init highmem_debugfs_init(void)
{
	struct dentry *dir = debugfs_create_dir("highmem", NULL);

	debugfs_create_file("stats", 0444, dir, NULL, &stats_fops);
	debugfs_create_file_unsafe("stats_enabled", 0644, dir, NULL, &stats_enabled_fops);
	/* It has addresses in it. */
	if (IS_ENABLED(CONFIG_HIGHMEM))
		debugfs_create_file("pkmap", 0400, dir, NULL, &pkmap_fops);
	return 0;
}
late_initcall(highmem_debugfs_init);

#endif /* CONFIG_DEBUG_FS */

#ifdef CONFIG_DEBUG_HIGHMEM_RACES

void (*highmem_race_visit)(void);

/*
 * Works in any context. A CPU's seed may be changed by an interrupt in between:
 * that is as random as anything.
 */
void highmem_race_window(void)
{
	static DEFINE_PER_CPU(u32, seed);
	u32 random = raw_cpu_read(seed) * 1664525 + 1013904223;
	void (*visit)(void);

	visit = READ_ONCE(highmem_race_visit);
	if (visit)
		visit();
	raw_cpu_write(seed, random);
	if (random >> 27)
		return;
	/* Up to 63 us one time in 32: long enough for some hundred kmap(). */
	udelay((random >> 16) % 64);
}

#endif
