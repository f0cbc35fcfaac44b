// SPDX-License-Identifier: GPL-2.0
/*
 * What high memory costs.
 *
 * The file measures operations of <linux/highmem.h> and prints a line for each:
 *
 *   highmem_bench: count.local_same cycles=158.000 ops=1024 alike=8/8
 *
 * It calls nothing but the interface that users of high memory see, so one file
 * measures any implementation of it. Rows of interfaces that only some kernels
 * have are compiled where the header defines a macro of that name.
 *
 * To run rows, name them, several with commas in between, with *, ? and [...]:
 *
 *   highmem_bench.run=count.*		on the kernel's command line, or
 *   echo 'load.kmap_*' > /sys/module/highmem_bench/parameters/run
 *
 * highmem_bench.restart=1 restarts the machine after those of the command line.
 *
 * The groups of rows:
 *
 * count   Cycles per operation, without interference: the smallest of several
 *         runs, or the mean of a long one where the cost of an operation
 *         depends on those before. In an emulator that counts instructions
 *         (QEMU: -icount shift=0) a cycle is an instruction and the figures are
 *         exact. They include the loop around the operation, which costs what
 *         the row count.loop says.
 * events  What one operation does: PTEs that changed, TLB entries and whole
 *         TLBs flushed, interrupts sent to other CPUs, and how often the page
 *         was mapped already. TLB flushes need CONFIG_DEBUG_TLBFLUSH.
 * worst   The longest single operation, in cycles.
 * latency How late a timer interrupt, and a task of high priority that it
 *         wakes, come while the operation is repeated: the longest sections
 *         with interrupts and with preemption off, plus what latency.loop says.
 *         Nanoseconds; needs CONFIG_HIGH_RES_TIMERS.
 * wait    How long kmap() takes when all slots of the pool are held and one is
 *         given back after 20 ms for each task that waits. The pool may be
 *         larger afterwards, so this comes last.
 * beyond  How long kmap() takes at most while one task maps twice as many pages
 *         as the pool has slots. Mainline never comes back from that.
 * memory  Bytes.
 * load    Operations per second of 1 to 8 threads at the same time, on the CPUs
 *         in turn; load.kmap_1.4 has 4 threads.
 *
 * All figures are for this machine as it is: run it idle.
 */

#define pr_fmt(fmt) "highmem_bench: " fmt

#include <linux/completion.h>
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/gfp.h>
#include <linux/glob.h>
#include <linux/hardirq.h>
#include <linux/highmem.h>
#include <linux/hrtimer.h>
#include <linux/init.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/limits.h>
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/mutex.h>
#include <linux/pgtable.h>
#include <linux/reboot.h>
#include <linux/sched.h>
#include <linux/set_memory.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/sysfs.h>
#include <linux/timex.h>
#include <linux/vmalloc.h>
#include <linux/vmstat.h>

#ifdef CONFIG_KMAP_LOCAL
#include <asm/fixmap.h>
#include <asm/kmap_size.h>
#endif

#include "highmem_kunit_base.h"

static unsigned int load_ms = 500;
module_param(load_ms, uint, 0644);
MODULE_PARM_DESC(load_ms, "how long each row of the group load runs");

/* ---------------------------------------------------------------------- pages */

/* Pages for the rows: 16 times the pool of an i386 kernel without PAE. */
#define NR_PAGES	16384
/* A row uses a sequence of pages. In some rows three of four are from a small set. */
#define SEQ_LEN		(4 * NR_PAGES)
#define HOT_PAGES	64
/* Of the largest folio */
#define MAX_ORDER_USED	6
/* Mainline can nest 15 mappings, of which interrupts need some. */
#define MAX_HELD	11

static struct page *pages[NR_PAGES];
static struct page *low_page;
static struct folio *folios[MAX_ORDER_USED + 1];
static struct page **sequence;
static void *vpage;
static char buffer[PAGE_SIZE];

/* The input and the results of a loop. */
struct work {
	struct page **seq;	/* pages in the order of their use */
	unsigned int order;	/* of the folio that seq[] repeats */
	unsigned long ptes;	/* PTEs that changed, in a watched loop */
	unsigned long hits;	/* pages that were mapped already, likewise */
};

static void free_pages_of_rows(void)
{
	unsigned int i;

	for (i = 0; i < NR_PAGES; i++) {
		if (pages[i])
			__free_page(pages[i]);
		pages[i] = NULL;
	}
	for (i = 0; i <= MAX_ORDER_USED; i++) {
		if (folios[i])
			folio_put(folios[i]);
		folios[i] = NULL;
	}
	if (low_page)
		__free_page(low_page);
	low_page = NULL;
	kvfree(sequence);
	sequence = NULL;
	vfree(vpage);
	vpage = NULL;
}

/* All from high memory, if there is any. */
static int alloc_pages_of_rows(void)
{
	gfp_t gfp = GFP_KERNEL | __GFP_HIGHMEM | __GFP_ZERO;
	unsigned int i;
	bool high = true;

	sequence = kvmalloc_array(SEQ_LEN, sizeof(*sequence), GFP_KERNEL);
	low_page = alloc_page(GFP_KERNEL | __GFP_ZERO);
	vpage = vmalloc(PAGE_SIZE);
	if (!sequence || !low_page || !vpage)
		return -ENOMEM;

	for (i = 0; i <= MAX_ORDER_USED; i++) {
		folios[i] = folio_alloc(gfp, i);
		if (!folios[i])
			return -ENOMEM;
		high &= folio_test_highmem(folios[i]);
	}
	for (i = 0; i < NR_PAGES; i++) {
		pages[i] = alloc_page(gfp);
		if (!pages[i])
			return -ENOMEM;
		high &= PageHighMem(pages[i]);
	}
	if (!high)
		pr_warn("not all pages are in high memory: give the machine more\n");
	return 0;
}

