// SPDX-License-Identifier: GPL-2.0
/*
 * kmap_local: short-lived mappings of one page, or of a run of pages side by
 * side. A mapping belongs to one task on one CPU. Any context may map a page (an
 * NMI on x86 only).
 *
 * Each CPU owns KM_MAX_IDX neighbouring fixmap slots. Each task owns a stack,
 * task_struct::kmap_ctrl, that records what its slots map:
 *
 *   idx	 the depth: slots in use, and KM_STEP for each mapping in the reserve
 *   pteval[n]	 the PTE of the page in slot n; not present for a free slot and for
 *		 a guard
 *   holes	 bit n set: the slots 2n and 2n + 1 were given back before a later
 *		 mapping was; they stay taken until the stack shrinks below them
 *   special	 number of mappings that kunmap_local_slow() must give back: runs,
 *		 eager mappings, and those in the reserve
 *   slow	 holes and special in one word: the fast path of unmapping wants 0
 *   pinned	 the scheduler has called migrate_disable() for the mappings
 *   mapper[n]	 debug kernels: the caller that made the mapping in slot n
 *
 * A mapping of nr pages takes nr + 1 slots, rounded up to a multiple of KM_STEP.
 * Slots go downwards: slot n + 1 has the address below that of slot n. The first
 * page of a mapping is in its last slot, and the first slot, behind its last
 * page, is a guard. So the byte behind a mapping belongs to no other mapping, and
 * neighbouring slots with a present pteval[] are always one run.
 *
 * Invariants, as an interrupt sees them at any instruction:
 *
 *   - Each slot at or above the depth is free, and its pteval[] is empty. A
 *     context that interrupts another one pushes above the depth and pops down to
 *     it again. It may use any slot there, and the interrupted context does not
 *     notice.
 *   - idx is raised before anything is stored above the old depth, and lowered
 *     after the last thing above the new depth is gone, by one store each.
 *   - holes and special are changed by the context that made the mappings. A context
 *     that interrupts it leaves them as they were. special counts a mapping before
 *     idx is raised for it, and until idx is lowered.
 *   - pinned is set by __schedule() while idx is not 0. unpin() clears it after idx has
 *     become 0, or the next __schedule() does.
 *
 * Which CPU. Only a task that does not run can be moved. A running task needs no
 * pin for its mappings. __schedule() pins it, see kmap_local_pin(). From the store
 * that raises idx to the store that lowers it to 0, the CPU stays the same. (Mainline
 * calls migrate_disable() for each mapping, T. Gleixner's design of 2020.)
 *
 * Lazy unmapping, where the architecture defines KMAP_LOCAL_LAZY. kunmap_local()
 * leaves the PTE in the slot. The next mapping in that slot keeps the PTE if it is
 * the right one; else it writes the PTE and flushes. No other record of a slot
 * exists than its PTE. What must hold:
 *
 *   - Whenever preemption is enabled, the TLB of this CPU holds no entry for a slot
 *     that differs from the slot's PTE: the store to a valid PTE and the flush after
 *     it are one section with preemption off. Interrupts use slots above. Only
 *     flush_this_cpu() clears slots that an NMI may use.
 *   - TLBs of other CPUs may hold stale entries, as a CPU walks page tables on its
 *     own. No other CPU uses the address.
 *   - A task that is scheduled in may find other PTEs than its own in its slots.
 *     __kmap_local_sched_in() restores its own.
 *   - kmap_local_flush() removes the PTE of each slot that no context holds.
 *   - A mapping with a protection of its own is eager: kunmap_local() removes its
 *     PTE. In strict mode all mappings are eager, which makes an access after
 *     kunmap_local() fault.
 *
 * (An earlier lazy scheme was dropped in 2006. It had no means to flush its mappings
 * and none to show their misuse.)
 */

#include <kunit/visibility.h>
#include <linux/bitops.h>
#include <linux/cpuhotplug.h>
#include <linux/export.h>
#include <linux/highmem.h>
#include <linux/kstrtox.h>
#include <linux/mm.h>
#include <linux/once_lite.h>
#include <linux/smp.h>
#include <linux/vmalloc.h>

#include <asm/tlbflush.h>

#include "highmem_debug.h"

/* Here for both files: this one is built whenever the other one is. */
#define CREATE_TRACE_POINTS
#include <trace/events/highmem.h>

#define KM_STEP		KMAP_LOCAL_STEP

/* The greatest depth: behind the last mapping comes one more guard. */
#define KM_LIMIT	(KM_MAX_IDX - 1)

#ifndef arch_kmap_local_set_pte
#define arch_kmap_local_set_pte(mm, vaddr, ptep, ptev) \
	set_pte_at(mm, vaddr, ptep, ptev)
#endif

#ifndef arch_kmap_local_clear_pte
#define arch_kmap_local_clear_pte(mm, vaddr, ptep) \
	pte_clear(mm, vaddr, ptep)
#endif

#ifndef arch_kmap_local_save_pte
#define arch_kmap_local_save_pte(saved, pteval)	(*(saved) = (pteval))
#define arch_kmap_local_clear_saved(saved)	(*(saved) = __pte(0))
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

static void *reserve_map(struct kmap_ctrl *ctrl, pte_t pteval, unsigned long ip);
static void reserve_unmap(struct kmap_ctrl *ctrl, unsigned long addr);
static void reserve_drop_all(void);

