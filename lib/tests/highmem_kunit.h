/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the KUnit suites for high memory share.
 *
 * highmem        zones, counters, page_address() and the copy, clear and fill
 *                helpers of <linux/highmem.h>, each against a model
 * highmem_dcache which pages these helpers flush from the data cache
 * highmem_users  callers that were converted to what is new, usercopy
 * highmem_local  the per-task stack: kmap_local_*(), kmap_atomic*()
 * highmem_misuse  kunmap_local() of each address that a caller can plausibly pass
 * highmem_lazy   what they leave in their slots, what may not stay, how it goes
 * highmem_switch tasks with local mappings that sleep, are moved, lose their CPU
 * highmem_nmi    local mappings in NMIs, at each instruction
 * highmem_span   several pages side by side: spans, whole folios
 * highmem_pool   the pool that everybody shares: kmap(), kunmap()
 * highmem_stats  what is counted and traced
 * highmem_samples  the code that the manual shows
 * highmem_window what comes in between two steps that take no lock
 * highmem_race   the pool, with everybody in it at once
 * highmem_full   the same, with all slots held
 * highmem_jiffies  jiffies that pass a change of sign while the suites run
 * highmem_traced probes at tracepoints that map pages
 *
 * No suite needs another one, or an order. A suite passes alone, after any other suite
 * and again in the same boot. The pool keeps the areas that it grows by: a case that needs
 * more pages than slots asks hmk_pool_slots(), and one that needs the pool to grow is
 * skipped if hmk_pool_can_grow() says no.
 *
 * The suites call nothing but the interface that users of high memory see, so
 * the same files judge any implementation of it. Seven look behind it, with
 * highmem_kunit_whitebox.h: highmem_lazy, _switch, _nmi, _span, _stats, _window and
 * _full.
 *
 * How they keep a failure from spreading:
 *
 * - Nothing that needs undoing relies on the rest of its case being reached.
 *   Pages, threads, timers and long-lived mappings are undone by deferred
 *   actions. Local mappings are undone before the first assertion.
 * - No wait is without a bound. A thread that does not come back fails its
 *   case and is left behind together with the pages it may touch.
 * - A case that provokes a report says so on the console before and after.
 *   Such a report appears once per boot. hmk_provoke() makes the kernel forget
 *   that, so that each case sees its own.
 * - A case that may lose the pool for good (a misuse that kills its task with
 *   the pool's lock held) notes it, and the cases behind it fail at once
 *   rather than hang. Such cases come last.
 *
 * The functions of highmem_kunit_lib.c begin with hmk_.
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

/* Does kmap_local_page() build a mapping for pages in low memory as well? */
#define FORCE_MAP		IS_ENABLED(CONFIG_DEBUG_KMAP_LOCAL_FORCE_MAP)
/* Is there any page for which kmap_local_page() builds a mapping? */
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

/* Depth of a task's stack of local mappings, in slots */
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

/* Can the kernel read there? A TLB entry is per CPU: ask on the one it is on */
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
 * Each of these aborts the case if there is no memory, and what it returns is
 * given back when the case ends. @high is a wish where the kernel has no high
 * memory.
 */
struct folio *hmk_get_folio(struct kunit *test, bool high, unsigned int order);
struct page *hmk_get_page(struct kunit *test, bool high);
struct page_set *hmk_get_page_set(struct kunit *test, bool high, unsigned int nr);
void *hmk_get_view(struct kunit *test, struct page **pages, unsigned int nr);
void *hmk_get_vbuf(struct kunit *test, size_t size);
void *hmk_hold_kmap(struct kunit *test, struct page *page);

void *hmk_zalloc(struct kunit *test, size_t size);

/* Give back earlier, or what was had in another way */
void hmk_put_page_set(struct kunit *test, struct page_set *set);
void hmk_drop_kmap(struct kunit *test, struct page *page);
void hmk_adopt_folio(struct kunit *test, struct folio *folio);

void hmk_guard_against_stale_tlb(struct kunit *test);

/*
 * A stamp tells pages and rounds apart: one word in every 64 bytes and the
 * last word of the page depend on the frame number, the salt and the place.
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

/* As stamped(), for an address that may turn out not to be mapped */
static inline bool stamped_nofault(const void *addr, struct page *page, u32 salt)
{
	u32 first, last;

	if (copy_from_kernel_nofault(&first, addr, sizeof(first)) ||
	    copy_from_kernel_nofault(&last, addr + PAGE_SIZE - sizeof(last), sizeof(last)))
		return false;
	return first == stamp_word(page, salt, 0) &&
	       last == stamp_word(page, salt, PAGE_WORDS - 1);
}

/* Local mapping, stamp or check, unmapping: for pages that nobody has mapped */
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

/* Map @nr pages, in order, and unmap them in the opposite order */
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
/* More than any pool can give: it grows by 16 MB or an eighth of vmalloc space */
#define POOL_GROWTH	min_t(unsigned long, SZ_16M, VMALLOC_TOTAL / 8)
#define POOL_END	(LAST_PKMAP + (POOL_GROWTH >> PAGE_SHIFT))
unsigned int hmk_pool_slots(void);
bool hmk_pool_can_grow(void);

/* Pieces of vmalloc space of this size are too small for it, bytes */
#define POOL_STEP	(rounddown_pow_of_two(POOL_GROWTH / 4) / 2)

/* A thread that keeps as many pages mapped as it can, or is told to */
struct filler {
	struct page_set *set;
	struct worker *worker;
	unsigned int limit;	/* stop for good with so many */
	unsigned int pause;	/* stop with so many, until told to go on */
	unsigned int held;	/* by the thread: pages up to here */
	unsigned int released;	/* by the case: pages up to here */
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

/* Needs CONFIG_FUNCTION_ERROR_INJECTION. The case is skipped without it. */
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
