// SPDX-License-Identifier: GPL-2.0
/*
 * kmap_local: short-lived mappings of one page or of a run of neighbouring pages. A
 * mapping belongs to one task on one CPU. Any context may map a page (an NMI on x86
 * only).
 *
 * kmap_local_page() calls __kmap_local_page(), which takes the next slot of the task's
 * stack, saves the PTE in pteval[], and writes the PTE to the slot if the slot's PTE
 * differs. kunmap_local() calls kunmap_local_indexed(), which drops the slot from the
 * stack. kmap_local_push_slow() maps runs and all else, kunmap_local_slow() unmaps what
 * kunmap_local_indexed() cannot.
 *
 * Each CPU owns KM_MAX_IDX neighbouring fixmap slots. Each task owns a stack,
 * task_struct::kmap_ctrl, that records what its slots map:
 *
 *   idx	 the depth: slots in use, and KM_STEP for each mapping in an overflow slot
 *   pteval[n]	 the PTE of the page in slot n; not present for a free slot and for
 *		 a guard
 *   holes	 bit n is set: the slots 2n and 2n + 1 were unmapped before a later
 *		 mapping was. They stay taken until the stack shrinks below them.
 *   special	 number of mappings that kunmap_local_indexed() cannot unmap by itself:
 *		 eager ones and those in overflow slots
 *   slow	 holes and special in one word, which kunmap_local_indexed() tests
 *   pinned	 __schedule() has called migrate_disable() for the mappings
 *   mapper[n]	 debug kernels: the caller that mapped slot n
 *
 * A mapping of nr pages takes nr + 1 slots, rounded up to a multiple of KM_STEP.
 * Slots go downwards: slot n + 1 has the address below that of slot n. The first
 * page of a mapping is in its last slot. Its first slot, behind the last page, is a
 * guard. So the byte behind a mapping belongs to no other mapping, and neighbouring
 * slots with a present pteval[] are always one run. A mapping of the pages A, B and C at
 * depth 0: slot 0 is the guard, slots 1, 2 and 3 map C, B and A.
 *
 * Invariants, as an interrupt sees them at any instruction:
 *
 *   - Each slot at or above the depth is free, and its pteval[] is empty. An
 *     interrupt pushes above the depth, and pops down to it again before it returns.
 *   - idx is raised before anything is stored above the old depth. It is lowered after
 *     the last slot above the new depth is empty. Each is one store.
 *   - An interrupt leaves holes and special as it finds them. special counts a mapping
 *     before idx is raised for it, and until idx is lowered.
 *   - pinned is set by __schedule() while idx is not 0. km_unpin() clears it after idx
 *     has become 0, or the next __schedule() does.
 *
 * Which CPU. Only a task that does not run can be moved, so a running task needs no pin
 * for its mappings. __schedule() pins it, see kmap_local_pin(). From the store that
 * raises idx to the store that lowers it to 0, the CPU stays the same. (Mainline calls
 * migrate_disable() for each mapping, T. Gleixner's design of 2020.)
 *
 * Lazy unmapping (KMAP_LOCAL_LAZY). kunmap_local() leaves the PTE in the slot. Two words
 * say what slot n is: pteval[n] of the task that runs, and the PTE.
 *
 *   pteval[n]	PTE	state	next state, and the function that changes it
 *   empty	none	empty	pending	kmap_local_push()
 *   empty	A	idle	pending	kmap_local_push() of B; mapped if the page is A
 *				empty	flush_slot()
 *   B		not B	pending	mapped	set_slot()
 *   B		B	mapped	idle	kunmap_local_indexed(), unmap_slots()
 *				empty	unmap_slots(), if the mapping is eager
 *				pending	__kmap_local_sched_out(), if it is eager; while
 *					another task runs: kmap_local_push(), flush_slot()
 *
 * No context accesses a pending slot: kmap_local_push() has not returned its address, or
 * __schedule() has not called __kmap_local_sched_in().
 *
 * A slot of one CPU over time:
 *
 *	call			PTE before	what the call does
 *	kmap_local_page(A)	none		writes A
 *	kunmap_local()		A		nothing to the PTE: the slot is idle
 *	kmap_local_page(A)	A		nothing to the PTE: it matches
 *	kunmap_local()		A
 *	kmap_local_page(B)	A		writes B, flushes A from this CPU's TLB
 *	__schedule()		B		nothing; the next task maps C here
 *	__kmap_local_sched_in()	C		writes B, as pteval[] says; flushes C
 *	kunmap_local()		B
 *	kmap_flush_unused()	B		clears and flushes it, on each CPU
 *
 * No mapping shows another page, because:
 *
 *   - With preemption on, this CPU's TLB holds no entry that differs from a slot's PTE.
 *     set_slot() and remove_pte() change and flush a PTE with preemption off. An
 *     interrupt between the two steps uses slots above. Exception: an NMI or a tracer
 *     can use a slot that flush_this_cpu() has cleared and not flushed yet. Interrupts
 *     are off there, so set_slot() flushes the empty slot, too.
 *   - TLBs of other CPUs may hold stale entries, as a CPU walks page tables
 *     speculatively. No other CPU uses the address.
 *   - A task that is scheduled in may find PTEs of another task in its slots.
 *     __kmap_local_sched_in() restores its own.
 *   - kmap_local_flush() removes the PTE of each slot that the running task does not hold.
 *   - A mapping with another protection than kmap_prot is eager: kunmap_local() clears
 *     and flushes its PTE, and __schedule() does. With kmap_local_lazy=0 or debug_pagealloc,
 *     and without KMAP_LOCAL_LAZY, all are eager. An access after kunmap_local() faults.
 *
 * (An earlier lazy scheme was dropped in 2006. It had no means to flush its mappings
 * and none to find their misuse.)
 */

#include <linux/bitops.h>
#include <linux/cpuhotplug.h>
#include <linux/export.h>
#include <linux/highmem.h>
#include <linux/moduleparam.h>
#include <linux/once_lite.h>
#include <linux/smp.h>
#include <linux/vmalloc.h>

