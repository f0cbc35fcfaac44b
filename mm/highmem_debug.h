/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Private to mm/: counters that cost a patched-out branch while they are off, and race
 * windows for tests.
 */
#ifndef _MM_HIGHMEM_DEBUG_H
#define _MM_HIGHMEM_DEBUG_H

#include <linux/jump_label.h>
#include <linux/percpu.h>

/* Everything that is counted. The names in debugfs are in highmem_debug.c. */
enum highmem_stat {
	/* kmap(): the page was mapped; it was not, and a slot was filled */
	HIGHMEM_STAT_KMAP_HIT,
	HIGHMEM_STAT_KMAP_MISS,
	/* reclaim: rounds, slots freed, TLB flushes; all slots are held: sleeps */
	HIGHMEM_STAT_PKMAP_RECLAIM,
	HIGHMEM_STAT_PKMAP_FREED,
	HIGHMEM_STAT_PKMAP_FLUSH,
	HIGHMEM_STAT_PKMAP_WAIT,
	/*
	 * kmap_local: pages mapped, PTEs written, TLB entries flushed because the slot
	 * mapped another page or interrupts were off, mappings in overflow slots, and the
	 * most slots of a stack in use
	 */
	HIGHMEM_STAT_LOCAL_MAP,
	HIGHMEM_STAT_LOCAL_PTE,
	HIGHMEM_STAT_LOCAL_FLUSH,
	HIGHMEM_STAT_LOCAL_OVERFLOW,
	HIGHMEM_STAT_LOCAL_DEEPEST,
	NR_HIGHMEM_STATS
};

DECLARE_PER_CPU(unsigned long [NR_HIGHMEM_STATS], highmem_stats);
DECLARE_STATIC_KEY_FALSE(highmem_stats_on);

unsigned long highmem_stat_sum(enum highmem_stat stat);

static __always_inline void highmem_count(enum highmem_stat stat, unsigned long n)
{
	if (IS_ENABLED(CONFIG_DEBUG_FS) && static_branch_unlikely(&highmem_stats_on))
		this_cpu_add(highmem_stats[stat], n);
}

/*
 * @nr pages were mapped locally, which takes the stack to @depth slots. A task with
 * mappings stays on its CPU. An interrupt between the read and the write can have a deeper
 * stack: the write then loses that depth.
 */
static __always_inline void highmem_count_maps(unsigned int nr, unsigned int depth)
{
	if (!IS_ENABLED(CONFIG_DEBUG_FS) || !static_branch_unlikely(&highmem_stats_on))
		return;
	this_cpu_add(highmem_stats[HIGHMEM_STAT_LOCAL_MAP], nr);
	if (this_cpu_read(highmem_stats[HIGHMEM_STAT_LOCAL_DEEPEST]) < depth)
		this_cpu_write(highmem_stats[HIGHMEM_STAT_LOCAL_DEEPEST], depth);
}

/* How long kmap() waits for a slot before it reports that, in jiffies; for tests. */
extern unsigned int pkmap_patience;

struct seq_file;
int pkmap_show(struct seq_file *m, void *unused);

/*
 * Stands between two steps of a protocol that takes no lock. One call in 32 delays the
 * CPU, so that other CPUs take steps in between. A test can have a function called here,
 * in every context.
 */
#ifdef CONFIG_DEBUG_HIGHMEM_RACES
extern void (*highmem_race_visit)(void);
void highmem_race_window(void);
#else
static __always_inline void highmem_race_window(void) { }
#endif

#endif /* _MM_HIGHMEM_DEBUG_H */
