// SPDX-License-Identifier: GPL-2.0
/*
 * The pkmap pool: kmap() and kunmap(), mappings that every CPU uses and that last until
 * they are dropped; and page_address(), which looks them up.
 *
 *   kmap()    kmap_high(): pkmap_get() looks the page up and adds a holder
 *	       else kmap_high_slow(): pkmap_map(), pkmap_fill()
 *   kunmap()  kunmap_high(): pkmap_drop() drops a holder; the PTE stays
 *   reclaim   pkmap_reclaim(): pkmap_condemn(), pkmap_clear(), pkmap_flush_tlb(),
 *	       pkmap_add_clean()
 */

#include <linux/atomic.h>
#include <linux/errno.h>
#include <linux/export.h>
#include <linux/hash.h>
#include <linux/highmem.h>
#include <linux/init.h>
#include <linux/jiffies.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/rculist_nulls.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/seq_file.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/vmalloc.h>
#include <linux/wait.h>

#include <asm/tlbflush.h>

#include <trace/events/highmem.h>

#include "highmem_debug.h"

/* Slots and their states --------------------------------------------------- */

/*
 * A slot is one page of address space, with its PTE. The high bits of its state word
 * are a state of this table. The low bits count how often the slot was filled, modulo
 * 256.
 *
 *   state	PTE	in the table	next state, and the function that changes it
 *   UNMAPPED	none	no		IDLE + 1	pkmap_fill()
 *   IDLE + n	valid	yes		IDLE + n + 1	pkmap_hold()
 *					IDLE + n - 1	pkmap_drop()
 *   IDLE	valid	yes		IDLE + 1	pkmap_hold()
 *					CONDEMNED	pkmap_condemn()
 *   CONDEMNED	valid	yes		IDLE + 1	pkmap_hold()
 *					UNMAPPED	pkmap_clear()
 *
 * IDLE + n has n holders. With 8 million holders the word is negative, which only leaks
 * can do: the slot then keeps its page for ever, and its holders are not counted. The
 * next kmap() reports that.
 *
 * What always holds:
 *
 *   1. No stale TLB entry. pkmap_fill() takes slots from the clean lists only. A slot
 *	comes to a clean list after its PTE is cleared and all TLBs are flushed. (The
 *	vmalloc allocator has flushed the addresses of a new area.)
 *   2. A page is in one slot at most. pkmap_map() looks for it and fills a slot in one
 *	section of pkmap_lock.
 *   3. The page of a slot, its PTE and its link in the table change with pkmap_lock
 *	held: in pkmap_fill() before the slot leaves UNMAPPED, and in pkmap_clear()
 *	after it has become UNMAPPED. So they are constant while a slot has holders.
 *   4. A lookup holds only the slot of its own page. Else a lookup of another page could
 *	hold an idle slot for a moment, pkmap_condemn() would skip the slot, and
 *	kmap_flush_unused() would miss it. The exception is in pkmap_hold().
 *
 * CONDEMNED is for virtually indexed caches. They are flushed while the PTE is valid. If
 * a task wants to write to the page then, it holds the same slot again, and pkmap_clear()
 * leaves that slot alone.
 *
 * Lookups take no lock. Slots are never freed, so a late lookup can come to a slot that
 * maps another page by now, or is in another chain. pkmap_hold() recognises the first
 * case, page_slot() the second.
 *
 * Lock order: pkmap_grow_lock, pkmap_reclaim_lock, pkmap_lock. No spinlock is held
 * while caches or TLBs are flushed, since that can wait for all CPUs. kmap_high_slow()
 * reports a call in an interrupt. Interrupts are off while pkmap_lock is held, so that
 * such a call does not deadlock on the lock. With no clean slot that call sleeps, which
 * is a bug of the caller.
 */
enum pkmap_state {
	PKMAP_UNMAPPED,
	PKMAP_CONDEMNED,
	PKMAP_IDLE,
};

#define PKMAP_FILL_BITS		8
#define PKMAP_FILL_MASK		(BIT(PKMAP_FILL_BITS) - 1)
#define PKMAP_WORD(state)	((int)(state) << PKMAP_FILL_BITS)

