// SPDX-License-Identifier: GPL-2.0
/*
 * High memory: pages that the kernel has no permanent address for.
 *
 *   - the pkmap pool: kmap() and kunmap(), mappings that every CPU sees and
 *     that last as long as they are held;
 *   - page_address(): where a highmem page is mapped at the moment;
 *   - how much high memory there is.
 *
 * Local mappings are in mm/kmap_local.c, the helpers that copy and clear
 * highmem pages in <linux/highmem.h>.
 */

#include <linux/export.h>
#include <linux/hash.h>
#include <linux/highmem.h>
#include <linux/init.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/mutex.h>
#include <linux/rculist_nulls.h>
#include <linux/sched.h>
#include <linux/spinlock.h>
#include <linux/wait.h>

#include <asm/tlbflush.h>

#ifdef CONFIG_HIGHMEM

/* The pkmap pool: data ------------------------------------------------- */

/*
 * LAST_PKMAP slots of one page each. What a slot's users says about it:
 *
 *   value		PTE	page set	TLBs may know it	who may change it
 *   PKMAP_CLEAN	none	no		no		kmap() maps a page
 *   PKMAP_IDLE		valid	yes		yes		kmap() holds, reclaim condemns
 *   PKMAP_IDLE + n	valid	yes		yes		n holders
 *   PKMAP_CONDEMNED	valid	yes		yes		kmap() holds, reclaim clears
 *   PKMAP_FLUSHING	none	no		yes		reclaim, after its flush
 *
 * CLEAN -> held -> IDLE -> held ... -> IDLE -> CONDEMNED -> FLUSHING -> CLEAN
 *
 * A slot is never handed out between losing its page and the end of the flush
 * of all TLBs, or a CPU could go on seeing the old page there. The flush waits
 * for the other CPUs, so it runs with interrupts on and pkmap_lock not held;
 * CONDEMNED and FLUSHING keep everybody else away meanwhile. A condemned slot
 * still shows its page and may be taken back.
 *
 * Locking: pkmap_reclaim_lock (a mutex; at most one task reclaims) outside of
 * pkmap_lock (all that is stored in pkmap_slots, held for a few instructions
 * per slot with interrupts off: kmap_high_get() comes from any context).
 */
#define PKMAP_FLUSHING	(-2)
#define PKMAP_CONDEMNED	(-1)
#define PKMAP_CLEAN	0
#define PKMAP_IDLE	1

static struct pkmap_slot {
	int users;			/* see above; pkmap_lock */
#ifdef HASHED_PAGE_VIRTUAL
	struct page *page;		/* pkmap_lock; read without */
	struct hlist_nulls_node node;	/* in page_address_table */
#endif
} pkmap_slots[LAST_PKMAP];

static __cacheline_aligned_in_smp DEFINE_SPINLOCK(pkmap_lock);
static DEFINE_MUTEX(pkmap_reclaim_lock);

pte_t *pkmap_page_table;

#ifndef get_pkmap_color
/* One colour: any page fits in any slot. */
static inline unsigned int get_pkmap_color(struct page *page)
{
	return 0;
}

static inline unsigned int get_pkmap_entries_count(unsigned int color)
{
	return LAST_PKMAP;
}

static inline unsigned int get_next_pkmap_nr(unsigned int color)
{
	static unsigned int hand;

	return hand++ % LAST_PKMAP;
}

static inline wait_queue_head_t *get_pkmap_wait_queue_head(unsigned int color)
{
	static DECLARE_WAIT_QUEUE_HEAD(queue);

	return &queue;
}
#endif

/* The pkmap pool: slots -------------------------------------------------- */

static bool pkmap_slot_shows_page(const struct pkmap_slot *slot)
{
	return slot->users >= PKMAP_IDLE || slot->users == PKMAP_CONDEMNED;
}

/* The slot that shows @page, or NULL. */
static struct pkmap_slot *pkmap_find(const struct page *page)
{
	struct pkmap_slot *slot;
	void *addr;

	lockdep_assert_held(&pkmap_lock);

	addr = page_address(page);
	if (!addr)
		return NULL;

	slot = &pkmap_slots[PKMAP_NR((unsigned long)addr)];
	return WARN_ON_ONCE(!pkmap_slot_shows_page(slot)) ? NULL : slot;
}

static void *pkmap_hold(struct pkmap_slot *slot)
{
	if (slot->users == PKMAP_CONDEMNED)
		slot->users = PKMAP_IDLE;
	slot->users++;
	return (void *)PKMAP_ADDR(slot - pkmap_slots);
}