/* ---------------------------------------------------------------- page tables */

/*
 * The PTEs of this CPU's local slots and of the pool, as last read. An operation has
 * written at least the PTEs that differ afterwards. The pool may have slots in vmalloc
 * space: watch_page() finds their range by page_address().
 */
#if defined(CONFIG_HIGHMEM) && !defined(CONFIG_KMAP_LOCAL_NON_LINEAR_PTE_ARRAY)
#define VMALLOC_PAGES	((VMALLOC_END - VMALLOC_START) >> PAGE_SHIFT)

static pte_t *watched;
static unsigned long grown_from, grown_to;	/* in the vmalloc area, in pages */

static int start_watching(void)
{
	watched = kvcalloc(KM_MAX_IDX + LAST_PKMAP + VMALLOC_PAGES,
			   sizeof(*watched), GFP_KERNEL);
	grown_from = VMALLOC_PAGES;
	grown_to = 0;
	return watched ? 0 : -ENOMEM;
}

static void stop_watching(void)
{
	kvfree(watched);
	watched = NULL;
}

static void watch_page(struct page *page)
{
	void *addr = page_address(page);
	unsigned long i;

	if (!is_vmalloc_addr(addr))
		return;
	i = ((unsigned long)addr - VMALLOC_START) >> PAGE_SHIFT;
	grown_from = min(grown_from, i);
	grown_to = max(grown_to, i + 1);
}

static pte_t grown_pte(unsigned long i)
{
	unsigned long addr = VMALLOC_START + (i << PAGE_SHIFT);
	pmd_t *pmd = pmd_off_k(addr);

	if (pmd_none(*pmd) || pmd_leaf(*pmd))
		return __pte(0);
	return ptep_get(pte_offset_kernel(pmd, addr));
}

/* The CPU changes the accessed and dirty bits. */
static bool pte_changed(unsigned long i, pte_t now)
{
	pte_t old = watched[i];

	watched[i] = now;
	return pte_none(now) != pte_none(old) || pte_pfn(now) != pte_pfn(old);
}

static unsigned long pte_changes(void)
{
	int idx = FIX_KMAP_BEGIN + KM_MAX_IDX * raw_smp_processor_id();
	unsigned long changes = 0, at = 0, i;
	pte_t *ptep;

	for (i = 0; i < KM_MAX_IDX; i++) {
		ptep = virt_to_kpte(__fix_to_virt(idx + i));
		changes += pte_changed(at++, ptep_get(ptep));
	}
	for (i = 0; i < LAST_PKMAP; i++)
		changes += pte_changed(at++, ptep_get(&pkmap_page_table[i]));
	for (i = grown_from; i < grown_to; i++)
		changes += pte_changed(at + i, grown_pte(i));
	return changes;
}
#else
static int start_watching(void) { return 0; }
static void stop_watching(void) { }
static void watch_page(struct page *page) { }
static unsigned long pte_changes(void) { return 0; }
#endif

/* ---------------------------------------------------------------------- loops */

/*
 * A loop does its operation @n times. LOOP() makes two functions: name(), which is
 * measured, and name_watched(), which reads the page tables after each operation.
 */
typedef void (*loop_fn)(struct work *w, unsigned long n);

#define LOOP(name)							\
static __always_inline void name##_body(struct work *w, unsigned long n,	\
					const bool watching);		\
static noinline void name(struct work *w, unsigned long n)		\
{									\
	name##_body(w, n, false);					\
}									\
static noinline void name##_watched(struct work *w, unsigned long n)	\
{									\
	name##_body(w, n, true);					\
}									\
static __always_inline void name##_body(struct work *w, unsigned long n,	\
					const bool watching)

/* Uses the mapping. */
static __always_inline void touch(const void *addr)
{
	(void)READ_ONCE(*(const u32 *)addr);
}

/* To be called while a page is mapped, and again afterwards. */
static __always_inline void watch(struct work *w, const bool watching)
{
	if (watching)
		w->ptes += pte_changes();
}

static __always_inline void watch_hit(struct work *w, struct page *page,
				      const bool watching)
{
	if (watching)
		w->hits += !!page_address(page);
}

LOOP(loop_empty)
{
	struct page *page = w->seq[0];

	do {
		OPTIMIZER_HIDE_VAR(page);
	} while (--n);
}

LOOP(local_same)
{
	struct page *page = w->seq[0];

	do {
		void *addr = kmap_local_page(page);

		touch(addr);
		watch(w, watching);
		kunmap_local(addr);
		watch(w, watching);
	} while (--n);
}

LOOP(local_walk)
{
	struct page **seq = w->seq;

	do {
		void *addr = kmap_local_page(*seq++);

		touch(addr);
		watch(w, watching);
		kunmap_local(addr);
		watch(w, watching);
	} while (--n);
}

LOOP(local_nested2)
{
	struct page *a = w->seq[0], *b = w->seq[1];

	do {
		void *first = kmap_local_page(a);
		void *second = kmap_local_page(b);

		touch(first);
		touch(second);
		watch(w, watching);
		kunmap_local(second);
		kunmap_local(first);
		watch(w, watching);
	} while (--n);
}

LOOP(atomic_walk)
{
	struct page **seq = w->seq;

	do {
		void *addr = kmap_atomic(*seq++);

		touch(addr);
		watch(w, watching);
		kunmap_atomic(addr);
		watch(w, watching);
	} while (--n);
}

LOOP(kmap_walk)
{
	struct page **seq = w->seq;

	do {
		struct page *page = *seq++;
		void *addr;

		watch_hit(w, page, watching);
		addr = kmap(page);
		touch(addr);
		watch(w, watching);
		kunmap(page);
		watch(w, watching);
	} while (--n);
}

LOOP(page_address_walk)
{
	struct page **seq = w->seq;

	do {
		void *addr = page_address(*seq++);

		OPTIMIZER_HIDE_VAR(addr);
	} while (--n);
}