struct pkmap_slot {
	atomic_t state;			/* see above */
	bool hot;			/* mapped again, see pkmap_condemn() */
	struct page *page;		/* of the PTE */
	void *vaddr;			/* constant, as ptep is */
	pte_t *ptep;
	struct hlist_nulls_node node;	/* in page_address_table */
	struct pkmap_slot *next;	/* in a clean list, or private to pkmap_reclaim() */
	struct pkmap_slot *all;		/* the next of all slots; constant */
};

/*
 * The first area is the architecture's window. The others are vmalloc space, with page
 * tables. The second, of PKMAP_RESERVE slots for each colour, exists from boot on.
 * pkmap_grow() adds the rest, one at a time, when reclaim leaves a task without a slot.
 * They take an eighth of vmalloc space at most. Areas stay.
 */
struct pkmap_area {
	struct pkmap_area *next;	/* the one added before */
	unsigned long start;
	unsigned int nr;
	struct pkmap_slot slots[];
};

#define PKMAP_GROW_AREAS	4
#define PKMAP_AREAS		(2 + PKMAP_GROW_AREAS)
#define PKMAP_GROW_SLOTS	(SZ_4M >> PAGE_SHIFT)	/* at most */

/* Slots of each colour for tasks that free memory, see pkmap_reserve(). */
#define PKMAP_RESERVE		16

/* The latest area, and how many there are. pkmap_grow_lock protects the number. */
static struct pkmap_area *pkmap_areas;
static unsigned int pkmap_nr_areas;

static struct pkmap_area *pkmap_first_area(void)
{
	/*
	 * Pairs with the release in pkmap_add_area(): area and slots are complete. Else a
	 * walk could follow an old pointer.
	 */
	return smp_load_acquire(&pkmap_areas);
}

static struct pkmap_slot *pkmap_first_slot(void)
{
	struct pkmap_area *area = pkmap_first_area();

	return area ? area->slots : NULL;
}

/* Set and read by architectures only: pkmap_add_area() uses virt_to_kpte(). */
pte_t *pkmap_page_table;

/* Protects the clean lists, the table from pages to slots, and what rule 3 names. */
static DEFINE_SPINLOCK(pkmap_lock);

/* One reclaim at a time. Held while TLBs are flushed. */
static DEFINE_MUTEX(pkmap_reclaim_lock);

#ifdef get_pkmap_color
#define PKMAP_COLORS			DCACHE_N_COLORS
#define pkmap_color(slot)		DCACHE_ALIAS((unsigned long)(slot)->vaddr)
#else
/* One colour: any page fits in any slot. */
#define PKMAP_COLORS			1
#define pkmap_color(slot)		((void)(slot), 0)
#define get_pkmap_color(page)		((void)(page), 0)
static DECLARE_WAIT_QUEUE_HEAD(pkmap_wait_queue);
#define get_pkmap_wait_queue_head(color) ((void)(color), &pkmap_wait_queue)
#endif

/* One of enum pkmap_state, more than PKMAP_IDLE, or negative after a leak. */
static int pkmap_state(const struct pkmap_slot *slot)
{
	return atomic_read(&slot->state) >> PKMAP_FILL_BITS;
}

/*
 * Changes the state word from @old to @new. On failure this returns false and stores the
 * word in @old. On success it is a full barrier.
 */
static __always_inline bool pkmap_change(struct pkmap_slot *slot, int *old, int new)
{
	highmem_race_window();
	return likely(atomic_try_cmpxchg(&slot->state, old, new));
}

/* From page to slot ------------------------------------------------------- */

#define PKMAP_HASH_BITS							\
	const_ilog2(LAST_PKMAP + PKMAP_GROW_AREAS * PKMAP_GROW_SLOTS)

static struct hlist_nulls_head page_address_table[1 << PKMAP_HASH_BITS];

/*
 * Finds the slot of @page and, unless @state is NULL, its state word, which is read before
 * the page. Takes no lock. If the slot under the walk moves to another chain, the walk ends
 * at that chain's nulls value, and starts again: see Documentation/RCU/rculist_nulls.rst.
 */
