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

#define KM_STEP		(IS_ENABLED(CONFIG_DEBUG_KMAP_LOCAL) ? 2 : 1)

/* The highest value of idx: the last slot of a debug kernel is a guard. */
#define KM_LIMIT	(KM_MAX_IDX - (KM_STEP - 1))

#ifndef arch_kmap_local_map_idx
static inline int arch_kmap_local_map_idx(int idx, unsigned long pfn)
{
	return idx + KM_MAX_IDX * smp_processor_id();
}
#endif

#ifndef arch_kmap_local_unmap_idx
static inline int arch_kmap_local_unmap_idx(int idx, unsigned long vaddr)
{
	return idx + KM_MAX_IDX * smp_processor_id();
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

static void *reserve_map(unsigned long pfn, pgprot_t prot);
static void reserve_unmap(unsigned long vaddr);

/* PTEs ---------------------------------------------------------------- */

static pte_t *fixmap_pte(unsigned long vaddr)
{
	/* The table of the first slot, from where most tables are one array. */
	static pte_t *first;
	unsigned long top = __fix_to_virt(FIX_KMAP_BEGIN);

	if (IS_ENABLED(CONFIG_KMAP_LOCAL_NON_LINEAR_PTE_ARRAY))
		return virt_to_kpte(vaddr);
	if (unlikely(!first))
		first = virt_to_kpte(top);
	return first - ((top - vaddr) >> PAGE_SHIFT);
}

static void install_pte(unsigned long vaddr, pte_t *ptep, pte_t pteval)
{
	arch_kmap_local_pre_map(vaddr, pteval);
	arch_kmap_local_set_pte(&init_mm, vaddr, ptep, pteval);
	arch_kmap_local_post_map(vaddr, pteval);
}

static void remove_pte(unsigned long vaddr, pte_t *ptep)
{
	arch_kmap_local_pre_unmap(vaddr);
	pte_clear(&init_mm, vaddr, ptep);
	arch_kmap_local_post_unmap(vaddr);
}

/* The stack ----------------------------------------------------------- */

/* Where the current task's slot @n, which maps @pfn, is on this CPU. */
static unsigned long slot_vaddr(int n, unsigned long pfn)
{
	return __fix_to_virt(FIX_KMAP_BEGIN + arch_kmap_local_map_idx(n, pfn));
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
		if (slot_vaddr(n, pte_pfn(ctrl->pteval[n])) == vaddr)
			break;
	}
	return n;
}

/* Takes the next slot of the current task, or returns -1 if there is none. */
static int push_slot(struct kmap_ctrl *ctrl)
{
	int idx = ctrl->idx + KM_STEP;

	/* An interrupt that lets others in is one more stack to overflow. */
	WARN_ON_ONCE(in_hardirq() && !irqs_disabled());

	if (unlikely(idx > KM_LIMIT))
		return -1;

	/* From here on interrupts nest above the new slot. */
	WRITE_ONCE(ctrl->idx, idx);
	barrier();
	return idx - 1;
}

/*
 * Lowers idx below slot @n, which is the highest in use and empty now, and
 * below the holes that this uncovers. An interrupt which comes before the one
 * store of idx still nests above @n and leaves the holes alone.
 */
static void pop_slot(struct kmap_ctrl *ctrl, int n)
{
	int idx = n + 1 - KM_STEP;

	while (unlikely(ctrl->holes) && idx && ctrl->holes & hole_bit(idx - 1)) {
		ctrl->holes &= ~hole_bit(idx - 1);
		idx -= KM_STEP;
	}
	barrier();
	WRITE_ONCE(ctrl->idx, idx);
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
	int n;

	migrate_disable();
	preempt_disable();

	n = push_slot(ctrl);
	if (unlikely(n < 0)) {
		preempt_enable();
		return reserve_map(pfn, prot);
	}

	vaddr = slot_vaddr(n, pfn);
	ptep = fixmap_pte(vaddr);

	/* Never let a page shine through that somebody forgot here. */
	if (WARN_ON_ONCE(!pte_none(ptep_get(ptep))))
		remove_pte(vaddr, ptep);

	ctrl->pteval[n] = pteval;
	install_pte(vaddr, ptep, pteval);

	preempt_enable();
	return (void *)vaddr;
}
EXPORT_SYMBOL_GPL(__kmap_local_pfn_prot);

