/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Shared by the KUnit suites for high memory.
 *
 * highmem_helpers	zones, counters, page_address() and the copy, clear and fill
 *			helpers of <linux/highmem.h>, each against a model
 * highmem_dcache	the pages that these helpers flush from the data cache
 * highmem_callers	callers that map runs of pages; hardened usercopy
 * highmem_local	the per-task stack: kmap_local_*(), kmap_atomic*()
 * highmem_misuse	kunmap_local() of each address that a caller can plausibly pass
 * highmem_lazy		lazy and eager unmapping, kmap_flush_unused()
 * highmem_sched	local mappings of tasks that sleep, move, or lose their CPU
 * highmem_nmi		local mappings in NMIs, at each instruction
 * highmem_run		runs of neighbouring pages, whole folios
 * highmem_pool		the pkmap pool: kmap(), kunmap()
 * highmem_stats	counters, debugfs files and tracepoints
 * highmem_samples	the code in the manual
 * highmem_interleave	operations between two lock-free steps of another operation
 * highmem_race		many tasks that use the pool at the same time
 * highmem_exhaustion	the pool with all slots held
 * highmem_jiffies	the pool while jiffies wrap
 * highmem_traced	probes at tracepoints that map pages
 *
 * No suite needs another suite or an order. A suite passes alone, after any other suite
 * and again in the same boot. The pool keeps the areas that it grows by. So a case that
 * needs more pages than slots asks hmk_pool_slots(), and a case that needs the pool to
 * grow is skipped if hmk_pool_can_grow() returns false.
 *
 * The suites call only the public interface, so they test any implementation of it. The
 * exceptions include highmem_kunit_whitebox.h: highmem_lazy, _sched, _nmi, _run, _misuse,
 * _stats, _samples, _interleave, _exhaustion and _traced.
 *
 * A failure in one case does not spread to the next:
 *
 * - Deferred actions free pages, end threads and timers, and drop long-lived mappings.
 *   Local mappings are unmapped before the first assertion.
 * - Each wait has a time limit. A thread that does not end in time fails its case, and
 *   keeps the pages that it can still use.
 * - A case that provokes a warning prints a line before and after. hmk_provoke() resets
 *   the warnings that the kernel prints once per boot, so that each case gets its own.
 * - On some kernels a misuse kills its task while the task holds the pool's lock. All
 *   later cases that use the pool then fail at once. Such a misuse is tested by the last
 *   cases of its suite.
 *
 * Shared functions have the prefix hmk_, for "highmem KUnit".
 */
#ifndef _HIGHMEM_KUNIT_H
#define _HIGHMEM_KUNIT_H

#include <kunit/test.h>
#include <kunit/test-bug.h>
#include <linux/atomic.h>
#include <linux/completion.h>
#include <linux/cpumask.h>
#include <linux/highmem.h>
#include <linux/jiffies.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/sizes.h>
#include <linux/smp.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#ifdef CONFIG_KMAP_LOCAL
#include <asm/kmap_size.h>
#endif

#include "highmem_kunit_base.h"

/* ----------------------------------------------------------- configuration */

/* Does kmap_local_page() map pages of low memory as well? */
#define FORCE_MAP		IS_ENABLED(CONFIG_DEBUG_KMAP_LOCAL_FORCE_MAP)
/* Is there a page that kmap_local_page() maps? */
#define CAN_MAP		(IS_ENABLED(CONFIG_HIGHMEM) || FORCE_MAP)

#ifdef kmap_prot
#define DEFAULT_PROT	kmap_prot
#else
#define DEFAULT_PROT	PAGE_KERNEL
#endif

#define REQUIRES(test, what, why)					\
do {									\
	if (!(what))							\
		kunit_skip(test, why);					\
} while (0)

#define REQUIRES_HIGHMEM(test)						\
	REQUIRES(test, IS_ENABLED(CONFIG_HIGHMEM), "needs CONFIG_HIGHMEM")
#define REQUIRES_MAPPING(test)						\
	REQUIRES(test, CAN_MAP, "kmap_local_page() of this kernel maps no page")
#define REQUIRES_TWO_CPUS(test)						\
	REQUIRES(test, num_online_cpus() > 1, "needs two CPUs")

#define TIMEOUT	(10 * HZ)