/* Set where all mappings are eager though the kernel is built to be lazy. */
static DEFINE_STATIC_KEY_FALSE(kmap_local_eager);

/* The PTE of a mapping with kmap_prot, but for the page frame. */
static pte_t km_page_pte __maybe_unused __read_mostly;

/* Slots ------------------------------------------------------------------- */

/*
 * A slot has two numbers: n, its place in the task's stack, and idx, its place
 * in the fixmap behind FIX_KMAP_BEGIN, which depends on the CPU.
 *
 * A task with something mapped stays on its CPU. Another task may look up an
 * address as well, with preemption enabled: the address is not its own on any CPU.
 */
static __always_inline unsigned long idx_vaddr(int idx)
{
	return __fix_to_virt(FIX_KMAP_BEGIN + idx);
}

#if defined(arch_kmap_local_map_idx) || \
	defined(CONFIG_KMAP_LOCAL_NON_LINEAR_PTE_ARRAY)

#ifndef arch_kmap_local_map_idx
static inline int arch_kmap_local_map_idx(int n, unsigned long pfn)
{
	return n + KM_MAX_IDX * raw_smp_processor_id();
}
#endif

static const unsigned int km_limit = KM_LIMIT;

static void km_init(void) { }

static __always_inline unsigned long slot_vaddr(unsigned int n, unsigned long pfn)
{
	return idx_vaddr(arch_kmap_local_map_idx(n, pfn));
}

/* For lazy architectures only. */
static __always_inline unsigned int slot_of(unsigned long addr)
{
	return 0;
}

static __always_inline pte_t *slot_pte(unsigned int n, unsigned long vaddr)
{
	return virt_to_kpte(vaddr);
}

#else /* slots that follow each other downwards, and so do their PTEs */

/* The last byte of slot 0 of each CPU, and the slot's PTE. */
static DEFINE_PER_CPU_READ_MOSTLY(struct km_window {
	unsigned long last;
	pte_t *ptep;
}, km_window);

/* 0 as long as no window exists: no depth fits, and km_init() is called. */
static unsigned int km_limit __read_mostly;

static void km_init(void)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		unsigned long vaddr = idx_vaddr(KM_MAX_IDX * cpu);

		per_cpu(km_window, cpu).last = vaddr + PAGE_SIZE - 1;
		per_cpu(km_window, cpu).ptep = virt_to_kpte(vaddr);
	}
	km_page_pte = pfn_pte(0, kmap_prot);
	/* No other CPU runs: an early_initcall at the latest comes here. */
	km_limit = KM_LIMIT;
}

static __always_inline unsigned long slot_vaddr(unsigned int n, unsigned long pfn)
{
	return raw_cpu_read(km_window.last) + 1 - (n + 1) * PAGE_SIZE;
}

/* The number of the slot that has @addr, or a greater number than that of all slots. */
static __always_inline unsigned int slot_of(unsigned long addr)
{
	return (u32)(raw_cpu_read(km_window.last) - addr) >> PAGE_SHIFT;
}

static __always_inline pte_t *slot_pte(unsigned int n, unsigned long vaddr)
{
	return raw_cpu_read(km_window.ptep) - n;
}

#endif

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
 * Writes @pteval to a slot that may still hold an old PTE, and flushes if it did.
 * Preemption is off.
 *
 * A lazy architecture overwrites the old PTE so that neither a page walk nor
 * flush_this_cpu() sees half of it. An NMI always flushes: it may find a slot empty
 * that flush_this_cpu() has cleared but not yet flushed. Elsewhere kunmap_local() leaves
 * no PTE: an old one is a bug, and is removed first.
 */
static __always_inline void replace_pte(unsigned long vaddr, pte_t *ptep,
					pte_t pteval)
{
	bool stale = !pte_none(ptep_get(ptep));

	highmem_race_window();
	if (!KMAP_LOCAL_LAZY && WARN_ON_ONCE(stale))
		remove_pte(vaddr, ptep);
	install_pte(vaddr, ptep, pteval);
	if (KMAP_LOCAL_LAZY && (stale || in_nmi())) {
		highmem_race_window();
		arch_kmap_local_post_unmap(vaddr);
		highmem_count(HIGHMEM_STAT_LOCAL_FLUSH, 1);
	}
}

/* Makes slot @n map what @pteval, from pteval[], says. Preemption is off. */
static void set_slot(unsigned int n, pte_t pteval)
{
	unsigned long vaddr = slot_vaddr(n, pte_pfn(pteval));
	pte_t *ptep = slot_pte(n, vaddr);

	if (!pte_same(ptep_get(ptep), pteval))
		replace_pte(vaddr, ptep, pteval);
}

/* The stack ----------------------------------------------------------- */

/* The address of the current task's slot @n, which maps what pteval[] says. */
static unsigned long live_vaddr(const struct kmap_ctrl *ctrl, int n)
{
	return slot_vaddr(n, pte_pfn(ctrl->pteval[n]));
}

/*
 * What an interrupt sees of the stack changes in these three steps. The compiler moves no
 * store of the caller across them.
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
	arch_kmap_local_clear_saved(&ctrl->pteval[n]);
}

/* How many slots a mapping of @nr pages takes. */
static __always_inline unsigned int slots_of(unsigned int nr)
{
	return ALIGN(nr + 1, KM_STEP);
}

