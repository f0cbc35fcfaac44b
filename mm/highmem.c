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

#include <linux/atomic.h>
#include <linux/errno.h>
#include <linux/export.h>
#include <linux/hash.h>
#include <linux/highmem.h>
#include <linux/init.h>
#include <linux/jiffies.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
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

#include "highmem_debug.h"

#ifdef CONFIG_HIGHMEM

#include <trace/events/highmem.h>

/* The pkmap pool: data ------------------------------------------------- */

/*
 * A slot is one page of address space. Its state word is its lock as well:
 * whoever moves it out of a state by compare-and-exchange owns what the next
 * state stands for. The high bits say
 *
 *   state		PTE	findable  in TLBs  goes on to, and who does it
 *   PKMAP_CLEAN	none	no	  no	   BUSY: kmap() takes it
 *   PKMAP_BUSY		maybe	no	  maybe	   held: the taker has filled it;
 *						   CLEAN: it found the page mapped,
 *						   and has cleared and flushed
 *   PKMAP_IDLE + n	valid	yes	  maybe	   n holders: one more by kmap(), one
 *						   less by kunmap(), which ends at IDLE
 *   PKMAP_IDLE		valid	yes	  maybe	   held: kmap(); CONDEMNED: reclaim
 *   PKMAP_CONDEMNED	valid	yes	  maybe	   held: kmap() takes it back; STALE:
 *						   reclaim, when caches are flushed
 *   PKMAP_STALE	none	no	  maybe	   CLEAN: reclaim, when TLBs are flushed
 *
 * and the low bits count how often the slot was filled, modulo 256. So many
 * holders that the word turns negative can only be leaks. Such a slot keeps its
 * page for ever: holds and drops leave it alone, and it is of no other use.
 *
 * What must hold:
 *   - a page is findable in one slot at most: pkmap_fill() looks for it and
 *     makes it findable under the page's lock;
 *   - a slot's page, PTE and place in the lookup change only in BUSY, and from
 *     CONDEMNED to STALE; all but the PTE of a BUSY slot, which only its taker
 *     knows, under the lock of the page concerned;
 *   - no slot becomes CLEAN before every TLB that may know it was flushed;
 *   - a slot is held by users of its page only, so that one that nobody uses
 *     can be condemned at any time: kmap_flush_unused() misses none (but for
 *     somebody who was away for 256 fills, see below, and just then is back).
 *
 * Slots are never freed. A lookup that is late may find a slot that shows
 * another page by now. page_slot_state() therefore looks at the state, then at
 * the page, and pkmap_hold() takes its hold only if the state, with the count of
 * fills, is still the same. As 256 fills may have passed in between, whoever has
 * a hold looks at the page once more.
 *
 * That holds can be had without a lock is P. Zijlstra's idea ("mm: remove
 * global locks", 2007). His slots had no state for a flush without a lock, his
 * lookup took one, and unused mappings could not be flushed on request.
 *
 * Locking: pkmap_reclaim_lock, a mutex, outside of pkmap_page_locks, which are
 * held for some tens of instructions. Nothing that can spin is held while TLBs
 * or caches are flushed. Interrupts may not call kmap(). One that does is told
 * so, and must not hang on pkmap_page_locks: these are held with interrupts off.
 * (It may where slots run out, or where a cache is flushed by all CPUs.) Looking a
 * page up and changing its count of holders need no lock.
 */
enum pkmap_state {
	PKMAP_CLEAN,
	PKMAP_BUSY,
	PKMAP_STALE,		/* these three are one apart: */
	PKMAP_CONDEMNED,	/* reclaim goes down by one at each step */
	PKMAP_IDLE,
};

#define PKMAP_FILL_BITS		8
#define PKMAP_FILL_MASK		(BIT(PKMAP_FILL_BITS) - 1)
#define PKMAP_WORD(state)	((int)(state) << PKMAP_FILL_BITS)
#define PKMAP_ONE_HOLDER	PKMAP_WORD(1)

struct pkmap_slot {
	atomic_t state;			/* see above */
	bool hot;			/* mapped again since reclaim last looked */
	struct page *page;		/* what the PTE maps */
	void *vaddr;			/* these two never change once set */
	pte_t *ptep;
	struct hlist_nulls_node node;	/* in page_address_table */
};

/*
 * The areas that slots lie in. The first is the architecture's. The next ones are
 * taken from vmalloc space, with their page tables, when a task finds all slots held:
 * kmap() then goes on instead of waiting for a kunmap() that may never come. Together
 * they take at most one eighth of vmalloc space, and they are kept.
 *
 * The last exists from boot on, for tasks that are themselves freeing memory
 * (PF_MEMALLOC) and must not wait for it.
 */
#define PKMAP_AREAS		6
#define PKMAP_MEMALLOC_AREA	(PKMAP_AREAS - 1)
#define PKMAP_MEMALLOC_SLOTS	16
#define PKMAP_GROW_AREAS	(PKMAP_AREAS - 2)
#define PKMAP_GROW_SLOTS	(SZ_4M >> PAGE_SHIFT)	/* at most */

static struct pkmap_slot pkmap_slots[LAST_PKMAP];

static struct pkmap_area {
	struct pkmap_slot *slots;
	unsigned long start;		/* unused for the first area */
	unsigned int nr;		/* slots; 0 while the area does not exist */
	unsigned int hand;		/* where to look next; a hint */
	bool fresh;			/* slots made clean since kmap() was here */
} pkmap_areas[PKMAP_AREAS] = {
	{ .slots = pkmap_slots, .nr = LAST_PKMAP },
};

/* Where kmap() takes clean slots from, until there are none left. */
static struct pkmap_area *pkmap_area_now __read_mostly = pkmap_areas;

/*
 * How many slots kmap() looks at before it goes on to another area or has idle
 * slots reclaimed. Reclaim leaves clean ones side by side: if there is none among
 * so many, there are few.
 */
#define PKMAP_FIRST_LOOK	64

