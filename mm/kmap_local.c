// SPDX-License-Identifier: GPL-2.0
/*
 * kmap_local: short-lived mappings of single pages, local to one task on one
 * CPU, usable in any context (in NMIs on x86 only).
 *
 * Each CPU owns KM_MAX_IDX neighbouring fixmap slots. Each task owns a stack,
 * task_struct::kmap_ctrl, that says what its slots map:
 *
 *   idx	 slots in use; a mapping takes KM_STEP of them and lives in the
 *		 last, so that a debug kernel has an empty slot on either side
 *		 of each mapping. Above all counts is KM_CARE, which says that
 *		 holes or eager is not 0: the fast paths take it for a depth that
 *		 does not fit, and leave to the others.
 *   pteval[n]	 what slot n maps; not present for slots that guard or are free
 *   holes	 bit n set: mapping n was given back before a later one was;
 *		 its slot stays taken until the stack shrinks below it
 *   eager	 how many mappings may not stay in their slots, see below
 *   pinned	 the task was scheduled away with something mapped and has not
 *		 called migrate_enable() since
 *   mapper[n]	 in a debug kernel: the code that made the mapping
 *
 * Invariants, as an interrupt sees them at any instruction:
 *
 *   - Everything at or above the depth in idx is free, and its pteval is empty.
 *     A context that interrupts another pushes above and pops down to it again,
 *     so that it may use any slot there and the interrupted context never
 *     notices.
 *   - idx is raised before anything is stored above the old depth, and lowered
 *     after the last thing above the new one is gone, each by one store.
 *   - holes and eager are changed by the context that pushed the mappings; one
 *     that interrupts it leaves them as they were. pinned is set by the
 *     scheduler, in a byte of its own, and cleared by the task.
 *
 * Which CPU. A task can only be moved while it does not run. So it is free to
 * run with something mapped and no further ado, and the scheduler pins it when
 * it takes it off its CPU, see kmap_local_pin(). From the store that raises idx
 * to the one that lowers it to 0, the CPU stays the same. (Mainline calls
 * migrate_disable() for each mapping, T. Gleixner's design of 2020.)
 *
 * Lazy unmapping, where the architecture has KMAP_LOCAL_LAZY. A slot
 * that is given back keeps its PTE. Whoever maps a page there next leaves the
 * PTE alone if it is the right one, and otherwise writes it and flushes. The PTE
 * itself is all that is known of a slot. What must hold:
 *
 *   - With preemption on, the TLB of the CPU knows for a slot nothing but what
 *     is in its PTE: the store to a valid PTE and the flush that follows are one
 *     section with preemption off. Interrupts are no matter, they use slots
 *     above. Only flush_this_cpu() clears slots that an NMI may use.
 *   - The TLBs of other CPUs may know anything, as a CPU looks at page tables on
 *     its own. They never use the address. kmap_local_flush() is for those who
 *     mind.
 *   - A task that is scheduled in finds other PTEs than its own in slots that
 *     others used. __kmap_local_sched_in() puts its own back.
 *   - kmap_local_flush() takes away what nobody holds.
 *   - A mapping with a protection of its own is eager: its PTE goes when it is
 *     given back. In strict mode all are, to show who uses a page after
 *     kunmap_local().
 *
 * (An earlier lazy scheme was dropped in 2006, since nothing could flush its
 * mappings and nothing showed their misuse.)
 *
 * When the stack is full, mappings go to a small reserve of slots in vmalloc
 * space that all CPUs share. See the section at the end.
 */

#include <linux/cpuhotplug.h>
#include <linux/export.h>
#include <linux/highmem.h>
#include <linux/init.h>
#include <linux/jump_label.h>
#include <linux/kstrtox.h>
#include <linux/mm.h>
#include <linux/once_lite.h>
#include <linux/percpu.h>
#include <linux/preempt.h>
#include <linux/sched.h>
#include <linux/smp.h>
#include <linux/vmalloc.h>

#include <asm/kmap_size.h>
#include <asm/tlbflush.h>

#include "highmem_debug.h"

/* Here for both files: this one is there whenever the other needs it. */
#define CREATE_TRACE_POINTS
#include <trace/events/highmem.h>

#define KM_STEP		(IS_ENABLED(CONFIG_DEBUG_KMAP_LOCAL) ? 2 : 1)

/* The greatest depth: the last slot of a debug kernel is a guard. */
#define KM_LIMIT	(KM_MAX_IDX - (KM_STEP - 1))

/* Above the distance of any two pages, too: see slot_has(). */
#define KM_CARE		BIT(30)
#define KM_DEPTH_MASK	(KM_CARE - 1)

#ifndef arch_kmap_local_set_pte
#define arch_kmap_local_set_pte(mm, vaddr, ptep, ptev) \
	set_pte_at(mm, vaddr, ptep, ptev)
#endif

#ifndef arch_kmap_local_clear_pte
#define arch_kmap_local_clear_pte(mm, vaddr, ptep) \
	pte_clear(mm, vaddr, ptep)
#endif

#ifndef arch_kmap_local_note
#define arch_kmap_local_note(note, pteval)	(*(note) = (pteval))
#define arch_kmap_local_forget(note)		(*(note) = __pte(0))
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