#include <asm/tlbflush.h>

#include "highmem_debug.h"

/* For the pkmap pool, too: this file is built whenever the pool is. */
#define CREATE_TRACE_POINTS
#include <trace/events/highmem.h>

#define KM_STEP		KMAP_LOCAL_STEP

/* The greatest depth of the stack. The slot above is the guard before the last mapping. */
#define KM_LIMIT	(KM_MAX_IDX - 1)

/* True with kmap_local_lazy=0 and with debug_pagealloc. */
static DEFINE_STATIC_KEY_FALSE(kmap_local_eager);

/* The PTE of page frame 0 with kmap_prot, for arch_kmap_local_page_pte(). */
static pte_t km_page_pte __maybe_unused __read_mostly;

/* Slots ------------------------------------------------------------------- */

/*
 * The last byte of slot 0 of each CPU, and the slot's PTE.
 *
 * slot_vaddr(), slot_of() and slot_pte() read those of this CPU with raw_cpu_read(). A task
 * with mappings stays on its CPU. A task without mappings may move between the read and
 * the use. Its idx is 0, so no address matches.
 */
static DEFINE_PER_CPU_READ_MOSTLY(struct km_window {
	unsigned long last;
	pte_t *ptep;
}, km_window);

/* 0 until km_init(): no depth fits, and kmap_local_push_slow() calls km_init(). */
static unsigned int km_limit __read_mostly;

static void km_init(void)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		unsigned long vaddr = __fix_to_virt(FIX_KMAP_BEGIN + KM_MAX_IDX * cpu);

		per_cpu(km_window, cpu).last = vaddr + PAGE_SIZE - 1;
		per_cpu(km_window, cpu).ptep = virt_to_kpte(vaddr);
	}
	km_page_pte = pfn_pte(0, kmap_prot);
	/*
	 * Pairs with __kmap_local_page(): an interrupt or another task that sees km_limit
	 * sees km_page_pte. Else it could write a PTE that is not present.
	 */
	barrier();
	/* No other CPU runs yet: this is called by an early_initcall at the latest. */
	km_limit = KM_LIMIT;
}

/* Where caches alias, a slot has an address for each colour. */
static __always_inline unsigned long slot_vaddr(unsigned int n, unsigned long pfn)
{
#ifdef arch_kmap_local_map_idx
	return __fix_to_virt(FIX_KMAP_BEGIN + arch_kmap_local_map_idx(n, pfn));
#else
	return raw_cpu_read(km_window.last) + 1 - (n + 1) * PAGE_SIZE;
#endif
}

/*
 * The number of the slot that has @addr, or KM_MAX_IDX and more. Such a number can match an
 * idx above KM_LIMIT, but kmap_ctrl::slow is not 0 then. Only kernels with KMAP_LOCAL_LAZY
 * use the number: their caches have no colours.
 */
static __always_inline unsigned int slot_of(unsigned long addr)
{
	return (u32)(raw_cpu_read(km_window.last) - addr) >> PAGE_SHIFT;
}

static __always_inline pte_t *slot_pte(unsigned int n, unsigned long vaddr)
{
	/* With KMAP_LOCAL_LAZY the PTEs follow each other as the slots do. */
	return KMAP_LOCAL_LAZY ? raw_cpu_read(km_window.ptep) - n : virt_to_kpte(vaddr);
}

static __always_inline void install_pte(unsigned long vaddr, pte_t *ptep,
					pte_t pteval)
{
	arch_kmap_local_pre_map(vaddr, pteval);
	arch_kmap_local_set_pte(&init_mm, vaddr, ptep, pteval);
	arch_kmap_local_post_map(vaddr, pteval);
	highmem_count(HIGHMEM_STAT_LOCAL_PTE, 1);
}

static __always_inline void remove_pte(unsigned long vaddr, pte_t *ptep)
{
	arch_kmap_local_pre_unmap(vaddr);
	arch_kmap_local_clear_pte(&init_mm, vaddr, ptep);
	arch_kmap_local_post_unmap(vaddr);
}

/*
 * Makes slot @n map what @pteval, from pteval[], says. Writes to the slot if its PTE is
 * another, and flushes the old PTE if there was one. The task stays on its CPU.
 *
 * With KMAP_LOCAL_LAZY this replaces the old PTE in one store. With interrupts off it
 * flushes an empty slot, too: see the head of this file. Without KMAP_LOCAL_LAZY
 * kunmap_local() leaves no PTE. There an old PTE is a bug, and is removed first.
 */
static __always_inline void set_slot(unsigned int n, pte_t pteval)
{
	unsigned long vaddr = slot_vaddr(n, pte_pfn(pteval));
	pte_t *ptep = slot_pte(n, vaddr);
	bool stale;

	if (likely(pte_same(ptep_get(ptep), pteval)))
		return;

	preempt_disable();
	stale = !pte_none(ptep_get(ptep));
	highmem_race_window();
	if (!KMAP_LOCAL_LAZY && WARN_ON_ONCE(stale))
		remove_pte(vaddr, ptep);
	install_pte(vaddr, ptep, pteval);
	if (KMAP_LOCAL_LAZY && (stale || irqs_disabled())) {
		highmem_race_window();
		arch_kmap_local_post_unmap(vaddr);
		highmem_count(HIGHMEM_STAT_LOCAL_FLUSH, 1);
	}
	preempt_enable();
}

/* The stack ----------------------------------------------------------- */

/* The address of slot @n of the current task. pteval[] says which page it maps. */
static unsigned long slot_addr(const struct kmap_ctrl *ctrl, int n)
{
	return slot_vaddr(n, pte_pfn(ctrl->pteval[n]));
}

/*
 * The three steps in which an interrupt sees the stack change. The compiler moves no
 * store of the caller across them: see the invariants at the head of this file. After
 * clear_saved() an interrupt may remove the PTE, and a later store would fault.
 */