static __always_inline bool page_slot(const struct page *page, struct pkmap_slot **found,
				      int *state)
{
	unsigned int hash = hash_ptr(page, PKMAP_HASH_BITS);
	struct hlist_nulls_node *node;
	struct pkmap_slot *slot;

	do {
		hlist_nulls_for_each_entry_rcu(slot, node,
					       &page_address_table[hash], node) {
			/* Pairs with the release in pkmap_fill(), see pkmap_hold(). */
			if (state)
				*state = atomic_read_acquire(&slot->state);
			if (likely(READ_ONCE(slot->page) == page)) {
				*found = slot;
				return true;
			}
		}
	} while (unlikely(get_nulls_value(node) != hash));

	return false;
}

/**
 * page_address() - the address at which a page is mapped
 * @page: any page
 *
 * The address of a highmem page is valid while the caller knows that the page is held
 * with kmap(). Local mappings are not found.
 *
 * Example::
 *
 *	struct page *page = alloc_page(GFP_KERNEL | __GFP_ZERO);
 *
 *	return page ? page_address(page) : NULL;
 *
 * Context: any; takes no lock.
 * Return: the address of the page's first byte, or NULL for a highmem page
 * that kmap() has not mapped.
 */
void *page_address(const struct page *page)
{
	struct pkmap_slot *slot;

	if (!PageHighMem(page))
		return lowmem_page_address(page);
	return page_slot(page, &slot, NULL) ? slot->vaddr : NULL;
}
EXPORT_SYMBOL(page_address);

void __init page_address_init(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(page_address_table); i++)
		INIT_HLIST_NULLS_HEAD(&page_address_table[i], i);
}

/* Holders ------------------------------------------------------------------ */

/*
 * Wakes a task that waits for a slot of this colour.
 *
 * The caller, or the task that woke the caller, has changed the state of a slot by
 * pkmap_change(). The full barrier there stands between that store and the load of the
 * queue. It pairs with the barrier in prepare_to_wait(), between the store to the queue
 * and the loads of pkmap_room(): either this function sees the waiter, or the waiter sees
 * the slot. Else the task could sleep beside a free slot.
 */
static __always_inline void pkmap_wake(const struct pkmap_slot *slot)
{
	wait_queue_head_t *queue = get_pkmap_wait_queue_head(pkmap_color(slot));

	/* Ordered as said above. */
	if (unlikely(waitqueue_active(queue)))
		wake_up(queue);
}

/*
 * Drops a holder of @slot. False, and nothing changes, if the slot has none.
 *
 * The exchange is fully ordered: the holder's accesses to the page come before the state
 * IDLE, which pkmap_condemn() reads. Else a late access could reach the next page.
 */
static __always_inline bool pkmap_drop(struct pkmap_slot *slot)
{
	int new, old = atomic_read(&slot->state);

	do {
		if (unlikely(old < PKMAP_WORD(PKMAP_IDLE + 1)))
			return old < 0;
		new = old - PKMAP_WORD(1);
	} while (!pkmap_change(slot, &old, new));

	highmem_race_window();
	if (new < PKMAP_WORD(PKMAP_IDLE + 1))
		pkmap_wake(slot);
	return true;
}

/*
 * Adds a holder to @slot, which page_slot() found for @page when its state word was
 * @old. False if @slot does not map @page any more. A slot with a holder keeps its page:
 * a lookup for it does not fail.
 *
 * The state word is read before the page, so the page is not older than the count of
 * fills in @old. If the exchange succeeds, the slot was not filled in between, and the
 * page of the PTE is @page.
 *
 * Exception: the count is the same again after 256 fills. So the page is read once more,
 * after the exchange, and the wrong holder is dropped. For that moment rule 4 does not
 * hold, and kmap_flush_unused() can miss the slot.
 */
static __always_inline bool pkmap_hold(struct pkmap_slot *slot, const struct page *page,
				       int old)
{
	int new;

	for (;;) {
		if (likely(old >= PKMAP_WORD(PKMAP_IDLE)))
			new = old + PKMAP_WORD(1);
		else if (old >= PKMAP_WORD(PKMAP_CONDEMNED))
			new = old + PKMAP_WORD(PKMAP_IDLE + 1 - PKMAP_CONDEMNED);
		else
			return WARN_ONCE(old < 0,
					 "highmem: kmap() of page %p too often without kunmap()\n",
					 page);
		if (pkmap_change(slot, &old, new))
			break;
		/* As in page_slot(). */
		old = atomic_read_acquire(&slot->state);
		if (READ_ONCE(slot->page) != page)
			return false;
	}

	highmem_race_window();
	if (likely(READ_ONCE(slot->page) == page))
		return true;
	pkmap_drop(slot);
	return false;
}