static void *reserve_map(struct kmap_ctrl *ctrl, pte_t pteval);
static void reserve_unmap(unsigned long vaddr);
static void reserve_take_back(struct kmap_ctrl *ctrl);

/*
 * Does unmapping leave the PTE behind? Not in a kernel that is there to find
 * mistakes. Strict mode is the same at run time.
 */
#ifdef KMAP_LOCAL_LAZY
#define KM_LAZY		(!IS_ENABLED(CONFIG_DEBUG_KMAP_LOCAL) && \
			 !IS_ENABLED(CONFIG_DEBUG_HIGHMEM))
#else
#define KM_LAZY		0
#endif

static DEFINE_STATIC_KEY_FALSE(kmap_local_strict);

/* The PTE of a mapping with kmap_prot, but for the page frame. */
static pte_t km_page_pte __maybe_unused __read_mostly;

/* Slots ------------------------------------------------------------------- */

/*
 * A slot has two numbers: n, its place in the task's stack, and idx, its place
 * in the fixmap behind FIX_KMAP_BEGIN, which depends on the CPU.
 *
 * With something mapped, the CPU is fixed. A task with nothing mapped may ask as
 * well, with preemption on, for an address that then is not its own whatever the
 * CPU.
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

#ifndef arch_kmap_local_unmap_idx
static inline int arch_kmap_local_unmap_idx(int n, unsigned long addr)
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

/* Is @addr in what the current task may have mapped with slot @n? */
static __always_inline bool slot_has(unsigned int n, unsigned long addr)
{
	addr &= PAGE_MASK;
	return addr == idx_vaddr(arch_kmap_local_unmap_idx(n, addr));
}

static __always_inline pte_t *slot_pte(unsigned int n, unsigned long vaddr)
{
	return virt_to_kpte(vaddr);
}

#else /* slots that follow each other downwards, and so do their PTEs */

/* The first and the last byte of slot 0 of each CPU, and its PTE. */
static DEFINE_PER_CPU_READ_MOSTLY(struct km_window {
	unsigned long vaddr;
	unsigned long last;
	pte_t *ptep;
}, km_window);

/* 0 as long as there are no windows: no depth fits, and km_init() is called. */
static unsigned int km_limit __read_mostly;

static void km_init(void)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		unsigned long vaddr = idx_vaddr(KM_MAX_IDX * cpu);

		per_cpu(km_window, cpu).vaddr = vaddr;
		per_cpu(km_window, cpu).last = vaddr + PAGE_SIZE - 1;
		per_cpu(km_window, cpu).ptep = virt_to_kpte(vaddr);
	}
	km_page_pte = pfn_pte(0, kmap_prot);
	/* No other CPU runs: an early_initcall at the latest comes here. */
	km_limit = KM_LIMIT;
}

static __always_inline unsigned long slot_vaddr(unsigned int n, unsigned long pfn)
{
	return raw_cpu_read(km_window.vaddr) - n * PAGE_SIZE;
}

/*
 * Is @addr in slot @n? No distance in pages has so many bits that it is in one of
 * the slots which an empty stack (-1) or one with KM_CARE seems to have on top.
 * (On 64 bit it may: there this is asked for slots that exist only.)
 */
