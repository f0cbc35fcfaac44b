/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The high memory API (<linux/highmem.h>, the only file that may include this one) for
 * each configuration.
 *
 *   CONFIG_HIGHMEM	pages without a direct mapping exist: kmap() needs the
 *			pkmap pool (mm/pkmap.c), kmap_local needs the stack.
 *   CONFIG_KMAP_LOCAL	the stack of local mappings (mm/kmap_local.c) is built.
 *			HIGHMEM implies it; x86-32 has it without HIGHMEM for
 *			<linux/io-mapping.h>, x86-64 for debugging only.
 *   CONFIG_DEBUG_KMAP_LOCAL_FORCE_MAP
 *			kmap_local maps every page, also those that have a
 *			direct mapping, on 32 and 64 bit alike.
 *   none of these	a page is reached through the direct mapping: each function
 *			below becomes page_to_virt().
 *
 * Each function has one body for all of them. page_needs_kmap_local() and PageHighMem()
 * are constants where the configuration decides, so that the compiler drops the calls
 * into files that are not built.
 */
#ifndef _LINUX_HIGHMEM_INTERNAL_H
#define _LINUX_HIGHMEM_INTERNAL_H

/**
 * DOC: What an architecture supplies
 *
 * In ``<asm/fixmap.h>`` the slots ``FIX_KMAP_BEGIN`` to ``FIX_KMAP_END``,
 * ``KM_MAX_IDX`` for each possible CPU, and the rest in ``<asm/highmem.h>``. For
 * kmap() it needs
 *
 * ``LAST_PKMAP``, ``PKMAP_ADDR(nr)``
 *   Size in pages and addresses of the pool's first area. Its page tables must exist
 *   before the first kmap().
 *
 * ``flush_cache_kmaps()``
 *   Writes back what a virtually indexed cache holds for pkmap addresses. Called
 *   with a mutex held and interrupts on, before the PTEs of idle slots are cleared.
 *
 * ``pte_clear()``
 *   Called for a slot with a spinlock held and interrupts off.
 *
 * ``flush_cache_vmap()``, ``flush_tlb_kernel_range()``
 *   Called without a spinlock, so that they may wait for other CPUs. The first is
 *   called once for slots in vmalloc space, when the pool gets them.
 *
 * and may define
 *
 * ``kmap_prot``
 *   The protection of a mapping, where it is not ``PAGE_KERNEL``.
 *
 * ``arch_pkmap_set_pte()``
 *   Stores the PTE of a slot, with a spinlock held and interrupts off, where
 *   set_pte_at() may wait for other CPUs.
 *
 * ``pkmap_flush_tlb_all()``
 *   Flushes all pkmap addresses from all TLBs at once, where that is cheaper than
 *   flush_tlb_kernel_range() for each area. Returns when it is done.
 *
 * ``get_pkmap_color()``, ``get_pkmap_wait_queue_head()``
 *   For caches that alias: a page is only mapped in slots of its colour, which is
 *   ``DCACHE_ALIAS()`` of their address. Either both are defined or none, with
 *   ``DCACHE_N_COLORS``.
 *
 * ``ARCH_NEEDS_KMAP_HIGH_GET``, ``arch_kmap_local_high_get()``
 *   The macro builds kmap_high_get(). The hook calls it and returns its address, which
 *   kunmap_local() drops with kunmap_high(), or NULL: kmap_local then takes a local slot.
 *
 * ``ARCH_HAS_KMAP_FLUSH_TLB``, ``kmap_flush_tlb()``
 *   Called by every kmap() on the address that it returns.
 *
 * kmap_local calls the following in this order, on the CPU that owns the slot and with
 * preemption disabled. An overflow slot belongs to no CPU:
 * ``arch_kmap_local_post_unmap()``, which has no default, also comes before a mapping
 * there. The defaults of the PTE stores are set_pte_at() and pte_clear(), all others are
 * empty.
 *
 * ``arch_kmap_local_pre_map(vaddr, pteval)``
 *   Before the PTE is written.
 *
 * ``arch_kmap_local_set_pte(mm, vaddr, ptep, pteval)``
 *   Writes it.
 *
 * ``arch_kmap_local_post_map(vaddr, pteval)``
 *   Before the address is used.
 *
 * ``arch_kmap_local_pre_unmap(vaddr)``
 *   Before the PTE is cleared.
 *
 * ``arch_kmap_local_clear_pte(mm, vaddr, ptep)``
 *   Clears it.
 *
 * ``arch_kmap_local_post_unmap(vaddr)``
 *   Must flush ``vaddr`` from this CPU's TLB before it returns.
 *
 * For kmap_local an architecture may also define
 *
 * ``arch_kmap_local_save_pte(saved, pteval)``, ``arch_kmap_local_clear_saved(saved)``
 *   Sets and clears an entry of a task's saved PTEs, which is ordinary memory. An
 *   interrupt must never see half of an entry with the present bit set. The
 *   defaults are assignments.
 *
 * ``arch_kmap_local_page_pte(pfn, template)``
 *   ``pfn_pte(pfn, kmap_prot)``, made of ``template``, which is that of page frame 0.
 *   On x86 this saves nine instructions of each mapping.
 *
 * ``ARCH_KMAP_LOCAL_LAZY``
 *   kunmap_local() leaves the PTE of a mapping with ``kmap_prot``.
 *   ``arch_kmap_local_set_pte()`` and ``arch_kmap_local_clear_pte()`` must then replace a
 *   valid PTE in one store. Between two stores a page walk, an NMI, or an interrupt that
 *   flushes the slots would see a mix of two PTEs.
 *   ``arch_kmap_local_post_unmap()`` follows. Caches must not alias, and ``kmap_prot``
 *   must have the accessed and dirty bits set.
 *
 * ``arch_kmap_local_flush_tlb()``
 *   Flushes all kernel addresses from this CPU's TLB. Needed with
 *   ``ARCH_KMAP_LOCAL_LAZY`` only.
 *
 * ``arch_kmap_local_map_idx(idx, pfn)``
 *   Returns the fixmap index of slot ``idx`` where that depends on the page's colour.
 *
 * ``ARCH_HAS_FLUSH_ON_KUNMAP``, ``kunmap_flush_on_unmap()``
 *   Without ``CONFIG_KMAP_LOCAL`` only: called when a direct address is given
 *   back.
 */