/* Finds the slot that maps @page, and adds a holder. */
static __always_inline bool pkmap_get(const struct page *page, struct pkmap_slot **slot)
{
	int state;

	return likely(page_slot(page, slot, &state)) &&
	       likely(pkmap_hold(*slot, page, state));
}

/* Clean slots -------------------------------------------------------------- */

/* Slots of one colour that are unmapped and that no TLB caches. */
static struct pkmap_clean {
	struct pkmap_slot *first;
	unsigned int nr;
} pkmap_clean[PKMAP_COLORS];

/*
 * The last clean slots of each colour are for tasks that free memory (PF_MEMALLOC). Such
 * a task must not wait for tasks that may themselves wait for memory.
 */
static unsigned int pkmap_reserve(void)
{
	return current->flags & PF_MEMALLOC ? 0 : PKMAP_RESERVE;
}

/* Is there a clean slot that the current task may take? */
static bool pkmap_has_clean(unsigned int color)
{
	return READ_ONCE(pkmap_clean[color].nr) > pkmap_reserve();
}

/*
 * Adds a list of slots to the clean lists, and returns their number. Drops pkmap_lock
 * after each slot, since a list can hold thousands: interrupts are not off for long.
 */
static unsigned int pkmap_add_clean(struct pkmap_slot *slot)
{
	struct pkmap_slot *next;
	struct pkmap_clean *clean;
	unsigned long flags;
	unsigned int nr = 0;

	for (; slot; slot = next) {
		clean = &pkmap_clean[pkmap_color(slot)];
		next = slot->next;
		spin_lock_irqsave(&pkmap_lock, flags);
		slot->next = clean->first;
		clean->first = slot;
		WRITE_ONCE(clean->nr, clean->nr + 1);
		spin_unlock_irqrestore(&pkmap_lock, flags);
		nr++;
	}
	return nr;
}

/* Maps @page in @slot, which is of no list, for one holder. */
static void pkmap_fill(struct pkmap_slot *slot, struct page *page)
{
	unsigned int hash = hash_ptr(page, PKMAP_HASH_BITS);
	int fills = (atomic_read(&slot->state) + 1) & PKMAP_FILL_MASK;

	arch_pkmap_set_pte(&init_mm, (unsigned long)slot->vaddr, slot->ptep,
			   pfn_pte(page_to_pfn(page), kmap_prot));
	WRITE_ONCE(slot->page, page);
	hlist_nulls_add_head_rcu(&slot->node, &page_address_table[hash]);
	highmem_race_window();
	/* Pairs with the acquires in page_slot() and pkmap_hold(): no page older than this. */
	atomic_set_release(&slot->state, PKMAP_WORD(PKMAP_IDLE + 1) | fills);
}

/*
 * The slot that maps @page, with a holder more. If no slot does, fills a clean one. NULL
 * if there is none that the task may take.
 */
static struct pkmap_slot *pkmap_map(struct page *page, unsigned int color)
{
	struct pkmap_clean *clean = &pkmap_clean[color];
	struct pkmap_slot *slot;
	unsigned long flags;
	bool filled = false;

	highmem_race_window();
	spin_lock_irqsave(&pkmap_lock, flags);
	if (pkmap_get(page, &slot)) {
		highmem_count(HIGHMEM_STAT_KMAP_HIT, 1);
	} else if (pkmap_has_clean(color)) {
		slot = clean->first;
		clean->first = slot->next;
		WRITE_ONCE(clean->nr, clean->nr - 1);
		pkmap_fill(slot, page);
		highmem_count(HIGHMEM_STAT_KMAP_MISS, 1);
		filled = true;
	} else {
		slot = NULL;
	}
	spin_unlock_irqrestore(&pkmap_lock, flags);

	if (filled)
		trace_pkmap_fill(page, slot->vaddr);
	return slot;
}