/**
 * __kmap_local_page_prot() - out-of-line part of kmap_local_page_prot()
 * @page: the page to map
 * @prot: protection of the mapping
 *
 * Context: any; does not sleep.
 * Return: the address of the first byte of the page.
 */
void *__kmap_local_page_prot(struct page *page, pgprot_t prot)
{
	void *vaddr;

	if (!page_needs_kmap_local(page))
		return lowmem_page_address(page);

	/* Caches that alias want one address per page, if there is one. */
	vaddr = arch_kmap_local_high_get(page);
	if (vaddr)
		return vaddr;

	return __kmap_local_pfn_prot(page_to_pfn(page), prot);
}
EXPORT_SYMBOL(__kmap_local_page_prot);

/* Empties slot @n of the current task and shrinks the stack if it is the top. */
static void unmap_slot(struct kmap_ctrl *ctrl, int n, unsigned long vaddr)
{
	remove_pte(vaddr, fixmap_pte(vaddr));
	ctrl->pteval[n] = __pte(0);

	if (likely(n == ctrl->idx - 1))
		pop_slot(ctrl, n);
	else
		ctrl->holes |= hole_bit(n);
}

static void unmap_fixmap(unsigned long vaddr)
{
	struct kmap_ctrl *ctrl = &current->kmap_ctrl;
	int n;

	preempt_disable();

	n = ctrl->idx - 1;
	if (likely(n >= 0) &&
	    likely(vaddr == __fix_to_virt(FIX_KMAP_BEGIN +
					  arch_kmap_local_unmap_idx(n, vaddr)))) {
		unmap_slot(ctrl, n, vaddr);
		goto out;
	}

	n = find_slot(ctrl, vaddr);
	if (n < 0) {
		preempt_enable();
		WARN_ONCE(1, "highmem: kunmap_local() of address %p that %s/%d has not mapped on this CPU\n",
			  (void *)vaddr, current->comm, current->pid);
		return;
	}

	WARN_ONCE(1, "highmem: kunmap_local() out of order: %s/%d gives back mapping %d of %d\n",
		  current->comm, current->pid, n / KM_STEP + 1,
		  ctrl->idx / KM_STEP);
	unmap_slot(ctrl, n, vaddr);
out:
	preempt_enable();
	migrate_enable();
}

/* An address from outside our windows: it may be one we had no need to map. */
static void unmap_foreign(unsigned long vaddr)
{
	bool direct = vaddr >= PAGE_OFFSET && vaddr < (unsigned long)high_memory;

#ifdef ARCH_NEEDS_KMAP_HIGH_GET
	if (is_pkmap_addr(vaddr)) {
		kunmap_high(pkmap_to_page(vaddr));
		return;
	}
#endif
	WARN_ONCE(IS_ENABLED(CONFIG_DEBUG_KMAP_LOCAL_FORCE_MAP) || !direct,
		  "highmem: kunmap_local() of address %p that no kmap_local function returns\n",
		  (void *)vaddr);
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

	if (is_kmap_local_fixmap(addr))
		unmap_fixmap(addr);
	else if (unlikely(addr == kmap_local_reserve_end ||
			  is_kmap_local_reserve(addr)))
		reserve_unmap(addr);
	else
		unmap_foreign(addr);
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
		unsigned long vaddr = slot_vaddr(n, pte_pfn(ctrl->pteval[n]));

		remove_pte(vaddr, fixmap_pte(vaddr));
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
		pte_t pteval = ctrl->pteval[n];
		unsigned long vaddr = slot_vaddr(n, pte_pfn(pteval));

		install_pte(vaddr, fixmap_pte(vaddr), pteval);
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
static void *reserve_map(unsigned long pfn, pgprot_t prot)
{
	unsigned long vaddr;
	int n;

	n = reserve_take(pfn);
	WARN_ONCE(1, "highmem: %s/%d has more than %d nested local mappings, %s\n",
		  current->comm, current->pid, KM_LIMIT / KM_STEP,
		  n < 0 ? "and the reserve is used up" : "going on in the reserve");
	if (n < 0) {
		pr_err_ratelimited("highmem: no slot left for %s/%d to map a page\n",
				   current->comm, current->pid);
		return (void *)kmap_local_reserve_end;
	}

	vaddr = reserve_vaddr(n);
	preempt_disable();
	arch_kmap_local_post_unmap(vaddr);
	install_pte(vaddr, reserve[n].ptep, pfn_pte(pfn, prot));
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