/* Mappings of a folio, as a whole and page by page. */

LOOP(folio_vm_map_ram)
{
	unsigned int nr = 1U << w->order;

	do {
		void *addr = vm_map_ram(w->seq, nr, NUMA_NO_NODE);

		if (!addr)
			return;
		touch(addr);
		vm_unmap_ram(addr, nr);
	} while (--n);
}

LOOP(folio_vmap)
{
	unsigned int nr = 1U << w->order;

	do {
		void *addr = vmap(w->seq, nr, VM_MAP, PAGE_KERNEL);

		if (!addr)
			return;
		touch(addr);
		vunmap(addr);
	} while (--n);
}

LOOP(folio_local_pages)
{
	struct folio *folio = page_folio(w->seq[0]);
	size_t size = PAGE_SIZE << w->order;

	do {
		size_t offset;

		for (offset = 0; offset < size; offset += PAGE_SIZE) {
			void *addr = kmap_local_folio(folio, offset);

			touch(addr);
			watch(w, watching);
			kunmap_local(addr);
			watch(w, watching);
		}
	} while (--n);
}

#ifdef folio_map_local
LOOP(folio_whole)
{
	struct folio *folio = page_folio(w->seq[0]);

	do {
		void *addr = folio_map_local(folio);

		if (!addr)
			return;
		touch(addr);
		watch(w, watching);
		folio_unmap_local(folio, addr);
		watch(w, watching);
	} while (--n);
}
#endif

/*
 * The cost of a helper includes the bytes that it copies or clears. The compiler does not
 * know their number, as in most callers. On i386 each byte may then count as one
 * instruction ("rep movsb"). With a constant number the compiler copies words.
 */

LOOP(do_memcpy_from_page_const)
{
	struct page *page = w->seq[0];

	do {
		memcpy_from_page(buffer, page, 128, 64);
		barrier();
	} while (--n);
}

LOOP(do_memcpy_from_page)
{
	struct page *page = w->seq[0];
	size_t len = 64;

	OPTIMIZER_HIDE_VAR(len);
	do {
		memcpy_from_page(buffer, page, 128, len);
	} while (--n);
}

LOOP(do_memcpy_to_page)
{
	struct page *page = w->seq[0];
	size_t len = 64;

	OPTIMIZER_HIDE_VAR(len);
	do {
		memcpy_to_page(page, 128, buffer, len);
	} while (--n);
}

LOOP(do_memcpy_page)
{
	struct page *a = w->seq[0], *b = w->seq[1];
	size_t len = 64;

	OPTIMIZER_HIDE_VAR(len);
	do {
		memcpy_page(a, 128, b, 256, len);
	} while (--n);
}

LOOP(do_memzero_page)
{
	struct page *page = w->seq[0];
	size_t len = PAGE_SIZE;

	OPTIMIZER_HIDE_VAR(len);
	do {
		memzero_page(page, 0, len);
	} while (--n);
}

LOOP(do_clear_highpage)
{
	struct page *page = w->seq[0];

	do {
		clear_highpage(page);
	} while (--n);
}

LOOP(do_copy_highpage)
{
	struct page *a = w->seq[0], *b = w->seq[1];

	do {
		copy_highpage(a, b);
	} while (--n);
}

LOOP(do_zero_user_segments)
{
	struct page *page = w->seq[0];
	unsigned int len = 64;

	OPTIMIZER_HIDE_VAR(len);
	do {
		zero_user_segments(page, 0, len, PAGE_SIZE - len, PAGE_SIZE);
	} while (--n);
}

LOOP(do_memcpy_from_folio)
{
	struct folio *folio = page_folio(w->seq[0]);
	size_t len = 128;

	OPTIMIZER_HIDE_VAR(len);
	/* 64 bytes on either side of a page boundary */
	do {
		memcpy_from_folio(buffer, folio, PAGE_SIZE - 64, len);
	} while (--n);
}

#ifdef CONFIG_ARCH_HAS_SET_MEMORY
/*
 * Loading a module, or setting a seccomp filter, makes vmalloc memory read-only. On x86
 * this calls kmap_flush_unused(). @n counts down to 1, so the page is writable at the
 * end.
 */
static __always_inline void flip_memory(unsigned long n)
{
	if (n % 2)
		set_memory_rw((unsigned long)vpage, 1);
	else
		set_memory_ro((unsigned long)vpage, 1);
}

LOOP(set_memory_walk)
{
	do {
		flip_memory(n);
	} while (--n);
}

LOOP(set_memory_mapped_walk)
{
	struct page **seq = w->seq;

	do {
		struct page *page = *seq++;
		void *addr = kmap_local_page(page);

		touch(addr);
		kunmap_local(addr);
		touch(kmap(page));
		kunmap(page);
		flip_memory(n);
	} while (--n);
}
#endif

/*
 * A switch to another task on this CPU and back. Both tasks hold the same number of
 * mappings, whose PTEs the switch may clear and restore.
 */
static struct partner {
	struct completion go, done;
	unsigned int held;
	bool stop;
} partner;

static int partner_thread(void *data)
{
	void *held[MAX_HELD];
	unsigned int i;

	for (i = 0; i < partner.held; i++)
		held[i] = kmap_local_page(pages[i]);
	for (;;) {
		wait_for_completion(&partner.go);
		if (READ_ONCE(partner.stop))
			break;
		complete(&partner.done);
	}
	while (i--)
		kunmap_local(held[i]);
	complete(&partner.done);
	return 0;
}

static bool partner_start(unsigned int held)
{
	struct task_struct *task;

	partner = (struct partner) { .held = held };
	init_completion(&partner.go);
	init_completion(&partner.done);
	task = kthread_create(partner_thread, NULL, "highmem_partner");
	if (IS_ERR(task))
		return false;
	kthread_bind(task, raw_smp_processor_id());
	wake_up_process(task);
	return true;
}