/* How often a CPU relaxes before it retries an exchange that another CPU has won. */
#define PKMAP_BACK_OFF		8

/*
 * In jiffies. How long a task that failed to add an area leaves all tasks without
 * another attempt; how long it then sleeps at a time after it has reported a long wait.
 * The hung-task detector, which wants to see a task not scheduled for once or twice its
 * time-out (120 s by default, up to 300 s here), then reports the task as well. And how
 * long a task waits for a slot before it reports that, once.
 */
#define PKMAP_GROW_RETRY	(2 * HZ)
#define PKMAP_SLEEP_LONG	(600 * HZ)
unsigned int pkmap_patience __read_mostly = 30 * HZ;

static DEFINE_MUTEX(pkmap_reclaim_lock);

/* One task adds an area at a time. Taken by mutex_trylock(), outside of the above. */
static DEFINE_MUTEX(pkmap_grow_lock);

/* No attempt to add an area before this time. 64 bits: the uptime has no limit. */
static u64 pkmap_grow_after;

/*
 * The generation of the set of clean slots: another task has reclaimed slots, added
 * an area or found one with clean slots. Changes with pkmap_reclaim_lock held.
 */
static unsigned int pkmap_refills;

static void pkmap_next_generation(void)
{
	/*
	 * Pairs with the acquire in kmap_high_slow() and kmap_high_refill(): a task that
	 * reads the new generation sees the clean slots.
	 */
	smp_store_release(&pkmap_refills, pkmap_refills + 1);
}

pte_t *pkmap_page_table;

#ifndef get_pkmap_color
/* One colour: any page fits in any slot. */
static inline unsigned int get_pkmap_color(struct page *page)
{
	return 0;
}

static DECLARE_WAIT_QUEUE_HEAD(pkmap_wait_queue);

static inline wait_queue_head_t *get_pkmap_wait_queue_head(unsigned int color)
{
	return &pkmap_wait_queue;
}
#endif

/* From page to slot ------------------------------------------------------- */

#ifndef HASHED_PAGE_VIRTUAL
#error "a page with a field for its address (WANT_PAGE_VIRTUAL) has no use for HIGHMEM's table"
#endif

/*
 * A hash table over the slots. Readers take no lock and wait for no grace
 * period, since slots stay: the worst that a reader meets is a slot that moved
 * to another chain under its hands, and then its walk ends at that chain's
 * nulls value instead of its own and starts again. See
 * Documentation/RCU/rculist_nulls.rst.
 *
 * Chains change under the page's lock. hlist_nulls_add_head_rcu() publishes a
 * slot with a release that pairs with the address dependency of the walk: a
 * reader that reaches the slot sees its page and vaddr.
 */
#define PKMAP_HASH_BITS							\
	const_ilog2(LAST_PKMAP + (PKMAP_AREAS - 2) * PKMAP_GROW_SLOTS)
#define PKMAP_LOCK_BITS		4

static struct hlist_nulls_head page_address_table[1 << PKMAP_HASH_BITS];

/* One for a range of hash values: all pages of a chain have the same lock. */
static spinlock_t pkmap_page_locks[1 << PKMAP_LOCK_BITS] __cacheline_aligned_in_smp;

/*
 * Finds the slot of @page, and unless @state is NULL what its state was before
 * it was seen to be that slot. Sets them only if it returns true.
 */
static __always_inline bool page_slot_state(const struct page *page,
					    struct pkmap_slot **found, int *state)
{
	unsigned int hash = hash_ptr(page, PKMAP_HASH_BITS);
	struct hlist_nulls_node *node;
	struct pkmap_slot *slot;