static __always_inline void set_idx(struct kmap_ctrl *ctrl, unsigned int idx)
{
	highmem_race_window();
	barrier();
	WRITE_ONCE(ctrl->idx, idx);
	barrier();
	highmem_race_window();
}

static __always_inline void save_pte(struct kmap_ctrl *ctrl, unsigned int n, pte_t pteval)
{
	arch_kmap_local_save_pte(&ctrl->pteval[n], pteval);
	barrier();
	highmem_race_window();
}

static __always_inline void clear_saved(struct kmap_ctrl *ctrl, unsigned int n)
{
	highmem_race_window();
	barrier();
	arch_kmap_local_clear_saved(&ctrl->pteval[n]);
}

/* The number of slots that a mapping of @nr pages takes. */
static __always_inline unsigned int slots_of(unsigned int nr)
{
	return ALIGN(nr + 1, KM_STEP);
}

/* A bit of kmap_ctrl::holes for each KM_STEP slots. Overflow slots count from KM_LIMIT on. */
static_assert(KM_LIMIT % KM_STEP == 0);
static_assert(KM_LIMIT / KM_STEP <= BITS_PER_BYTE * sizeof_field(struct kmap_ctrl, holes));

/*
 * Does @pteval, from pteval[], map a page? Free slots and guards have 0 there, which on
 * xtensa is a PTE that is present.
 */
static __always_inline bool pteval_used(pte_t pteval)
{
	return (KMAP_LOCAL_LAZY || pte_val(pteval)) && pte_present(pteval);
}

/*
 * The next slot below @n that maps a page, or -1. A walk over the task's stack, from the
 * latest mapping to the first, is for (n = ctrl->idx; (n = page_below(ctrl, n)) >= 0;).
 */
static int page_below(const struct kmap_ctrl *ctrl, int n)
{
	/* Above KM_LIMIT, idx counts overflow slots, which have no pteval[]. */
	n = min(n, KM_LIMIT);
	while (--n >= 0 && !pteval_used(ctrl->pteval[n]))
		;
	return n;
}

/* Mappings below @depth. The last page of each lies above a guard. */
static int nr_below(const struct kmap_ctrl *ctrl, int depth)
{
	int n, nr = max(depth - KM_LIMIT, 0) / KM_STEP;

	for (n = depth; (n = page_below(ctrl, n)) >= 0; )
		nr += !pteval_used(ctrl->pteval[n - 1]);
	return nr;
}

/* The slot whose page contains @addr or ends at @addr; else -1. */
static int find_slot(const struct kmap_ctrl *ctrl, unsigned long addr)
{
	int n;

	for (n = ctrl->idx; (n = page_below(ctrl, n)) >= 0; ) {
		unsigned long offset = addr - slot_addr(ctrl, n);

		/* In a run, the byte behind a page belongs to the next page. */
		if (offset < PAGE_SIZE ||
		    (offset == PAGE_SIZE && !pteval_used(ctrl->pteval[n - 1])))
			break;
	}
	return n;
}

/*
 * Lowers the depth to @depth, and further by the holes that are on top then. The slots
 * above are empty. An interrupt before the store of idx pushes above the old depth, and
 * its pops do not reach the holes.
 */
static void km_pop_to(struct kmap_ctrl *ctrl, int depth)
{
	while (depth && depth <= KM_LIMIT && ctrl->holes & BIT((depth - 1) / KM_STEP)) {
		ctrl->holes &= ~BIT((depth - 1) / KM_STEP);
		depth -= KM_STEP;
	}
	set_idx(ctrl, depth);
}

/* Does kunmap_local() leave the PTEs of mappings with kmap_prot in their slots? */
bool kmap_local_is_lazy(void)
{
	return KMAP_LOCAL_LAZY && !static_branch_unlikely(&kmap_local_eager);
}

/*
 * Ends the pin of the current task if it has no mapping any more. __schedule() may pin
 * the task until idx is 0, so this comes after the store that lowers idx.
 *
 * migrate_enable() locks the run queue. A caller that may hold that lock has interrupts
 * off: a tracer in __schedule(), or an interrupt handler. A softirq may interrupt the task
 * in migrate_disable() or migrate_enable(), which change migration_disabled in several
 * instructions. (On PREEMPT_RT softirqs run in tasks, which can be pinned.) These contexts
 * leave the pin. The task ends the pin here, or kmap_local_pin() does in the next
 * __schedule().
 */
static noinline void km_unpin(struct kmap_ctrl *ctrl)
{
	bool pinned;

	if (ctrl->idx || irqs_disabled() ||
	    (!IS_ENABLED(CONFIG_PREEMPT_RT) && !in_task()))
		return;

	/* An interrupt can lead to kmap_local_pin() here: only one of the two ends the pin. */
	local_irq_disable();
	pinned = ctrl->pinned;
	WRITE_ONCE(ctrl->pinned, 0);
	local_irq_enable();
	if (pinned)
		migrate_enable();
}

/* Ends the section with preemption off in which a slow path has unmapped something. */
static void end_unmap(struct kmap_ctrl *ctrl)
{
	if (unlikely(ctrl->pinned))
		km_unpin(ctrl);
	preempt_enable();
}

/* Debug kernels save the caller of each mapping, and report it. */
#ifdef CONFIG_DEBUG_KMAP_LOCAL
static void save_mapper(struct kmap_ctrl *ctrl, int n, unsigned long ip)
{
	ctrl->mapper[n] = ip;
}

static void report_mappers(const struct kmap_ctrl *ctrl)
{
	int n;

	for (n = ctrl->idx; (n = page_below(ctrl, n)) >= 0; )
		pr_warn("highmem: %s/%d: mapping %d, frame %#lx, made by %pS\n",
			current->comm, current->pid, nr_below(ctrl, n + 1),
			pte_pfn(ctrl->pteval[n]), (void *)ctrl->mapper[n]);
}
#else
static void save_mapper(struct kmap_ctrl *ctrl, int n, unsigned long ip) { }
static void report_mappers(const struct kmap_ctrl *ctrl) { }
#endif