static void partner_stop(void)
{
	WRITE_ONCE(partner.stop, true);
	complete(&partner.go);
	wait_for_completion(&partner.done);
}

LOOP(switch_and_back)
{
	do {
		complete(&partner.go);
		wait_for_completion(&partner.done);
	} while (--n);
}

/* ----------------------------------------------------------------------- rows */

enum row_flags {
	LOW	= BIT(0),	/* of a page in low memory */
	HOT	= BIT(1),	/* three of four pages are from HOT_PAGES, see fill() */
	LONG	= BIT(2),	/* earlier operations change the cost: the mean of a long run */
	BLIND	= BIT(3),	/* maps where the watcher sees no PTEs */
	FOLIO	= BIT(4),	/* of a folio of the given order */
	SWITCH	= BIT(5),	/* with another task, see switch_and_back() */
	WHOLE	= FOLIO | LONG | BLIND,
};

struct row {
	const char *name;
	loop_fn loop, watched;
	unsigned int pages;	/* used in turn, or the order of a folio */
	unsigned int held;	/* local mappings that are held meanwhile */
	unsigned int flags;
};

#define ROW(_name, _loop, _pages, ...)					\
{									\
	.name = #_name, .loop = _loop, .watched = _loop##_watched,	\
	.pages = _pages, __VA_ARGS__					\
}

static const struct row rows[] = {
	ROW(loop, loop_empty, 1, .flags = BLIND),
	ROW(local_lowmem, local_same, 1, .flags = LOW),
	ROW(local_same, local_same, 1),
	ROW(local_other, local_walk, 2),
	ROW(local_256, local_walk, 256),
	ROW(local_nested2, local_nested2, 2),
	ROW(atomic_other, atomic_walk, 2),
	ROW(kmap_lowmem, kmap_walk, 1, .flags = LOW),
	ROW(kmap_hot, kmap_walk, 4096, .flags = HOT | LONG),
	ROW(kmap_hot_16384, kmap_walk, 16384, .flags = HOT | LONG),
	ROW(page_address, page_address_walk, 1, .flags = BLIND),
	ROW(vmap_8, folio_vmap, 3, .flags = WHOLE),
	ROW(memcpy_from_page_64, do_memcpy_from_page_const, 1, .flags = BLIND),
	ROW(memcpy_from_page_any, do_memcpy_from_page, 1, .flags = BLIND),
	ROW(memcpy_to_page_64, do_memcpy_to_page, 1, .flags = BLIND),
	ROW(memcpy_page_64, do_memcpy_page, 2, .flags = BLIND),
	ROW(memzero_page_4096, do_memzero_page, 1, .flags = BLIND),
	ROW(clear_highpage, do_clear_highpage, 1, .flags = BLIND),
	ROW(copy_highpage, do_copy_highpage, 2, .flags = BLIND),
	ROW(zero_user_segments_2x64, do_zero_user_segments, 1, .flags = BLIND),
	ROW(memcpy_from_folio_2x64, do_memcpy_from_folio, 3,
	    .flags = FOLIO | BLIND),
	ROW(switch_held_0, switch_and_back, 1, .flags = SWITCH | BLIND),
	ROW(switch_held_1, switch_and_back, 1, .flags = SWITCH | BLIND, .held = 1),
	ROW(switch_held_4, switch_and_back, 1, .flags = SWITCH | BLIND, .held = 4),
#ifdef CONFIG_ARCH_HAS_SET_MEMORY
	ROW(set_memory, set_memory_walk, 1, .flags = BLIND),
	ROW(set_memory_mapped, set_memory_mapped_walk, 4, .flags = BLIND),
#endif
	/* The cost by number of pages, */
	ROW(kmap_1, kmap_walk, 1),
	ROW(kmap_64, kmap_walk, 64),
	ROW(kmap_256, kmap_walk, 256),
	ROW(kmap_512, kmap_walk, 512, .flags = LONG),
	ROW(kmap_768, kmap_walk, 768, .flags = LONG),
	ROW(kmap_1024, kmap_walk, 1024, .flags = LONG),
	ROW(kmap_1280, kmap_walk, 1280, .flags = LONG),
	ROW(kmap_1536, kmap_walk, 1536, .flags = LONG),
	ROW(kmap_2048, kmap_walk, 2048, .flags = LONG),
	ROW(kmap_3072, kmap_walk, 3072, .flags = LONG),
	ROW(kmap_4096, kmap_walk, 4096, .flags = LONG),
	ROW(kmap_8192, kmap_walk, 8192, .flags = LONG),
	ROW(kmap_16384, kmap_walk, 16384, .flags = LONG),
	/* ... by number of held mappings, */
	ROW(local_depth_1, local_same, 1),
	ROW(local_depth_2, local_same, 1, .held = 1),
	ROW(local_depth_3, local_same, 1, .held = 2),
	ROW(local_depth_4, local_same, 1, .held = 3),
	ROW(local_depth_6, local_same, 1, .held = 5),
	ROW(local_depth_8, local_same, 1, .held = 7),
	ROW(local_depth_12, local_same, 1, .held = 11),
	/* ... and by size of the folio. */
	ROW(local_pages_order_0, folio_local_pages, 0, .flags = FOLIO),
	ROW(local_pages_order_1, folio_local_pages, 1, .flags = FOLIO),
	ROW(local_pages_order_2, folio_local_pages, 2, .flags = FOLIO),
	ROW(local_pages_order_3, folio_local_pages, 3, .flags = FOLIO),
	ROW(local_pages_order_4, folio_local_pages, 4, .flags = FOLIO),
	ROW(local_pages_order_5, folio_local_pages, 5, .flags = FOLIO),
	ROW(local_pages_order_6, folio_local_pages, 6, .flags = FOLIO),
	ROW(vm_map_ram_order_0, folio_vm_map_ram, 0, .flags = WHOLE),
	ROW(vm_map_ram_order_1, folio_vm_map_ram, 1, .flags = WHOLE),
	ROW(vm_map_ram_order_2, folio_vm_map_ram, 2, .flags = WHOLE),
	ROW(vm_map_ram_order_3, folio_vm_map_ram, 3, .flags = WHOLE),
	ROW(vm_map_ram_order_4, folio_vm_map_ram, 4, .flags = WHOLE),
	ROW(vm_map_ram_order_5, folio_vm_map_ram, 5, .flags = WHOLE),
	ROW(vm_map_ram_order_6, folio_vm_map_ram, 6, .flags = WHOLE),
#ifdef folio_map_local
	ROW(folio_map_local_order_0, folio_whole, 0, .flags = WHOLE),
	ROW(folio_map_local_order_1, folio_whole, 1, .flags = WHOLE),
	ROW(folio_map_local_order_2, folio_whole, 2, .flags = WHOLE),
	ROW(folio_map_local_order_3, folio_whole, 3, .flags = WHOLE),
	ROW(folio_map_local_order_4, folio_whole, 4, .flags = WHOLE),
	ROW(folio_map_local_order_5, folio_whole, 5, .flags = WHOLE),
	ROW(folio_map_local_order_6, folio_whole, 6, .flags = WHOLE),
#endif
};