#ifdef CONFIG_KMAP_LOCAL
#include <asm/highmem.h>
#endif

#ifndef kmap_prot
#define kmap_prot PAGE_KERNEL
#endif

/* The defaults of the hooks above. */
#ifndef arch_pkmap_set_pte
#define arch_pkmap_set_pte		set_pte_at
#endif

#ifndef arch_kmap_local_set_pte
#define arch_kmap_local_set_pte		set_pte_at
#endif

#ifndef arch_kmap_local_clear_pte
#define arch_kmap_local_clear_pte	pte_clear
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

#ifndef arch_kmap_local_high_get
static inline void *arch_kmap_local_high_get(const struct page *page) { return NULL; }
#endif

/* Does kunmap_local() leave the PTE in the slot? Kernels that are to find misuse do not. */
#if defined(ARCH_KMAP_LOCAL_LAZY) && !defined(CONFIG_DEBUG_KMAP_LOCAL) && \
	!defined(CONFIG_DEBUG_HIGHMEM)
#define KMAP_LOCAL_LAZY 1
#else
#define KMAP_LOCAL_LAZY 0
#endif

#ifndef arch_kmap_local_page_pte
#define arch_kmap_local_page_pte(pfn, template) \
	((void)(template), pfn_pte(pfn, kmap_prot))
#endif

#ifndef ARCH_HAS_KMAP_FLUSH_TLB
static inline void kmap_flush_tlb(unsigned long addr) { }
#endif

/* mm/pkmap.c */
void *kmap_high(struct page *page);
void kunmap_high(const struct page *page);
void __kmap_flush_unused(void);