static unsigned int hole_bit(int n)
{
	static_assert(KM_MAX_IDX / KM_STEP <=
		      BITS_PER_BYTE * sizeof_field(struct kmap_ctrl, holes));

	return 1U << (n / KM_STEP);
}

/*
 * Is @pteval, from pteval[], that of a mapping? On xtensa 0, which free slots and
 * guards have there, would be a PTE that is present.
 */
static __always_inline bool pteval_used(pte_t pteval)
{
	return (KMAP_LOCAL_LAZY || pte_val(pteval)) && pte_present(pteval);
}

/*
 * The next slot below @n that maps a page, or -1. Together these walk over what a task
 * has in its stack, from the latest mapping to the first:
 * for (n = latest_page(ctrl); n >= 0; n = page_below(ctrl, n)).
 */
static int page_below(const struct kmap_ctrl *ctrl, int n)
{
	while (--n >= 0) {
		if (pteval_used(ctrl->pteval[n]))
			return n;
	}
	return -1;
}

static int latest_page(const struct kmap_ctrl *ctrl)
{
	return page_below(ctrl, min(ctrl->idx, KM_LIMIT));
}

static unsigned int nr_mappings(const struct kmap_ctrl *ctrl)
{
	return ctrl->idx / KM_STEP - hweight16(ctrl->holes);
}

/* The slot whose page has @addr, or ends where @addr is; else -1. */
static int find_slot(const struct kmap_ctrl *ctrl, unsigned long addr)
{
	int n;

	for (n = latest_page(ctrl); n >= 0; n = page_below(ctrl, n)) {
		unsigned long offset = addr - live_vaddr(ctrl, n);

		/* The byte behind a page may be in the next page of a run. */
		if (offset < PAGE_SIZE ||
		    (offset == PAGE_SIZE && !pteval_used(ctrl->pteval[n - 1])))
			break;
	}
	return n;
}

/* Pages side by side in slot @n and below: a guard or a free slot ends the run. */
static unsigned int run_length(const struct kmap_ctrl *ctrl, unsigned int n)
{
	const pte_t *note = &ctrl->pteval[n];

	while (pteval_used(*note))
		note--;
	return &ctrl->pteval[n] - note;
}

/*
 * Lowers the depth to @depth, whose slots above are empty now, and below the
 * holes that this uncovers. An interrupt that comes before the store of idx
 * pushes above the old depth and leaves the holes alone.
 */
static void pop_to(struct kmap_ctrl *ctrl, int depth)
{
	while (depth && depth <= KM_LIMIT && ctrl->holes & hole_bit(depth - 1)) {
		ctrl->holes &= ~hole_bit(depth - 1);
		depth -= KM_STEP;
	}
	set_idx(ctrl, depth);
}

/* Does kunmap_local() leave the PTEs of mappings with kmap_prot in their slots? */
VISIBLE_IF_KUNIT bool kmap_local_is_lazy(void)
{
	return KMAP_LOCAL_LAZY && !static_branch_unlikely(&kmap_local_eager);
}

/* The callers that made the mappings, for reports. Only debug kernels know them. */
#ifdef CONFIG_DEBUG_KMAP_LOCAL
static void note_mapper(struct kmap_ctrl *ctrl, int n, unsigned long ip)
{
	ctrl->mapper[n] = ip;
}

static void name_mappers(const struct kmap_ctrl *ctrl)
{
	int n;

	for (n = latest_page(ctrl); n >= 0; n = page_below(ctrl, n))
		pr_warn("highmem: %s/%d: mapping %d, frame %#lx, made by %pS\n",
			current->comm, current->pid, n / KM_STEP + 1,
			pte_pfn(ctrl->pteval[n]), (void *)ctrl->mapper[n]);
}
#else
static void note_mapper(struct kmap_ctrl *ctrl, int n, unsigned long ip) { }
static void name_mappers(const struct kmap_ctrl *ctrl) { }
#endif

/* Must kunmap_local() remove the PTE of this mapping? */
static bool is_eager(pte_t pteval)
{
	return !kmap_local_is_lazy() ||
	       !pte_same(pteval, pfn_pte(pte_pfn(pteval), kmap_prot));
}

/* Removes the PTE of slot @n if it may not stay there. Preemption is off. */
static void clear_slot(const struct kmap_ctrl *ctrl, unsigned int n)
{
	unsigned long vaddr = live_vaddr(ctrl, n);

	if (is_eager(ctrl->pteval[n]))
		remove_pte(vaddr, slot_pte(n, vaddr));
}

/*
 * Maps @nr pages from frame @pfn on: the first mapping of all, runs, eager mappings,
 * and with a stack that is full. @ip: the caller that makes the mapping
 */
static noinline void *kmap_local_push_slow(unsigned long pfn, pgprot_t prot,
					   unsigned int nr, unsigned long ip)
{
	struct kmap_ctrl *ctrl = &current->kmap_ctrl;
	unsigned int top = ctrl->idx + slots_of(nr) - 1, n;
	pte_t pteval = pfn_pte(pfn, prot);

	/* An interrupt that enables interrupts is one more stack to overflow. */
	WARN_ON_ONCE(in_hardirq() && !irqs_disabled());

	if (unlikely(!km_limit))
		km_init();
	if (unlikely(top >= KM_LIMIT))
		return reserve_map(ctrl, pteval, ip);

	/* The hooks of an architecture want preemption off. */
	preempt_disable();
	if (nr > 1 || is_eager(pteval))
		ctrl->special++;
	set_idx(ctrl, top + 1);
	highmem_count_maps(nr, top + 1);
	for (n = top; n > top - nr; n--) {
		pteval = pfn_pte(pfn++, prot);
		note_mapper(ctrl, n, ip);
		save_pte(ctrl, n, pteval);
		set_slot(n, pteval);
	}
	preempt_enable();

	return (void *)live_vaddr(ctrl, top);
}