/* Repeats of rows with constant cost, and operations in one repeat. */
#define REPEATS		8
#define STEADY_OPS	1024UL
/*
 * Measured runs of SEQ_LEN operations of the other rows, after one that is not measured.
 */
#define LONG_RUNS	4
/* Operations that are watched */
#define WATCHED_OPS	4096UL
/* The same for rows with many pages: each page is used at least once. */
#define WATCHED_LONG	(SEQ_LEN / 4UL)

/* The pages of @row in the order of their use; the length is SEQ_LEN. */
static void fill(const struct row *row)
{
	unsigned int i, cold = HOT_PAGES;

	for (i = 0; i < SEQ_LEN; i++) {
		if (row->flags & LOW) {
			sequence[i] = low_page;
		} else if (row->flags & FOLIO) {
			sequence[i] = folio_page(folios[row->pages],
						 i % (1U << row->pages));
		} else if (!(row->flags & HOT)) {
			sequence[i] = pages[i % row->pages];
		} else if (i % 4 < 3) {
			sequence[i] = pages[(i - i / 4) % HOT_PAGES];
		} else {
			sequence[i] = pages[cold];
			cold = cold + 1 < row->pages ? cold + 1 : HOT_PAGES;
		}
	}
}

/* Every row starts with the same empty pool and holds what it says. */
static bool begin(const struct row *row, struct work *w, void *held[])
{
	unsigned int i;

	fill(row);
	kmap_flush_unused();
	*w = (struct work) {
		.seq = sequence,
		.order = row->flags & FOLIO ? row->pages : 0,
	};
	if (row->flags & SWITCH && !partner_start(row->held))
		return false;
	for (i = 0; i < row->held; i++)
		held[i] = kmap_local_page(pages[NR_PAGES - 1 - i]);
	return true;
}

static void end(const struct row *row, void *held[])
{
	unsigned int i = row->held;

	while (i--)
		kunmap_local(held[i]);
	if (row->flags & SWITCH)
		partner_stop();
}

/* Not inline: the same instructions around each loop. */
static noinline u64 timed(const struct row *row, struct work *w, unsigned long n)
{
	cycles_t start = get_cycles();

	row->loop(w, n);
	return get_cycles() - start;
}

/* --------------------------------------------------------------------- output */

struct line {
	char text[256];
	size_t len;
};

static __printf(2, 3) void say(struct line *line, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	line->len += vscnprintf(line->text + line->len,
				sizeof(line->text) - line->len, format, args);
	va_end(args);
}

/* @total / @ops with three decimals */
static void say_mean(struct line *line, const char *what, u64 total, u64 ops)
{
	u64 milli = div64_u64(total * 1000 + ops / 2, ops);
	u32 rest;

	milli = div_u64_rem(milli, 1000, &rest);
	say(line, " %s=%llu.%03u", what, milli, rest);
}

static void print(const struct line *line)
{
	pr_info("%s\n", line->text);
}

/* ---------------------------------------------------------------- group count */

/*
 * The cost of @ops more operations: the fixed part of a run cancels out, and the minimum
 * is from a run without interrupts.
 */
static void count_steady(const struct row *row, struct work *w,
			 struct line *line)
{
	u64 once = U64_MAX, twice = U64_MAX, cycles[REPEATS];
	unsigned int i, alike = 0;

	for (i = 0; i < REPEATS; i++) {
		once = min(once, timed(row, w, STEADY_OPS));
		cycles[i] = timed(row, w, 2 * STEADY_OPS);
		twice = min(twice, cycles[i]);
	}
	for (i = 0; i < REPEATS; i++)
		alike += cycles[i] == twice;

	say_mean(line, "cycles", twice - once, STEADY_OPS);
	say(line, " ops=%lu alike=%u/%u", STEADY_OPS, alike, REPEATS);
}

static void count_long(const struct row *row, struct work *w, struct line *line)
{
	u64 sum = 0;
	unsigned int i;

	timed(row, w, SEQ_LEN);
	for (i = 0; i < LONG_RUNS; i++)
		sum += timed(row, w, SEQ_LEN);

	say_mean(line, "cycles", sum, LONG_RUNS * SEQ_LEN);
	say(line, " ops=%u", LONG_RUNS * SEQ_LEN);
}

static void run_count(const struct row *row, struct work *w, struct line *line)
{
	if (row->flags & LONG)
		count_long(row, w, line);
	else
		count_steady(row, w, line);
}