/* mm/highmem.c */
struct page *pkmap_to_page(unsigned long addr);
struct page *__kmap_to_page(void *addr);
unsigned long __nr_free_highpages(void);
unsigned long __totalhigh_pages(void);

/* mm/kmap_local.c */
void *__kmap_local_page(const struct page *page);
void *__kmap_local_page_prot(const struct page *page, pgprot_t prot);
void *__kmap_local_pfn_prot(unsigned long pfn, pgprot_t prot);
void *__kmap_local_pages(const struct page *page, unsigned int *nr);
unsigned int kmap_local_room(unsigned int nr);
void kunmap_local_indexed(const void *vaddr);
void __kmap_local_sched_out(void);
void __kmap_local_sched_in(void);
size_t kmap_addr_reach(const void *vaddr);

#ifdef CONFIG_KMAP_LOCAL
bool kmap_local_is_lazy(void);
bool is_kmap_addr(const void *x);
void kmap_local_fork(struct task_struct *tsk);
struct page *kmap_local_to_page(const void *vaddr);

bool kmap_local_flush(bool flush_tlb);

/* A mapping takes a multiple of so many slots: a page and a guard take two. */
#define KMAP_LOCAL_STEP		2

void kmap_local_leaked(void);

/* For the return to user space and for do_exit(). */
static inline void kmap_assert_nomap(void)
{
	if (unlikely(current->kmap_ctrl.idx))
		kmap_local_leaked();
}

/* Must @p stay on its CPU, because it has local mappings? */
static __always_inline bool kmap_local_held(const struct task_struct *p)
{
	return READ_ONCE(p->kmap_ctrl.idx);
}

/*
 * Pins @p to its CPU when it is scheduled out with local mappings for the first time.
 * kunmap_local() ends the pin with the last mapping. If interrupts are off then, the
 * next call of this function ends the pin.
 *
 * __schedule() calls this for the current task with interrupts off. It does so before it
 * takes the lock of the run queue, which migrate_enable() takes, too, and before
 * sched_ext shows @p to other CPUs.
 */
static __always_inline void kmap_local_pin(struct task_struct *p)
{
	struct kmap_ctrl *ctrl = &p->kmap_ctrl;

	if (likely(!ctrl->idx == !ctrl->pinned))
		return;
	WRITE_ONCE(ctrl->pinned, !ctrl->pinned);
	if (ctrl->pinned)
		migrate_disable();
	else
		migrate_enable();
}

/* The fixmap counts downwards: the first slot has the highest address. */
static inline bool is_kmap_local_fixmap(unsigned long addr)
{
	return addr - __fix_to_virt(FIX_KMAP_END) <
	       (FIX_KMAP_END - FIX_KMAP_BEGIN + 1) * PAGE_SIZE;
}

#else
static inline bool is_kmap_addr(const void *x) { return false; }
static inline void kmap_local_fork(struct task_struct *tsk) { }
static inline void kmap_assert_nomap(void) { }
static __always_inline bool kmap_local_held(const struct task_struct *p) { return false; }
static inline void kmap_local_pin(struct task_struct *p) { }
#endif /* CONFIG_KMAP_LOCAL */

#ifdef CONFIG_HIGHMEM
/* Is @addr in an area of the pool? */
bool is_pkmap_addr(unsigned long addr);
#else
static inline bool is_pkmap_addr(unsigned long addr) { return false; }
#endif

/* The most pages of one run. */
#define KMAP_LOCAL_MAX_PAGES	8

/* Does kmap_local map any page in this kernel, or are all in the direct mapping? */
#define KMAP_LOCAL_MAPS_PAGES				\
	(IS_ENABLED(CONFIG_HIGHMEM) ||			\
	 IS_ENABLED(CONFIG_DEBUG_KMAP_LOCAL_FORCE_MAP))