static void *map_page(struct page *page, pgprot_t prot, unsigned int nr,
		      unsigned long ip)
{
	/* Caches that alias want one address per page, if there is one. */
	void *vaddr = arch_kmap_local_high_get(page);

	return vaddr ? vaddr : kmap_local_push_slow(page_to_pfn(page), prot, nr, ip);
}

/**
 * __kmap_local_pfn_prot() - map any page frame locally
 * @pfn: page frame number; need not have a struct page (device memory, the
 *	 memory of a crashed kernel)
 * @prot: protection of the mapping
 *
 * The way behind kmap_local_page() and friends, and of
 * io_mapping_map_local_wc(). Give it back with kunmap_local(). For memory call
 * kmap_local_pfn(), and for a device's io_mapping_map_local_wc().
 *
 * Context: any, NMI on x86 only; does not sleep. The task stays on its CPU
 * until the mapping is given back.
 * Return: the address of the first byte of the page. When the stack and its
 * reserve are used up, an address that faults on access.
 */
void *__kmap_local_pfn_prot(unsigned long pfn, pgprot_t prot)
{
	return kmap_local_push_slow(pfn, prot, 1, _RET_IP_);
}
EXPORT_SYMBOL_GPL(__kmap_local_pfn_prot);

/**
 * __kmap_local_page_prot() - out-of-line part of kmap_local_page_prot()
 * @page: the page to map; kmap_local_page_prot() has found that it must be
 * @prot: protection of the mapping
 *
 * Context: any, NMI on x86 only; does not sleep.
 * Return: the address of the first byte of the page.
 */
void *__kmap_local_page_prot(struct page *page, pgprot_t prot)
{
	return map_page(page, prot, 1, _RET_IP_);
}
EXPORT_SYMBOL(__kmap_local_page_prot);

/**
 * __kmap_local_page() - out-of-line part of kmap_local_page()
 * @page: the page to map; kmap_local_page() has found that it must be
 *
 * __kmap_local_page_prot() with kmap_prot, in as few instructions as it takes.
 *
 * Context: any, NMI on x86 only; does not sleep.
 * Return: the address of the first byte of the page.
 */
void *__kmap_local_page(struct page *page)
{
	struct kmap_ctrl *ctrl = &current->kmap_ctrl;
	unsigned int depth = ctrl->idx + slots_of(1);
	pte_t pteval, *ptep;

	if (!kmap_local_is_lazy() || unlikely(depth > km_limit))
		return map_page(page, kmap_prot, 1, _RET_IP_);

	pteval = arch_kmap_local_page_pte(page_to_pfn(page), km_page_pte);
	/*
	 * From set_idx() on interrupts nest above the new slot, and the CPU stays.
	 *
	 * A task that is scheduled out before pteval[] is set comes back to an unknown
	 * PTE in the slot. A task that is scheduled out after that comes back to the PTE
	 * in pteval[]. So pteval[] must be set before the PTE is read: a PTE that matches
	 * then stays right.
	 */
	set_idx(ctrl, depth);
	highmem_count_maps(1, depth);
	save_pte(ctrl, depth - 1, pteval);
	ptep = slot_pte(depth - 1, 0);
	if (!pte_same(ptep_get(ptep), pteval)) {
		preempt_disable();
		replace_pte(slot_vaddr(depth - 1, 0), ptep, pteval);
		preempt_enable();
	}
	return (void *)slot_vaddr(depth - 1, 0);
}
EXPORT_SYMBOL(__kmap_local_page);

/*
 * A mapping of the current task is gone, and __schedule() had pinned the task: lets the
 * task move again if it was the last one. Fast paths call this after the store that
 * lowers idx, for the pin may come up to then.
 *
 * migrate_enable() takes the lock of the run queue. A context that may hold that lock
 * has interrupts off: an interrupt or a tracer that finds the task between that store
 * and this call, or a tracer in __schedule(). Such a context leaves the pin. The task
 * comes here itself, or __schedule() undoes the pin before it takes the lock, see
 * kmap_local_pin().
 */
static noinline void unpin(struct kmap_ctrl *ctrl)
{
	bool pinned;

	if (ctrl->idx || irqs_disabled())
		return;

	/* A softirq may come here as well: one of the two undoes the pin. */
	local_irq_disable();
	pinned = ctrl->pinned;
	WRITE_ONCE(ctrl->pinned, 0);
	local_irq_enable();
	if (pinned)
		migrate_enable();
}

/* Ends a section with preemption off in which a slow path has given something back. */
static void end_unmap(struct kmap_ctrl *ctrl)
{
	if (unlikely(ctrl->pinned))
		unpin(ctrl);
	preempt_enable();
}