/* The depth of the task's stack of local mappings, in slots. */
static inline int map_depth(const struct task_struct *task)
{
#ifdef CONFIG_KMAP_LOCAL
	return task->kmap_ctrl.idx;
#else
	return 0;
#endif
}

static inline bool in_local_slots(const void *p)
{
#ifdef CONFIG_KMAP_LOCAL
	unsigned long addr = (unsigned long)p;

	return addr >= __fix_to_virt(FIX_KMAP_END) &&
	       addr < __fix_to_virt(FIX_KMAP_BEGIN) + PAGE_SIZE;
#else
	return false;
#endif
}

/* Can this CPU read at @addr? Another CPU may still have an old TLB entry. */
static inline bool readable(const void *addr)
{
	u32 word;

	return !copy_from_kernel_nofault(&word, addr, sizeof(word));
}

static inline void pin_to_cpu(struct kunit *test, unsigned int cpu)
{
	KUNIT_ASSERT_EQ(test, set_cpus_allowed_ptr(current, cpumask_of(cpu)), 0);
}

static inline unsigned int first_cpu(void)
{
	return cpumask_first(cpu_online_mask);
}

static inline unsigned int second_cpu(void)
{
	return cpumask_next(first_cpu(), cpu_online_mask);
}

/* ------------------------------------------------------------------- pages */

struct page_set {
	unsigned int nr;
	struct page *page[];
};

/*
 * These functions abort the case if there is no memory. The case's end frees what they
 * return. Without high memory @high has no effect.
 */
struct folio *hmk_get_folio(struct kunit *test, bool high, unsigned int order);
struct page *hmk_get_page(struct kunit *test, bool high);
struct page_set *hmk_get_page_set(struct kunit *test, bool high, unsigned int nr);
void *hmk_get_view(struct kunit *test, struct page **pages, unsigned int nr);
void *hmk_get_vbuf(struct kunit *test, size_t size);
void *hmk_hold_kmap(struct kunit *test, struct page *page);

void *hmk_zalloc(struct kunit *test, size_t size);

/* Free earlier, or free what another function has allocated. */
void hmk_put_page_set(struct kunit *test, struct page_set *set);
void hmk_drop_kmap(struct kunit *test, struct page *page);
void hmk_adopt_folio(struct kunit *test, struct folio *folio);

void hmk_guard_against_stale_tlb(struct kunit *test);

/*
 * A stamp is one word in every 64 bytes and the last word of the page. Each word depends
 * on the page frame number, the salt and the offset, so it differs for each page and
 * round.
 */
#define STAMP_STRIDE	16
#define PAGE_WORDS	(PAGE_SIZE / sizeof(u32))

static inline u32 stamp_word(struct page *page, u32 salt, unsigned int i)
{
	u32 x = (u32)page_to_pfn(page) * 0x85ebca6bu + salt * 0x27d4eb2fu;

	return (x ^ (x >> 15)) + i * 0x01000193u;
}

static inline void stamp(void *addr, struct page *page, u32 salt)
{
	u32 *word = addr;
	unsigned int i;

	for (i = 0; i < PAGE_WORDS; i += STAMP_STRIDE)
		WRITE_ONCE(word[i], stamp_word(page, salt, i));
	WRITE_ONCE(word[PAGE_WORDS - 1], stamp_word(page, salt, PAGE_WORDS - 1));
}

static inline bool stamped(const void *addr, struct page *page, u32 salt)
{
	const u32 *word = addr;
	unsigned int i;

	for (i = 0; i < PAGE_WORDS; i += STAMP_STRIDE)
		if (READ_ONCE(word[i]) != stamp_word(page, salt, i))
			return false;
	return READ_ONCE(word[PAGE_WORDS - 1]) == stamp_word(page, salt, PAGE_WORDS - 1);
}

/* As stamped(), for an address that may be unmapped. */
static inline bool stamped_nofault(const void *addr, struct page *page, u32 salt)
{
	u32 first, last;

	if (copy_from_kernel_nofault(&first, addr, sizeof(first)) ||
	    copy_from_kernel_nofault(&last, addr + PAGE_SIZE - sizeof(last), sizeof(last)))
		return false;
	return first == stamp_word(page, salt, 0) &&
	       last == stamp_word(page, salt, PAGE_WORDS - 1);
}

/* Stamps or checks a page through a local mapping. */
static inline void stamp_page(struct page *page, u32 salt)
{
	void *addr = kmap_local_page(page);

	stamp(addr, page, salt);
	kunmap_local(addr);
}