static __always_inline bool slot_has(unsigned int n, unsigned long addr)
{
	return (raw_cpu_read(km_window.last) - addr) >> PAGE_SHIFT == n;
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
 * Makes a slot show what it shall, whatever was left in it. With preemption off.
 *
 * What is valid is overwritten so that neither a page walk nor flush_this_cpu()
 * sees half of it: the architecture's hook sees to that if it is lazy. To an NMI an
 * empty slot may be one that flush_this_cpu() has cleared but not yet flushed.
 */
static __always_inline void replace_pte(unsigned long vaddr, pte_t *ptep,
					pte_t pteval)
{
	bool stale = !pte_none(ptep_get(ptep));

	install_pte(vaddr, ptep, pteval);
	if (stale || in_nmi()) {
		highmem_race_window();
		arch_kmap_local_post_unmap(vaddr);
		highmem_count(HIGHMEM_STAT_LOCAL_FLUSH, 1);
	}
}

/* The stack ----------------------------------------------------------- */

/* Where the current task's slot @n is, which maps what its pteval says. */
static unsigned long live_vaddr(const struct kmap_ctrl *ctrl, int n)
{
	return slot_vaddr(n, pte_pfn(ctrl->pteval[n]));
}

static unsigned int depth_of(const struct kmap_ctrl *ctrl)
{
	return READ_ONCE(ctrl->idx) & KM_DEPTH_MASK;
}

/* Stores of the caller stay where they are, before this and after it. */
static __always_inline void set_idx(struct kmap_ctrl *ctrl, unsigned int idx)
{
	highmem_race_window();
	barrier();
	WRITE_ONCE(ctrl->idx, idx);
	barrier();
	highmem_race_window();
}

static void set_depth(struct kmap_ctrl *ctrl, unsigned int depth)
{
	set_idx(ctrl, depth | (ctrl->holes || ctrl->eager ? KM_CARE : 0));
}

static unsigned int hole_bit(int n)
{
	static_assert(KM_MAX_IDX / KM_STEP <=
		      BITS_PER_BYTE * sizeof_field(struct kmap_ctrl, holes));

	return 1U << (n / KM_STEP);
}

/*
 * Is @pteval, from pteval[], that of a mapping? On xtensa 0, which free slots and
 * guards have there, would be one that is present.
 */
static bool is_noted(pte_t pteval)
{
	return pte_val(pteval) && pte_present(pteval);
}

/*
 * The next live mapping below slot @n, or -1. Walks what a task holds from
 * the latest to the first: for (n = live_below(idx); n >= 0; n = ...(n)).
 */
static int live_below(const struct kmap_ctrl *ctrl, int n)
{
	while (--n >= 0) {
		if (is_noted(ctrl->pteval[n]))
			return n;
	}
	return -1;
}

static int find_slot(const struct kmap_ctrl *ctrl, unsigned long vaddr)
{
	int n;

	for (n = live_below(ctrl, depth_of(ctrl)); n >= 0; n = live_below(ctrl, n)) {
		if (live_vaddr(ctrl, n) == vaddr)
			break;
	}
	return n;
}

/*
 * Lowers the depth to @depth, whose slots above are empty now, and below the
 * holes that this uncovers. An interrupt which comes before the one store of
 * idx still nests above and leaves the holes alone.
 */
static void pop_to(struct kmap_ctrl *ctrl, int depth)
{
	while (depth && ctrl->holes & hole_bit(depth - 1)) {
		ctrl->holes &= ~hole_bit(depth - 1);
		depth -= KM_STEP;
	}
	set_depth(ctrl, depth);
}

static __always_inline bool is_strict(void)
{
	return !KM_LAZY || static_branch_unlikely(&kmap_local_strict);
}

/**
 * kmap_local_is_lazy() - may idle mappings stay in their slots?
 *
 * For tests, which see things go that otherwise stay.
 *
 * Context: any.
 * Return: true unless the kernel is strict or its architecture always is.
 */
bool kmap_local_is_lazy(void)
{
	return !is_strict();
}

/* Who has mapped what: for reports, and noted in a debug kernel only. */
#ifdef CONFIG_DEBUG_KMAP_LOCAL
static void note_mapper(struct kmap_ctrl *ctrl, int n, unsigned long ip)
{
	ctrl->mapper[n] = ip;
}

static void name_mappers(const struct kmap_ctrl *ctrl)
{
	int n;

	for (n = live_below(ctrl, depth_of(ctrl)); n >= 0; n = live_below(ctrl, n))
		pr_warn("highmem: %s/%d: mapping %d, frame %#lx, made by %pS\n",
			current->comm, current->pid, n / KM_STEP + 1,
			pte_pfn(ctrl->pteval[n]), (void *)ctrl->mapper[n]);
}
#else
static void note_mapper(struct kmap_ctrl *ctrl, int n, unsigned long ip) { }
static void name_mappers(const struct kmap_ctrl *ctrl) { }
#endif

/* Must the PTE of a mapping go as soon as it is given back? */
static bool is_eager(pte_t pteval)
{
	return is_strict() ||
	       !pte_same(pteval, pfn_pte(pte_pfn(pteval), kmap_prot));
}

static void fill_eagerly(unsigned long vaddr, pte_t *ptep, pte_t pteval)
{
	/* Never let a page shine through that somebody forgot here. */
	if (!pte_none(ptep_get(ptep))) {
		WARN_ON_ONCE(!KM_LAZY);
		remove_pte(vaddr, ptep);
	} else if (KM_LAZY && in_nmi()) {
		/* See replace_pte(). */
		arch_kmap_local_post_unmap(vaddr);
	}
	install_pte(vaddr, ptep, pteval);
}

/*
 * Maps with preemption off: an architecture's hooks want that, and so does an
 * eager mapping, whose slot must be empty before.
 */
static void *map_eager(struct kmap_ctrl *ctrl, unsigned int n, pte_t pteval)
{
	unsigned long vaddr;

	preempt_disable();
	vaddr = slot_vaddr(n, pte_pfn(pteval));
	arch_kmap_local_note(&ctrl->pteval[n], pteval);
	fill_eagerly(vaddr, slot_pte(n, vaddr), pteval);
	preempt_enable();

	return (void *)vaddr;
}

/*
 * Lazily. Scheduled away before the note is made, the task comes back to
 * whatever the slot shows then; after that, to what it noted. So the look at the
 * PTE is good if it comes after the note: should it find the right one, the
 * right one it will be.
 */
static __always_inline void *map_lazy(struct kmap_ctrl *ctrl, unsigned int n,
				      pte_t pteval)
{
	pte_t *ptep;

	arch_kmap_local_note(&ctrl->pteval[n], pteval);
	barrier();
	ptep = slot_pte(n, slot_vaddr(n, 0));
	highmem_race_window();
	if (!pte_same(ptep_get(ptep), pteval)) {
		highmem_race_window();
		preempt_disable();
		replace_pte(slot_vaddr(n, 0), ptep, pteval);
		preempt_enable();
	}
	return (void *)slot_vaddr(n, 0);
}

/* With whatever there is to care for, before the first mapping of all, too. */
static noinline void *push_with_care(pte_t pteval, unsigned long ip)
{
	struct kmap_ctrl *ctrl = &current->kmap_ctrl;
	unsigned int n = depth_of(ctrl) + KM_STEP - 1;
	bool eager = is_eager(pteval);

	if (unlikely(!km_limit))
		km_init();
	if (unlikely(n >= KM_LIMIT))
		return reserve_map(ctrl, pteval);

	if (KM_LAZY && eager)
		ctrl->eager++;
	set_depth(ctrl, n + 1);
	highmem_count_maps(1, n + 1);
	note_mapper(ctrl, n, ip);
	return eager ? map_eager(ctrl, n, pteval) : map_lazy(ctrl, n, pteval);
}

/* @ip: where the mapping is made */
static void *map_pfn(unsigned long pfn, pgprot_t prot, unsigned long ip)
{
	/* An interrupt that lets others in is one more stack to overflow. */
	WARN_ON_ONCE(in_hardirq() && !irqs_disabled());

	return push_with_care(pfn_pte(pfn, prot), ip);
}

static void *map_page(struct page *page, pgprot_t prot, unsigned long ip)
{
	/* Caches that alias want one address per page, if there is one. */
	void *vaddr = arch_kmap_local_high_get(page);

	return vaddr ? vaddr : map_pfn(page_to_pfn(page), prot, ip);
}

/**
 * __kmap_local_pfn_prot() - map a page frame locally, whatever it is
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
 * Return: the address of the first byte of the page. Should the stack and its
 * reserve be used up, which takes a leak, an address that faults on access.
 */
void *__kmap_local_pfn_prot(unsigned long pfn, pgprot_t prot)
{
	return map_pfn(pfn, prot, _RET_IP_);
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
	return map_page(page, prot, _RET_IP_);
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
	unsigned int n = ctrl->idx;
	unsigned long pfn;

	if (!KM_LAZY)
		return map_page(page, kmap_prot, _RET_IP_);

	pfn = page_to_pfn(page);
	if (unlikely(n >= km_limit) || is_strict())
		return push_with_care(pfn_pte(pfn, kmap_prot), _RET_IP_);

	/* From here on interrupts nest above the new slot, and the CPU stays. */
	set_idx(ctrl, n + 1);
	highmem_count_maps(1, n + 1);
	return map_lazy(ctrl, n, arch_kmap_local_page_pte(pfn, km_page_pte));
}
EXPORT_SYMBOL(__kmap_local_page);

/*
 * The current task has nothing mapped any more: it may go to another CPU. An
 * interrupt that finds itself here is on top of a task that is just about to do
 * so itself. (Softirqs of PREEMPT_RT are part of a task: they interrupt nothing,
 * and may be scheduled away.)
 */
static void unpin(struct kmap_ctrl *ctrl)
{
	if (!ctrl->pinned || depth_of(ctrl) || in_nmi() || in_hardirq() ||
	    (in_serving_softirq() && !IS_ENABLED(CONFIG_PREEMPT_RT)))
		return;

	WRITE_ONCE(ctrl->pinned, 0);
	migrate_enable();
}

/* Gives back the latest mapping, in slot @n. */
static void pop(struct kmap_ctrl *ctrl, unsigned int n)
{
	unsigned long vaddr = live_vaddr(ctrl, n);

	preempt_disable();
	if (is_eager(ctrl->pteval[n])) {
		remove_pte(vaddr, slot_pte(n, vaddr));
		if (KM_LAZY)
			ctrl->eager--;
	}
	arch_kmap_local_forget(&ctrl->pteval[n]);
	pop_to(ctrl, n - (KM_STEP - 1));
	preempt_enable();
	unpin(ctrl);
}

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
		  depth_of(ctrl) / KM_STEP);
	DO_ONCE_LITE(name_mappers, ctrl);
	preempt_disable();
	remove_pte(vaddr, slot_pte(n, vaddr));
	if (KM_LAZY && is_eager(ctrl->pteval[n]))
		ctrl->eager--;
	arch_kmap_local_forget(&ctrl->pteval[n]);
	ctrl->holes |= hole_bit(n);
	set_depth(ctrl, depth_of(ctrl));
	preempt_enable();
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

