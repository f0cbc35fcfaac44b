// SPDX-License-Identifier: GPL-2.0
/*
 * kmap_local: short-lived mappings of single pages, local to one task on one
 * CPU, usable in any context.
 *
 * Each CPU owns KM_MAX_IDX neighbouring fixmap slots. Each task owns a stack,
 * task_struct::kmap_ctrl, that says what its slots map:
 *
 *   idx	 slots in use; a mapping takes KM_STEP of them and lives in the
 *		 last, so that a debug kernel has an empty slot on either side
 *		 of each mapping
 *   pteval[n]	 what slot n maps, none() for slots that guard or are free
 *   holes	 bit n set: mapping n was given back before a later one was;
 *		 its slot stays taken until the stack shrinks below it
 *
 * Invariants, as an interrupt sees them at any instruction:
 *
 *   - Everything at or above idx is free. A context that interrupts another
 *     pushes above idx and pops down to it again, so that it may use any slot
 *     there and the interrupted context never notices.
 *   - idx is raised before anything is stored above its old value, and lowered
 *     after the last thing above its new value is gone, each by one store.
 *   - The bits in holes are below idx. They are changed by the context that
 *     pushed the mappings and by nobody who interrupts it.
 *
 * A task that holds a mapping does not migrate. It can be scheduled away: the
 * scheduler then takes the slots' PTEs down and puts them back, both from
 * pteval[]. Preemption is off while idx, pteval[] and the PTEs disagree.
 *
 * When the stack is full, mappings go to a small reserve of slots in vmalloc
 * space that all CPUs share. See the section at the end.
 */

#include <linux/export.h>
#include <linux/highmem.h>
#include <linux/init.h>
#include <linux/preempt.h>
#include <linux/sched.h>
#include <linux/vmalloc.h>

#include <asm/kmap_size.h>
#include <asm/tlbflush.h>

#include "highmem_debug.h"

/* Here for both files: this one is there whenever the other needs it. */
#define CREATE_TRACE_POINTS
#include <trace/events/highmem.h>

#define KM_STEP		(IS_ENABLED(CONFIG_DEBUG_KMAP_LOCAL) ? 2 : 1)

/* The highest value of idx: the last slot of a debug kernel is a guard. */
#define KM_LIMIT	(KM_MAX_IDX - (KM_STEP - 1))

/*
 * Not smp_processor_id(): a task that has nothing mapped may ask with preemption
 * on, for an address that then is not its own whatever the CPU.
 */
#ifndef arch_kmap_local_map_idx
static inline int arch_kmap_local_map_idx(int idx, unsigned long pfn)
{
	return idx + KM_MAX_IDX * raw_smp_processor_id();
}
#endif

#ifndef arch_kmap_local_unmap_idx
static inline int arch_kmap_local_unmap_idx(int idx, unsigned long vaddr)
{
	return idx + KM_MAX_IDX * raw_smp_processor_id();
}
#endif

#ifndef arch_kmap_local_set_pte
#define arch_kmap_local_set_pte(mm, vaddr, ptep, ptev) \
	set_pte_at(mm, vaddr, ptep, ptev)
#endif

#ifndef arch_kmap_local_pre_map
#define arch_kmap_local_pre_map(vaddr, pteval)	((void)(vaddr), (void)(pteval))
#endif

#ifndef arch_kmap_local_post_map
#define arch_kmap_local_post_map(vaddr, pteval)	((void)(vaddr), (void)(pteval))
#endif

#ifndef arch_kmap_local_pre_unmap
#define arch_kmap_local_pre_unmap(vaddr)	((void)(vaddr))
#endif

#ifndef arch_kmap_local_post_unmap
#define arch_kmap_local_post_unmap(vaddr)	((void)(vaddr))
#endif

#ifndef arch_kmap_local_high_get
static inline void *arch_kmap_local_high_get(struct page *page)
{
	return NULL;
}
#endif

static void *reserve_map(pte_t pteval);
static void reserve_unmap(unsigned long vaddr);