static inline bool page_stamped(struct page *page, u32 salt)
{
	void *addr = kmap_local_page(page);
	bool good = stamped(addr, page, salt);

	kunmap_local(addr);
	return good;
}

/* Map @nr pages, and unmap them in reverse order. */
static inline void map_all(struct page_set *set, void **addr, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		addr[i] = kmap_local_page(set->page[i]);
}

static inline void unmap_all(void **addr, unsigned int nr)
{
	while (nr--)
		kunmap_local(addr[nr]);
}

/* ----------------------------------------------------------------- reports */

void hmk_provoke(struct kunit *test, const char *needle);
void hmk_provoked(struct kunit *test);
void hmk_expect_report(struct kunit *test, const char *needle);
unsigned int hmk_reports(void);

/* -------------------------------------------------------------- probes */

extern bool hmk_probes_paused, hmk_probes_registered;
extern atomic_t hmk_probe_faults;

void hmk_pause_probes(struct kunit *test);

/* ----------------------------------------------------------------- threads */

struct worker {
	void (*run)(struct worker *worker);
	void *data;
	struct task_struct *task;
	bool stop;
	int depth;
	struct completion done;
};

static inline bool worker_stopped(struct worker *worker)
{
	return READ_ONCE(worker->stop);
}

struct worker *hmk_start_worker(struct kunit *test, int cpu,
				void (*run)(struct worker *), void *data);
void hmk_join_worker(struct kunit *test, struct worker *worker);

/* --------------------------------------------------- slots and address space */

#ifdef CONFIG_HIGHMEM
/*
 * No pool has more slots, apart from the reserve for PF_MEMALLOC: growth is limited to
 * 16 MB and to an eighth of vmalloc space.
 */
#define POOL_GROWTH	min_t(unsigned long, SZ_16M, VMALLOC_TOTAL / 8)
#define POOL_END	(LAST_PKMAP + (POOL_GROWTH >> PAGE_SHIFT))

/* A pool may have so many slots outside its window from boot on. */
#ifdef get_pkmap_color
#define POOL_RESERVE	(16 * DCACHE_N_COLORS)
#else
#define POOL_RESERVE	16
#endif
unsigned int hmk_pool_slots(void);
bool hmk_pool_can_grow(void);

/* An area to grow by does not fit in pieces of vmalloc space of this size, in bytes. */
#define POOL_STEP	(rounddown_pow_of_two(POOL_GROWTH / 4) / 2)

/* A thread that maps pages with kmap() and keeps them mapped. */
struct filler {
	struct page_set *set;
	struct worker *worker;
	unsigned int limit;	/* the thread ends with so many pages */
	unsigned int pause;	/* the thread waits for @go with so many pages */
	unsigned int held;	/* pages that the thread has mapped */
	unsigned int released;	/* pages that the case has unmapped */
	unsigned int bad;
	struct completion go;
};

struct filler *hmk_start_filler(struct kunit *test, unsigned int nr, unsigned int pause);
unsigned int hmk_filler_held(struct filler *filler);
bool hmk_wait_for_filler(struct filler *filler, unsigned int nr, unsigned long timeout);
unsigned int hmk_hold_all(struct kunit *test, struct filler *filler);
void hmk_hold_all_and_end(struct kunit *test, struct filler *filler);
void hmk_release_one(struct filler *filler);
void hmk_check_filler(struct kunit *test, struct filler *filler);

struct spaces *hmk_take_space(struct kunit *test, unsigned long least);
void hmk_give_space(struct kunit *test, struct spaces *spaces);
#endif

/* -------------------------------------------------------------- failing calls */

/* Needs CONFIG_FUNCTION_ERROR_INJECTION; without that option the case is skipped. */
struct failure;

struct failure *hmk_fail_calls(struct kunit *test, const char *function,
			       struct task_struct *task, unsigned long result);
unsigned int hmk_failed_calls(struct failure *failure);
void hmk_fail_no_more(struct kunit *test, struct failure *failure);

/* --------------------------------------------------- start and end of a case */

int hmk_remember_task(struct kunit *test);
int hmk_remember_task_and_pool(struct kunit *test);
void hmk_risk_pool(struct kunit *test);
void hmk_pool_survived(void);
void hmk_check_task(struct kunit *test);

#endif /* _HIGHMEM_KUNIT_H */