/* --------------------------------------------------------------- group events */

struct events {
	u64 one;		/* TLB entries flushed, on all CPUs together */
	u64 all;		/* whole TLBs flushed, likewise */
	u64 ipis;		/* function call interrupts taken, for TLBs as well */
};

static u64 ipis_now(void)
{
	u64 ipis = 0;
#if defined(CONFIG_X86) && defined(CONFIG_SMP)
	unsigned int cpu;

	for_each_online_cpu(cpu)
		ipis += calls_taken(cpu);
#endif
	return ipis;
}

static struct events events_now(void)
{
	struct events now = { };

#if defined(CONFIG_VM_EVENT_COUNTERS) && defined(CONFIG_DEBUG_TLBFLUSH)
	static unsigned long vm[NR_VM_EVENT_ITEMS];

	all_vm_events(vm);
	now.one = vm[NR_TLB_LOCAL_FLUSH_ONE];
	now.all = vm[NR_TLB_LOCAL_FLUSH_ALL] + vm[NR_TLB_REMOTE_FLUSH_RECEIVED];
#endif
	now.ipis = ipis_now();
	return now;
}

static void run_events(const struct row *row, struct work *w, struct line *line)
{
	unsigned long ops = row->flags & LONG ? SEQ_LEN : WATCHED_OPS;
	struct events before, after;
	unsigned int i;

	row->loop(w, ops);
	before = events_now();
	row->loop(w, ops);
	after = events_now();
	say_mean(line, "tlb_one", after.one - before.one, ops);
	say_mean(line, "tlb_all", after.all - before.all, ops);
	say_mean(line, "ipi", after.ipis - before.ipis, ops);

	if (row->flags & BLIND)
		return;
	for (i = 0; i < SEQ_LEN; i++)
		watch_page(sequence[i]);
	ops = min(ops, WATCHED_LONG);
	pte_changes();
	row->watched(w, ops);
	say_mean(line, "pte", w->ptes, ops);
	say_mean(line, "hit", w->hits, ops);
}

/* ---------------------------------------------------------------- group worst */

/* The run with the smallest maximum, since a timer tick may interrupt any run. */
static void run_worst(const struct row *row, struct work *w, struct line *line)
{
	unsigned long ops = row->flags & LONG ? SEQ_LEN : STEADY_OPS;
	u64 worst[LONG_RUNS], least = U64_MAX;
	unsigned int run;
	unsigned long i;

	row->loop(w, ops);
	for (run = 0; run < LONG_RUNS; run++) {
		struct work at = *w;

		worst[run] = 0;
		for (i = 0; i < ops; i++) {
			if (!(row->flags & FOLIO))
				at.seq = w->seq + i;
			worst[run] = max(worst[run], timed(row, &at, 1));
		}
		least = min(least, worst[run]);
	}
	say(line, " cycles=%llu ops=%lu runs=%u", least, ops, LONG_RUNS);
}

/* -------------------------------------------------------------- group latency */

#define PROBE_PERIOD	(53 * NSEC_PER_USEC)
#define PROBE_TIME	(100 * NSEC_PER_MSEC)

struct probe {
	struct hrtimer timer;
	struct task_struct *task;
	struct completion done;
	bool stop, fired;
	s64 irq_late, task_late;
	unsigned long samples;
};

static enum hrtimer_restart probe_timer(struct hrtimer *timer)
{
	struct probe *probe = container_of(timer, struct probe, timer);
	s64 late = ktime_to_ns(ktime_sub(ktime_get(), hrtimer_get_expires(timer)));

	probe->irq_late = max(probe->irq_late, late);
	WRITE_ONCE(probe->fired, true);
	wake_up_process(probe->task);
	return HRTIMER_NORESTART;
}

static int probe_thread(void *data)
{
	struct probe *probe = data;
	s64 late;

	while (!READ_ONCE(probe->stop)) {
		WRITE_ONCE(probe->fired, false);
		hrtimer_start(&probe->timer, ns_to_ktime(PROBE_PERIOD),
			      HRTIMER_MODE_REL_HARD);
		for (;;) {
			set_current_state(TASK_UNINTERRUPTIBLE);
			if (READ_ONCE(probe->fired))
				break;
			schedule();
		}
		__set_current_state(TASK_RUNNING);
		late = ktime_to_ns(ktime_sub(ktime_get(),
					     hrtimer_get_expires(&probe->timer)));
		probe->task_late = max(probe->task_late, late);
		probe->samples++;
	}
	complete(&probe->done);
	return 0;
}

static void run_latency(const struct row *row, struct work *w, struct line *line)
{
	struct probe probe = { };
	ktime_t start;

	/* The first operations may allocate, for example page tables of vmalloc space. */
	row->loop(w, STEADY_OPS);

	init_completion(&probe.done);
	hmk_hrtimer_setup_on_stack(&probe.timer, probe_timer, HRTIMER_MODE_REL_HARD);
	probe.task = kthread_create(probe_thread, &probe, "highmem_probe");
	if (IS_ERR(probe.task)) {
		say(line, " no memory for a thread");
		destroy_hrtimer_on_stack(&probe.timer);
		return;
	}
	kthread_bind(probe.task, raw_smp_processor_id());
	sched_set_fifo(probe.task);
	wake_up_process(probe.task);

	start = ktime_get();
	do {
		row->loop(w, STEADY_OPS);
		/* Continues in the sequence, so that all pages are used. */
		w->seq += STEADY_OPS;
		if (w->seq == sequence + SEQ_LEN)
			w->seq = sequence;
	} while (ktime_to_ns(ktime_sub(ktime_get(), start)) < PROBE_TIME);

	WRITE_ONCE(probe.stop, true);
	wait_for_completion(&probe.done);
	hrtimer_cancel(&probe.timer);
	destroy_hrtimer_on_stack(&probe.timer);
	say(line, " irq_ns=%lld task_ns=%lld samples=%lu", probe.irq_late,
	    probe.task_late, probe.samples);
}