/* Reclaim ------------------------------------------------------------------ */

/*
 * Condemns idle slots, and returns how many. Without @all it spares those that were mapped
 * again since pkmap_condemn() last found them idle.
 */
static unsigned int pkmap_condemn(bool all)
{
	struct pkmap_slot *slot;
	unsigned int condemned = 0;

	for (slot = pkmap_first_slot(); slot; slot = slot->all) {
		int old = atomic_read(&slot->state);

		if (old >> PKMAP_FILL_BITS != PKMAP_IDLE)
			continue;
		if (READ_ONCE(slot->hot)) {
			WRITE_ONCE(slot->hot, false);
			if (!all)
				continue;
		}
		condemned += pkmap_change(slot, &old, old - PKMAP_WORD(1));
	}
	return condemned;
}

/*
 * Unmaps the slots that are condemned still. Returns a list of them: TLBs can still cache
 * them.
 */
static struct pkmap_slot *pkmap_clear(void)
{
	struct pkmap_slot *slot, *victims = NULL;
	unsigned long flags;

	for (slot = pkmap_first_slot(); slot; slot = slot->all) {
		int old = atomic_read(&slot->state);

		if (old >> PKMAP_FILL_BITS != PKMAP_CONDEMNED)
			continue;
		spin_lock_irqsave(&pkmap_lock, flags);
		if (pkmap_change(slot, &old, old - PKMAP_WORD(1))) {
			hlist_nulls_del_rcu(&slot->node);
			highmem_race_window();
			pte_clear(&init_mm, (unsigned long)slot->vaddr, slot->ptep);
			slot->next = victims;
			victims = slot;
		}
		spin_unlock_irqrestore(&pkmap_lock, flags);
	}
	return victims;
}

/* Flushes all areas from all TLBs. This interrupts all CPUs, once or for each area. */
static void pkmap_flush_tlb(void)
{
	highmem_race_window();
#ifdef pkmap_flush_tlb_all
	pkmap_flush_tlb_all();
#else
	struct pkmap_area *area;

	for (area = pkmap_first_area(); area; area = area->next)
		flush_tlb_kernel_range(area->start, area->start + area->nr * PAGE_SIZE);
#endif
}

/*
 * Makes idle slots clean, and returns their number. With @all, for kmap_flush_unused(),
 * takes hot slots, too, and flushes idle local mappings with the same interrupt.
 */
static unsigned int pkmap_reclaim(bool all)
{
	struct pkmap_slot *victims = NULL;
	unsigned int condemned, freed;
	bool flushed;

	lockdep_assert_held(&pkmap_reclaim_lock);

	condemned = pkmap_condemn(all);
	/* A flush for a few slots is soon followed by the next one: take hot slots, too. */
	if (!all && condemned < LAST_PKMAP / 4)
		condemned += pkmap_condemn(true);
	if (condemned) {
		flush_cache_kmaps();
		victims = pkmap_clear();
	}
	flushed = all && kmap_local_flush(victims);
	if (victims) {
		if (!flushed)
			pkmap_flush_tlb();
		highmem_count(HIGHMEM_STAT_PKMAP_FLUSH, 1);
	}
	freed = pkmap_add_clean(victims);

	trace_pkmap_reclaim(all, condemned, freed);
	highmem_count(HIGHMEM_STAT_PKMAP_RECLAIM, 1);
	highmem_count(HIGHMEM_STAT_PKMAP_FREED, freed);
	return freed;
}

/*
 * Unmaps and flushes each slot that stays idle during the call. A slot of the pool leaves
 * all TLBs, a local slot the TLB of its CPU. With the mutex the task waits for a reclaim
 * that another task has begun. pkmap_hold() has the exception.
 */
void __kmap_flush_unused(void)
{
	mutex_lock(&pkmap_reclaim_lock);
	pkmap_reclaim(true);
	mutex_unlock(&pkmap_reclaim_lock);
}

/*
 * Reclaims idle slots, unless another task has done that while this task waited for the
 * mutex. False if the task may take no slot of the colour after that.
 */