/* Overflow slots ---------------------------------------------------------- */

/*
 * Slots in vmalloc space for mappings that do not fit the stack: btrfs RAID 5/6 nests
 * one mapping for each device. All CPUs share the slots. They are mapped and unmapped in
 * any order.
 *
 * km_overflow[] has the task that holds a slot, or NULL. One compare-and-exchange takes a
 * slot in any context, NMI included. The PTE belongs to the task then. idx counts the
 * mappings in overflow slots, so the task stays on its CPU. Only that CPU's TLB must be free
 * of older entries: it is flushed before the PTE is written.
 *
 * Slot n is page 2n + 1. The pages between are never mapped, so that the bytes around a
 * mapping belong to no other mapping, and the page behind the last slot faults. With
 * arch_kmap_local_map_idx() a slot would have to suit the page: there are none.
 */
#define KM_OVERFLOW_SLOTS	256
#define KM_OVERFLOW_SIZE	((2 * KM_OVERFLOW_SLOTS + 2) * PAGE_SIZE)

static struct task_struct *km_overflow[KM_OVERFLOW_SLOTS];
static unsigned int overflow_slots __ro_after_init;
/* 0 until kmap_local_overflow_init(). There is no user space before that. */
static unsigned long km_overflow_start __ro_after_init;

static bool is_kmap_local_overflow(unsigned long addr)
{
	return addr - km_overflow_start < KM_OVERFLOW_SIZE;
}

static unsigned long overflow_vaddr(unsigned int n)
{
	return km_overflow_start + (2 * n + 1) * PAGE_SIZE;
}

static bool overflow_held(unsigned int n)
{
	return n < overflow_slots && READ_ONCE(km_overflow[n]) == current;
}

/* Has the current task mapped an overflow slot at @addr? */
static bool overflow_mapped(unsigned long addr)
{
	unsigned int n = (addr - km_overflow_start) / (2 * PAGE_SIZE);

	return overflow_held(n) && addr >= overflow_vaddr(n);
}

/*
 * With no slot left this returns the address behind the last slot. No page is ever
 * mapped there: an access faults, and reaches no page of another mapping. NULL would be
 * no better, as callers do not check for failure.
 */
static noinline void *overflow_map(struct kmap_ctrl *ctrl, pte_t pteval)
{
	unsigned long vaddr;
	unsigned int n;

	/*
	 * Acquire, pairs with the release in overflow_clear(): the flush below comes after
	 * the last holder has cleared the PTE. Otherwise this TLB could load the old PTE
	 * again, and show the old page.
	 */
	for (n = 0; n < overflow_slots; n++) {
		if (!READ_ONCE(km_overflow[n]) &&
		    !cmpxchg_acquire(&km_overflow[n], NULL, current))
			break;
	}
	vaddr = overflow_vaddr(n);

	trace_kmap_local_overflow(nr_below(ctrl, ctrl->idx), vaddr);
	highmem_count(HIGHMEM_STAT_LOCAL_MAP, 1);
	highmem_count(HIGHMEM_STAT_LOCAL_OVERFLOW, 1);
	if (n == overflow_slots) {
		WARN_ONCE(1, "highmem: no slot is left for a local mapping of %s/%d, which holds %d\n",
			  current->comm, current->pid, nr_below(ctrl, ctrl->idx));
		DO_ONCE_LITE(report_mappers, ctrl);
		return (void *)vaddr;
	}

	preempt_disable();
	ctrl->special++;
	set_idx(ctrl, ctrl->idx + KM_STEP);
	arch_kmap_local_post_unmap(vaddr);
	install_pte(vaddr, virt_to_kpte(vaddr), pteval);
	preempt_enable();

	return (void *)vaddr;
}

static void overflow_clear(unsigned int n)
{
	unsigned long vaddr = overflow_vaddr(n);

	remove_pte(vaddr, virt_to_kpte(vaddr));
	/* Release, pairs with the acquire in overflow_map(). */
	smp_store_release(&km_overflow[n], NULL);
}

static void report_outside(unsigned long addr)
{
	WARN_ONCE(1, "highmem: kunmap_local() of address %p outside the mapping: %s/%d must pass an address inside the page\n",
		  (void *)addr, current->comm, current->pid);
}

static void overflow_unmap(struct kmap_ctrl *ctrl, unsigned long addr)
{
	/* The first byte behind a slot is of this slot, the others of the next. */
	unsigned int n = (addr - 1 - km_overflow_start) / (2 * PAGE_SIZE);

	/* overflow_map() had no slot left, and has reported it. */
	if (addr >= overflow_vaddr(overflow_slots))
		return;
	if (WARN_ONCE(!overflow_held(n),
		      "highmem: kunmap_local() of address %p in an overflow slot that %s/%d has not mapped\n",
		      (void *)addr, current->comm, current->pid))
		return;
	if (addr - overflow_vaddr(n) >= PAGE_SIZE)
		report_outside(addr);
	preempt_disable();
	overflow_clear(n);
	km_pop_to(ctrl, ctrl->idx - KM_STEP);
	ctrl->special--;
	end_unmap(ctrl);
}

static int __init kmap_local_overflow_init(void)
{
	struct vm_struct *area = get_vm_area(KM_OVERFLOW_SIZE, VM_MAP);

	km_init();
	/* NULL: allocates the page tables, and calls no function for the PTEs. */
	if (!area || apply_to_page_range(&init_mm, (unsigned long)area->addr,
					 KM_OVERFLOW_SIZE, NULL, NULL))
		panic("highmem: no memory for the overflow area");
	km_overflow_start = (unsigned long)area->addr;
#ifndef arch_kmap_local_map_idx
	overflow_slots = KM_OVERFLOW_SLOTS;
#endif
	return 0;
}
early_initcall(kmap_local_overflow_init);