/* Whatever is not the latest mapping with nothing to care for. */
static noinline void unmap_with_care(unsigned long addr)
{
	struct kmap_ctrl *ctrl = &current->kmap_ctrl;
	unsigned int depth = depth_of(ctrl);
	unsigned long vaddr = addr & PAGE_MASK;

	if (depth && slot_has(depth - 1, addr))
		pop(ctrl, depth - 1);
	else if (is_kmap_local_fixmap(vaddr))
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
	struct kmap_ctrl *ctrl = &current->kmap_ctrl;
	unsigned int n = ctrl->idx - 1;

	if (!KM_LAZY || unlikely(!slot_has(n, (unsigned long)vaddr))) {
		unmap_with_care((unsigned long)vaddr);
		return;
	}
	highmem_race_window();
	arch_kmap_local_forget(&ctrl->pteval[n]);
	set_idx(ctrl, n);
	/* Last, since it may be scheduled away as long as idx is not 0. */
	if (unlikely(ctrl->pinned))
		unpin(ctrl);
}
EXPORT_SYMBOL(kunmap_local_indexed);

/**
 * kmap_local_to_page() - what does a local mapping of this task show?
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

	n = find_slot(ctrl, addr);
	return n < 0 ? NULL : pte_page(ctrl->pteval[n]);
}

/* Runs ------------------------------------------------------------------ */