static bool pkmap_refill(unsigned int color)
{
	bool refilled;
	int turn;

	mutex_lock(&pkmap_reclaim_lock);
	/*
	 * The first turn can spare hot slots of this colour, and free others only. The
	 * second takes those. More turns could have no end: other tasks can take each slot.
	 */
	refilled = pkmap_has_clean(color);
	for (turn = 0; turn < 2 && !refilled && pkmap_reclaim(false); turn++)
		refilled = pkmap_has_clean(color);
	mutex_unlock(&pkmap_reclaim_lock);
	return refilled;
}

/* All slots are held ------------------------------------------------------- */

/* One task adds an area at a time. */
static DEFINE_MUTEX(pkmap_grow_lock);

/*
 * The time between two attempts to add an area, in jiffies, for all tasks. An attempt
 * that fails flushes the lazily freed vmalloc areas and calls the vmap notifiers.
 */
#define PKMAP_GROW_RETRY	(2 * HZ)

/* No attempt before this time. 64 bits: 32 bits wrap after 50 days with HZ=1000. */
static u64 pkmap_grow_after;

/* The time after which a task reports its wait for a slot, in jiffies. */
unsigned int pkmap_patience __read_mostly = 30 * HZ;

/* The sleep of a task that has reported: the hung-task detector sees it after 120 to 240 s. */
#define PKMAP_SLEEP_LONG	(600 * HZ)

bool is_pkmap_addr(unsigned long addr)
{
	struct pkmap_area *area;

	for (area = pkmap_first_area(); area; area = area->next) {
		if (addr - area->start < area->nr * PAGE_SIZE)
			return true;
	}
	return false;
}

/*
 * The next area, if there is one. Its page tables come with it, so that pkmap_fill() needs
 * no memory.
 */
static struct pkmap_area *pkmap_alloc_area(void)
{
	unsigned long share = VMALLOC_TOTAL / 8 / PKMAP_GROW_AREAS / PAGE_SIZE;
	unsigned int nr = min_t(unsigned long, share, PKMAP_GROW_SLOTS);
	struct pkmap_area *area;
	struct vm_struct *vm;

	if (pkmap_nr_areas == PKMAP_AREAS)
		return NULL;
	if (pkmap_nr_areas < 2)
		nr = pkmap_nr_areas ? PKMAP_RESERVE * PKMAP_COLORS : LAST_PKMAP;
	area = kvzalloc(struct_size(area, slots, nr), GFP_KERNEL | __GFP_NOWARN);
	if (!area)
		return NULL;
	area->nr = nr;
	area->start = PKMAP_ADDR(0);
	if (!pkmap_nr_areas)
		return area;

	vm = get_vm_area(nr * PAGE_SIZE, VM_MAP);
	if (vm) {
		area->start = (unsigned long)vm->addr;
		/* Once: flush_cache_kmaps() covers these slots as well from now on. */
		flush_cache_vmap(area->start, area->start + nr * PAGE_SIZE);
		if (!apply_to_page_range(&init_mm, area->start, nr * PAGE_SIZE, NULL, NULL))
			return area;
		free_vm_area(vm);
	}
	kvfree(area);
	return NULL;
}

/*
 * Adds the next area, and wakes the tasks that wait. memalloc_noreclaim_save(): callers of
 * kmap() hold locks that reclaim of memory can take.
 */
static bool pkmap_add_area(void)
{
	struct pkmap_area *area;
	struct pkmap_slot *slot;
	unsigned int i, noreclaim;

	lockdep_assert_held(&pkmap_grow_lock);
	noreclaim = memalloc_noreclaim_save();
	area = pkmap_alloc_area();
	memalloc_noreclaim_restore(noreclaim);
	if (!area)
		return false;

	for (i = 0; i < area->nr; i++) {
		slot = &area->slots[i];
		slot->vaddr = (void *)(area->start + i * PAGE_SIZE);
		slot->ptep = virt_to_kpte(area->start + i * PAGE_SIZE);
		slot->next = i + 1 < area->nr ? slot + 1 : NULL;
		slot->all = i + 1 < area->nr ? slot + 1 : pkmap_first_slot();
	}
	area->next = pkmap_areas;

	/*
	 * pkmap_room() counts the new slots before they are clean. A task that relies on
	 * pkmap_room() then sleeps on this mutex in pkmap_refill(), and does not spin.
	 */
	mutex_lock(&pkmap_reclaim_lock);
	/* Pairs with pkmap_first_area(): a reader of the pointer sees area and slots. */
	smp_store_release(&pkmap_areas, area);
	pkmap_add_clean(area->slots);
	mutex_unlock(&pkmap_reclaim_lock);
	pkmap_nr_areas++;
	for (i = 0; i < PKMAP_COLORS; i++)
		wake_up_all(get_pkmap_wait_queue_head(i));
	return true;
}