/*
 * A slot has two numbers: n, its place in the task's stack, and idx, its place
 * in the fixmap behind FIX_KMAP_BEGIN, which depends on the CPU.
 */
static __always_inline unsigned long idx_vaddr(int idx)
{
	return __fix_to_virt(FIX_KMAP_BEGIN + idx);
}

static __always_inline pte_t *idx_pte(int idx)
{
	/* From the first slot's PTE the others follow, downwards, on most. */
	static pte_t *first;

	if (IS_ENABLED(CONFIG_KMAP_LOCAL_NON_LINEAR_PTE_ARRAY))
		return virt_to_kpte(idx_vaddr(idx));
	if (unlikely(!first))
		first = virt_to_kpte(idx_vaddr(0));
	return first - idx;
}

static __always_inline void install_pte(unsigned long vaddr, pte_t *ptep,
					pte_t pteval)
{
	arch_kmap_local_pre_map(vaddr, pteval);
	arch_kmap_local_set_pte(&init_mm, vaddr, ptep, pteval);
	arch_kmap_local_post_map(vaddr, pteval);
}

static __always_inline void remove_pte(unsigned long vaddr, pte_t *ptep)
{
	arch_kmap_local_pre_unmap(vaddr);
	pte_clear(&init_mm, vaddr, ptep);
	arch_kmap_local_post_unmap(vaddr);
}

/* The stack ----------------------------------------------------------- */

/* Where the current task's slot @n is, which maps what its pteval says. */
static int slot_idx(const struct kmap_ctrl *ctrl, int n)
{
	return arch_kmap_local_map_idx(n, pte_pfn(ctrl->pteval[n]));
}

static unsigned int hole_bit(int n)
{
	return 1U << (n / KM_STEP);
}

/*
 * The next live mapping below slot @n, or -1. Walks what a task holds from
 * the latest to the first: for (n = live_below(idx); n >= 0; n = ...(n)).
 */
static int live_below(const struct kmap_ctrl *ctrl, int n)
{
	while (--n >= 0) {
		if (!pte_none(ctrl->pteval[n]))
			return n;
	}
	return -1;
}

static int find_slot(const struct kmap_ctrl *ctrl, unsigned long vaddr)
{
	int n;

	for (n = live_below(ctrl, ctrl->idx); n >= 0; n = live_below(ctrl, n)) {
		if (idx_vaddr(slot_idx(ctrl, n)) == vaddr)
			break;
	}
	return n;
}

static noinline void pop_holes(struct kmap_ctrl *ctrl, int depth)
{
	while (depth && ctrl->holes & hole_bit(depth - 1)) {
		ctrl->holes &= ~hole_bit(depth - 1);
		depth -= KM_STEP;
	}
	barrier();
	WRITE_ONCE(ctrl->idx, depth);
}

/*
 * Lowers the depth to @depth, whose slots above are empty now, and below the
 * holes that this uncovers. An interrupt which comes before the one store of
 * idx still nests above and leaves the holes alone.
 */
static __always_inline void pop_to(struct kmap_ctrl *ctrl, int depth)
{
	if (unlikely(ctrl->holes)) {
		pop_holes(ctrl, depth);
		return;
	}
	barrier();
	WRITE_ONCE(ctrl->idx, depth);
}

/**
 * __kmap_local_pfn_prot() - map a page frame locally, whatever it is
 * @pfn: page frame number; need not have a struct page (device memory, the
 *	 memory of a crashed kernel)
 * @prot: protection of the mapping
 *
 * The way behind kmap_local_page() and friends, and of
 * io_mapping_map_local_wc(). Give it back with kunmap_local().
 *
 * Context: any; does not sleep. The task stays on its CPU until the mapping
 * is given back.
 * Return: the address of the first byte of the page. Should the stack and its
 * reserve be used up, which takes a leak, an address that faults on access.
 */