static inline bool page_needs_kmap_local(const struct page *page)
{
	if (IS_ENABLED(CONFIG_DEBUG_KMAP_LOCAL_FORCE_MAP))
		return true;
#ifdef CONFIG_HIGHMEM
	/* This decides for most pages. PageHighMem() also knows ZONE_MOVABLE. */
	if (page_zonenum(page) < ZONE_HIGHMEM)
		return false;
#endif
	return PageHighMem(page);
}

/* kunmap() and kunmap_local() of an address in the direct mapping. */
static inline void kunmap_direct(const void *addr)
{
#ifdef ARCH_HAS_FLUSH_ON_KUNMAP
	kunmap_flush_on_unmap(PTR_ALIGN_DOWN(addr, PAGE_SIZE));
#endif
}

static inline void *kmap(struct page *page)
{
	void *addr;

	might_sleep();
	addr = PageHighMem(page) ? kmap_high(page) : lowmem_page_address(page);
	kmap_flush_tlb((unsigned long)addr);
	return addr;
}

static inline void kunmap(const struct page *page)
{
	if (IS_ENABLED(CONFIG_HIGHMEM))
		might_sleep();
	if (PageHighMem(page))
		kunmap_high(page);
	else
		kunmap_direct(lowmem_page_address(page));
}

static inline struct page *kmap_to_page(void *addr)
{
	return KMAP_LOCAL_MAPS_PAGES ? __kmap_to_page(addr) : virt_to_page(addr);
}

static inline void kmap_flush_unused(void)
{
	if (IS_ENABLED(CONFIG_HIGHMEM))
		__kmap_flush_unused();
}

static inline void *kmap_local_page_prot(const struct page *page, pgprot_t prot)
{
	return KMAP_LOCAL_MAPS_PAGES ? __kmap_local_page_prot(page, prot) :
				       lowmem_page_address(page);
}

static inline void *kmap_local_page(const struct page *page)
{
	return KMAP_LOCAL_MAPS_PAGES ? __kmap_local_page(page) :
				       lowmem_page_address(page);
}

static inline void *kmap_local_folio(const struct folio *folio, size_t offset)
{
	/* Without local mappings a folio is contiguous in the direct mapping. */
	if (!KMAP_LOCAL_MAPS_PAGES)
		return lowmem_page_address(&folio->page) + offset;
	return kmap_local_page(folio_page(folio, offset / PAGE_SIZE)) +
	       offset_in_page(offset);
}

static inline void *kmap_local_pfn(unsigned long pfn)
{
	if (KMAP_LOCAL_MAPS_PAGES)
		return __kmap_local_pfn_prot(pfn, kmap_prot);
	return lowmem_page_address(pfn_to_page(pfn));
}

static inline void __kunmap_local(const void *addr)
{
	if (!KMAP_LOCAL_MAPS_PAGES)
		kunmap_direct(addr);
	else if (IS_ENABLED(CONFIG_DEBUG_KMAP_LOCAL_FORCE_MAP) ||
		 addr >= high_memory || (unsigned long)addr < PAGE_OFFSET)
		kunmap_local_indexed(addr);
}

/**
 * kmap_local_page_span() - kmap_local_span() for a compound page
 * @page: a page, or the head of a compound page
 * @offset: the first byte wanted, counted from @page
 * @len: the number of bytes wanted, at least 1; returns the number of bytes mapped
 *
 * Unmap with kunmap_local_span(). For an example see kmap_local_span().
 *
 * Context: any, NMI on x86 only; does not sleep.
 * Return: the address of byte @offset.
 */
static inline void *kmap_local_page_span(const struct page *page, size_t offset,
					 size_t *len)
{
	unsigned int nr;
	void *addr;

	if (!page_needs_kmap_local(page))
		return lowmem_page_address(page) + offset;

	page += offset / PAGE_SIZE;
	offset = offset_in_page(offset);
	nr = PFN_UP(offset + *len);
	addr = nr > 1 ? __kmap_local_pages(page, &nr) : kmap_local_page(page);
	*len = min_t(size_t, *len, nr * PAGE_SIZE - offset);
	return addr + offset;
}