/* ----------------------------------------------------------------- group load */

#define LOAD_CHUNK	16
#define LOAD_MAX	8

struct load {
	struct completion go;
	bool stop;
	loop_fn loop;
};

struct load_thread {
	struct load *load;
	struct task_struct *task;
	struct completion done;
	unsigned long first;	/* where in the sequence it starts */
	u64 ops;
	ktime_t end;
};

static int load_thread(void *data)
{
	struct load_thread *t = data;
	unsigned long at = t->first;

	wait_for_completion(&t->load->go);
	while (!READ_ONCE(t->load->stop)) {
		struct work w = { .seq = sequence + at };

		t->load->loop(&w, LOAD_CHUNK);
		t->ops += LOAD_CHUNK;
		at = (at + LOAD_CHUNK) % SEQ_LEN;
		cond_resched();
	}
	t->end = ktime_get();
	complete(&t->done);
	return 0;
}

/* Starts @nr threads, on the CPUs in turn; returns how many it could. */
static unsigned int load_create(struct load *load, struct load_thread *threads,
				unsigned int nr, unsigned int distance)
{
	unsigned int i, cpu = cpumask_first(cpu_online_mask);

	for (i = 0; i < nr; i++) {
		struct load_thread *t = &threads[i];

		t->load = load;
		t->first = i * distance / LOAD_CHUNK * LOAD_CHUNK;
		init_completion(&t->done);
		t->task = kthread_create(load_thread, t, "highmem_load/%u", i);
		if (IS_ERR(t->task))
			break;
		kthread_bind(t->task, cpu);
		wake_up_process(t->task);
		cpu = cpumask_next(cpu, cpu_online_mask);
		if (cpu >= nr_cpu_ids)
			cpu = cpumask_first(cpu_online_mask);
	}
	return i;
}

static void run_load(const struct row *row, unsigned int nr, struct line *line)
{
	struct load_thread threads[LOAD_MAX] = { };
	struct load load = { .loop = row->loop };
	ktime_t start, end;
	unsigned int i, got;
	u64 ops = 0;

	init_completion(&load.go);
	/* Each thread starts at another page. */
	got = load_create(&load, threads, nr, row->pages / nr);
	start = ktime_get();
	complete_all(&load.go);
	msleep(load_ms);
	WRITE_ONCE(load.stop, true);

	end = ktime_add_ns(start, 1);
	for (i = 0; i < got; i++) {
		wait_for_completion(&threads[i].done);
		ops += threads[i].ops;
		if (ktime_after(threads[i].end, end))
			end = threads[i].end;
	}
	if (got < nr)
		say(line, " no memory for %u threads", nr);
	else
		say(line, " ops_per_s=%llu ops=%llu threads=%u cpus=%u ms=%lld",
		    div64_u64(ops * NSEC_PER_SEC, ktime_to_ns(ktime_sub(end, start))),
		    ops, nr, num_online_cpus(), ktime_ms_delta(end, start));
}

static const struct row load_rows[] = {
	ROW(kmap_1, kmap_walk, 1),
	ROW(kmap_64, kmap_walk, 64),
	ROW(kmap_4096, kmap_walk, 4096),
	ROW(kmap_16384, kmap_walk, 16384),
	ROW(kmap_hot, kmap_walk, 4096, .flags = HOT),
	ROW(local_64, local_walk, 64),
};

/* ----------------------------------------------------------------- group wait */

#ifdef CONFIG_HIGHMEM
#define WAIT_MS		20

struct waiter {
	struct page *page;
	struct completion done;
	u64 ns;
};

static int wait_thread(void *data)
{
	struct waiter *waiter = data;
	ktime_t start = ktime_get();

	touch(kmap(waiter->page));
	waiter->ns = ktime_to_ns(ktime_sub(ktime_get(), start));
	kunmap(waiter->page);
	complete(&waiter->done);
	return 0;
}

static_assert(2 * LAST_PKMAP <= NR_PAGES && LOAD_MAX <= LAST_PKMAP);

/* @nr tasks wait for a slot while this task holds all slots. */
static void run_wait(unsigned int nr, struct line *line)
{
	struct waiter waiters[LOAD_MAX] = { };
	unsigned int i, started;
	u64 longest = 0, shortest = U64_MAX;

	kmap_flush_unused();
	for (i = 0; i < LAST_PKMAP; i++)
		touch(kmap(pages[i]));

	for (i = 0; i < nr; i++) {
		init_completion(&waiters[i].done);
		waiters[i].page = pages[LAST_PKMAP + i];
		if (IS_ERR(kthread_run(wait_thread, &waiters[i],
				       "highmem_wait/%u", i)))
			break;
	}
	started = i;
	for (i = 0; i < LAST_PKMAP; i++) {
		if (i < started)
			msleep(WAIT_MS);
		kunmap(pages[i]);
	}
	for (i = 0; i < started; i++) {
		wait_for_completion(&waiters[i].done);
		longest = max(longest, waiters[i].ns);
		shortest = min(shortest, waiters[i].ns);
	}
	say(line, " longest_us=%llu shortest_us=%llu tasks=%u",
	    div_u64(longest, NSEC_PER_USEC), div_u64(shortest, NSEC_PER_USEC),
	    started);
}

static void run_beyond(struct line *line)
{
	u64 longest = 0;
	unsigned int i;

	kmap_flush_unused();
	for (i = 0; i < 2 * LAST_PKMAP; i++) {
		ktime_t start = ktime_get();

		touch(kmap(pages[i]));
		longest = max_t(u64, longest,
				ktime_to_ns(ktime_sub(ktime_get(), start)));
	}
	while (i--)
		kunmap(pages[i]);
	say(line, " longest_us=%llu pages=%u",
	    div_u64(longest, NSEC_PER_USEC), 2 * LAST_PKMAP);
}
#else
static void run_wait(unsigned int nr, struct line *line)
{
	say(line, " needs CONFIG_HIGHMEM");
}