/* Mapping and unmapping ------------------------------------------------ */

/* Must kunmap_local() clear the PTE of this mapping? */
static bool is_eager(pte_t pteval)
{
	return !kmap_local_is_lazy() ||
	       !pte_same(pteval, arch_kmap_local_page_pte(pte_pfn(pteval), km_page_pte));
}

/* Removes the PTE of slot @n if its mapping is eager. Preemption is off. */
static void clear_slot(const struct kmap_ctrl *ctrl, unsigned int n)
{
	unsigned long vaddr = slot_addr(ctrl, n);

	if (is_eager(ctrl->pteval[n]))
		remove_pte(vaddr, slot_pte(n, vaddr));
}

/*
 * Maps @nr pages, which takes the stack to @depth. @pteval is for the first page, at @pfn.
 * All others have kmap_prot.
 *
 * From set_idx() on, interrupts push above the new slots and the CPU stays.
 *
 * save_pte() stores pteval[n] before set_slot() reads the PTE. If __schedule() runs after
 * the store, __kmap_local_sched_in() writes pteval[n] to the slot: a match stays true. If
 * __schedule() runs before the store, set_slot() has read nothing yet.
 */
static __always_inline void *kmap_local_push(struct kmap_ctrl *ctrl, unsigned int depth,
					     unsigned long pfn, pte_t pteval,
					     unsigned int nr, bool eager,
					     unsigned long ip)
{
	unsigned int n = depth - 1;

	if (eager)
		ctrl->special++;
	set_idx(ctrl, depth);
	highmem_count_maps(nr, depth);
	for (;;) {
		save_mapper(ctrl, n, ip);
		save_pte(ctrl, n, pteval);
		set_slot(n, pteval);
		if (!--nr)
			break;
		n--;
		pteval = arch_kmap_local_page_pte(++pfn, km_page_pte);
	}
	return (void *)slot_addr(ctrl, depth - 1);
}

/*
 * Maps @nr pages from frame @pfn on. This is for runs, for eager mappings, for the first
 * mapping of all, and for a stack that is full. @ip is the caller to report.
 */
static noinline void *kmap_local_push_slow(unsigned long pfn, pgprot_t prot,
					   unsigned int nr, unsigned long ip)
{
	struct kmap_ctrl *ctrl = &current->kmap_ctrl;
	unsigned int depth = ctrl->idx + slots_of(nr);
	pte_t pteval = pfn_pte(pfn, prot);
	void *addr;

	/* Hard interrupts that nest need slots for each level. */
	WARN_ON_ONCE(in_hardirq() && !irqs_disabled());

	if (unlikely(!km_limit))
		km_init();
	if (unlikely(depth > KM_LIMIT))
		return overflow_map(ctrl, pteval);

	/*
	 * Without KMAP_LOCAL_LAZY the slot has no PTE before. __schedule() must not
	 * restore the new one between the read of the PTE and the store.
	 */
	preempt_disable();
	addr = kmap_local_push(ctrl, depth, pfn, pteval, nr, is_eager(pteval), ip);
	preempt_enable();
	return addr;
}

static void *km_map_page(const struct page *page, pgprot_t prot, unsigned int nr,
			 unsigned long ip)
{
	/* Where caches alias, a page that kmap() has mapped keeps that address. */
	return arch_kmap_local_high_get(page) ?:
	       kmap_local_push_slow(page_to_pfn(page), prot, nr, ip);
}

/**
 * __kmap_local_pfn_prot() - map any page frame locally
 * @pfn: page frame number; need not have a struct page (device memory, the
 *	 memory of a crashed kernel)
 * @prot: protection of the mapping
 *
 * For callers of the implementation. Use kmap_local_pfn() for memory, and
 * io_mapping_map_local_wc() for a device. Unmap with kunmap_local().
 *
 * Context: any, NMI on x86 only; does not sleep. The task stays on its CPU
 * until kunmap_local().
 * Return: the address of the first byte of the page. When the stack and the overflow
 * slots are full, an address that faults on access.
 */
void *__kmap_local_pfn_prot(unsigned long pfn, pgprot_t prot)
{
	return kmap_local_push_slow(pfn, prot, 1, _RET_IP_);
}
EXPORT_SYMBOL_GPL(__kmap_local_pfn_prot);

/**
 * __kmap_local_page_prot() - out-of-line part of kmap_local_page_prot()
 * @page: any page
 * @prot: protection of the mapping
 *
 * Context: any, NMI on x86 only; does not sleep.
 * Return: the address of the first byte of the page.
 */
void *__kmap_local_page_prot(const struct page *page, pgprot_t prot)
{
	if (!page_needs_kmap_local(page))
		return lowmem_page_address(page);
	return km_map_page(page, prot, 1, _RET_IP_);
}
EXPORT_SYMBOL(__kmap_local_page_prot);

/**
 * __kmap_local_page() - out-of-line part of kmap_local_page()
 * @page: any page
 *
 * The fast path of __kmap_local_page_prot() for kmap_prot.
 *
 * Context: any, NMI on x86 only; does not sleep.
 * Return: the address of the first byte of the page.
 */
void *__kmap_local_page(const struct page *page)
{
	struct kmap_ctrl *ctrl;
	unsigned int depth;
	unsigned long pfn;

	if (!page_needs_kmap_local(page))
		return lowmem_page_address(page);

	ctrl = &current->kmap_ctrl;
	depth = ctrl->idx + slots_of(1);
	if (!kmap_local_is_lazy() || unlikely(depth > km_limit))
		return km_map_page(page, kmap_prot, 1, _RET_IP_);
	/* Pairs with km_init(): km_page_pte is read after km_limit, and is complete. */
	barrier();
	pfn = page_to_pfn(page);
	return kmap_local_push(ctrl, depth, pfn,
			       arch_kmap_local_page_pte(pfn, km_page_pte), 1, false, 0);
}
EXPORT_SYMBOL(__kmap_local_page);