/* A slot of @color in state CLEAN, or NULL. */
static struct pkmap_slot *pkmap_find_clean(unsigned int color)
{
	unsigned int left = get_pkmap_entries_count(color);

	lockdep_assert_held(&pkmap_lock);

	while (left--) {
		struct pkmap_slot *slot = &pkmap_slots[get_next_pkmap_nr(color)];

		if (slot->users == PKMAP_CLEAN)
			return slot;
	}
	return NULL;
}

static void pkmap_fill(struct pkmap_slot *slot, struct page *page)
{
	unsigned int nr = slot - pkmap_slots;
	unsigned long addr = PKMAP_ADDR(nr);

	set_pte_at(&init_mm, addr, &pkmap_page_table[nr],
		   mk_pte(page, kmap_prot));
	slot->users = PKMAP_IDLE;
	/* Only now, with the PTE in place, may others learn the address. */
	set_page_address(page, (void *)addr);
}

/* The pkmap pool: reclaim ------------------------------------------------ */

/* Moves all slots in state @from on to @to and returns how many there were. */
static unsigned int pkmap_sweep(int from, int to)
{
	unsigned int nr, swept = 0;
	unsigned long flags;

	spin_lock_irqsave(&pkmap_lock, flags);
	for (nr = 0; nr < LAST_PKMAP; nr++) {
		struct pkmap_slot *slot = &pkmap_slots[nr];

		if (slot->users != from)
			continue;
		if (to == PKMAP_FLUSHING) {
			pte_t *ptep = &pkmap_page_table[nr];

			set_page_address(pte_page(ptep_get(ptep)), NULL);
			pte_clear(&init_mm, PKMAP_ADDR(nr), ptep);
		}
		slot->users = to;
		swept++;
	}
	spin_unlock_irqrestore(&pkmap_lock, flags);

	return swept;
}

/*
 * Makes all idle slots clean. On return no slot that was idle at the time of
 * the call is known to any TLB, whoever cleaned it: the mutex waits for a
 * reclaim that was already running.
 *
 * Between the two first sweeps, data that a virtually indexed cache holds for
 * the condemned addresses is written back; nobody can write more unless he
 * takes the slot back, in which case the second sweep leaves it alone.
 *
 * Returns whether it cleaned any.
 */
static bool pkmap_reclaim(void)
{
	bool cleaned;

	mutex_lock(&pkmap_reclaim_lock);

	cleaned = pkmap_sweep(PKMAP_IDLE, PKMAP_CONDEMNED);
	if (cleaned) {
		flush_cache_kmaps();
		cleaned = pkmap_sweep(PKMAP_CONDEMNED, PKMAP_FLUSHING);
	}
	if (cleaned) {
		flush_tlb_kernel_range(PKMAP_ADDR(0), PKMAP_ADDR(LAST_PKMAP));
		pkmap_sweep(PKMAP_FLUSHING, PKMAP_CLEAN);
	}

	mutex_unlock(&pkmap_reclaim_lock);
	return cleaned;
}

void __kmap_flush_unused(void)
{
	pkmap_reclaim();
}

/* Is there a slot that @page could have now or after a reclaim? */
static bool pkmap_has_room(struct page *page, unsigned int color)
{
	unsigned int left = get_pkmap_entries_count(color);
	unsigned long flags;
	bool room;

	spin_lock_irqsave(&pkmap_lock, flags);
	room = page_address(page);
	while (!room && left--)
		room = pkmap_slots[get_next_pkmap_nr(color)].users <= PKMAP_IDLE;
	spin_unlock_irqrestore(&pkmap_lock, flags);

	return room;
}

static void pkmap_make_room(struct page *page, unsigned int color)
{
	if (pkmap_reclaim())
		return;
	wait_event(*get_pkmap_wait_queue_head(color),
		   pkmap_has_room(page, color));
}

/* The pkmap pool: kmap() and kunmap() ------------------------------------ */

/* The address of @page, held, or NULL if it has no slot and none is clean. */
static void *pkmap_try(struct page *page, unsigned int color)
{
	struct pkmap_slot *slot = pkmap_find(page);

	if (!slot) {
		slot = pkmap_find_clean(color);
		if (!slot)
			return NULL;
		pkmap_fill(slot, page);
	}
	return pkmap_hold(slot);
}