/* A run is one mapping. In the direct mapping each page is one. */
static inline void kunmap_local_span(const void *addr, size_t len)
{
	unsigned int nr = KMAP_LOCAL_MAPS_PAGES ? 1 : PFN_UP(offset_in_page(addr) + len);

	for (; nr--; addr += PAGE_SIZE)
		__kunmap_local(addr);
}

static inline void *kmap_local_span(const struct folio *folio, size_t offset, size_t *len)
{
	return kmap_local_page_span(&folio->page, offset, len);
}

/* mm/folio_map.c */
void *__folio_map_local(struct folio *folio);
void __folio_unmap_local(struct folio *folio, const void *addr);

static inline void *folio_map_local(struct folio *folio)
{
	might_sleep();
	if (page_needs_kmap_local(&folio->page))
		return __folio_map_local(folio);
	return lowmem_page_address(&folio->page);
}

static inline void folio_unmap_local(struct folio *folio, const void *addr)
{
	might_sleep();
	if (page_needs_kmap_local(&folio->page))
		__folio_unmap_local(folio, addr);
	else
		kunmap_local_span(addr, folio_size(folio));
}

/*
 * kmap_atomic() disables page faults, too, and preemption. On RT it disables migration
 * instead of preemption.
 */
static inline void kmap_atomic_enter(void)
{
	if (IS_ENABLED(CONFIG_PREEMPT_RT))
		migrate_disable();
	else
		preempt_disable();
	pagefault_disable();
}

static inline void *kmap_atomic_prot(const struct page *page, pgprot_t prot)
{
	kmap_atomic_enter();
	return kmap_local_page_prot(page, prot);
}

static inline void *kmap_atomic(const struct page *page)
{
	kmap_atomic_enter();
	return kmap_local_page(page);
}

static inline void *kmap_atomic_pfn(unsigned long pfn)
{
	kmap_atomic_enter();
	return kmap_local_pfn(pfn);
}

static inline void __kunmap_atomic(const void *addr)
{
	__kunmap_local(addr);
	pagefault_enable();
	if (IS_ENABLED(CONFIG_PREEMPT_RT))
		migrate_enable();
	else
		preempt_enable();
}

static inline unsigned long nr_free_highpages(void)
{
	return IS_ENABLED(CONFIG_HIGHMEM) ? __nr_free_highpages() : 0;
}

static inline unsigned long totalhigh_pages(void)
{
	return IS_ENABLED(CONFIG_HIGHMEM) ? __totalhigh_pages() : 0;
}

/* Fails to compile if the argument is the page instead of the address. */
#define __kunmap_local_arg(addr)					\
({									\
	BUILD_BUG_ON_MSG(__builtin_types_compatible_p(typeof(addr),	\
						      struct page *),	\
			 "unmap takes the mapped address, not the page");\
	(addr);								\
})

/**
 * kunmap_atomic() - unmap what kmap_atomic() mapped - deprecated
 * @__addr: any address inside the mapped page
 *
 * Enables page faults again and, except on PREEMPT_RT, preemption. Unmap the latest
 * mapping first, as with kunmap_local(). For an example see kmap_atomic().
 *
 * Context: the one that called kmap_atomic(); does not sleep.
 */
#define kunmap_atomic(__addr)	__kunmap_atomic(__kunmap_local_arg(__addr))

/**
 * kunmap_local() - unmap what a kmap_local function mapped
 * @__addr: any address inside the mapped page
 *
 * Unmap the latest mapping of a task first. Another mapping than the latest is unmapped
 * alone, and reported once. So is a mapping whose @__addr is the address behind its
 * page. An address that this task has not mapped is reported once, and nothing is
 * unmapped. For an address in the direct mapping there is nothing to do. For an example
 * see kmap_local_page().
 *
 * Context: the one that made the mapping; does not sleep.
 */
#define kunmap_local(__addr)	__kunmap_local(__kunmap_local_arg(__addr))

#endif /* _LINUX_HIGHMEM_INTERNAL_H */