static void run_beyond(struct line *line)
{
	say(line, " needs CONFIG_HIGHMEM");
}
#endif

/* --------------------------------------------------------------- running rows */

/* Is @name among the comma separated patterns of @list? */
static bool asked_for(const char *list, const char *name)
{
	char *copy = kstrdup(list, GFP_KERNEL), *rest = copy, *pattern;
	bool found = false;

	while (!found && (pattern = strsep(&rest, ",")))
		found = glob_match(strim(pattern), name);
	kfree(copy);
	return found;
}

static unsigned int run_group(const char *list, const char *group,
			      void (*run)(const struct row *row, struct work *w,
					  struct line *line))
{
	unsigned int i, ran = 0;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		struct line line = { };
		void *held[MAX_HELD];
		struct work w;

		say(&line, "%s.%s", group, rows[i].name);
		if (!asked_for(list, line.text))
			continue;
		if (!begin(&rows[i], &w, held)) {
			pr_err("%s: no memory for a task\n", line.text);
			continue;
		}
		run(&rows[i], &w, &line);
		end(&rows[i], held);
		print(&line);
		ran++;
	}
	return ran;
}

static unsigned int run_loads(const char *list)
{
	unsigned int i, nr, ran = 0;

	for (i = 0; i < ARRAY_SIZE(load_rows); i++) {
		for (nr = 1; nr <= LOAD_MAX; nr++) {
			struct line line = { };
			struct work w;

			say(&line, "load.%s.%u", load_rows[i].name, nr);
			if (!asked_for(list, line.text))
				continue;
			begin(&load_rows[i], &w, NULL);
			run_load(&load_rows[i], nr, &line);
			print(&line);
			ran++;
		}
	}
	return ran;
}

static unsigned int run_waits(const char *list)
{
	unsigned int nr, ran = 0;

	for (nr = 1; nr <= LOAD_MAX; nr *= 2) {
		struct line line = { };

		say(&line, "wait.kmap_full.%u", nr);
		if (!asked_for(list, line.text))
			continue;
		run_wait(nr, &line);
		print(&line);
		ran++;
	}
	return ran;
}

static unsigned int run_beyonds(const char *list)
{
	struct line line = { };

	if (!asked_for(list, "beyond.kmap"))
		return 0;
	say(&line, "beyond.kmap");
	run_beyond(&line);
	print(&line);
	return 1;
}

static unsigned int run_memory(const char *list)
{
	struct line line = { };

	if (!asked_for(list, "memory.task_struct"))
		return 0;
	say(&line, "memory.task_struct bytes=%zu", sizeof(struct task_struct));
	print(&line);
	return 1;
}

static DEFINE_MUTEX(bench_lock);

static int bench(const char *list)
{
	cpumask_var_t cpus;
	unsigned int ran;
	int err;

	if (!alloc_cpumask_var(&cpus, GFP_KERNEL))
		return -ENOMEM;

	mutex_lock(&bench_lock);
	err = alloc_pages_of_rows();
	if (!err)
		err = start_watching();
	if (err) {
		pr_err("not enough memory\n");
		goto out;
	}

	/* Local slots are per CPU. Restores the affinity. */
	cpumask_copy(cpus, current->cpus_ptr);
	set_cpus_allowed_ptr(current, cpumask_of(cpumask_first(cpu_online_mask)));

	ran = run_group(list, "count", run_count);
	ran += run_group(list, "events", run_events);
	ran += run_group(list, "worst", run_worst);
	ran += run_group(list, "latency", run_latency);
	ran += run_memory(list);
	ran += run_loads(list);
	ran += run_waits(list);
	ran += run_beyonds(list);
	pr_info("done, %u rows\n", ran);

	set_cpus_allowed_ptr(current, cpus);
out:
	stop_watching();
	free_pages_of_rows();
	mutex_unlock(&bench_lock);
	free_cpumask_var(cpus);
	return err;
}

/* At boot the parameters are set before threads exist, so the rows run later. */
static char boot_list[256];

static bool restart;
module_param(restart, bool, 0444);
MODULE_PARM_DESC(restart, "restart the machine after the rows that run at boot");

/* For measuring programs in user space. */
static int cycles_get(char *text, const struct kernel_param *kp)
{
	return sysfs_emit(text, "%llu\n", (u64)get_cycles());
}

static const struct kernel_param_ops cycles_ops = { .get = cycles_get };
module_param_cb(cycles, &cycles_ops, NULL, 0444);
MODULE_PARM_DESC(cycles, "the cycle counter, as in the figures of the rows");

/* Interrupts of the group events, likewise. */
static int ipis_get(char *text, const struct kernel_param *kp)
{
	return sysfs_emit(text, "%llu\n", ipis_now());
}

static const struct kernel_param_ops ipis_ops = { .get = ipis_get };
module_param_cb(ipis, &ipis_ops, NULL, 0444);
MODULE_PARM_DESC(ipis, "function call interrupts that all CPUs have taken");

static int run_set(const char *val, const struct kernel_param *kp)
{
	if (system_state < SYSTEM_RUNNING)
		return strscpy(boot_list, val) < 0 ? -E2BIG : 0;
	return bench(val);
}

static const struct kernel_param_ops run_ops = { .set = run_set };
module_param_cb(run, &run_ops, NULL, 0200);
MODULE_PARM_DESC(run, "rows to run, such as count.*,load.kmap_1.*");

static int __init bench_init(void)
{
	int err = boot_list[0] ? bench(boot_list) : 0;

	if (restart)
		kernel_restart(NULL);
	return err;
}
late_initcall_sync(bench_init);