static bool may_not_sleep(unsigned long irqflags)
{
	return system_state >= SYSTEM_SCHEDULING &&
	       (preempt_count() || irqs_disabled_flags(irqflags));
}

/**
 * kmap_high() - out-of-line part of kmap()
 * @page: a highmem page
 *
 * Context: task context; sleeps while all slots are held.
 * Return: the page's address, valid for every CPU until kunmap().
 */
void *kmap_high(struct page *page)
{
	unsigned int color = get_pkmap_color(page);
	unsigned long flags;
	void *addr;

	for (;;) {
		spin_lock_irqsave(&pkmap_lock, flags);
		addr = pkmap_try(page, color);
		spin_unlock_irqrestore(&pkmap_lock, flags);

		WARN_ONCE(may_not_sleep(flags),
			  "highmem: kmap() in atomic context; use kmap_local_page() there\n");
		if (addr)
			return addr;
		pkmap_make_room(page, color);
	}
}
EXPORT_SYMBOL(kmap_high);

#ifdef ARCH_NEEDS_KMAP_HIGH_GET
/**
 * kmap_high_get() - hold a highmem page's mapping if it has one
 * @page: a highmem page
 *
 * For cache maintenance that must not miss what an existing mapping left in
 * a virtually indexed cache.
 *
 * Context: any; does not sleep.
 * Return: the page's address, to be given back with kunmap_high(), or NULL if
 * the pool does not map the page.
 */
void *kmap_high_get(struct page *page)
{
	struct pkmap_slot *slot;
	unsigned long flags;
	void *addr = NULL;

	spin_lock_irqsave(&pkmap_lock, flags);
	slot = pkmap_find(page);
	if (slot)
		addr = pkmap_hold(slot);
	spin_unlock_irqrestore(&pkmap_lock, flags);

	return addr;
}
#endif

/**
 * kunmap_high() - out-of-line part of kunmap()
 * @page: a highmem page that the caller has mapped with kmap()
 *
 * The mapping stays until its slot is wanted for another page, so that a page
 * that is mapped again soon keeps its address.
 *
 * Context: any; does not sleep.
 */
void kunmap_high(struct page *page)
{
	struct pkmap_slot *slot;
	unsigned long flags;
	bool held, idle;

	spin_lock_irqsave(&pkmap_lock, flags);
	slot = pkmap_find(page);
	held = slot && slot->users > PKMAP_IDLE;
	idle = held && --slot->users == PKMAP_IDLE;
	spin_unlock_irqrestore(&pkmap_lock, flags);

	WARN_ONCE(!held, "highmem: kunmap() of page %p (pfn %#lx) that is not mapped\n",
		  page, page_to_pfn(page));

	/*
	 * wq_has_sleeper() orders the store of users before its look at the
	 * queue and pairs with set_current_state() in wait_event(), which
	 * comes before pkmap_has_room(): one of the two sees the other, and
	 * no task sleeps next to an idle slot.
	 */
	if (idle) {
		wait_queue_head_t *queue =
			get_pkmap_wait_queue_head(get_pkmap_color(page));

		if (wq_has_sleeper(queue))
			wake_up(queue);
	}
}
EXPORT_SYMBOL(kunmap_high);

/* How much high memory there is ------------------------------------------ */

unsigned long __nr_free_highpages(void)
{
	unsigned long free = 0;
	struct zone *zone;

	for_each_populated_zone(zone)
		free += is_highmem(zone) ? zone_page_state(zone, NR_FREE_PAGES) : 0;

	return free;
}

unsigned long __totalhigh_pages(void)
{
	unsigned long total = 0;
	struct zone *zone;

	for_each_populated_zone(zone)
		total += is_highmem(zone) ? zone_managed_pages(zone) : 0;

	return total;
}
EXPORT_SYMBOL(__totalhigh_pages);

#endif /* CONFIG_HIGHMEM */

#if KMAP_LOCAL_MAPS_PAGES

/**
 * __kmap_to_page() - out-of-line part of kmap_to_page()
 * @vaddr: an address from kmap(), from a kmap_local function that the calling
 *	   task has not given back yet, or in the direct mapping
 *
 * Whoever maps a page knows which page it was, and should keep it: an address
 * that really is mapped is reported once.
 *
 * Context: any.
 * Return: the page.
 */
struct page *__kmap_to_page(void *vaddr)
{
	struct page *page = NULL;

	if (likely(!is_kmap_addr(vaddr)))
		return virt_to_page(vaddr);