void *__kmap_local_pfn_prot(unsigned long pfn, pgprot_t prot)
{
	struct kmap_ctrl *ctrl = &current->kmap_ctrl;
	pte_t pteval = pfn_pte(pfn, prot);
	unsigned long vaddr;
	pte_t *ptep;
	int depth, idx;

	/* An interrupt that lets others in is one more stack to overflow. */
	WARN_ON_ONCE(in_hardirq() && !irqs_disabled());

	highmem_count(HIGHMEM_STAT_LOCAL_MAP, 1);
	migrate_disable();
	preempt_disable();

	depth = ctrl->idx + KM_STEP;
	if (unlikely(depth > KM_LIMIT)) {
		preempt_enable();
		return reserve_map(pteval);
	}
	/* From here on interrupts nest above the new slot. */
	WRITE_ONCE(ctrl->idx, depth);
	barrier();

	idx = arch_kmap_local_map_idx(depth - 1, pfn);
	vaddr = idx_vaddr(idx);
	ptep = idx_pte(idx);

	/* Never let a page shine through that somebody forgot here. */
	if (WARN_ON_ONCE(!pte_none(ptep_get(ptep))))
		remove_pte(vaddr, ptep);

	ctrl->pteval[depth - 1] = pteval;
	install_pte(vaddr, ptep, pteval);

	preempt_enable();
	return (void *)vaddr;
}
EXPORT_SYMBOL_GPL(__kmap_local_pfn_prot);

/**
 * __kmap_local_page_prot() - out-of-line part of kmap_local_page_prot()
 * @page: the page to map; kmap_local_page_prot() has found that it must be
 * @prot: protection of the mapping
 *
 * Context: any; does not sleep.
 * Return: the address of the first byte of the page.
 */
void *__kmap_local_page_prot(struct page *page, pgprot_t prot)
{
	void *vaddr;

	/* Caches that alias want one address per page, if there is one. */
	vaddr = arch_kmap_local_high_get(page);
	if (vaddr)
		return vaddr;

	return __kmap_local_pfn_prot(page_to_pfn(page), prot);
}
EXPORT_SYMBOL(__kmap_local_page_prot);

/*
 * The latest mapping of the current task is not at @vaddr. An earlier one may
 * be: then it goes, and leaves a hole.
 */
static void unmap_out_of_order(unsigned long vaddr)
{
	struct kmap_ctrl *ctrl = &current->kmap_ctrl;
	int n = find_slot(ctrl, vaddr);

	if (n < 0) {
		WARN_ONCE(1, "highmem: kunmap_local() of address %p that %s/%d has not mapped on this CPU\n",
			  (void *)vaddr, current->comm, current->pid);
		return;
	}

	WARN_ONCE(1, "highmem: kunmap_local() out of order: %s/%d gives back mapping %d of %d\n",
		  current->comm, current->pid, n / KM_STEP + 1,
		  ctrl->idx / KM_STEP);
	preempt_disable();
	remove_pte(vaddr, idx_pte(slot_idx(ctrl, n)));
	ctrl->pteval[n] = __pte(0);
	ctrl->holes |= hole_bit(n);
	preempt_enable();
	migrate_enable();
}

/* An address from outside our windows: it may be one we had no need to map. */
static void unmap_foreign(unsigned long vaddr)
{
#ifdef ARCH_NEEDS_KMAP_HIGH_GET
	if (is_pkmap_addr(vaddr)) {
		kunmap_high(pkmap_to_page(vaddr));
		return;
	}
#endif
	WARN_ONCE(!is_kmap_local_direct((void *)vaddr),
		  "highmem: kunmap_local() of address %p that no kmap_local function returns\n",
		  (void *)vaddr);
}

/* All but the latest mapping of the current task. */
static noinline void unmap_other(unsigned long vaddr)
{
	if (is_kmap_local_fixmap(vaddr))
		unmap_out_of_order(vaddr);
	else if (vaddr == kmap_local_reserve_end || is_kmap_local_reserve(vaddr))
		reserve_unmap(vaddr);
	else
		unmap_foreign(vaddr);
}

/**
 * kunmap_local_indexed() - out-of-line part of kunmap_local()
 * @vaddr: any address inside the mapped page
 *
 * Context: the one that made the mapping; does not sleep.
 */