/* Gives back the mapping of @nr pages whose first is in slot @top. */
static void unmap_slots(struct kmap_ctrl *ctrl, unsigned int top, unsigned int nr)
{
	bool special = nr > 1 || is_eager(ctrl->pteval[top]);
	unsigned int depth = ctrl->idx, n;

	preempt_disable();
	for (n = top; n > top - nr; n--) {
		clear_slot(ctrl, n);
		clear_saved(ctrl, n);
	}
	if (top == depth - 1) {
		pop_to(ctrl, depth - slots_of(nr));
	} else {
		/* A later mapping is above these slots: no pop_to() gets here yet. */
		for (n = top; n + slots_of(nr) > top; n -= KM_STEP)
			ctrl->holes |= hole_bit(n);
	}
	if (special)
		ctrl->special--;
	end_unmap(ctrl);
}

static void report_outside(unsigned long addr)
{
	WARN_ONCE(1, "highmem: kunmap_local() of address %p outside the mapping: %s/%d must pass an address inside the page\n",
		  (void *)addr, current->comm, current->pid);
}

/*
 * @addr is not in a mapping of the current task. An address of the direct mapping or,
 * where caches alias, of the pkmap pool is one that map_page() had no need to map.
 * virt_addr_valid() of sparc takes error pointers too.
 */
static void unmap_foreign(unsigned long addr)
{
	void *last = (void *)(addr - 1);
	bool direct = !IS_ENABLED(CONFIG_DEBUG_KMAP_LOCAL_FORCE_MAP) &&
		      addr >= PAGE_OFFSET && !IS_ERR_VALUE(addr) &&
		      !is_pkmap_addr(addr - 1) &&
		      (virt_addr_valid((void *)addr) || virt_addr_valid(last));

#ifdef ARCH_NEEDS_KMAP_HIGH_GET
	if (is_pkmap_addr(addr)) {
		kunmap_high(pkmap_to_page(addr));
		return;
	}
#endif
	if (is_kmap_local_fixmap(addr))
		WARN_ONCE(1, "highmem: kunmap_local() of address %p that %s/%d has not mapped on this CPU\n",
			  (void *)addr, current->comm, current->pid);
	else
		WARN_ONCE(!direct, "highmem: kunmap_local() of address %p that no kmap_local function returns\n",
			  (void *)addr);
}

/*
 * Gives back the mapping that has @addr, which the caller takes for the first of @nr
 * pages. All misuse ends here, is reported once for each kind, and ends that mapping
 * alone: Documentation/mm/highmem.rst has the table.
 */
static noinline void kunmap_local_slow(unsigned long addr, unsigned int nr)
{
	struct kmap_ctrl *ctrl = &current->kmap_ctrl;
	unsigned int depth = ctrl->idx, real;
	unsigned long vaddr;
	int top = find_slot(ctrl, addr);

	/*
	 * In the guard before a mapping? A pointer was moved back too far. Its first
	 * byte may be the end of a mapping that was given back already.
	 */
	if (top < 0 && offset_in_page(addr))
		top = find_slot(ctrl, addr + PAGE_SIZE);
	if (top < 0) {
		if (is_kmap_local_reserve(addr))
			reserve_unmap(ctrl, addr);
		else
			unmap_foreign(addr);
		return;
	}

	/* Upwards to the first page of the run: a guard or a free slot ends it. */
	vaddr = live_vaddr(ctrl, top);
	while (pteval_used(ctrl->pteval[top + 1]))
		top++;
	real = run_length(ctrl, top);

	if (unlikely(addr - vaddr >= PAGE_SIZE))
		report_outside(addr);
	else if (unlikely(real != nr || live_vaddr(ctrl, top) != vaddr))
		WARN_ONCE(1, "highmem: %s/%d gives back %u pages of a run of %u\n",
			  current->comm, current->pid, nr, real);
	if (unlikely(top != depth - 1)) {
		WARN_ONCE(1, "highmem: kunmap_local() out of order: %s/%d gives back mapping %d of %d\n",
			  current->comm, current->pid, top / KM_STEP + 1,
			  depth / KM_STEP);
		DO_ONCE_LITE(name_mappers, ctrl);
	}
	unmap_slots(ctrl, top, real);
}

/**
 * kunmap_local_indexed() - out-of-line part of kunmap_local()
 * @vaddr: any address inside the mapped page
 *
 * Context: the one that made the mapping; does not sleep.
 */
void kunmap_local_indexed(const void *vaddr)
{
	struct kmap_ctrl *ctrl = &current->kmap_ctrl;
	unsigned int depth = slot_of((unsigned long)vaddr) + 1;

	/* Else gcc keeps depth - 1 in one more register, which it has to save. */
	OPTIMIZER_HIDE_VAR(depth);
	if (!KMAP_LOCAL_LAZY || unlikely(ctrl->idx != depth) || unlikely(ctrl->slow)) {
		kunmap_local_slow((unsigned long)vaddr, 1);
		return;
	}
	clear_saved(ctrl, depth - 1);
	set_idx(ctrl, depth - slots_of(1));
	/* Last: __schedule() may pin the task as long as idx is not 0. */
	if (unlikely(ctrl->pinned))
		unpin(ctrl);
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
	unsigned long addr = (unsigned long)vaddr & PAGE_MASK;
	struct kmap_ctrl *ctrl = &current->kmap_ctrl;
	int n;

	if (is_kmap_local_reserve(addr))
		return vmalloc_to_page(vaddr);

	/* The last byte: find_slot() takes the byte behind a mapping as well. */
	n = find_slot(ctrl, addr + PAGE_SIZE - 1);
	return n < 0 ? NULL : pte_page(ctrl->pteval[n]);
}