	WARN_ON_ONCE(1);
	if (!is_pkmap_addr((unsigned long)vaddr))
		page = kmap_local_to_page(vaddr);
#ifdef CONFIG_HIGHMEM
	else
		page = pte_page(ptep_get(&pkmap_page_table[PKMAP_NR((unsigned long)vaddr)]));
#endif
	return page;
}
EXPORT_SYMBOL(__kmap_to_page);

static void zero_page_range(struct page *page, size_t from, size_t to)
{
	while (from < to) {
		struct page *this = nth_page(page, from / PAGE_SIZE);
		size_t chunk = min_t(size_t, to - from,
				     PAGE_SIZE - offset_in_page(from));
		char *addr = kmap_local_page(this);

		memset(addr + offset_in_page(from), 0, chunk);
		kunmap_local(addr);
		flush_dcache_page(this);
		from += chunk;
	}
}

/* See the inline version in <linux/highmem.h>, for pages mapped as a whole. */
void zero_user_segments(struct page *page, unsigned int start1, unsigned int end1,
			unsigned int start2, unsigned int end2)
{
	zero_page_range(page, start1, highmem_clamp_end(page, end1));
	zero_page_range(page, start2, highmem_clamp_end(page, end2));
}
EXPORT_SYMBOL(zero_user_segments);

#endif /* KMAP_LOCAL_MAPS_PAGES */

/* page_address(): from page to slot --------------------------------------- */

#ifdef HASHED_PAGE_VIRTUAL

/*
 * A hash table over the pool's slots. The slots are static, so a reader needs
 * no lock and no grace period: the worst that it meets is a slot that moved
 * to another chain meanwhile, and then the walk ends at that chain's nulls
 * value instead of its own and starts again (see rculist_nulls.rst).
 *
 * Chains are changed under pkmap_lock. slot->page is stored before the slot is
 * published by hlist_nulls_add_head_rcu(), whose release pairs with the
 * dependency in the reader's walk.
 */
#define PAGE_ADDRESS_BITS	7

static struct hlist_nulls_head page_address_table[1 << PAGE_ADDRESS_BITS];

static unsigned int page_address_hash(const struct page *page)
{
	return hash_ptr(page, PAGE_ADDRESS_BITS);
}

static struct pkmap_slot *page_address_slot(const struct page *page)
{
	unsigned int hash = page_address_hash(page);
	struct hlist_nulls_node *node;
	struct pkmap_slot *slot;

	do {
		hlist_nulls_for_each_entry_rcu(slot, node,
					       &page_address_table[hash], node) {
			if (READ_ONCE(slot->page) == page)
				return slot;
		}
	} while (get_nulls_value(node) != hash);

	return NULL;
}

/**
 * page_address() - the address at which a page is mapped
 * @page: any page
 *
 * For a highmem page the answer is only good for as long as the caller, or
 * somebody the caller knows of, holds the page with kmap(). Local mappings are
 * not found.
 *
 * Context: any; takes no lock.
 * Return: the address of the page's first byte, or NULL for a highmem page
 * that the pkmap pool does not map.
 */
void *page_address(const struct page *page)
{
	struct pkmap_slot *slot;

	if (!PageHighMem(page))
		return lowmem_page_address(page);

	slot = page_address_slot(page);
	return slot ? (void *)PKMAP_ADDR(slot - pkmap_slots) : NULL;
}
EXPORT_SYMBOL(page_address);

/**
 * set_page_address() - note at which address a highmem page is mapped
 * @page: the page
 * @virtual: an address in the pkmap area, or NULL when the page leaves it
 *
 * Context: any; the caller sees to it that two calls do not overlap.
 */
void set_page_address(struct page *page, void *virtual)
{
	struct pkmap_slot *slot;

	if (virtual) {
		slot = &pkmap_slots[PKMAP_NR((unsigned long)virtual)];
		WRITE_ONCE(slot->page, page);
		hlist_nulls_add_head_rcu(&slot->node,
					 &page_address_table[page_address_hash(page)]);
		return;
	}

	slot = page_address_slot(page);
	if (slot) {
		hlist_nulls_del_rcu(&slot->node);
		WRITE_ONCE(slot->page, NULL);
	}
}

void __init page_address_init(void)
{
	unsigned int hash;

	for (hash = 0; hash < ARRAY_SIZE(page_address_table); hash++)
		INIT_HLIST_NULLS_HEAD(&page_address_table[hash], hash);
}

#endif /* HASHED_PAGE_VIRTUAL */