/*
 * Pages that follow each other, in slots that do. As slots go downwards, a run's
 * first page is in its last slot. The empty slots of a debug kernel are around
 * the run and not in it, and make it a multiple of KM_STEP slots.
 *
 * Caches that alias have an address for each page that suits it.
 */
#if defined(arch_kmap_local_map_idx) || defined(arch_kmap_local_high_get)
#define KM_RUN_MAX	1
#else
#define KM_RUN_MAX	KMAP_LOCAL_MAX_PAGES
#endif

/* What a run leaves for others that nest above it, pages. */
#define KM_RUN_SPARE	6

/* The PTE of a run's page @i, whose first has @ptep. */
static pte_t *run_pte(pte_t *ptep, unsigned long vaddr, unsigned int i)
{
	return IS_ENABLED(CONFIG_KMAP_LOCAL_NON_LINEAR_PTE_ARRAY) ?
	       virt_to_kpte(vaddr) : ptep + i;
}

static unsigned int run_slots(unsigned int nr)
{
	return ALIGN(nr + KM_STEP - 1, KM_STEP);
}

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
	unsigned int used = depth_of(&current->kmap_ctrl) + KM_RUN_SPARE * KM_STEP;

	nr = min_t(unsigned int, nr, KM_RUN_MAX);
	while (nr > 1 && used + run_slots(nr) > KM_LIMIT)
		nr--;
	return nr;
}

/* See map_lazy(). */
static __always_inline void *map_run_lazy(struct kmap_ctrl *ctrl, unsigned int top,
					  unsigned long pfn, unsigned int nr)
{
#ifdef KMAP_LOCAL_LAZY
	pte_t pteval = arch_kmap_local_page_pte(pfn, km_page_pte);
	pte_t *ptep = slot_pte(top, slot_vaddr(top, 0)), *end = ptep + nr;
	pte_t *note = &ctrl->pteval[top];

	for (; ptep < end; ptep++, note--) {
		arch_kmap_local_note(note, pteval);
		barrier();
		highmem_race_window();
		if (unlikely(!pte_same(ptep_get(ptep), pteval))) {
			preempt_disable();
			replace_pte(slot_vaddr(note - ctrl->pteval, 0), ptep, pteval);
			preempt_enable();
		}
		pteval = arch_kmap_local_next_pte(pteval);
	}
#endif
	return (void *)slot_vaddr(top, pfn);
}

static void *map_run_eager(struct kmap_ctrl *ctrl, unsigned int top,
			   unsigned long pfn, unsigned int nr, unsigned long ip)
{
	unsigned long vaddr;
	pte_t pteval, *ptep;
	unsigned int i;

	preempt_disable();
	vaddr = slot_vaddr(top, pfn);
	ptep = slot_pte(top, vaddr);
	for (i = 0; i < nr; i++, vaddr += PAGE_SIZE, pfn++) {
		pteval = arch_kmap_local_page_pte(pfn, km_page_pte);
		note_mapper(ctrl, top - i, ip);
		arch_kmap_local_note(&ctrl->pteval[top - i], pteval);
		fill_eagerly(vaddr, run_pte(ptep, vaddr, i), pteval);
	}
	preempt_enable();
	return (void *)(vaddr - nr * PAGE_SIZE);
}

/* With whatever there is to care for, see push_with_care(). */
static noinline void *push_run_with_care(struct page *page, unsigned int *nr,
					 unsigned long ip)
{
	struct kmap_ctrl *ctrl = &current->kmap_ctrl;
	unsigned int top;

	*nr = km_limit ? kmap_local_room(*nr) : 1;
	if (*nr == 1)
		return map_page(page, kmap_prot, ip);

	top = depth_of(ctrl) + run_slots(*nr) - 1;
	if (KM_LAZY && is_strict())
		ctrl->eager += *nr;
	set_depth(ctrl, top + 1);
	highmem_count_maps(*nr, top + 1);
	return is_strict() ? map_run_eager(ctrl, top, page_to_pfn(page), *nr, ip) :
			     map_run_lazy(ctrl, top, page_to_pfn(page), *nr);
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
	struct kmap_ctrl *ctrl = &current->kmap_ctrl;
	unsigned int depth = ctrl->idx + *nr;

	if (!KM_LAZY || is_strict() || unlikely(*nr > KM_RUN_MAX) ||
	    unlikely(depth + KM_RUN_SPARE > km_limit))
		return push_run_with_care(page, nr, _RET_IP_);

	set_idx(ctrl, depth);
	highmem_count_maps(*nr, depth);
	return map_run_lazy(ctrl, depth - 1, page_to_pfn(page), *nr);
}
EXPORT_SYMBOL(__kmap_local_pages);

/*
 * Do the @nr slots from @top downwards show a run of pages? The page at its end
 * tells.
 */