/* Unmaps all pages of the mapping whose first page is in slot @top. */
static void unmap_slots(struct kmap_ctrl *ctrl, unsigned int top)
{
	bool eager = is_eager(ctrl->pteval[top]);
	unsigned int n = top;

	preempt_disable();
	do {
		if (eager)
			clear_slot(ctrl, n);
		clear_saved(ctrl, n);
	} while (pteval_used(ctrl->pteval[--n]));

	/* n is the guard now. Below a later mapping the slots stay taken. */
	if (top == ctrl->idx - 1)
		km_pop_to(ctrl, round_down(n, KM_STEP));
	else
		ctrl->holes |= GENMASK(top / KM_STEP, n / KM_STEP);
	if (eager)
		ctrl->special--;
	end_unmap(ctrl);
}

/*
 * @addr is not in a mapping of the current task. That is right for an address in the
 * direct mapping and, where caches alias, in the pkmap pool: km_map_page() returns such
 * addresses. virt_addr_valid() of sparc accepts error pointers.
 */
static void unmap_foreign(unsigned long addr)
{
	bool direct;

#ifdef ARCH_NEEDS_KMAP_HIGH_GET
	if (is_pkmap_addr(addr)) {
		kunmap_high(pkmap_to_page(addr));
		return;
	}
#endif
	if (is_kmap_local_fixmap(addr)) {
		WARN_ONCE(1, "highmem: kunmap_local() of address %p that %s/%d has not mapped on this CPU\n",
			  (void *)addr, current->comm, current->pid);
		return;
	}
	/* The caller may have moved the address to the byte behind the page. */
	direct = !IS_ENABLED(CONFIG_DEBUG_KMAP_LOCAL_FORCE_MAP) &&
		 addr >= PAGE_OFFSET && !IS_ERR_VALUE(addr) && !is_pkmap_addr(addr - 1) &&
		 (virt_addr_valid((void *)addr) || virt_addr_valid((void *)(addr - 1)));
	WARN_ONCE(!direct, "highmem: kunmap_local() of address %p that no kmap_local function returns\n",
		  (void *)addr);
}

/*
 * Unmaps the mapping that contains @addr. Reports each kind of misuse once: the table is in
 * Documentation/mm/highmem-debug.rst. An address of no mapping changes nothing.
 */
static noinline void kunmap_local_slow(unsigned long addr)
{
	struct kmap_ctrl *ctrl = &current->kmap_ctrl;
	int top = find_slot(ctrl, addr);

	/*
	 * The caller may have moved the address down, into the guard before the mapping.
	 * The first byte of a guard may be the end of a mapping that is unmapped already.
	 */
	if (top < 0 && offset_in_page(addr))
		top = find_slot(ctrl, addr + PAGE_SIZE);
	if (top < 0) {
		if (is_kmap_local_overflow(addr))
			overflow_unmap(ctrl, addr);
		else
			unmap_foreign(addr);
		return;
	}

	if (unlikely(addr - slot_addr(ctrl, top) >= PAGE_SIZE))
		report_outside(addr);
	/* Up to the first page of a run. */
	while (pteval_used(ctrl->pteval[top + 1]))
		top++;
	if (unlikely(top != ctrl->idx - 1)) {
		WARN_ONCE(1, "highmem: kunmap_local() out of order: %s/%d gives back mapping %d of %d\n",
			  current->comm, current->pid, nr_below(ctrl, top + 1),
			  nr_below(ctrl, ctrl->idx));
		DO_ONCE_LITE(report_mappers, ctrl);
	}
	unmap_slots(ctrl, top);
}

/**
 * kunmap_local_indexed() - out-of-line part of kunmap_local()
 * @vaddr: any address inside the mapped page or run
 *
 * The fast path is for the mapping on top of a stack of lazy mappings.
 *
 * Context: the one that made the mapping; does not sleep.
 */
void kunmap_local_indexed(const void *vaddr)
{
	struct kmap_ctrl *ctrl = &current->kmap_ctrl;
	unsigned int depth = slot_of((unsigned long)vaddr) + 1;

	/* Else gcc 12 keeps depth - 1 in a saved register: 3 instructions more of 60. */
	OPTIMIZER_HIDE_VAR(depth);
	if (!KMAP_LOCAL_LAZY || unlikely(ctrl->idx != depth) || unlikely(ctrl->slow)) {
		kunmap_local_slow((unsigned long)vaddr);
		return;
	}
	clear_saved(ctrl, depth - 1);
	depth -= KM_STEP;
	/* The rest of a run: the next slot is a page of the run or the guard. */
	while (unlikely(pteval_used(ctrl->pteval[depth]))) {
		clear_saved(ctrl, depth);
		clear_saved(ctrl, depth - 1);
		depth -= KM_STEP;
	}
	set_idx(ctrl, depth);
	/* Last: __schedule() may pin the task until idx is 0. */
	if (unlikely(ctrl->pinned))
		km_unpin(ctrl);
}
EXPORT_SYMBOL(kunmap_local_indexed);

/**
 * kmap_local_to_page() - the page behind a local mapping of this task
 * @vaddr: any address in a kmap_local window
 *
 * Context: the one that made the mapping.
 * Return: the page, or NULL if the current task has nothing mapped at @vaddr.
 */
struct page *kmap_local_to_page(const void *vaddr)
{
	struct kmap_ctrl *ctrl = &current->kmap_ctrl;
	int n;

	if (is_kmap_local_overflow((unsigned long)vaddr))
		return overflow_mapped((unsigned long)vaddr) ? vmalloc_to_page(vaddr) : NULL;

	/* The last byte, as find_slot() accepts the byte behind a mapping. */
	n = find_slot(ctrl, (unsigned long)vaddr | ~PAGE_MASK);
	return n < 0 ? NULL : pte_page(ctrl->pteval[n]);
}