void kunmap_local_indexed(const void *vaddr)
{
	unsigned long addr = (unsigned long)vaddr & PAGE_MASK;
	struct kmap_ctrl *ctrl = &current->kmap_ctrl;
	int depth = ctrl->idx;
	int idx;

	/* With something mapped the task stays on its CPU, preemptible or not. */
	idx = arch_kmap_local_unmap_idx(depth - 1, addr);
	if (unlikely(addr != idx_vaddr(idx)) || unlikely(!depth)) {
		unmap_other(addr);
		return;
	}

	preempt_disable();
	remove_pte(addr, idx_pte(idx));
	ctrl->pteval[depth - 1] = __pte(0);
	pop_to(ctrl, depth - KM_STEP);
	preempt_enable();
	migrate_enable();
}
EXPORT_SYMBOL(kunmap_local_indexed);

/**
 * kmap_local_to_page() - what does a local mapping of this task show?
 * @vaddr: any address in a kmap_local window
 *
 * Return: the page, or NULL if the current task has nothing mapped at @vaddr.
 */
struct page *kmap_local_to_page(const void *vaddr)
{
	unsigned long addr = (unsigned long)vaddr & PAGE_MASK;
	struct kmap_ctrl *ctrl = &current->kmap_ctrl;
	int n;

	if (is_kmap_local_reserve(addr))
		return vmalloc_to_page(vaddr);

	n = find_slot(ctrl, addr);
	return n < 0 ? NULL : pte_page(ctrl->pteval[n]);
}

/* The scheduler and fork ------------------------------------------------ */

/*
 * Takes down the current task's mappings before another task runs here.
 *
 * Called with the run queue locked and interrupts off. An NMI may still come:
 * idx and pteval[] do not change, so it nests above them as ever, and does not
 * care whether the slots below are still mapped.
 */
void __kmap_local_sched_out(void)
{
	struct kmap_ctrl *ctrl = &current->kmap_ctrl;
	int n;

	for (n = live_below(ctrl, ctrl->idx); n >= 0; n = live_below(ctrl, n)) {
		int idx = slot_idx(ctrl, n);

		remove_pte(idx_vaddr(idx), idx_pte(idx));
	}
}

/*
 * Puts the current task's mappings back after another task ran here.
 *
 * Called with preemption off and interrupts on. An interrupt may come with
 * some slots not yet back: they are below idx, so it does not use them.
 */
void __kmap_local_sched_in(void)
{
	struct kmap_ctrl *ctrl = &current->kmap_ctrl;
	int n;

	for (n = live_below(ctrl, ctrl->idx); n >= 0; n = live_below(ctrl, n)) {
		int idx = slot_idx(ctrl, n);

		install_pte(idx_vaddr(idx), idx_pte(idx), ctrl->pteval[n]);
	}
}

/**
 * kmap_local_fork() - make sure that a new task starts without mappings
 * @tsk: the new task, still a copy of its parent
 *
 * A mapping belongs to the task that made it, and fork with one held is a
 * mistake: the child would give back what it never mapped.
 */
void kmap_local_fork(struct task_struct *tsk)
{
	if (WARN_ON_ONCE(tsk->kmap_ctrl.idx))
		tsk->kmap_ctrl = (struct kmap_ctrl) { };
}

/* The reserve ----------------------------------------------------------- */

/*
 * Slots for mappings beyond the depth of the stack, which no code should
 * reach. All CPUs share them and they keep no order.
 *
 * owner is the slot's state: NULL when it is free, else the task that has it.
 * Taking a slot is one compare-and-exchange, so that it works in any context,
 * NMI included. The PTE belongs to the owner, who cannot leave its CPU: only
 * that CPU must be clean of older translations, and it is flushed before the
 * PTE is written.
 */
#define KM_RESERVE_SLOTS	64

static struct reserve_slot {
	struct task_struct *owner;
	pte_t *ptep;
} reserve[KM_RESERVE_SLOTS];

unsigned long kmap_local_reserve_start __ro_after_init;
unsigned long kmap_local_reserve_end __ro_after_init;