static bool is_run(const struct kmap_ctrl *ctrl, unsigned int top, unsigned int nr)
{
	pte_t last = ctrl->pteval[top - (nr - 1)];

	return is_noted(last) &&
	       pte_pfn(last) == pte_pfn(ctrl->pteval[top]) + nr - 1;
}

/**
 * kmap_addr_reach() - how far does the mapping reach that an address is in?
 * @vaddr: an address for which is_kmap_addr() is true
 *
 * For hardened usercopy: a run of pages is one mapping, and every other page in
 * a mapping window is one of its own. (The pages of two mappings that happen to
 * follow each other in memory and in the slots count as a run.)
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
	unsigned long addr = (unsigned long)vaddr & PAGE_MASK;
	struct kmap_ctrl *ctrl = &current->kmap_ctrl;
	unsigned int nr = 1;
	int n;

	if (is_kmap_local_fixmap(addr)) {
		n = find_slot(ctrl, addr);
		if (n < 0)
			return 0;
		while (nr < KM_RUN_MAX && n >= nr && is_run(ctrl, n, nr + 1))
			nr++;
	}
	return nr * PAGE_SIZE - offset_in_page(vaddr);
}

/* How many pages, @nr at most, has the run whose first page is in slot @n? */
static unsigned int run_length(const struct kmap_ctrl *ctrl, int n, unsigned int nr)
{
	int real = n < 0 ? 0 : 1;

	while (real && real < nr && n >= real && is_run(ctrl, n, real + 1))
		real++;
	return real;
}

/*
 * What is given back is not a run of @nr pages or not the latest mapping. If it
 * begins with a run, that goes: page by page, and its guards with it, unless it
 * is the latest.
 */
static void unmap_odd_run(unsigned long addr, unsigned int nr)
{
	struct kmap_ctrl *ctrl = &current->kmap_ctrl;
	int top = find_slot(ctrl, addr), n;
	unsigned int real = run_length(ctrl, top, nr), i;

	WARN_ONCE(real < nr,
		  "highmem: %s/%d gives back %u pages as a run that are none\n",
		  current->comm, current->pid, nr);
	if (real < 2)
		return;
	if (top == depth_of(ctrl) - 1) {
		__kunmap_local_pages((void *)addr, real);
		return;
	}
	for (i = 0; i < real; i++)
		unmap_with_care(addr + i * PAGE_SIZE);
	for (n = top + 1 - run_slots(real); n <= top; n++)
		ctrl->holes |= hole_bit(n);
	set_depth(ctrl, depth_of(ctrl));
}

/* Whatever is not the latest run with nothing to care for. */
static noinline void unmap_run_with_care(const void *vaddr, unsigned int nr)
{
	struct kmap_ctrl *ctrl = &current->kmap_ctrl;
	unsigned long addr = (unsigned long)vaddr & PAGE_MASK;
	unsigned int depth = depth_of(ctrl), i;

	if (nr == 1) {
		kunmap_local_indexed(vaddr);
		return;
	}
	if (unlikely(depth < run_slots(nr)) || unlikely(!slot_has(depth - 1, addr)) ||
	    unlikely(!is_run(ctrl, depth - 1, nr))) {
		unmap_odd_run(addr, nr);
		return;
	}

	/* The guards too: they show a page if fewer are given back than were had. */
	preempt_disable();
	for (i = 0; i < run_slots(nr); i++, addr += PAGE_SIZE) {
		unsigned int n = depth - 1 - i;

		if (!is_noted(ctrl->pteval[n]))
			continue;
		if (is_strict())
			remove_pte(addr, slot_pte(n, addr));
		arch_kmap_local_forget(&ctrl->pteval[n]);
	}
	if (KM_LAZY && is_strict())
		ctrl->eager -= nr;
	pop_to(ctrl, depth - run_slots(nr));
	preempt_enable();
	unpin(ctrl);
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
	struct kmap_ctrl *ctrl = &current->kmap_ctrl;
	unsigned int n = ctrl->idx - 1;
	pte_t *note, *end;

	if (!KM_LAZY || unlikely(!slot_has(n, (unsigned long)vaddr)) ||
	    unlikely(n + 1 < nr) || unlikely(!is_run(ctrl, n, nr))) {
		unmap_run_with_care(vaddr, nr);
		return;
	}
	highmem_race_window();
	note = &ctrl->pteval[n];
	end = note - nr;
	for (; note > end; note--)
		arch_kmap_local_forget(note);
	set_idx(ctrl, n + 1 - nr);
	if (unlikely(ctrl->pinned))
		unpin(ctrl);
}
EXPORT_SYMBOL(__kunmap_local_pages);

/* The scheduler and fork ------------------------------------------------ */

/*
 * Takes down the current task's mappings before another task runs here, if they
 * may not stay.
 *
 * Called with the run queue locked and interrupts off. An NMI may still come:
 * idx and pteval[] do not change, so it nests above them as ever, and does not
 * care whether the slots below are still mapped.
 */