	do {
		hlist_nulls_for_each_entry_rcu(slot, node,
					       &page_address_table[hash], node) {
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

static spinlock_t *page_lock_of(const struct page *page)
{
	return &pkmap_page_locks[hash_ptr(page, PKMAP_LOCK_BITS)];
}

static void slot_make_findable(struct pkmap_slot *slot, const struct page *page)
{
	unsigned int hash = hash_ptr(page, PKMAP_HASH_BITS);

	hlist_nulls_add_head_rcu(&slot->node, &page_address_table[hash]);
}

static void slot_hide(struct pkmap_slot *slot)
{
	hlist_nulls_del_rcu(&slot->node);
}

/**
 * page_address() - the address at which a page is mapped
 * @page: any page
 *
 * For a highmem page the answer is only good for as long as the caller, or
 * somebody the caller knows of, holds the page with kmap(). Local mappings are
 * not found.
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

	return page_slot_state(page, &slot, NULL) ? READ_ONCE(slot->vaddr) : NULL;
}
EXPORT_SYMBOL(page_address);

void __init page_address_init(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(page_address_table); i++)
		INIT_HLIST_NULLS_HEAD(&page_address_table[i], i);
	/* Not ARRAY_SIZE(): without SMP a lock may be of no size. */
	for (i = 0; i < 1 << PKMAP_LOCK_BITS; i++)
		spin_lock_init(&pkmap_page_locks[i]);
}

static __always_inline bool page_slot(const struct page *page,
				      struct pkmap_slot **found)
{
	return page_slot_state(page, found, NULL);
}

/* The pkmap pool: holders -------------------------------------------------- */

#ifdef DCACHE_N_COLORS
#define PKMAP_COLORS	DCACHE_N_COLORS
#else
#define PKMAP_COLORS	1
#endif

/* The colour of the slot at @vaddr, which is that of every page it shows. */
static unsigned int pkmap_color(const void *vaddr)
{
#ifdef DCACHE_ALIAS
	return DCACHE_ALIAS((unsigned long)vaddr);
#else
	return 0;
#endif
}

/*
 * Out of line, as the callers then need fewer registers.
 *
 * A slot that not everybody may take wakes everybody: one who may not would go
 * back to sleep and keep the news.
 */
static noinline void pkmap_wake_one(const void *vaddr, wait_queue_head_t *queue)
{
	const struct pkmap_area *area = &pkmap_areas[PKMAP_MEMALLOC_AREA];

	if ((unsigned long)vaddr - area->start < area->nr * PAGE_SIZE)
		wake_up_all(queue);
	else
		wake_up(queue);
}

/* There is room for all colours, and for more than one who waits. */
static void pkmap_wake_all(void)
{
	unsigned int color;

	for (color = 0; color < PKMAP_COLORS; color++)
		wake_up_all(get_pkmap_wait_queue_head(color));
}

/*
 * Wakes one task that waits for a slot, if there is one.
 *
 * The caller has changed the state of a slot by a compare-and-exchange, whose
 * full ordering stands between that change and the look at the queue. It pairs with
 * the barrier in prepare_to_wait_exclusive(), which comes before pkmap_any():
 * either this function sees the sleeper or the sleeper sees the slot. So no task sleeps
 * beside a free slot.
 *
 * kmap_high_refill() passes a wake-up on that it has taken itself. Its last change may
 * be the release of pkmap_fill(). There the lock of the queue orders the slot's first
 * change before this: the waker held it before this task removed itself from the queue.
 */
static __always_inline void pkmap_wake(const void *vaddr)
{
	wait_queue_head_t *queue = get_pkmap_wait_queue_head(pkmap_color(vaddr));

	/* Ordered as said above. */
	if (unlikely(waitqueue_active(queue)))
		pkmap_wake_one(vaddr, queue);
}

/* One of enum pkmap_state, more than PKMAP_IDLE, or negative after a leak. */
static __always_inline int pkmap_state(const struct pkmap_slot *slot)
{
	return atomic_read(&slot->state) >> PKMAP_FILL_BITS;
}

/*
 * Moves @slot from one state to another; false if it is not in @from. Fully
 * ordered if it succeeds.
 */
static __always_inline bool pkmap_move(struct pkmap_slot *slot,
				       enum pkmap_state from, enum pkmap_state to)
{
	int old = atomic_read(&slot->state);

	return old >> PKMAP_FILL_BITS == from &&
	       atomic_try_cmpxchg(&slot->state, &old,
				  old - PKMAP_WORD(from) + PKMAP_WORD(to));
}

/*
 * Lets whoever changed a slot in between go on for a while: then it is done with
 * the slot some times before the cache line has to move again.
 */
static void pkmap_back_off(void)
{
	unsigned int i;

	for (i = 0; i < PKMAP_BACK_OFF; i++)
		cpu_relax();
}

/*
 * Takes a holder from @slot. 1 if it did; 0, and nothing changed, if there is
 * none; -EAGAIN if somebody else changed the slot at the same time.
 *
 * The full ordering of the compare-and-exchange keeps the holder's accesses to
 * the page before the slot can be condemned, which is what takes it over.
 */
static __always_inline int pkmap_try_drop(struct pkmap_slot *slot)
{
	int new, old = atomic_read(&slot->state);

	if (unlikely(old < PKMAP_WORD(PKMAP_IDLE + 1)))
		return 0;
	new = old - PKMAP_ONE_HOLDER;
	highmem_race_window();
	if (unlikely(!atomic_try_cmpxchg(&slot->state, &old, new)))
		return -EAGAIN;

	highmem_race_window();
	if (new < PKMAP_WORD(PKMAP_IDLE + 1))
		pkmap_wake(slot->vaddr);
	return 1;
}

/* As above, until it is done. */
static bool pkmap_drop(struct pkmap_slot *slot)
{
	int dropped;

	while ((dropped = pkmap_try_drop(slot)) < 0)
		pkmap_back_off();
	return dropped;
}

/*
 * Adds a holder to @slot, which page_slot_state() found for some page when its
 * state was @old. False if the slot cannot be had, or has changed since.
 *
 * The page was seen after the state, whose acquire pairs with the release in
 * pkmap_fill(): it is not older than the count of fills, and neither is the PTE.
 * The full ordering of the compare-and-exchange keeps the caller's accesses to
 * the page, and its last look at which one it is, behind the hold: unless
 * slot->page still is the right one, what was held is a slot that was filled 256
 * times in between, and has to be dropped again.
 */
static __always_inline bool pkmap_hold(struct pkmap_slot *slot, int old)
{
	bool held;

	highmem_race_window();
	held = likely(old >= PKMAP_WORD(PKMAP_IDLE)) &&
	       likely(atomic_try_cmpxchg(&slot->state, &old, old + PKMAP_ONE_HOLDER));
	highmem_race_window();
	return held;
}

/* As pkmap_hold(), for a slot that reclaim has condemned. */
static bool pkmap_save(struct pkmap_slot *slot, int old)
{
	int held = old + PKMAP_WORD(PKMAP_IDLE + 1 - PKMAP_CONDEMNED);

	highmem_race_window();
	return old >> PKMAP_FILL_BITS == PKMAP_CONDEMNED &&
	       atomic_try_cmpxchg(&slot->state, &old, held);
}

/*
 * The slot that maps @page, with a holder added, or NULL. Retries when another task
 * changes the slot at the same time: a failure means that the other task succeeded.
 * A slot that leaks have made negative keeps its page for ever and needs no holder.
 */
static struct pkmap_slot *pkmap_get(const struct page *page)
{
	struct pkmap_slot *slot;
	int state;

	while (page_slot_state(page, &slot, &state)) {
		if (unlikely(state < 0))
			return slot;
		if (pkmap_hold(slot, state) || pkmap_save(slot, state)) {
			if (likely(READ_ONCE(slot->page) == page))
				return slot;
			pkmap_drop(slot);
		}
		/* CLEAN, BUSY or STALE: the page is not mapped, retrying is of no use. */
		if (state < PKMAP_WORD(PKMAP_CONDEMNED))
			break;
	}
	return NULL;
}

/* The pkmap pool: slots ---------------------------------------------------- */

static bool area_is_pool(const struct pkmap_area *area)
{
	return area == pkmap_areas;
}

/* The first area after @area, or of all for NULL, that exists; else NULL. */
static struct pkmap_area *next_area(struct pkmap_area *area)
{
	for (area = area ? area + 1 : pkmap_areas;
	     area < pkmap_areas + PKMAP_AREAS; area++) {
		/* Pairs with the release in pkmap_add_area(). */
		if (smp_load_acquire(&area->nr))
			return area;
	}
	return NULL;
}

static void *area_vaddr(const struct pkmap_area *area, unsigned int nr)
{
	return (void *)(area_is_pool(area) ? PKMAP_ADDR(nr) :
			area->start + nr * PAGE_SIZE);
}

/* How many slots of @area a search for @color has to look at ... */
static unsigned int area_count(const struct pkmap_area *area, unsigned int color)
{
#ifdef get_pkmap_color
	if (area_is_pool(area))
		return get_pkmap_entries_count(color);
#endif
	return area->nr;
}

/* ... and the next of them. */
static unsigned int area_next(struct pkmap_area *area, unsigned int color)
{
	unsigned int nr = READ_ONCE(area->hand);

#ifdef get_pkmap_color
	if (area_is_pool(area))
		return get_next_pkmap_nr(color);
#endif
	/* Two who come at once look at the same slot first, no more. */
	WRITE_ONCE(area->hand, nr + 1 < area->nr ? nr + 1 : 0);
	return nr;
}

/* May the current task take slots of @area? */
static bool area_is_open(const struct pkmap_area *area)
{
	return area != &pkmap_areas[PKMAP_MEMALLOC_AREA] ||
	       current->flags & PF_MEMALLOC;
}

/*
 * What a slot shows, but for the page frame. Set by the first kmap() or, before
 * there is a second CPU, by an initcall.
 */
static pte_t pkmap_page_pte __maybe_unused __read_mostly;

/* Those of the other areas are set up by pkmap_add_area(). */
static noinline void pool_slot_init(struct pkmap_slot *slot, unsigned int nr)
{
	if (pte_none(pkmap_page_pte))
		pkmap_page_pte = pfn_pte(0, kmap_prot);
	slot->ptep = &pkmap_page_table[nr];
	slot->vaddr = (void *)PKMAP_ADDR(nr);
}

/* Takes one of the next @left slots of @area, if it is clean and of @color. */
static __always_inline struct pkmap_slot *
area_claim(struct pkmap_area *area, unsigned int color, unsigned int left)
{
	while (left--) {
		unsigned int nr = area_next(area, color);
		struct pkmap_slot *slot = &area->slots[nr];

		/* Pairs with the release in pkmap_release(), and pkmap_unfill(). */
		if (pkmap_color(area_vaddr(area, nr)) == color &&
		    likely(pkmap_move(slot, PKMAP_CLEAN, PKMAP_BUSY))) {
			if (unlikely(!slot->vaddr))
				pool_slot_init(slot, nr);
			return slot;
		}
	}
	return NULL;
}

/* Takes a clean slot for the caller to fill, or returns NULL. */
static struct pkmap_slot *pkmap_claim(unsigned int color)
{
	struct pkmap_area *area = READ_ONCE(pkmap_area_now);
	struct pkmap_slot *slot = area_claim(area, color, PKMAP_FIRST_LOOK);

	for (area = next_area(NULL); area && !slot; area = next_area(area)) {
		if (area_is_open(area))
			slot = area_claim(area, color, area_count(area, color));
	}
	return slot;
}

/*
 * Takes back what pkmap_fill() has put in @slot, to which nobody came meanwhile. A
 * TLB may know it all the same, as they load what is not asked for.
 *
 * With interrupts off, where kmap() is a mistake, other CPUs are not waited for:
 * one may wait for us. Then the slot is lost: it stays BUSY, and is of no use.
 */
static noinline void pkmap_unfill(struct pkmap_slot *slot)
{
	unsigned long addr = (unsigned long)slot->vaddr;

	pte_clear(&init_mm, addr, slot->ptep);
	if (!WARN_ON_ONCE(irqs_disabled())) {
		flush_tlb_kernel_range(addr, addr + PAGE_SIZE);
		highmem_count(HIGHMEM_STAT_PKMAP_FLUSH, 1);
		/* Fully ordered, pairs with area_claim(). First the flush, then this. */
		pkmap_move(slot, PKMAP_BUSY, PKMAP_CLEAN);
		pkmap_wake(slot->vaddr);
	}
}

/*
 * Shows @page in @slot, which the caller has claimed, and holds it for the
 * caller. If another slot shows @page already, gives @slot back and returns
 * false.
 */
static __always_inline bool pkmap_fill(struct pkmap_slot *slot, struct page *page)
{
	struct pkmap_slot *other;
	spinlock_t *lock = page_lock_of(page);
	unsigned long addr = (unsigned long)slot->vaddr;
	int word = atomic_read(&slot->state);
	unsigned long flags;
	bool found;

	/* Not under the lock: some caches are flushed with the help of all CPUs. */
	set_pte_at(&init_mm, addr, slot->ptep,
		   arch_kmap_local_page_pte(page_to_pfn(page), pkmap_page_pte));
	if (!is_pkmap_window(addr))
		flush_cache_vmap(addr, addr + PAGE_SIZE);

	highmem_race_window();
	spin_lock_irqsave(lock, flags);
	found = page_slot(page, &other);
	if (likely(!found)) {
		WRITE_ONCE(slot->page, page);
		WRITE_ONCE(slot->hot, false);
		highmem_race_window();
		slot_make_findable(slot, page);
		highmem_race_window();
		word = PKMAP_WORD(PKMAP_IDLE + 1) | ((word + 1) & PKMAP_FILL_MASK);
		/* Release: whoever may hold it now sees all of the above. */
		atomic_set_release(&slot->state, word);
	}
	spin_unlock_irqrestore(lock, flags);

	if (unlikely(found))
		pkmap_unfill(slot);
	return !found;
}

/* The pkmap pool: reclaim --------------------------------------------------- */

/*
 * First step: condemn the idle slots of @area; unless @all, spare those that
 * were mapped again since the last time and look whether they are next time.
 * Returns how many it condemned.
 */
static unsigned int pkmap_condemn(struct pkmap_area *area, bool all)
{
	struct pkmap_slot *slot, *end = area->slots + area->nr;
	unsigned int condemned = 0;

	for (slot = area->slots; slot < end; slot++) {
		int old = atomic_read(&slot->state);

		if (old >> PKMAP_FILL_BITS != PKMAP_IDLE)
			continue;
		if (READ_ONCE(slot->hot)) {
			WRITE_ONCE(slot->hot, false);
			if (!all) {
				highmem_count(HIGHMEM_STAT_PKMAP_SPARED, 1);
				continue;
			}
		}
		highmem_race_window();
		if (atomic_try_cmpxchg(&slot->state, &old, old - PKMAP_WORD(1)))
			condemned++;
	}
	return condemned;
}

/*
 * Second step: take the page from those slots of @area that are condemned
 * still. What virtually indexed caches held for them is written back by now,
 * and was not added to: a slot that somebody wrote through in between had a
 * holder, and is not condemned any more.
 */
static unsigned int pkmap_clear(struct pkmap_area *area)
{
	struct pkmap_slot *slot, *end = area->slots + area->nr;
	unsigned int cleared = 0;

	for (slot = area->slots; slot < end; slot++) {
		int old = atomic_read(&slot->state);
		spinlock_t *lock;	/* the page's */
		unsigned long flags;

		if (old >> PKMAP_FILL_BITS != PKMAP_CONDEMNED)
			continue;
		/* It keeps its page: only this task, with the mutex, takes it. */
		lock = page_lock_of(slot->page);
		spin_lock_irqsave(lock, flags);
		highmem_race_window();
		if (atomic_try_cmpxchg(&slot->state, &old, old - PKMAP_WORD(1))) {
			slot_hide(slot);
			highmem_race_window();
			pte_clear(&init_mm, (unsigned long)slot->vaddr, slot->ptep);
			cleared++;
		}
		spin_unlock_irqrestore(lock, flags);
	}
	return cleared;
}

/*
 * Third step: flush, with nothing held but the mutex. Each flush may interrupt all
 * CPUs: there is one where the architecture can flush all of it at once, else one for
 * each area that was cleared.
 */
static void pkmap_flush_tlb(const unsigned int cleared[PKMAP_AREAS])
{
	highmem_race_window();
#ifdef pkmap_flush_tlb_all
	pkmap_flush_tlb_all();
#else
	for (unsigned int i = 0; i < PKMAP_AREAS; i++) {
		struct pkmap_area *area = &pkmap_areas[i];
		unsigned long start = (unsigned long)area_vaddr(area, 0);

		if (cleared[i])
			flush_tlb_kernel_range(start, start + area->nr * PAGE_SIZE);
	}
#endif
}

/* Last step: the slots are clean. */
static void pkmap_release(struct pkmap_area *area)
{
	struct pkmap_slot *slot, *end = area->slots + area->nr;

	for (slot = area->slots; slot < end; slot++) {
		int word = atomic_read(&slot->state);

		/*
		 * Nobody else takes it out of this state. Release: pairs with
		 * area_claim(). First the flush, then this.
		 */
		if (word >> PKMAP_FILL_BITS == PKMAP_STALE)
			atomic_set_release(&slot->state, word & PKMAP_FILL_MASK);
	}
}

/*
 * Makes idle slots clean. For kmap_flush_unused() with @all set: all of them, and with
 * the same flush the idle local mappings. Else those that were not mapped again lately,
 * if these are enough to be worth a flush. Returns whether there were any, and then
 * counts as a refill.
 */
static bool pkmap_reclaim(bool all)
{
	unsigned int condemned = 0, total = 0, cleared[PKMAP_AREAS] = { };
	struct pkmap_area *area;
	bool flushed;

	lockdep_assert_held(&pkmap_reclaim_lock);

	for (area = next_area(NULL); area; area = next_area(area))
		condemned += pkmap_condemn(area, all);
	if (!all && condemned < LAST_PKMAP / 4) {
		for (area = next_area(NULL); area; area = next_area(area))
			condemned += pkmap_condemn(area, true);
	}
	if (condemned)
		flush_cache_kmaps();
	for (area = next_area(NULL); area && condemned; area = next_area(area)) {
		cleared[area - pkmap_areas] = pkmap_clear(area);
		total += cleared[area - pkmap_areas];
	}
	flushed = all && kmap_local_flush(total);
	if (total) {
		if (!flushed)
			pkmap_flush_tlb(cleared);
		highmem_count(HIGHMEM_STAT_PKMAP_FLUSH, 1);
	}
	for (area = next_area(NULL); area && total; area = next_area(area)) {
		pkmap_release(area);
		area->fresh |= cleared[area - pkmap_areas] > 0;
	}

	if (total)
		pkmap_next_generation();

	trace_pkmap_reclaim(all, condemned, total);
	highmem_count(HIGHMEM_STAT_PKMAP_RECLAIM, 1);
	highmem_count(HIGHMEM_STAT_PKMAP_FREED, total);
	return total;
}

/*
 * On return no slot, local ones included, that was idle at the time of the call
 * and not mapped during it has a PTE, and no TLB that may use it has an entry. The
 * mutex waits for a reclaim that another task has begun.
 */
void __kmap_flush_unused(void)
{
	mutex_lock(&pkmap_reclaim_lock);
	pkmap_reclaim(true);
	mutex_unlock(&pkmap_reclaim_lock);
}

/* The pkmap pool: when all slots are held ----------------------------------- */

bool is_pkmap_addr(unsigned long addr)
{
	struct pkmap_area *area;

	if (is_pkmap_window(addr))
		return true;
	for (area = next_area(NULL); area; area = next_area(area)) {
		if (!area_is_pool(area) && addr >= area->start &&
		    addr - area->start < area->nr * PAGE_SIZE)
			return true;
	}
	return false;
}

static int area_slot_init(pte_t *ptep, unsigned long addr, void *next)
{
	struct pkmap_slot **slot = next;

	(*slot)->ptep = ptep;
	(*slot)->vaddr = (void *)addr;
	(*slot)++;
	return 0;
}

/*
 * Adds an area of @nr slots. The page tables come with it, so that filling a
 * slot needs no memory.
 *
 * Callers of kmap() hold locks that freeing memory may need. In the scope of
 * memalloc_noreclaim_save() the few pages that this takes come from the free
 * ones. Where vmalloc space is short, get_vm_area() flushes the lazily freed areas and
 * calls the vmap notifiers: that is for a task alone that has no other way to go on.
 */
static bool pkmap_add_area(struct pkmap_area *area, unsigned int nr)
{
	unsigned long size = nr * PAGE_SIZE;
	unsigned int noreclaim = memalloc_noreclaim_save();
	struct pkmap_slot *slots, *next;
	struct vm_struct *vm;

	slots = kvcalloc(nr, sizeof(*slots), GFP_KERNEL | __GFP_NOWARN);
	next = slots;
	vm = slots ? get_vm_area(size, VM_MAP) : NULL;
	if (vm && apply_to_page_range(&init_mm, (unsigned long)vm->addr, size,
				      area_slot_init, &next)) {
		free_vm_area(vm);
		vm = NULL;
	}
	memalloc_noreclaim_restore(noreclaim);

	trace_pkmap_grow(vm ? (unsigned long)vm->addr : 0, nr);
	if (vm) {
		highmem_count(HIGHMEM_STAT_PKMAP_GROWN, 1);
	} else {
		highmem_count(HIGHMEM_STAT_PKMAP_NOT_GROWN, 1);
		kvfree(slots);
		return false;
	}

	area->slots = slots;
	area->start = (unsigned long)vm->addr;
	mutex_lock(&pkmap_reclaim_lock);
	area->fresh = true;
	/* Pairs with next_area(): a reader of the size sees the rest. */
	smp_store_release(&area->nr, nr);
	pkmap_next_generation();
	mutex_unlock(&pkmap_reclaim_lock);
	pkmap_wake_all();
	return true;
}

static int __init pkmap_memalloc_init(void)
{
	pkmap_page_pte = pfn_pte(0, kmap_prot);
	return pkmap_add_area(&pkmap_areas[PKMAP_MEMALLOC_AREA],
			      PKMAP_MEMALLOC_SLOTS) ? 0 : -ENOMEM;
}
early_initcall(pkmap_memalloc_init);

/*
 * Adds an area for a task that found all slots held, when pkmap_refills was @seen.
 * False if all areas exist, if an attempt failed lately, or if another task is adding
 * one: that task wakes this one.
 */
static bool pkmap_grow(unsigned int seen)
{
	unsigned long share = VMALLOC_TOTAL / 8 / PKMAP_GROW_AREAS / PAGE_SIZE;
	unsigned int nr = min_t(unsigned long, share, PKMAP_GROW_SLOTS);
	struct pkmap_area *area = pkmap_areas + 1;
	struct pkmap_area *last = &pkmap_areas[PKMAP_MEMALLOC_AREA];
	bool grown = false;

	if (!mutex_trylock(&pkmap_grow_lock))
		return false;
	while (area < last && area->nr)
		area++;
	if (READ_ONCE(pkmap_refills) != seen) {
		/* Another task has added one meanwhile. */
		grown = true;
	} else if (area < last &&
		   time_after_eq64(get_jiffies_64(), pkmap_grow_after)) {
		grown = pkmap_add_area(area, nr);
		pkmap_grow_after = get_jiffies_64() + (grown ? 0 : PKMAP_GROW_RETRY);
	}
	mutex_unlock(&pkmap_grow_lock);
	return grown;
}

/*
 * Sends kmap() to the next area that has clean slots since it was there last, as
 * far as is known. What is left there of other colours waits for the next time.
 */
static bool pkmap_go_on(void)
{
	struct pkmap_area *area = pkmap_area_now;

	do {
		if (++area == &pkmap_areas[PKMAP_MEMALLOC_AREA])
			area = pkmap_areas;
		if (area->fresh) {
			area->fresh = false;
			/*
			 * Release: pairs with the address dependency of a task that
			 * reads pkmap_area_now. The task sees the area's slots.
			 */
			smp_store_release(&pkmap_area_now, area);
			pkmap_next_generation();
			return true;
		}
	} while (area != pkmap_area_now);
	return false;
}

#define PKMAP_ROOM	(BIT(PKMAP_CLEAN) | BIT(PKMAP_STALE) |	\
			 BIT(PKMAP_CONDEMNED) | BIT(PKMAP_IDLE))

/* Has @color a slot, in one of @states, that the current task may take? */
static bool pkmap_any(unsigned int color, unsigned long states)
{
	struct pkmap_area *area;

	for (area = next_area(NULL); area; area = next_area(area)) {
		unsigned int nr, end = area_is_open(area) ? area->nr : 0;

		/* Not by way of the hand: others move it, and a slot could be missed. */
		for (nr = 0; nr < end; nr++) {
			unsigned int state = pkmap_state(&area->slots[nr]);

			if (state <= PKMAP_IDLE && BIT(state) & states &&
			    pkmap_color(area_vaddr(area, nr)) == color)
				return true;
		}
	}
	return false;
}

/*
 * Has a task do what costs least: go to the next area that has clean slots, reclaim
 * idle slots, look at clean slots once more. False if all slots are held. @seen is what
 * pkmap_refills was before the caller looked for a slot: if it has changed, another task
 * did one of these while this task waited for the mutex.
 *
 * Another task may take all slots that this found, or they are of other colours. Then
 * the caller comes back.
 */
static bool pkmap_refill(unsigned int color, unsigned int seen)
{
	bool refilled = true;

	mutex_lock(&pkmap_reclaim_lock);
	if (seen == pkmap_refills && !pkmap_go_on()) {
		if (pkmap_reclaim(false))
			pkmap_go_on();
		else
			refilled = pkmap_any(color, BIT(PKMAP_CLEAN));
	}
	mutex_unlock(&pkmap_reclaim_lock);
	return refilled;
}

/*
 * Is @page mapped? The page's lock waits for a task that is filling or clearing the
 * slot. A slot of that task is in the hash but cannot be held: without the lock, a task
 * that has preempted that task (PREEMPT_RT) would neither sleep nor get the slot.
 */
static bool pkmap_is_mapped(const struct page *page)
{
	spinlock_t *lock = page_lock_of(page);
	struct pkmap_slot *slot;
	unsigned long flags;
	bool mapped;

	spin_lock_irqsave(lock, flags);
	mapped = page_slot(page, &slot);
	spin_unlock_irqrestore(lock, flags);
	return mapped;
}

/*
 * Sleeps until a slot may be had or it is time to try to add an area again. Takes
 * one wake-up: a task that leaves without the slot that it stands for passes it on.
 * @patience is what is left of pkmap_patience. When it ends, the wait is reported.
 */
static void pkmap_wait(const struct page *page, unsigned int color, long *patience)
{
	long sleep = *patience > 0 ? min_t(long, *patience, PKMAP_GROW_RETRY) :
				     PKMAP_SLEEP_LONG;
	wait_queue_head_t *queue = get_pkmap_wait_queue_head(color);
	DEFINE_WAIT(wait);

	trace_pkmap_wait_begin(page);
	highmem_count(HIGHMEM_STAT_PKMAP_WAIT, 1);

	prepare_to_wait_exclusive(queue, &wait, TASK_UNINTERRUPTIBLE);
	highmem_race_window();
	if (!pkmap_any(color, PKMAP_ROOM) && !pkmap_is_mapped(page))
		sleep -= schedule_timeout(sleep);
	else
		sleep = 0;
	finish_wait(queue, &wait);

	trace_pkmap_wait_end(page);
	WARN_ONCE(*patience > 0 && *patience <= sleep,
		  "highmem: kmap() by %s/%d has waited %u s for a slot: all are held\n",
		  current->comm, current->pid, READ_ONCE(pkmap_patience) / HZ);
	*patience -= min(*patience, sleep);
}

/* The pkmap pool: kmap() and kunmap() --------------------------------------- */

static bool may_not_sleep(void)
{
	return (preempt_count() || irqs_disabled()) &&
	       system_state >= SYSTEM_SCHEDULING;
}

/* @slot, which the caller holds, had been mapped before. */
static __always_inline void *pkmap_hit(struct pkmap_slot *slot)
{
	WRITE_ONCE(slot->hot, true);
	highmem_count(HIGHMEM_STAT_KMAP_HIT, 1);
	return slot->vaddr;
}

/* @slot, which the caller has filled, was not in use before. */
static __always_inline void *pkmap_miss(struct pkmap_slot *slot)
{
	trace_pkmap_fill(slot->page, slot->vaddr);
	highmem_count(HIGHMEM_STAT_KMAP_MISS, 1);
	return slot->vaddr;
}

/*
 * The first look has found no slot for @page. @refills is what pkmap_refills was
 * before it.
 */
static noinline void *kmap_high_refill(struct page *page, unsigned int refills)
{
	unsigned int color = get_pkmap_color(page);
	long patience = READ_ONCE(pkmap_patience);
	struct pkmap_slot *slot;
	bool waited = false;
	void *vaddr;

	for (;;) {
		slot = pkmap_get(page);
		if (slot) {
			vaddr = pkmap_hit(slot);
			break;
		}
		if (!pkmap_refill(color, refills) && !pkmap_grow(refills)) {
			pkmap_wait(page, color, &patience);
			waited = true;
		}
		/* As in kmap_high_slow(). */
		refills = smp_load_acquire(&pkmap_refills);
		slot = pkmap_claim(color);
		if (slot && pkmap_fill(slot, page)) {
			vaddr = pkmap_miss(slot);
			break;
		}
	}

	if (waited)
		pkmap_wake(vaddr);
	return vaddr;
}

/* @page has no slot. */
static noinline void *kmap_high_slow(struct page *page)
{
	/* Pairs with pkmap_next_generation(): never newer than the slots. */
	unsigned int refills = smp_load_acquire(&pkmap_refills);
	struct pkmap_slot *slot;

	/* It will do for this once, unless slots run out. */
	WARN_ONCE(may_not_sleep(),
		  "highmem: kmap() in atomic context; use kmap_local_page() there\n");

	slot = area_claim(READ_ONCE(pkmap_area_now), get_pkmap_color(page),
			  PKMAP_FIRST_LOOK);
	if (unlikely(!slot) || unlikely(!pkmap_fill(slot, page)))
		return kmap_high_refill(page, refills);
	return pkmap_miss(slot);
}

/* The slot found for @page has changed since: its holders, or its page. */
static noinline void *kmap_high_again(struct page *page)
{
	struct pkmap_slot *slot;

	pkmap_back_off();
	slot = pkmap_get(page);

	return slot ? pkmap_hit(slot) : kmap_high_slow(page);
}

/* @slot, found for @page, was held and shows another page by now. */
static noinline void *kmap_high_mistaken(struct page *page, struct pkmap_slot *slot)
{
	pkmap_drop(slot);
	return kmap_high_again(page);
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
	int state;

	if (unlikely(!page_slot_state(page, &slot, &state)))
		return kmap_high_slow(page);
	if (unlikely(!pkmap_hold(slot, state)))
		return kmap_high_again(page);
	if (unlikely(READ_ONCE(slot->page) != page))
		return kmap_high_mistaken(page, slot);
	return pkmap_hit(slot);
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
void *kmap_high_get(struct page *page)
{
	struct pkmap_slot *slot = pkmap_get(page);

	return slot ? slot->vaddr : NULL;
}
#endif

/* Somebody else changes the slot of @page at the same time, or it has no holder. */
static noinline void kunmap_high_again(struct page *page)
{
	struct pkmap_slot *slot;

	pkmap_back_off();
	/* A slot that leaks have made negative needs no holder. */
	if (page_slot(page, &slot) && (pkmap_drop(slot) || pkmap_state(slot) < 0))
		return;
	WARN_ONCE(1, "highmem: kunmap() of page %p (pfn %#lx) that is not mapped\n",
		  page, page_to_pfn(page));
}

/**
 * kunmap_high() - out-of-line part of kunmap()
 * @page: a highmem page that the caller has mapped with kmap()
 *
 * Call kunmap(), which knows what to do with other pages.
 *
 * The mapping stays until its slot is wanted for another page, so that a page
 * that is mapped again soon keeps its address. A page that is not mapped is
 * reported once.
 *
 * Context: any but NMI; does not sleep.
 */
void kunmap_high(struct page *page)
{
	/* The caller's hold keeps the slot where it is. */
	struct pkmap_slot *slot;

	if (unlikely(!page_slot(page, &slot)) ||
	    unlikely(pkmap_try_drop(slot) <= 0))
		kunmap_high_again(page);
}
EXPORT_SYMBOL(kunmap_high);

/**
 * pkmap_to_page() - the page at an address from kmap()
 * @addr: an address for which is_pkmap_addr() is true
 *
 * Context: any, while the page is held.
 * Return: the page.
 */
struct page *pkmap_to_page(unsigned long addr)
{
	return pte_page(ptep_get(virt_to_kpte(addr)));
}

/* The pkmap pool: what debugfs shows ----------------------------------------- */

#ifdef CONFIG_DEBUG_FS
static void area_show(struct seq_file *m, const struct pkmap_area *area)
{
	unsigned int count[PKMAP_IDLE + 1] = { };
	unsigned int nr, holders = 0, held = 0, hot = 0;

	for (nr = 0; nr < area->nr; nr++) {
		int state = pkmap_state(&area->slots[nr]);

		hot += state >= PKMAP_IDLE && READ_ONCE(area->slots[nr].hot);
		if (state >= 0 && state <= PKMAP_IDLE) {
			count[state]++;
		} else {
			held++;
			holders += state > 0 ? state - PKMAP_IDLE : 0;
		}
	}
	seq_printf(m, "%#lx %u clean %u idle %u held %u holders %u hot %u busy %u\n",
		   (unsigned long)area_vaddr(area, 0), area->nr, count[PKMAP_CLEAN],
		   count[PKMAP_IDLE], held, holders, hot, count[PKMAP_BUSY] +
		   count[PKMAP_STALE] + count[PKMAP_CONDEMNED]);
}

/**
 * pkmap_show() - a line for each area of the pool
 * @m: where it is written
 *
 * The address of the area, how many slots it has, and how many of them are in
 * which state. The counts are taken one by one while others go on.
 *
 * Context: task context.
 */
void pkmap_show(struct seq_file *m)
{
	struct pkmap_area *area;

	for (area = next_area(NULL); area; area = next_area(area))
		area_show(m, area);
}
#endif

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
 * Return: the page; NULL for a kmap_local slot that this task has not mapped.
 */
struct page *__kmap_to_page(void *vaddr)
{
	if (likely(!is_kmap_addr(vaddr)))
		return virt_to_page(vaddr);

	WARN_ON_ONCE(1);
#ifdef CONFIG_HIGHMEM
	if (is_pkmap_addr((unsigned long)vaddr))
		return pkmap_to_page((unsigned long)vaddr);
#endif
	return kmap_local_to_page(vaddr);
}
EXPORT_SYMBOL(__kmap_to_page);

/*
 * By pages, and with min() where the caller knows better: of a length that is at
 * most a page gcc makes stores of words, and else a call of memset(), which on i386
 * stores bytes.
 */
static void zero_page_range(struct page *page, size_t from, size_t to)
{
	size_t i, len;
	char *addr;

	for (; from < to; from += len) {
		len = to - from;
		addr = kmap_local_page_span(page, from, &len);
		for (i = 0; i < len; i += PAGE_SIZE)
			memset(addr + i, 0, min(len - i, PAGE_SIZE));
		kunmap_local_span(addr, len);
		for (i = from / PAGE_SIZE; i < PFN_UP(from + len); i++)
			flush_dcache_page(nth_page(page, i));
	}
}

/* Are both ranges, which are not empty, in the same page? */
static bool in_one_page(size_t start1, size_t end1, size_t start2, size_t end2)
{
	size_t first = start1 / PAGE_SIZE;

	return (end1 - 1) / PAGE_SIZE == first && start2 / PAGE_SIZE == first &&
	       (end2 - 1) / PAGE_SIZE == first;
}

/* See the inline version in <linux/highmem.h>, for pages mapped as a whole. */
void zero_user_segments(struct page *page, unsigned int start1, unsigned int end1,
			unsigned int start2, unsigned int end2)
{
	char *addr;

	end1 = highmem_clamp_end(page, end1);
	end2 = highmem_clamp_end(page, end2);

	/* What most callers want: the parts of a block before and after data. */
	if (start1 < end1 && start2 < end2 &&
	    in_one_page(start1, end1, start2, end2)) {
		page = nth_page(page, start1 / PAGE_SIZE);
		addr = kmap_local_page(page);
		memset(addr + offset_in_page(start1), 0, min(end1 - start1, PAGE_SIZE));
		memset(addr + offset_in_page(start2), 0, min(end2 - start2, PAGE_SIZE));
		kunmap_local(addr);
		flush_dcache_page(page);
		return;
	}
	zero_page_range(page, start1, end1);
	zero_page_range(page, start2, end2);
}
EXPORT_SYMBOL(zero_user_segments);

#endif /* KMAP_LOCAL_MAPS_PAGES */
