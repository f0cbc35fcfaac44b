/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How high memory is watched and tried: counters that cost nothing while they
 * are off, and race windows that can be held open.
 */
#ifndef _MM_HIGHMEM_DEBUG_H
#define _MM_HIGHMEM_DEBUG_H

#include <linux/jump_label.h>
#include <linux/percpu.h>

/*
 * Everything that is counted, with the name it has in debugfs:
 *
 *   kmap()		hits, and misses, which had to fill a slot
 *   reclaim		rounds, slots freed, hot slots spared, TLB flushes
 *   exhaustion		areas added, areas not to be had, sleeps
 *   kmap_local		mappings, PTEs written, TLB entries flushed because the
 *			slot showed another page, mappings in the reserve
 */
#define HIGHMEM_STATS(stat)					\
	stat(KMAP_HIT,		"kmap_hits")			\
	stat(KMAP_MISS,		"kmap_misses")			\
	stat(PKMAP_RECLAIM,	"pkmap_reclaims")		\
	stat(PKMAP_FREED,	"pkmap_slots_freed")		\
	stat(PKMAP_SPARED,	"pkmap_slots_spared")		\
	stat(PKMAP_FLUSH,	"pkmap_tlb_flushes")		\
	stat(PKMAP_GROWN,	"pkmap_areas_added")		\
	stat(PKMAP_NOT_GROWN,	"pkmap_areas_refused")		\
	stat(PKMAP_WAIT,	"pkmap_waits")			\
	stat(LOCAL_MAP,		"kmap_local_maps")		\
	stat(LOCAL_PTE,		"kmap_local_ptes_written")	\
	stat(LOCAL_FLUSH,	"kmap_local_tlb_flushes")	\
	stat(LOCAL_OVERFLOW,	"kmap_local_overflows")

#define HIGHMEM_STAT_ID(id, name)	HIGHMEM_STAT_##id,
enum highmem_stat {
	HIGHMEM_STATS(HIGHMEM_STAT_ID)
	NR_HIGHMEM_STATS
};
#undef HIGHMEM_STAT_ID

#ifdef CONFIG_DEBUG_FS
struct highmem_stats {
	unsigned long count[NR_HIGHMEM_STATS];
};

DECLARE_PER_CPU(struct highmem_stats, highmem_stats);
DECLARE_STATIC_KEY_FALSE(highmem_stats_on);

unsigned long highmem_stat_sum(enum highmem_stat stat);

static __always_inline void highmem_count(enum highmem_stat stat, unsigned long n)
{
	if (static_branch_unlikely(&highmem_stats_on))
		this_cpu_add(highmem_stats.count[stat], n);
}
#else
static __always_inline void highmem_count(enum highmem_stat stat, unsigned long n)
{
}
#endif

struct seq_file;
void pkmap_show(struct seq_file *m);

bool kmap_local_is_lazy(void);

/*
 * Stands between two steps of a protocol that takes no lock. Now and then it
 * waits for as long as another CPU may need to come in between.
 */
#ifdef CONFIG_DEBUG_HIGHMEM_RACES
void highmem_race_window(void);
#else
static __always_inline void highmem_race_window(void) { }
#endif

#endif /* _MM_HIGHMEM_DEBUG_H */