/**
 * is_kmap_addr() - is an address inside one of the mapping windows?
 * @x: any kernel address
 *
 * The pkmap pool, the kmap_local slots of all CPUs and their reserve count,
 * whether or not something is mapped at @x. What lies there ends with its
 * page, or with its run of pages: kmap_addr_reach() tells hardened usercopy.
 *
 * Example::
 *
 *	if (is_kmap_addr(buf) || is_vmalloc_addr(buf))
 *		return -EINVAL;
 *
 * Context: any.
 * Return: true if @x is an address that kmap() or kmap_local_page() may return
 * for a page which is not directly mapped.
 */
bool is_kmap_addr(const void *x)
{
	unsigned long addr = (unsigned long)x;

	return is_kmap_local_fixmap(addr) || is_kmap_local_reserve(addr) ||
	       is_pkmap_addr(addr);
}
EXPORT_SYMBOL(is_kmap_addr);

/* Runs ------------------------------------------------------------------ */

/*
 * Pages that follow each other, in slots that do. Where caches alias, each page has
 * an address that suits it.
 */
#if defined(arch_kmap_local_map_idx) || defined(arch_kmap_local_high_get)
#define KM_RUN_MAX	1
#else
#define KM_RUN_MAX	KMAP_LOCAL_MAX_PAGES
#endif

/*
 * Mappings for which a run leaves room above it. fs/verity/verify.c nests nine when a
 * copy to user space faults.
 */
#define KM_RUN_SPARE	9

/**
 * kmap_local_room() - how many pages of @nr can be mapped as a run just now?
 * @nr: pages
 *
 * Context: any.
 * Return: 1, or what __kmap_local_pages() would map as long as the task has no
 * other mapping more.
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
 * __kmap_local_pages() - map pages that follow each other
 * @page: the first page; it and the following are of one folio
 * @nr: how many are wanted, at least 1; how many were mapped
 *
 * Out-of-line part of kmap_local_span(). Give them back, all at once, with
 * __kunmap_local_pages(). Both are exported for any module, as mainline's
 * memcpy_from_folio() is for any, which calls them.
 *
 * Context: any, NMI on x86 only; does not sleep.
 * Return: the address of the first byte of @page.
 */
void *__kmap_local_pages(struct page *page, unsigned int *nr)
{
	*nr = kmap_local_room(*nr);
	return map_page(page, kmap_prot, *nr, _RET_IP_);
}
EXPORT_SYMBOL(__kmap_local_pages);

/**
 * kmap_addr_reach() - how far does the mapping reach that an address is in?
 * @vaddr: an address for which is_kmap_addr() is true
 *
 * For hardened usercopy: a run of pages is one mapping, and every other page in
 * a mapping window is one of its own.
 *
 * Example::
 *
 *	if (is_kmap_addr(ptr) && n > kmap_addr_reach(ptr))
 *		return false;
 *
 * Context: any.
 * Return: bytes from @vaddr on that may be accessed; 0 in a window of another
 * CPU or where the current task has nothing mapped.
 */
size_t kmap_addr_reach(const void *vaddr)
{
	struct kmap_ctrl *ctrl = &current->kmap_ctrl;
	unsigned long addr = (unsigned long)vaddr;
	unsigned int nr = 1;
	int n;

	if (is_kmap_local_fixmap(addr)) {
		n = find_slot(ctrl, addr | ~PAGE_MASK);
		nr = n < 0 ? 0 : run_length(ctrl, n);
	}
	return nr ? nr * PAGE_SIZE - offset_in_page(vaddr) : 0;
}

/**
 * __kunmap_local_pages() - give back what __kmap_local_pages() mapped
 * @vaddr: any address inside the first page
 * @nr: how many pages were mapped
 *
 * Context: the one that made the mapping; does not sleep.
 */
void __kunmap_local_pages(const void *vaddr, unsigned int nr)
{
	kunmap_local_slow((unsigned long)vaddr, nr);
}
EXPORT_SYMBOL(__kunmap_local_pages);

/* The scheduler and fork ------------------------------------------------ */

/*
 * Removes the PTEs of the current task's eager mappings before another task runs
 * here.
 *
 * Called with the run queue locked and interrupts off. An NMI may still come:
 * idx and pteval[] do not change, so the NMI nests above them. The PTEs below do not
 * matter to the NMI.
 */
void __kmap_local_sched_out(void)
{
	struct kmap_ctrl *ctrl = &current->kmap_ctrl;
	int n;

	if (!ctrl->special)
		return;

	for (n = latest_page(ctrl); n >= 0; n = page_below(ctrl, n))
		clear_slot(ctrl, n);
}

/*
 * Restores those PTEs of the current task that are not in their slots any more after
 * another task ran here.
 *
 * Called with preemption off and interrupts on. An interrupt may come with
 * some slots not yet restored: they are below idx, so it does not use them.
 */
void __kmap_local_sched_in(void)
{
	struct kmap_ctrl *ctrl = &current->kmap_ctrl;
	int n;

	for (n = latest_page(ctrl); n >= 0; n = page_below(ctrl, n))
		set_slot(n, ctrl->pteval[n]);
}

/**
 * kmap_local_leaked() - report and end the mappings that the current task leaks
 * @where: what the task does
 *
 * They would stay on top of its stack for good, and pin the task to its CPU: that CPU
 * could not go offline. A debug kernel names the callers that made them.
 *
 * Context: return to user space, with interrupts off (the pin ends with the next
 * __schedule()); do_exit(), for a kernel thread or after an oops, where the task may
 * still be moved.
 */