/**
 * is_kmap_addr() - is an address inside one of the mapping windows?
 * @x: any kernel address
 *
 * The windows are the pkmap pool, the kmap_local slots of all CPUs, and the overflow area.
 * A window need not map anything at @x.
 * Hardened usercopy asks kmap_addr_reach() where the mapping ends.
 *
 * Example::
 *
 *	if (is_kmap_addr(buf) || is_vmalloc_addr(buf))
 *		return -EINVAL;
 *
 * Context: any.
 * Return: true if kmap() or kmap_local_page() may return @x for a page without a direct
 * mapping.
 */
bool is_kmap_addr(const void *x)
{
	unsigned long addr = (unsigned long)x;

	return is_kmap_local_fixmap(addr) || is_kmap_local_overflow(addr) ||
	       is_pkmap_addr(addr);
}
EXPORT_SYMBOL(is_kmap_addr);

/* Runs ------------------------------------------------------------------ */

/* A run maps neighbouring pages in neighbouring slots. Where caches alias there is none. */
#if defined(arch_kmap_local_map_idx) || defined(arch_kmap_local_high_get)
#define KM_RUN_MAX	1
#else
#define KM_RUN_MAX	KMAP_LOCAL_MAX_PAGES
#endif

/*
 * A run leaves room for so many mappings above it. fs/verity/verify.c nests nine when a
 * copy to user space faults.
 */
#define KM_RUN_SPARE	9

/**
 * kmap_local_room() - how many pages can be mapped as a run now?
 * @nr: the number of pages wanted, at least 1
 *
 * Context: any.
 * Return: the number of pages that __kmap_local_pages() maps if it is called next.
 */
unsigned int kmap_local_room(unsigned int nr)
{
	unsigned int used = current->kmap_ctrl.idx + KM_RUN_SPARE * KM_STEP;

	nr = min_t(unsigned int, nr, KM_RUN_MAX);
	while (nr > 1 && used + slots_of(nr) > KM_LIMIT)
		nr--;
	return nr;
}

/**
 * __kmap_local_pages() - map neighbouring pages of a folio
 * @page: the first page
 * @nr: the number of pages wanted, at least 1; returns the number of pages mapped
 *
 * The out-of-line part of kmap_local_span(). kunmap_local_indexed() unmaps all of them at
 * once. Both are exported for any module, because memcpy_from_folio(), which is inline,
 * calls them.
 *
 * Context: any, NMI on x86 only; does not sleep.
 * Return: the address of the first byte of @page.
 */
void *__kmap_local_pages(const struct page *page, unsigned int *nr)
{
	*nr = kmap_local_room(*nr);
	return km_map_page(page, kmap_prot, *nr, _RET_IP_);
}
EXPORT_SYMBOL(__kmap_local_pages);

/**
 * kmap_addr_reach() - where does the mapping that contains an address end?
 * @vaddr: an address for which is_kmap_addr() is true
 *
 * For hardened usercopy. A run of pages is one mapping. Each other page in a mapping
 * window is a mapping of its own.
 *
 * Example::
 *
 *	if (is_kmap_addr(ptr) && n > kmap_addr_reach(ptr))
 *		return false;
 *
 * Context: any.
 * Return: the number of bytes from @vaddr on that may be accessed. 0 if @vaddr is in a
 * window of local mappings and the current task has mapped nothing there.
 */
size_t kmap_addr_reach(const void *vaddr)
{
	struct kmap_ctrl *ctrl = &current->kmap_ctrl;
	unsigned long addr = (unsigned long)vaddr;
	size_t reach = PAGE_SIZE - offset_in_page(addr);
	int n;

	if (is_kmap_local_fixmap(addr)) {
		n = find_slot(ctrl, addr | ~PAGE_MASK);
		if (n < 0)
			return 0;
		while (pteval_used(ctrl->pteval[--n]))
			reach += PAGE_SIZE;
	} else if (is_kmap_local_overflow(addr) && !overflow_mapped(addr)) {
		return 0;
	}
	return reach;
}

/* The scheduler and fork ------------------------------------------------ */

/*
 * Removes the PTEs of the current task's eager mappings before another task runs here.
 *
 * Called with the run queue locked and interrupts off. An NMI pushes above idx, which
 * does not change here, and does not use the slots below.
 */
void __kmap_local_sched_out(void)
{
	struct kmap_ctrl *ctrl = &current->kmap_ctrl;
	int n;

	for (n = ctrl->idx; (n = page_below(ctrl, n)) >= 0; )
		clear_slot(ctrl, n);
}

/*
 * Restores the PTEs of the current task that differ, after another task ran here.
 *
 * Called with preemption off and interrupts on. An interrupt pushes above idx, so it does
 * not use a slot that is not restored yet.
 */
void __kmap_local_sched_in(void)
{
	struct kmap_ctrl *ctrl = &current->kmap_ctrl;
	int n;

	for (n = ctrl->idx; (n = page_below(ctrl, n)) >= 0; )
		set_slot(n, ctrl->pteval[n]);
}

/**
 * kmap_local_leaked() - report and unmap the mappings that the current task leaks
 *
 * Without this the mappings would stay, and pin the task to its CPU. A CPU cannot go
 * offline with a pinned task, not even with a dead one. A debug kernel reports the
 * callers that made the mappings.
 *
 * Context: return to user space, with interrupts off (the pin ends with the next
 * __schedule()); do_exit(), for a kernel thread or after an oops, where the task may
 * still be moved.
 */