/* Adds both boot areas. An earlier kmap() adds the first, and needs the slab allocator. */
static int __init pkmap_init(void)
{
	mutex_lock(&pkmap_grow_lock);
	while (pkmap_nr_areas < 2 && pkmap_add_area())
		;
	mutex_unlock(&pkmap_grow_lock);
	return pkmap_nr_areas < 2 ? -ENOMEM : 0;
}
early_initcall(pkmap_init);

/*
 * Adds an area for a task that reclaim left without a slot. False if all areas exist, if
 * an attempt has failed lately, or if another task tries to add one: if that task succeeds,
 * it wakes this one.
 */
static bool pkmap_grow(unsigned int color)
{
	bool grown;

	if (!mutex_trylock(&pkmap_grow_lock))
		return false;
	/* Another task can have added an area before this one has the lock. */
	grown = pkmap_has_clean(color);
	if (!grown && !time_before64(get_jiffies_64(), pkmap_grow_after)) {
		grown = pkmap_add_area();
		if (!grown)
			pkmap_grow_after = get_jiffies_64() + PKMAP_GROW_RETRY;
	}
	mutex_unlock(&pkmap_grow_lock);
	return grown;
}

/*
 * Has @color a slot that no task holds and the current task may take? Slots that are
 * being reclaimed count: the task then waits for the mutex in pkmap_refill().
 */
static bool pkmap_room(unsigned int color)
{
	struct pkmap_slot *slot;
	unsigned int room = 0;

	for (slot = pkmap_first_slot(); slot; slot = slot->all) {
		int state = pkmap_state(slot);

		room += state >= 0 && state <= PKMAP_IDLE && pkmap_color(slot) == color;
	}
	return room > pkmap_reserve();
}

/*
 * Sleeps until pkmap_drop() or pkmap_add_area() wakes the task, or until the task should
 * try again to add an area. From @late on, in jiffies, the task reports the wait, and tries
 * less often.
 *
 * wake_up() wakes one exclusive waiter and all others. Tasks with PF_MEMALLOC are among
 * the others, since they may take the reserve. Else wake_up() could wake only a task that
 * may not take the free slot.
 */
static void pkmap_wait(const struct page *page, unsigned int color, unsigned long late)
{
	wait_queue_head_t *queue = get_pkmap_wait_queue_head(color);
	bool is_late = time_after_eq(jiffies, late);
	struct pkmap_slot *slot;
	DEFINE_WAIT(wait);

	WARN_ONCE(is_late && !pkmap_room(color),
		  "highmem: kmap() by %s/%d has waited %u s for a slot: all are held\n",
		  current->comm, current->pid, READ_ONCE(pkmap_patience) / HZ);
	highmem_count(HIGHMEM_STAT_PKMAP_WAIT, 1);

	if (current->flags & PF_MEMALLOC)
		prepare_to_wait(queue, &wait, TASK_UNINTERRUPTIBLE);
	else
		prepare_to_wait_exclusive(queue, &wait, TASK_UNINTERRUPTIBLE);
	highmem_race_window();
	if (!pkmap_room(color) && !page_slot(page, &slot, NULL))
		schedule_timeout(is_late ? PKMAP_SLEEP_LONG : PKMAP_GROW_RETRY);
	finish_wait(queue, &wait);
}

/* kmap() and kunmap() ------------------------------------------------------ */