void __kmap_local_sched_out(void)
{
	struct kmap_ctrl *ctrl = &current->kmap_ctrl;
	int n;

	if (KM_LAZY && !ctrl->eager)
		return;

	for (n = live_below(ctrl, depth_of(ctrl)); n >= 0; n = live_below(ctrl, n)) {
		unsigned long vaddr = live_vaddr(ctrl, n);

		if (is_eager(ctrl->pteval[n]))
			remove_pte(vaddr, slot_pte(n, vaddr));
	}
}

/*
 * Puts the current task's mappings back after another task ran here, as far as
 * they are not there any more.
 *
 * Called with preemption off and interrupts on. An interrupt may come with
 * some slots not yet back: they are below idx, so it does not use them.
 */
void __kmap_local_sched_in(void)
{
	struct kmap_ctrl *ctrl = &current->kmap_ctrl;
	int n;

	for (n = live_below(ctrl, depth_of(ctrl)); n >= 0; n = live_below(ctrl, n)) {
		unsigned long vaddr = live_vaddr(ctrl, n);
		pte_t *ptep = slot_pte(n, vaddr);

		if (!KM_LAZY)
			install_pte(vaddr, ptep, ctrl->pteval[n]);
		else if (!pte_same(ptep_get(ptep), ctrl->pteval[n]))
			replace_pte(vaddr, ptep, ctrl->pteval[n]);
	}
}

/* Takes away all that the current task has mapped. */
static void take_all_back(struct kmap_ctrl *ctrl)
{
	int n;

	preempt_disable();
	for (n = live_below(ctrl, depth_of(ctrl)); n >= 0; n = live_below(ctrl, n)) {
		unsigned long vaddr = live_vaddr(ctrl, n);

		if (is_eager(ctrl->pteval[n]))
			remove_pte(vaddr, slot_pte(n, vaddr));
		arch_kmap_local_forget(&ctrl->pteval[n]);
	}
	ctrl->holes = 0;
	ctrl->eager = 0;
	set_idx(ctrl, 0);
	preempt_enable();
	reserve_take_back(ctrl);
}

/**
 * kmap_local_leaked() - the current task has kept mappings that it may not keep
 *
 * They would be on top of its stack for good, and pin it to its CPU. Reports
 * them, in a debug kernel with who made them, and takes them away, with what the
 * task has in the reserve. (The pin goes with the next mapping that is given back,
 * or with the task: just now it is too late to move.)
 *
 * Context: return to user space, interrupts off.
 */
void kmap_local_leaked(void)
{
	struct kmap_ctrl *ctrl = &current->kmap_ctrl;

	WARN_ONCE(1, "highmem: %s/%d goes back to user space with %u pages mapped\n",
		  current->comm, current->pid, depth_of(ctrl) / KM_STEP);
	DO_ONCE_LITE(name_mappers, ctrl);
	take_all_back(ctrl);
}

/**
 * __kmap_local_exit() - out-of-line part of kmap_local_exit()
 *
 * The same for a task that ends, which a kernel thread or an oops may make it do
 * with something mapped. A pin that outlived its task would keep the CPU from ever
 * going offline.
 *
 * Context: do_exit(), where the task may still be moved.
 */
void __kmap_local_exit(void)
{
	struct kmap_ctrl *ctrl = &current->kmap_ctrl;

	if (ctrl->idx) {
		WARN_ONCE(1, "highmem: %s/%d ends with %u pages mapped\n",
			  current->comm, current->pid, depth_of(ctrl) / KM_STEP);
		DO_ONCE_LITE(name_mappers, ctrl);
		take_all_back(ctrl);
	}
	unpin(ctrl);
}

/**
 * kmap_local_fork() - make sure that a new task starts without mappings
 * @tsk: the new task, still a copy of its parent
 *
 * A mapping belongs to the task that made it, and fork with one held is a
 * mistake: the child would give back what it never mapped.
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
	 * The parent's pin is not the child's either. It may have no mapping any
	 * more, see kmap_local_leaked().
	 */
	if (tsk->kmap_ctrl.pinned && !--tsk->migration_disabled)
		tsk->cpus_ptr = &tsk->cpus_mask;
#endif
	tsk->kmap_ctrl = (struct kmap_ctrl) { };
}

/* What is left behind --------------------------------------------------- */

#ifdef KMAP_LOCAL_LAZY

/* Takes away what slot @n shows, unless @ctrl notes it. Was there something? */
static bool flush_slot(const struct kmap_ctrl *ctrl, unsigned int n)
{
	unsigned long vaddr = slot_vaddr(n, 0);
	pte_t *ptep = slot_pte(n, vaddr);
	bool held = n < depth_of(ctrl) && is_noted(ctrl->pteval[n]);

	if (pte_none(ptep_get(ptep)) ||
	    (held && pte_same(ptep_get(ptep), ctrl->pteval[n])))
		return false;
	if (held)
		replace_pte(vaddr, ptep, ctrl->pteval[n]);
	else
		remove_pte(vaddr, ptep);
	return true;
}

/*
 * Takes away what this CPU's slots show and the current task does not hold.
 *
 * Interrupts are off. What they interrupted may be about to fill a slot below
 * idx, and then the PTE is either what it has noted in pteval[], and stays, or
 * it is what somebody left: that goes, and if the note has been made, its page
 * comes in its place at once. It must: on PAE the interrupted context may have
 * seen one half of the old PTE already and take the rest from the new one.
 */