void kmap_local_leaked(const char *where)
{
	struct kmap_ctrl *ctrl = &current->kmap_ctrl;
	int n;

	WARN_ONCE(1, "highmem: %s/%d %s with %u local mappings\n", current->comm,
		  current->pid, where, nr_mappings(ctrl));
	DO_ONCE_LITE(name_mappers, ctrl);

	preempt_disable();
	for (n = latest_page(ctrl); n >= 0; n = page_below(ctrl, n)) {
		clear_slot(ctrl, n);
		clear_saved(ctrl, n);
	}
	if (ctrl->idx > KM_LIMIT)
		reserve_drop_all();
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
 * A mapping belongs to the task that made it. A task that forks with a mapping held is
 * a bug: the child would give back what it never mapped.
 *
 * Context: fork, before the new task runs.
 */
void kmap_local_fork(struct task_struct *tsk)
{
	if (likely(!tsk->kmap_ctrl.idx && !tsk->kmap_ctrl.pinned))
		return;
	WARN_ON_ONCE(tsk->kmap_ctrl.idx);
#ifdef CONFIG_SMP
	/*
	 * The pin is the parent's. Both fields were copied one after the other, and the
	 * parent may have been pinned in between.
	 */
	if (tsk->kmap_ctrl.pinned && tsk->migration_disabled &&
	    !--tsk->migration_disabled)
		tsk->cpus_ptr = &tsk->cpus_mask;
#endif
	tsk->kmap_ctrl = (struct kmap_ctrl) { };
}

/* Idle mappings --------------------------------------------------------- */

#if KMAP_LOCAL_LAZY

/* Does any slot of @cpu hold a PTE? On another CPU that may change at any time. */
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

/* Removes the PTE of slot @n, unless @ctrl has it saved. */
static void flush_slot(const struct kmap_ctrl *ctrl, unsigned int n)
{
	unsigned long vaddr = slot_vaddr(n, 0);
	pte_t *ptep = slot_pte(n, vaddr);

	/* Stays empty: an eager mapping is about to be filled, or was just removed. */
	if (pte_none(ptep_get(ptep)))
		return;
	if (pteval_used(ctrl->pteval[n]))
		set_slot(n, ctrl->pteval[n]);
	else
		remove_pte(vaddr, ptep);
}

/*
 * Removes the PTEs of this CPU's slots that the current task does not hold. With
 * @flush_tlb it flushes the whole TLB, too.
 *
 * Interrupts are off. The interrupted context may be about to fill a slot below idx.
 * Then the PTE in pteval[], if it is set already, takes the place of an old one at once.
 * It must: on PAE the interrupted context may have read one half of the old PTE and read
 * the other half from the new PTE.
 */
static void flush_this_cpu(void *flush_tlb)
{
	unsigned int n;

	for (n = 0; km_limit && n < KM_MAX_IDX; n++) {
		flush_slot(&current->kmap_ctrl, n);
		/* Again, for an NMI: on PAE half of the PTE it wrote may be cleared. */
		flush_slot(&current->kmap_ctrl, n);
	}
	if (flush_tlb)
		arch_kmap_local_flush_tlb();
}

/**
 * kmap_local_flush() - remove all local mappings that no context holds
 * @flush_tlb: flush all of each CPU's TLB as well
 *
 * The mappings of tasks that do not run go as well and come back with their tasks.
 * A CPU that goes offline leaves nothing behind, see kmap_local_dying(). Afterwards no
 * CPU holds an idle mapping of its own in its slots or in its TLB. (Another CPU's TLB
 * may hold an entry that a speculative walk loaded: that CPU does not use the
 * address.)
 *
 * Interrupts each CPU once at most, and without @flush_tlb only CPUs whose slots
 * hold a PTE.
 *
 * Context: task context with interrupts on.
 * Return: true; false from the version for architectures that are not lazy, which
 * does nothing.
 */
bool kmap_local_flush(bool flush_tlb)
{
	on_each_cpu_cond(cpu_has_mappings, flush_this_cpu,
			 flush_tlb ? &km_limit : NULL, true);
	return true;
}

/*
 * All other CPUs stand still with interrupts off from before this CPU leaves
 * cpu_online_mask until after this. To the other CPUs both happen at once.
 */
static int kmap_local_dying(unsigned int cpu)
{
	flush_this_cpu(NULL);
	return 0;
}

static int __init kmap_local_set_lazy(char *value)
{
	bool lazy;
	int error = kstrtobool(value, &lazy);

	if (!error && !lazy)
		static_branch_enable(&kmap_local_eager);
	return error;
}
early_param("kmap_local_lazy", kmap_local_set_lazy);

static int __init kmap_local_lazy_init(void)
{
	/* debug_pagealloc finds accesses to free pages: no mapping may hide one. */
	if (debug_pagealloc_enabled())
		static_branch_enable(&kmap_local_eager);
	return cpuhp_setup_state_nocalls(CPUHP_AP_KMAP_LOCAL_DYING,
					 "mm/kmap_local:dying", NULL,
					 kmap_local_dying);
}
early_initcall(kmap_local_lazy_init);

#endif /* KMAP_LOCAL_LAZY */

/* The reserve ----------------------------------------------------------- */

/*
 * Slots in vmalloc space for mappings that the stack has no room for: btrfs RAID 5/6
 * nests one mapping for each device. All CPUs share the slots, and they keep no order.
 *
 * reserve[] has the task that holds a slot, or NULL. One compare-and-exchange takes a
 * slot in any context, NMI included, and the PTE belongs to the task then. idx counts
 * its mappings here, so the task stays on its CPU. Only that CPU's TLB must be free of
 * older entries: it is flushed before the PTE is written.
 *
 * Slot n is the odd page 2n + 1. No even page is ever mapped, so that the bytes around a
 * mapping belong to no other mapping, and the page behind the last slot faults. Slots of
 * architectures with arch_kmap_local_map_idx() must suit the page: they have no reserve.
 */
#define KM_RESERVE_SLOTS	256
#define KM_RESERVE_SIZE		((2 * KM_RESERVE_SLOTS + 2) * PAGE_SIZE)

static struct task_struct *reserve[KM_RESERVE_SLOTS];
static unsigned int reserve_slots __ro_after_init;

unsigned long kmap_local_reserve_start __ro_after_init;
unsigned long kmap_local_reserve_end __ro_after_init;

static unsigned long reserve_vaddr(unsigned int n)
{
	return kmap_local_reserve_start + (2 * n + 1) * PAGE_SIZE;
}

/* Returns the slot, or reserve_slots if none is free. */
static unsigned int reserve_take(void)
{
	unsigned int n;

	for (n = 0; n < reserve_slots; n++) {
		/*
		 * Acquire, pairs with the release in reserve_clear(): the flush in
		 * reserve_map() comes after the last task has cleared the PTE.
		 */
		if (!READ_ONCE(reserve[n]) &&
		    !cmpxchg_acquire(&reserve[n], NULL, current))
			break;
	}
	return n;
}

/*
 * With no slot left this returns the address behind the last slot. No page is ever
 * mapped there: an access faults, and shows no page of another mapping. Code that
 * maps a page does not look for failure, so NULL would be no better.
 */
static noinline void *reserve_map(struct kmap_ctrl *ctrl, pte_t pteval,
				  unsigned long ip)
{
	unsigned int n = reserve_take();
	unsigned long vaddr = reserve_vaddr(n);

	trace_kmap_local_overflow(nr_mappings(ctrl), vaddr);
	highmem_count(HIGHMEM_STAT_LOCAL_MAP, 1);
	highmem_count(HIGHMEM_STAT_LOCAL_OVERFLOW, 1);
	if (n == reserve_slots) {
		WARN_ONCE(1, "highmem: no slot is left for a local mapping of %s/%d, which holds %u\n",
			  current->comm, current->pid, nr_mappings(ctrl));
		DO_ONCE_LITE(name_mappers, ctrl);
		return (void *)vaddr;
	}
	pr_info_once("highmem: %s/%d nests more than %d local mappings, in %pS\n",
		     current->comm, current->pid, KM_LIMIT / KM_STEP, (void *)ip);

	preempt_disable();
	ctrl->special++;
	set_idx(ctrl, ctrl->idx + KM_STEP);
	arch_kmap_local_post_unmap(vaddr);
	install_pte(vaddr, virt_to_kpte(vaddr), pteval);
	preempt_enable();

	return (void *)vaddr;
}

static void reserve_clear(unsigned int n)
{
	unsigned long vaddr = reserve_vaddr(n);

	remove_pte(vaddr, virt_to_kpte(vaddr));
	/* Pairs with the acquire in reserve_take(). */
	smp_store_release(&reserve[n], NULL);
}

static void reserve_unmap(struct kmap_ctrl *ctrl, unsigned long addr)
{
	/* The page before a slot begins with the byte behind another slot. */
	unsigned int n = (addr - 1 - kmap_local_reserve_start) / (2 * PAGE_SIZE);

	/* From reserve_map() with no slot left, which has reported it. */
	if (addr >= reserve_vaddr(reserve_slots))
		return;
	if (WARN_ONCE(n >= reserve_slots || READ_ONCE(reserve[n]) != current,
		      "highmem: kunmap_local() of address %p in the reserve that %s/%d has not mapped\n",
		      (void *)addr, current->comm, current->pid))
		return;
	if (addr - reserve_vaddr(n) >= PAGE_SIZE)
		report_outside(addr);
	preempt_disable();
	reserve_clear(n);
	pop_to(ctrl, ctrl->idx - KM_STEP);
	ctrl->special--;
	end_unmap(ctrl);
}

static void reserve_drop_all(void)
{
	unsigned int n;

	for (n = 0; n < reserve_slots; n++) {
		if (READ_ONCE(reserve[n]) == current)
			reserve_clear(n);
	}
}

static int __init kmap_local_reserve_init(void)
{
	struct vm_struct *area = get_vm_area(KM_RESERVE_SIZE, VM_MAP);

	km_init();
	if (!area)
		return -ENOMEM;
	kmap_local_reserve_start = (unsigned long)area->addr;
	kmap_local_reserve_end = kmap_local_reserve_start + KM_RESERVE_SIZE;
	/* Makes page tables, as there is no function to call for each PTE. */
	if (apply_to_page_range(&init_mm, kmap_local_reserve_start, KM_RESERVE_SIZE,
				NULL, NULL))
		return -ENOMEM;
#ifndef arch_kmap_local_map_idx
	reserve_slots = KM_RESERVE_SLOTS;
#endif
	return 0;
}
early_initcall(kmap_local_reserve_init);