/* No slot maps @page, or its slot is just being cleared. */
static noinline void *kmap_high_slow(struct page *page)
{
	unsigned int color = get_pkmap_color(page);
	unsigned long late = jiffies + READ_ONCE(pkmap_patience);
	struct pkmap_slot *slot;
	bool waited = false;

	/* The call still succeeds as long as there are clean slots. */
	WARN_ONCE((preempt_count() || irqs_disabled()) && system_state >= SYSTEM_SCHEDULING,
		  "highmem: kmap() in atomic context; use kmap_local_page() there\n");

	while (!(slot = pkmap_map(page, color))) {
		if (pkmap_refill(color) || pkmap_grow(color))
			continue;
		pkmap_wait(page, color, late);
		waited = true;
	}

	/*
	 * If another task has mapped the page, this task takes no slot: it wakes the next
	 * waiter. The barrier of the pkmap_drop() that woke this task is the one that
	 * pkmap_wake() relies on.
	 */
	if (unlikely(waited))
		pkmap_wake(slot);
	return slot->vaddr;
}

/**
 * kmap_high() - out-of-line part of kmap()
 * @page: a highmem page
 *
 * Call kmap(), which knows what to do with other pages.
 *
 * Context: task context; may sleep.
 * Return: the page's address, valid for every CPU until kunmap(); never NULL.
 */
void *kmap_high(struct page *page)
{
	struct pkmap_slot *slot;

	if (unlikely(!pkmap_get(page, &slot)))
		return kmap_high_slow(page);
	WRITE_ONCE(slot->hot, true);
	highmem_count(HIGHMEM_STAT_KMAP_HIT, 1);
	return slot->vaddr;
}
EXPORT_SYMBOL(kmap_high);

#ifdef ARCH_NEEDS_KMAP_HIGH_GET
/**
 * kmap_high_get() - hold a highmem page's mapping if it has one
 * @page: a highmem page
 *
 * For cache maintenance that must not miss what an existing mapping left in
 * a virtually indexed cache. Only for architectures: see ARCH_NEEDS_KMAP_HIGH_GET
 * in <linux/highmem-internal.h>.
 *
 * Context: any but NMI; does not sleep.
 * Return: the page's address, to be given back with kunmap_high(), or NULL if
 * kmap() has not mapped the page.
 */
void *kmap_high_get(const struct page *page)
{
	struct pkmap_slot *slot;

	return pkmap_get(page, &slot) ? slot->vaddr : NULL;
}
#endif

/**
 * kunmap_high() - out-of-line part of kunmap()
 * @page: a highmem page that the caller has mapped with kmap()
 *
 * Call kunmap(), which knows what to do with other pages.
 *
 * The page stays mapped until its slot is reclaimed, so that a page that is mapped again
 * soon keeps its address. A page without a holder is reported once.
 *
 * Context: any but NMI; does not sleep.
 */
void kunmap_high(const struct page *page)
{
	struct pkmap_slot *slot;

	/* The slot maps the page until this drop, because the caller is a holder. */
	WARN_ONCE(!page_slot(page, &slot, NULL) || !pkmap_drop(slot),
		  "highmem: kunmap() of page %p (pfn %#lx) that is not mapped\n",
		  page, page_to_pfn(page));
}
EXPORT_SYMBOL(kunmap_high);

/* debugfs ------------------------------------------------------------------ */

#ifdef CONFIG_DEBUG_FS
/**
 * pkmap_show() - a line for each area of the pool
 * @m: where it is written
 * @unused: NULL
 *
 * The address of the area, how many slots it has, and how many of them are in
 * which state. The slots are read one by one while they change.
 *
 * Context: task context.
 * Return: 0.
 */
int pkmap_show(struct seq_file *m, void *unused)
{
	struct pkmap_area *area;
	struct pkmap_slot *slot;

	for (area = pkmap_first_area(); area; area = area->next) {
		unsigned int clean = 0, idle = 0, holders = 0, hot = 0;

		for (slot = area->slots; slot < area->slots + area->nr; slot++) {
			int state = pkmap_state(slot);

			clean += state == PKMAP_UNMAPPED;
			idle += state == PKMAP_CONDEMNED || state == PKMAP_IDLE;
			holders += max(state - PKMAP_IDLE, 0);
			hot += state >= PKMAP_IDLE && READ_ONCE(slot->hot);
		}
		seq_printf(m, "%#lx %u clean %u idle %u held %u holders %u hot %u\n",
			   area->start, area->nr, clean, idle, area->nr - clean - idle,
			   holders, hot);
	}
	return 0;
}
#endif