static void flush_this_cpu(void *unused)
{
	struct kmap_ctrl *ctrl = &current->kmap_ctrl;
	int n;

	if (!km_limit)
		return;

	for (n = 0; n < KM_MAX_IDX; n++) {
		/*
		 * The second time is for what an NMI has left here during the
		 * first: on PAE it may have lost its upper half to us.
		 */
		if (flush_slot(ctrl, n))
			flush_slot(ctrl, n);
	}
}

/**
 * kmap_local_flush() - take away all local mappings that nobody holds
 *
 * Those of tasks that do not run go as well and come back with their tasks. A
 * CPU that goes offline leaves nothing behind, see kmap_local_dying(). At the end
 * no TLB knows any of them, though only their own CPU could have used them: who
 * unmaps eagerly has flushed the TLB of its own CPU only.
 *
 * Context: task context with interrupts on.
 */
void kmap_local_flush(void)
{
	if (KM_LAZY)
		on_each_cpu(flush_this_cpu, NULL, 1);
	flush_tlb_kernel_range(__fix_to_virt(FIX_KMAP_END),
			       __fix_to_virt(FIX_KMAP_BEGIN) + PAGE_SIZE);
	flush_tlb_kernel_range(kmap_local_reserve_start, kmap_local_reserve_end);
}

/*
 * All other CPUs stand still with interrupts off from before this CPU leaves
 * cpu_online_mask until after this: to them the two are one.
 */
static int kmap_local_dying(unsigned int cpu)
{
	flush_this_cpu(NULL);
	return 0;
}

static int __init kmap_local_set_strict(char *value)
{
	bool on = true;

	if (value && *value && kstrtobool(value, &on))
		return -EINVAL;
	if (on)
		static_branch_enable(&kmap_local_strict);
	return 0;
}
early_param("kmap_local_strict", kmap_local_set_strict);

static int __init kmap_local_lazy_init(void)
{
	if (!KM_LAZY)
		return 0;
	/* Who looks for the use of free pages wants to see this, too. */
	if (debug_pagealloc_enabled())
		static_branch_enable(&kmap_local_strict);
	return cpuhp_setup_state_nocalls(CPUHP_AP_KMAP_LOCAL_DYING,
					 "mm/kmap_local:dying", NULL,
					 kmap_local_dying);
}
early_initcall(kmap_local_lazy_init);

#endif /* KMAP_LOCAL_LAZY */

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
		 * Acquire, pairs with the release in reserve_clear(): the PTE
		 * that the last owner cleared is not seen valid by our flush.
		 */
		if (!cmpxchg_acquire(&reserve[n].owner, NULL, current))
			return n;
	}
	return -1;
}

/*
 * The task is pinned from here to reserve_unmap().
 *
 * With no slot left there is nothing to return that could be used, and code
 * that maps a page does not look for failure. The guard page behind the
 * reserve is never mapped: whoever touches it gets a page fault, not the data
 * of another page.
 */
static noinline void *reserve_map(struct kmap_ctrl *ctrl, pte_t pteval)
{
	unsigned long vaddr;
	int n;

	migrate_disable();
	n = reserve_take(pte_pfn(pteval));
	WARN_ONCE(1, "highmem: %s/%d has more than %d nested local mappings, %s\n",
		  current->comm, current->pid, KM_LIMIT / KM_STEP,
		  n < 0 ? "and the reserve is used up" : "going on in the reserve");

	vaddr = n < 0 ? kmap_local_reserve_end : reserve_vaddr(n);
	DO_ONCE_LITE(name_mappers, ctrl);
	trace_kmap_local_overflow(depth_of(ctrl) / KM_STEP, vaddr);
	highmem_count(HIGHMEM_STAT_LOCAL_MAP, 1);
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

static void reserve_clear(unsigned int n)
{
	preempt_disable();
	remove_pte(reserve_vaddr(n), reserve[n].ptep);
	/* Pairs with the acquire in reserve_take(). */
	smp_store_release(&reserve[n].owner, NULL);
	preempt_enable();
}

static void reserve_unmap(unsigned long vaddr)
{
	if (vaddr != kmap_local_reserve_end) {
		unsigned int n = (vaddr - kmap_local_reserve_start) >> PAGE_SHIFT;

		if (WARN_ONCE(READ_ONCE(reserve[n].owner) != current,
			      "highmem: kunmap_local() of address %p in the reserve that %s/%d has not mapped\n",
			      (void *)vaddr, current->comm, current->pid))
			return;
		reserve_clear(n);
	}
	migrate_enable();
}

/*
 * Takes away what the current task has left in the reserve. One of the pins that
 * go with it becomes that of @ctrl, if that has none: where this is called it may
 * be too late to move.
 */
static void reserve_take_back(struct kmap_ctrl *ctrl)
{
	unsigned int n;

	for (n = 0; n < KM_RESERVE_SLOTS; n++) {
		if (READ_ONCE(reserve[n].owner) != current)
			continue;
		reserve_clear(n);
		if (ctrl->pinned)
			migrate_enable();
		else
			WRITE_ONCE(ctrl->pinned, 1);
	}
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

	km_init();
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