static unsigned long reserve_vaddr(unsigned int n)
{
	return kmap_local_reserve_start + n * PAGE_SIZE;
}

/* Where caches alias, does the address have the page's colour? */
static bool reserve_fits(unsigned int n, unsigned long pfn)
{
#ifdef DCACHE_N_COLORS
	unsigned long frame = reserve_vaddr(n) >> PAGE_SHIFT;

	return !((frame ^ pfn) & (DCACHE_N_COLORS - 1));
#else
	return true;
#endif
}

static int reserve_take(unsigned long pfn)
{
	unsigned int n;

	if (!kmap_local_reserve_start)
		return -1;

	for (n = 0; n < KM_RESERVE_SLOTS; n++) {
		if (READ_ONCE(reserve[n].owner) || !reserve_fits(n, pfn))
			continue;
		/*
		 * Acquire, pairs with the release in reserve_unmap(): the PTE
		 * that the last owner cleared is not seen valid by our flush.
		 */
		if (!cmpxchg_acquire(&reserve[n].owner, NULL, current))
			return n;
	}
	return -1;
}

/*
 * Called with migration disabled, which lasts until reserve_unmap().
 *
 * With no slot left there is nothing to return that could be used, and code
 * that maps a page does not look for failure. The guard page behind the
 * reserve is never mapped: whoever touches it gets a page fault, not the data
 * of another page.
 */
static noinline void *reserve_map(pte_t pteval)
{
	unsigned long vaddr;
	int n;

	n = reserve_take(pte_pfn(pteval));
	WARN_ONCE(1, "highmem: %s/%d has more than %d nested local mappings, %s\n",
		  current->comm, current->pid, KM_LIMIT / KM_STEP,
		  n < 0 ? "and the reserve is used up" : "going on in the reserve");

	vaddr = n < 0 ? kmap_local_reserve_end : reserve_vaddr(n);
	trace_kmap_local_overflow(current->kmap_ctrl.idx / KM_STEP, vaddr);
	highmem_count(HIGHMEM_STAT_LOCAL_OVERFLOW, 1);
	if (n < 0) {
		pr_err_ratelimited("highmem: no slot left for %s/%d to map a page\n",
				   current->comm, current->pid);
		return (void *)vaddr;
	}

	preempt_disable();
	arch_kmap_local_post_unmap(vaddr);
	install_pte(vaddr, reserve[n].ptep, pteval);
	preempt_enable();

	return (void *)vaddr;
}

static void reserve_unmap(unsigned long vaddr)
{
	struct reserve_slot *slot;

	if (vaddr != kmap_local_reserve_end) {
		slot = &reserve[(vaddr - kmap_local_reserve_start) >> PAGE_SHIFT];

		if (WARN_ONCE(slot->owner != current,
			      "highmem: kunmap_local() of address %p in the reserve that %s/%d has not mapped\n",
			      (void *)vaddr, current->comm, current->pid))
			return;

		preempt_disable();
		remove_pte(vaddr, slot->ptep);
		/* Pairs with the acquire in reserve_take(). */
		smp_store_release(&slot->owner, NULL);
		preempt_enable();
	}
	migrate_enable();
}

static int __init reserve_note_pte(pte_t *ptep, unsigned long vaddr, void *start)
{
	reserve[(vaddr - (unsigned long)start) >> PAGE_SHIFT].ptep = ptep;
	return 0;
}

static int __init kmap_local_reserve_init(void)
{
	unsigned long size = KM_RESERVE_SLOTS * PAGE_SIZE;
	struct vm_struct *area;

	/* Without VM_NO_GUARD an unmapped page follows. */
	area = get_vm_area(size, VM_MAP);
	if (!area)
		return -ENOMEM;
	if (apply_to_page_range(&init_mm, (unsigned long)area->addr, size,
				reserve_note_pte, area->addr)) {
		free_vm_area(area);
		return -ENOMEM;
	}

	kmap_local_reserve_end = (unsigned long)area->addr + size;
	kmap_local_reserve_start = (unsigned long)area->addr;
	return 0;
}
early_initcall(kmap_local_reserve_init);