void kmap_local_leaked(void)
{
	struct kmap_ctrl *ctrl = &current->kmap_ctrl;
	int n;

	WARN_ONCE(1, "highmem: %s/%d %s with %d local mappings\n", current->comm,
		  current->pid, current->flags & PF_EXITING ? "ends" : "returns to user space",
		  nr_below(ctrl, ctrl->idx));
	DO_ONCE_LITE(report_mappers, ctrl);

	preempt_disable();
	for (n = ctrl->idx; (n = page_below(ctrl, n)) >= 0; ) {
		clear_slot(ctrl, n);
		clear_saved(ctrl, n);
	}
	for (n = 0; n < overflow_slots; n++) {
		if (overflow_held(n))
			overflow_clear(n);
	}
	ctrl->holes = 0;
	set_idx(ctrl, 0);
	ctrl->special = 0;
	end_unmap(ctrl);
}
EXPORT_SYMBOL_GPL(kmap_local_leaked);

/**
 * kmap_local_fork() - make sure that a new task starts without mappings
 * @tsk: the new task, still a copy of its parent
 *
 * A mapping and the pin for it belong to the task that made it. A task that forks with a
 * mapping is a bug: the child would unmap what it has not mapped.
 *
 * Context: fork, before the new task runs.
 */
void kmap_local_fork(struct task_struct *tsk)
{
	WARN_ON_ONCE(tsk->kmap_ctrl.idx);
	tsk->kmap_ctrl = (struct kmap_ctrl) { };
#ifdef CONFIG_SMP
	/*
	 * dup_task_struct() copies the fields of the pin one after the other. __schedule()
	 * may change those of the parent in between, so the copies need not fit each other.
	 */
	tsk->migration_disabled = 0;
	tsk->cpus_ptr = &tsk->cpus_mask;
#endif
}

/* Idle mappings --------------------------------------------------------- */

#if KMAP_LOCAL_LAZY

/*
 * Does any slot of @cpu hold a PTE? A slot that another PTE replaces is never empty:
 * set_slot() writes in one store. pkmap_reclaim_lock keeps out a second flush_this_cpu(),
 * which empties a slot before the flush.
 *
 * Without this filter a program that sets seccomp filters, which calls set_memory_*(),
 * interrupts each other CPU twice for each filter, not once.
 */
static bool cpu_has_mappings(int cpu, void *flush_tlb)
{
	pte_t *ptep = per_cpu(km_window, cpu).ptep;
	unsigned int n;

	for (n = 0; ptep && n < KM_MAX_IDX; n++) {
		if (!pte_none(ptep_get(ptep - n)))
			return true;
	}
	return flush_tlb;
}

/*
 * Makes slot @n map what @ctrl has saved, or nothing, and flushes it. An empty slot stays
 * empty: if a mapping is being made there, the interrupted context writes the PTE itself.
 */
static void flush_slot(const struct kmap_ctrl *ctrl, unsigned int n)
{
	unsigned long vaddr = slot_vaddr(n, 0);
	pte_t *ptep = slot_pte(n, vaddr);

	if (pte_none(ptep_get(ptep)))
		return;
	if (!pteval_used(ctrl->pteval[n])) {
		remove_pte(vaddr, ptep);
		return;
	}
	set_slot(n, ctrl->pteval[n]);
	/* The interrupted context may have replaced the PTE of an idle page, and not flushed. */
	arch_kmap_local_post_unmap(vaddr);
}

/*
 * Removes the PTEs of this CPU's slots that the current task does not hold. With
 * @flush_tlb it flushes the whole TLB, too.
 *
 * Interrupts are off. The interrupted set_slot() may have read one half of a PAE PTE. If
 * flush_slot() cleared the PTE, set_slot() would read 0 as the other half. The mix can
 * equal the new PTE, and set_slot() would leave the slot empty. So flush_slot() writes a
 * present pteval[n] to the slot.
 */
static void flush_this_cpu(void *flush_tlb)
{
	unsigned int n;

	for (n = 0; km_limit && n < KM_MAX_IDX; n++)
		flush_slot(&current->kmap_ctrl, n);
	if (flush_tlb)
		arch_kmap_local_flush_tlb();
}

/**
 * kmap_local_flush() - remove the local mappings that the running tasks do not hold
 * @flush_tlb: flush all of each CPU's TLB as well
 *
 * __kmap_local_sched_in() restores the mappings of tasks that do not run. On return no
 * online CPU has a mapping that stayed idle during the call, in its slots or, for its own
 * slots, in its TLB. For other CPUs see kmap_local_hotplug().
 *
 * Interrupts each other CPU once, and without @flush_tlb only CPUs whose slots hold a PTE.
 *
 * Context: task context with interrupts on; pkmap_reclaim_lock is held, except at boot.
 * Return: true. The version without KMAP_LOCAL_LAZY does nothing and returns false.
 */
bool kmap_local_flush(bool flush_tlb)
{
	on_each_cpu_cond(cpu_has_mappings, flush_this_cpu,
			 (void *)(unsigned long)flush_tlb, true);
	return true;
}

/*
 * Runs when this CPU goes offline and when it comes up. On the way down all other CPUs spin
 * with interrupts off until this function returns: none of them sees the CPU out of
 * cpu_online_mask with idle PTEs. On the way up it removes what tracers have mapped in
 * between. What a tracer maps after that, before the CPU is in the mask, stays until the
 * next flush: no IPI reaches such a CPU.
 */
static int kmap_local_hotplug(unsigned int cpu)
{
	flush_this_cpu(NULL);
	return 0;
}

static bool km_lazy = true;
core_param(kmap_local_lazy, km_lazy, bool, 0);

static int __init kmap_local_lazy_init(void)
{
	/* debug_pagealloc is to find each access to a free page. */
	if (!km_lazy || debug_pagealloc_enabled()) {
		static_branch_enable(&kmap_local_eager);
		kmap_local_flush(false);
	}
	return cpuhp_setup_state_nocalls(CPUHP_AP_KMAP_LOCAL_DYING,
					 "mm/kmap_local:hotplug", kmap_local_hotplug,
					 kmap_local_hotplug);
}
early_initcall(kmap_local_lazy_init);

#else

bool kmap_local_flush(bool flush_tlb)
{
	return false;
}

#endif /* KMAP_LOCAL_LAZY */
