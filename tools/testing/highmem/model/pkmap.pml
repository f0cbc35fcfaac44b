// SPDX-License-Identifier: GPL-2.0
/*
 * The slot protocol of mm/highmem.c, for the model checker Spin.
 *
 * "make model" looks at every state that the scenarios in the file "scenarios"
 * can get into, with any number of calls one after the other. What is in one
 * atomic or d_step is one access that others can see, with what only its own task,
 * or the holder of the same lock, can see. Read the table of states in mm/highmem.c
 * first. Its steps are here:
 *
 *   from, to			inline		function of mm/highmem.c
 *   CLEAN, BUSY		pkmap_claim	area_claim(), pkmap_claim()
 *   BUSY, held			pkmap_fill	pkmap_fill()
 *   BUSY, CLEAN		pkmap_unfill	pkmap_unfill(), label found of pkmap_fill
 *   IDLE and held, held	pkmap_hold	page_slot_state(), pkmap_hold()
 *   CONDEMNED, held		pkmap_save	page_slot_state(), pkmap_save()
 *   held, IDLE or held		kunmap		kunmap_high(), pkmap_try_drop()
 *   held, the same		look_again	kmap_high_mistaken(), pkmap_get()
 *   held, STUCK		pkmap_hold	pkmap_hold()
 *   STUCK, the same		stuck		pkmap_is_stuck(), in pkmap_get()
 *   IDLE, CONDEMNED		pkmap_condemn	pkmap_condemn()
 *   CONDEMNED, STALE		pkmap_clear	pkmap_clear()
 *   STALE, the same		flush_tlbs	pkmap_flush_tlb()
 *   STALE, CLEAN		release_slot	pkmap_release()
 *   none			pkmap_wait	pkmap_wait(), pkmap_any()
 *   none			wake_one	pkmap_wake(), pkmap_wake_one()
 *
 * pkmap_get is the loop of pkmap_get(), with the steps above in C's order.
 *
 * What is checked, by assertion or because Spin reports a state in which
 * nothing moves and somebody is not done:
 *
 *   - who holds a page reaches that page through the TLB of any CPU;
 *   - a page is findable in one slot at most, and in the slot that is held;
 *   - no slot becomes clean while a TLB may know it;
 *   - the number of holders is exact, and they are users of the slot's page;
 *   - kmap_flush_unused() leaves no mapping that was unused all the while;
 *   - what a holder wrote is in no virtually indexed cache when its mapping
 *     goes;
 *   - kmap_high_get() finds a page that is held all the while, and waits for
 *     nobody whom it interrupts;
 *   - no task sleeps for ever beside a slot or a page that it could have.
 *
 * How things are represented:
 *
 *   TLBs     may load a valid PTE at any moment and keep it until flushed. So
 *            tlb[] is the set of pages that a CPU could reach at a slot: when
 *            all sets are right, no CPU can go wrong. CPUs are alike, so one
 *            order of flushing them stands for all.
 *   fills    The count in a state word matters only to who compares it with an
 *            older one. age[] is the difference, modulo FILLS, for each of
 *            them. FILLS 0 is a count that never wraps.
 *   lookup   page_slot_state() may come to a slot so late that it could be any
 *            (lookup.pml walks the chains). So the tasks look at any slot, its
 *            state first, and want the page that they then see in it; another
 *            page would end the look without a trace.
 *   kmap()   takes its steps in any order and as often as it likes. That covers
 *            kmap_high(), kmap_high_again(), kmap_high_mistaken(),
 *            kmap_high_slow() and kmap_high_refill(), which each have an order.
 *            What fails without a trace, such as a compare-and-exchange, starts
 *            again. A task in pkmap_refill() has no slot and no page: it is a
 *            process apart. pkmap_claim() stands for area_claim() as well: who
 *            finds a clean slot takes it, whatever the search missed before.
 *   get      The interrupt that calls kmap_high_get() does what pkmap_get() does,
 *            in that order, and compares the whole state word. It comes on top
 *            of a mapper, of reclaim or of nobody, and whom it is on top of does
 *            not go on meanwhile. To try again with nothing changed is to wait
 *            for a change, here: if none can come, that is an error.
 *   use      A holder's access is checked when it lets go, which it may do at
 *            any moment while it holds.
 *   hot      Reclaim may spare any idle slot, unless it is to take all.
 *   queue    A wake-up wakes any one sleeper, not just the first. pkmap_wake()
 *            is one step: what waitqueue_active() does not see, wake_up() would
 *            not have found at that moment either.
 *   sleep    has no time limit. Who sleeps in the end, with everybody else done or
 *            asleep, must have no slot that it could take, and no page to share
 *            that was there when it began to wait.
 *   areas    With RESERVE, slot 1 (of 0 and 1) is one of the area that only tasks
 *            which free memory may use, and task 0 is such a task.
 *   leaks    With LEAKED, slot 0 has holders that never let go, and one more
 *            makes its state word negative.
 *
 * With ONE_STEP pkmap_hold() and pkmap_save() are one step with the look before.
 * That leaves out no behaviour: the looks change nothing, and a hold that is had is
 * one of a slot that was not filled since, whose page is thus the one that was seen.
 * (That it is so is what the other scenarios show.)
 *
 * Left out: colours, growing the pool (refill.pml has that), and wrong use such
 * as an unbalanced kunmap(), but for leaks.
 *
 * Spin's memory is sequentially consistent. What the model takes for granted:
 * a compare-and-exchange that succeeds is a full barrier; pkmap_fill() stores
 * the state last, with release; page_slot_state() reads it first, with acquire;
 * prepare_to_wait_exclusive() has a full barrier between queueing and looking at
 * slots, and kunmap() one between its change of state and the look at the queue;
 * locks order as locks do; flush_tlb_kernel_range() comes after pte_clear(). Mutants
 * marked "order" swap the two accesses, as a CPU might without the barrier.
 *
 * Each MUT_... breaks one step, and Spin must find an error then.
 */

#ifndef MAPPERS
#define MAPPERS	2	/* tasks that call kmap() and kunmap(): 1 to 3 */
#endif
#ifndef GETTERS
#define GETTERS	0	/* interrupts that call kmap_high_get(): 0 or 1 */
#endif
#ifndef INTERRUPT
#define INTERRUPT GETTERS /* do they come on top of others? */
#endif
#ifndef RECLAIMERS
#define RECLAIMERS 1	/* tasks in pkmap_refill(): 0 or 1 */
#endif
#ifndef FLUSHERS
#define FLUSHERS 0	/* tasks that call kmap_flush_unused(): 0 or 1 */
#endif
#ifndef SLOTS
#define SLOTS	2	/* 1 or 2 */
#endif
#ifndef PAGES
#define PAGES	2	/* 2 or 3 */
#endif
#ifndef FILLS
#define FILLS	0
#endif
#ifndef WAIT
#define WAIT	0	/* do mappers sleep? */
#endif
#ifndef HELD
#define HELD	0	/* all slots are held from the start, this one (1, 2) for a
			   while and the other for ever: so mappers do sleep */
#endif
#ifndef RESERVE
#define RESERVE	0	/* may only task 0 take the second slot? */
#endif
#ifndef ONE_STEP
#define ONE_STEP 0	/* is a look at a slot one step with the hold? */
#endif
#ifndef KEEPS
#define KEEPS	0	/* may the last mapper keep its page for ever? */
#endif
#ifndef LEAKED
#define LEAKED	0	/* holders of slot 0 that never let go: 0, or 2 */
#endif
#ifndef CACHE
#define CACHE	0	/* is there a virtually indexed cache? */
#endif

#define TASKS	(MAPPERS + GETTERS)

/* enum pkmap_state; IDLE + n has n holders, and STUCK too many to be counted. */
#define CLEAN		0
#define BUSY		1
#define STALE		2
#define CONDEMNED	3
#define IDLE		4
#define STUCK		15

byte state[SLOTS];		/* without the count of fills */
byte page[SLOTS];		/* slot->page; stays when the slot is hidden */
bool findable[SLOTS];		/* in the table from pages to slots */
byte pte[SLOTS];		/* a page or 0 */

/* The set of CPU c for slot s, a bit for each page, is tlb[3 * s + c]. */
byte tlb[3 * SLOTS];
#define SET(p)		(p -> 1 << p : 0)
#define TLBS_ARE(s, set)						\
	(tlb[3 * (s)] == (set) && tlb[3 * (s) + 1] == (set) &&		\
	 tlb[3 * (s) + 2] == (set))

bool page_lock[PAGES + 1];
bool reclaim_lock;
bool queued[TASKS];		/* in the wait queue and not woken yet */

/* Who keeps an older state word of which slot (+ 1), and how old it is. */
byte kept[TASKS];
#if FILLS
byte age[TASKS];
#endif

/* What only assertions look at. */
#if KEEPS
byte kept_page;			/* by the last mapper, for ever */
#endif
byte holders[SLOTS];		/* leaked ones, too */
bool unused[SLOTS];		/* since kmap_flush_unused() was called */
bool dirty[SLOTS];		/* written to, in a virtually indexed cache */
#if GETTERS
byte wanted;			/* by kmap_high_get() */
bool always;			/* and held by others since it was called */
#endif

/* Whom the interrupt came on top of, a process; 0 for nobody */
#if INTERRUPT
byte below;
#define GOES_ON		provided (below != _pid)
#else
#define GOES_ON
#endif

/* Both slots, or the only one. */
#if SLOTS == 2
#define EACH2(what)	what(); what()
#define EACH(what)	what(0); what(1)
#define ANY(what)	(what(0) || what(1))
#else
#define EACH(what)	what(0)
#define ANY(what)	what(0)
#endif

#if PAGES == 3
#define ANY_PAGE	if :: p = 1 :: p = 2 :: p = 3 fi
#else
#define ANY_PAGE	if :: p = 1 :: p = 2 fi
#endif

#define SHOWS_P(s)	(findable[s] && page[s] == p)
#define SHOWN		ANY(SHOWS_P)
#define SHOWN_TWICE	(SLOTS == 2 && findable[0] && findable[SLOTS - 1] && \
			 page[0] == page[SLOTS - 1])

/* A leak makes the word of a slot with MOST holders and one more negative. */
#define MOST		LEAKED
#define COUNT_OK(s)							\
	(state[s] == STUCK ||						\
	 (state[s] < IDLE -> holders[s] == 0 : state[s] == IDLE + holders[s]))

/* State words --------------------------------------------------------------- */

/*
 * Of a state word that is kept only its kind and its fill matter here: between
 * two fills, what changed and is so again shows the same page still.
 */
#ifdef MUT_HOLD_ANY_STATE
#define CAN_HOLD(s)	true
#elif defined(MUT_HOLD_CONDEMNED)
#define CAN_HOLD(s)	(state[s] >= CONDEMNED && state[s] != STUCK)
#else
#define CAN_HOLD(s)	(state[s] >= IDLE && state[s] != STUCK)
#endif

#ifdef MUT_SAVE_STALE
#define CAN_SAVE(s)	(state[s] == CONDEMNED || state[s] == STALE)
#else
#define CAN_SAVE(s)	(state[s] == CONDEMNED)
#endif

/* The state of slot s, with a holder more or less */
#if LEAKED
#define MORE(n)		(n == IDLE + MOST -> STUCK : n + 1)
#ifdef MUT_STUCK_DROPS
#define LESS(n)		(n == STUCK -> IDLE + MOST : n - 1)
#else
#define LESS(n)		(n == STUCK -> STUCK : n - 1)
#endif
#else
#define MORE(n)		(n + 1)
#define LESS(n)		(n - 1)
#endif

#if FILLS == 0
#define KEEP		kept[me] = s + 1
#define FORGET		kept[me] = 0
#ifdef MUT_NO_FILL_COUNT
#define SAME_FILL	true
#else
#define SAME_FILL	(kept[me] != 0)
#endif
#define OLDER(t)	kept[t] = (kept[t] == s + 1 -> 0 : kept[t])
#else
#define KEEP		kept[me] = s + 1; age[me] = 0
#define FORGET		kept[me] = 0; age[me] = 0
#define SAME_FILL	(age[me] == 0)
#define OLDER(t)	age[t] = (kept[t] == s + 1 -> (age[t] + 1) % FILLS : age[t])
#endif

/* The task has no slot and no page, and goes back to where it can do anything. */
#define START_AGAIN	s = 0; p = 0; goto again
#define GIVE_UP		FORGET; START_AGAIN

/*
 * One more holder, or one who needs no hold of a slot that is stuck; is it a user
 * of the page? If fills never wrap, it must be.
 */
inline held()
{
	holders[s]++;
	unused[s] = unused[s] && page[s] != p;
	assert(COUNT_OK(s));
#if FILLS == 0
	assert(page[s] == p);
#endif
	FORGET
}

/* Holders ---------------------------------------------------------------- */

inline wake_one()
{
	if
	:: queued[0] -> queued[0] = false
#if TASKS > 1
	:: queued[1] -> queued[1] = false
#endif
#if TASKS > 2
	:: queued[2] -> queued[2] = false
#endif
	:: else
	fi
}

inline pkmap_wake()
{
#if RESERVE && !defined(MUT_RESERVE_WAKE_ONE)
	if
	:: s == 1 -> queued[0] = false; queued[1] = false
	:: else -> wake_one()
	fi
#else
	wake_one()
#endif
}

#define ANY_QUEUED	(queued[0] || queued[TASKS - 2] || queued[TASKS - 1])

/* Who calls kmap_high_get() cannot expect to find it any more. */
#if GETTERS
#define NOT_ALWAYS							\
	d_step { always = always && (page[s] != wanted || state[s] > IDLE);	\
		 wanted = (always -> wanted : 0) }
#else
#define NOT_ALWAYS	skip
#endif

/*
 * The two steps of pkmap_try_drop(). After them the task starts again: a wake-up is
 * the last that either caller does, if it does it at all.
 */
inline one_less()
{
#ifdef MUT_DROP_PLAIN
	state[s] = old;
	old = 0;
#endif
	assert(state[s] > IDLE);
	state[s] = LESS(state[s]);
	holders[s]--;
	assert(COUNT_OK(s));
	NOT_ALWAYS;
	if
#if WAIT && !defined(MUT_DROP_NO_WAKE)
#ifdef MUT_WAKE_FIRST
	:: state[s] == IDLE && seen -> seen = false
#else
	:: state[s] == IDLE
#endif
#endif
	:: else ->
#ifdef MUT_WAKE_FIRST
		seen = false;
#endif
		START_AGAIN
	fi
}

inline wake_after()
{
	atomic { pkmap_wake(); START_AGAIN }
}

/* An access to the page, from any CPU: no TLB leads elsewhere. */
inline use()
{
	assert(TLBS_ARE(s, SET(p)));
#if CACHE
	dirty[s] = true
#endif
}

/*
 * kunmap_high() finds the slot, for its caller holds it. One that is stuck is left
 * as it is.
 */
inline kunmap(ready)
{
#ifdef MUT_USE_LATE		/* order: the access against pkmap_try_drop() */
	atomic { ready -> state[s]--; holders[s]-- };
	atomic { use(); START_AGAIN }
#else
#if defined(MUT_WAKE_FIRST) || defined(MUT_DROP_PLAIN)
	ready;
#endif
#ifdef MUT_WAKE_FIRST		/* order: the barrier in pkmap_wake() */
	seen = ANY_QUEUED;
#endif
#ifdef MUT_DROP_PLAIN
	old = state[s];
#endif
	atomic {
		ready ->
		use();
		assert(SHOWS_P(s));
		one_less()
	}
	wake_after()
#endif
}

/* What pkmap_get() and kmap_high() do when they have a hold. */
inline look_again()
{
	if
	:: page[s] == p
#ifdef MUT_LOOK_NO_WAKE
	:: else -> atomic { state[s]--; holders[s]--; START_AGAIN }
#elif defined(MUT_LOOK_NO_DROP)
	:: else -> atomic { holders[s]--; START_AGAIN }
#else
	:: else -> atomic { one_less() }; wake_after()
#endif
	fi
}

/*
 * page_slot_state(): the state first, and then the page. CAN says which states the
 * caller can do something with.
 */
#if SLOTS == 2
#define ANY_SLOT(can)	if :: can(0) -> s = 0 :: can(1) -> s = 1 fi
#else
#define ANY_SLOT(can)	can(0) -> s = 0
#endif
#define SHOWS_ANY(s)	page[s]

/* In kmap_high() and pkmap_get() */
inline pkmap_hold()
{
#if ONE_STEP
	atomic {
		ANY_SLOT(CAN_HOLD);
		p = page[s];
		state[s] = MORE(state[s]);
		held()
	}
#else
#ifdef MUT_HOLD_PAGE_FIRST	/* order: the acquire */
	atomic { ANY_SLOT(SHOWS_ANY); p = page[s] }
	atomic {
		if
		:: CAN_HOLD(s) -> KEEP
		:: else -> GIVE_UP
		fi
	}
#else
	atomic {
		ANY_SLOT(CAN_HOLD);
#ifdef MUT_HOLD_PLAIN
		old = state[s];
#endif
		KEEP
	}
#ifdef MUT_HOLD_NO_PAGE
	ANY_PAGE;
#else
	p = page[s];
#endif
#endif
	atomic {
		if
#ifdef MUT_HOLD_PLAIN
		:: true -> state[s] = MORE(old); old = 0;
#else
		:: CAN_HOLD(s) && SAME_FILL -> state[s] = MORE(state[s]);
#endif
			held()
		:: else -> GIVE_UP
		fi
	}
#endif
#if FILLS && !defined(MUT_HOLD_ONE_LOOK)
	look_again()
#endif
}

/* In pkmap_get() */
inline pkmap_save()
{
#if ONE_STEP
	atomic {
		ANY_SLOT(CAN_SAVE);
		p = page[s];
		state[s] = IDLE + 1;
		held()
	}
#else
#ifdef MUT_SAVE_PAGE_FIRST	/* order: the acquire */
	atomic { ANY_SLOT(SHOWS_ANY); p = page[s] }
	atomic {
		if
		:: CAN_SAVE(s) -> KEEP
		:: else -> GIVE_UP
		fi
	}
#else
	atomic { ANY_SLOT(CAN_SAVE); KEEP }
#ifdef MUT_SAVE_NO_PAGE
	ANY_PAGE;
#else
	p = page[s];
#endif
#endif
	atomic {
		if
#ifdef MUT_SAVE_PLAIN
		:: true ->
#else
		:: CAN_SAVE(s) && SAME_FILL ->
#endif
			state[s] = IDLE + 1;
			held()
		:: else -> GIVE_UP
		fi
	}
#endif
#if FILLS && !defined(MUT_SAVE_ONE_LOOK)
	look_again()
#endif
}

#if LEAKED
#define IS_STUCK(s)	(state[s] == STUCK)

/* pkmap_is_stuck(): the state first, and then the page. Such a slot stays. */
inline stuck()
{
	ANY_SLOT(IS_STUCK);
	atomic { p = page[s]; held() }
}
#endif

/* Slots ------------------------------------------------------------------ */

#if RESERVE
#define OPEN(s)		((s) == 0 || me == 0)
#else
#define OPEN(s)		true
#endif

inline pkmap_claim()
{
	atomic {
		if
		:: state[0] == CLEAN && OPEN(0) -> s = 0
#if SLOTS == 2
		:: state[1] == CLEAN && OPEN(1) -> s = 1
#endif
		fi;
#ifndef MUT_CLAIM_PLAIN
		state[s] = BUSY
#endif
	}
#ifdef MUT_CLAIM_PLAIN
	state[s] = BUSY;
#endif
}

/* set_pte_at(): from here on any TLB may know the page. */
inline set_pte()
{
	unused[s] = false;
	pte[s] = p;
	tlb[3 * s] = tlb[3 * s] | SET(p);
	tlb[3 * s + 1] = tlb[3 * s + 1] | SET(p);
	tlb[3 * s + 2] = tlb[3 * s + 2] | SET(p)
}

inline make_findable()
{
	findable[s] = true;
	assert(!SHOWN_TWICE)
}

inline set_held()	/* the last that pkmap_fill() does, with release */
{
	assert(state[s] == BUSY);
	state[s] = IDLE + 1;
	OLDER(0);
#if TASKS > 1
	OLDER(1);
#endif
#if TASKS > 2
	OLDER(2);
#endif
	holders[s]++;
	assert(COUNT_OK(s))
}

/* A CPU that flushes one slot may load it again at once, too. */
inline flush_slot(c)
{
	d_step { tlb[3 * s + c] = SET(pte[s]) }
}

inline pkmap_unfill()
{
#ifndef MUT_UNFILL_NO_CLEAR
	pte[s] = 0;
#endif
#ifndef MUT_UNFILL_NO_FLUSH
	flush_slot(0);
	flush_slot(1);
	flush_slot(2)
#endif
}

inline pkmap_fill()
{
	atomic {
		ANY_PAGE
#ifndef MUT_FILL_PTE_LAST
		;
		set_pte()
#endif
	}
	atomic {	/* nobody sees a page that the lock is not had for */
#ifndef MUT_FILL_NO_LOCK
		!page_lock[p] -> page_lock[p] = true;
#endif
		if
#ifndef MUT_FILL_NO_LOOK
		:: SHOWN -> page_lock[p] = false; goto found
#endif
		:: else
		fi;
#if !defined(MUT_FILL_STATE_FIRST) && !defined(MUT_FILL_NO_LOCK)
		page[s] = p;
		make_findable()
#endif
	}
#ifdef MUT_FILL_NO_LOCK
	d_step { page[s] = p; make_findable() };
#endif
#ifdef MUT_FILL_STATE_FIRST	/* order: the release, against slot->page */
	d_step { set_held() };
	d_step { page[s] = p; make_findable(); page_lock[p] = false };
#elif defined(MUT_FILL_PTE_LAST) /* order: the release, against the PTE */
	d_step { set_held() };
	d_step { set_pte(); page_lock[p] = false };
#else
	d_step { set_held(); page_lock[p] = false };
#endif
	goto mapped;
found:
	pkmap_unfill();
	atomic {
		assert(state[s] == BUSY && !findable[s] && TLBS_ARE(s, 0));
#ifndef MUT_UNFILL_KEEPS
		state[s] = CLEAN;
#endif
#if !WAIT || defined(MUT_UNFILL_NO_WAKE)
		START_AGAIN
#endif
	}
	atomic { pkmap_wake(); START_AGAIN }
}

/* Reclaim ---------------------------------------------------------------- */

inline pkmap_condemn(i, all)
{
#ifdef MUT_CONDEMN_PLAIN
	if
	:: state[i] == IDLE -> state[i] = CONDEMNED
	:: else
	fi
#else
	atomic {
		if
		:: state[i] == IDLE -> state[i] = CONDEMNED
		:: state[i] == IDLE && !all
		:: else
		fi
	}
#endif
}

#ifdef MUT_NO_CONDEMN
#define TO_CLEAR(i)	(state[i] == IDLE)
#else
#define TO_CLEAR(i)	(state[i] == CONDEMNED)
#endif

inline pkmap_hide(i)
{
#ifndef MUT_CLEAR_NO_HIDE
	findable[i] = false;
#endif
	assert(!dirty[i]);
#ifndef MUT_PTE_AFTER_FLUSH
	pte[i] = 0;
#endif
	page_lock[page[i]] = false;
	some = true
}

inline pkmap_clear(i)
{
	if
#ifdef MUT_CLEAR_NO_LOOK
	:: TO_CLEAR(i) -> atomic { !page_lock[page[i]] ->
#else
	:: atomic { TO_CLEAR(i) && !page_lock[page[i]] ->
#endif
			page_lock[page[i]] = true;
#ifdef MUT_CLEAR_CLEAN
			state[i] = CLEAN
#else
			state[i] = STALE
#endif
		}
		d_step { pkmap_hide(i) }
	:: !TO_CLEAR(i)
	fi
}

/* In pkmap_flush_tlb(): a CPU that flushes may load at once what is valid. */
inline flush_tlb(c)
{
	d_step {
		tlb[c] = SET(pte[0]);
#if SLOTS == 2
		tlb[3 + c] = SET(pte[1])
#endif
	}
}

inline flush_tlbs()
{
	flush_tlb(0);
#ifndef MUT_FLUSH_LOCAL
	flush_tlb(1);
	flush_tlb(2)
#endif
}

inline release_slot(i)
{
	d_step {
		if
		:: state[i] == STALE ->
			assert(!findable[i] && TLBS_ARE(i, 0));
			state[i] = CLEAN
		:: else
		fi
#ifdef MUT_PTE_AFTER_FLUSH
		;
		if
		:: state[i] == CLEAN -> pte[i] = 0
		:: else
		fi
#endif
	}
}

inline pkmap_release()
{
#ifndef MUT_RELEASE_FIRST
	flush_tlbs();
#endif
	EACH(release_slot)
#ifdef MUT_RELEASE_FIRST
	;
	flush_tlbs()
#endif
}

/* flush_cache_kmaps() writes back, and forgets, all that is cached. */
inline flush_cache()
{
	d_step {
		dirty[0] = false;
#if SLOTS == 2
		dirty[1] = false
#endif
	}
}

inline pkmap_reclaim(all)
{
#ifndef MUT_NO_CONDEMN
	pkmap_condemn(0, all);
#if SLOTS == 2
	pkmap_condemn(1, all);
#endif
#endif
#if CACHE && !defined(MUT_NO_CACHE_FLUSH)
	flush_cache();
#endif
	EACH(pkmap_clear);
	if
	:: some -> pkmap_release(); some = false
	:: else
	fi
}

inline lock_reclaim()
{
#ifdef MUT_NO_MUTEX
	skip
#else
	atomic { !reclaim_lock -> reclaim_lock = true }
#endif
}

/* Waiting ------------------------------------------------------------------ */

#define ROOM(s)		(state[s] != BUSY && state[s] <= IDLE && OPEN(s))

/*
 * pkmap_any() looks at one slot after the other. Not by way of the hand, which
 * others move and may move back: that could miss one.
 */
#ifdef MUT_ANY_BY_HAND
byte hand;			/* of pkmap_areas[0] */

inline look_by_hand()
{
	n = hand;
	hand = (n + 1) % SLOTS;
	if
	:: ROOM(n) -> n = 0; goto room
	:: else -> n = 0
	fi
}
#endif

#ifdef MUT_ANY_NO_CONDEMNED
#undef ROOM
#define ROOM(s)		(state[s] == CLEAN || state[s] == IDLE && OPEN(s))
#endif

inline look_for_room()
{
#ifdef MUT_WAIT_NO_LOOK
	skip;
#elif defined(MUT_ANY_BY_HAND)
	EACH2(look_by_hand);
#else
	if
	:: ROOM(0) -> goto room
	:: else
	fi;
#if SLOTS == 2
	if
	:: ROOM(1) -> goto room
	:: else
	fi;
#endif
#endif
#if !defined(MUT_WAIT_NO_PAGE) && KEEPS
	if
	:: SHOWN -> goto room
	:: else
	fi
#elif !defined(MUT_WAIT_NO_PAGE)
	atomic {	/* which page it wants does not matter before, nor after */
		ANY_PAGE;
		if
		:: SHOWN -> p = 0; goto room
		:: else -> p = 0
		fi
	}
#endif
}

/*
 * Who sleeps when nothing moves any more: is there nothing to be had? Not even the
 * page, if somebody had it for ever when the task began to wait. Nobody tells a
 * task that sleeps when that comes later: its sleep ends after a time, in the
 * code, and then it looks again.
 */
#ifdef LIMIT_SHARE		/* with KEEPS */
#define HAS_NONE	!(ANY(ROOM) || SHOWN)
#elif KEEPS
#define HAS_NONE	!(ANY(ROOM) || was_kept)
#else
#define HAS_NONE	!ANY(ROOM)
#endif

inline pkmap_wait()
{
#ifdef MUT_WAIT_LOOK_FIRST	/* order: prepare_to_wait_exclusive()'s barrier */
	skip;		/* an "else" that comes first would be the mapper's */
	look_for_room();
	queued[me] = true;
#else
	atomic {
#if KEEPS
		ANY_PAGE;
		was_kept = kept_page == p;
#endif
		queued[me] = true
	}
	look_for_room();
#endif
	/* schedule_timeout() */
	if
	:: !queued[me]
	:: timeout && HAS_NONE -> goto asleep
	fi;
room:
	/* finish_wait() */
	atomic {
		queued[me] = false;
		waited = true;
#if KEEPS
		was_kept = false;
#endif
		START_AGAIN
	}
}

/* What the processes do ----------------------------------------------------- */

/* Locals that only mutants have */
#if defined(MUT_DROP_PLAIN) || defined(MUT_HOLD_PLAIN)
#define STEP_LOCALS	byte old;
#elif defined(MUT_WAKE_FIRST)
#define STEP_LOCALS	bool seen;
#elif defined(MUT_ANY_BY_HAND)
#define STEP_LOCALS	byte n;
#else
#define STEP_LOCALS
#endif

proctype mapper(byte me) GOES_ON
{
	byte p, s;
#if WAIT
	bool waited;
#if KEEPS
	bool was_kept;
#endif
#else
#define waited	false
#endif
	STEP_LOCALS

again:
	do
	::
		if
		:: pkmap_hold()
		:: pkmap_save()
		:: pkmap_claim(); pkmap_fill()
#if WAIT
		:: pkmap_wait()
#endif
#if LEAKED
		:: stuck()
#endif
#ifdef MUT_ANY_BY_HAND		/* area_next(), in a search that finds nothing */
		:: n = hand; hand = (n + 1) % SLOTS; n = 0; goto again
#endif
		fi;
mapped:		do
#if WAIT
#ifdef MUT_NO_PASS_ON
		:: atomic { waited -> waited = false }
#else
		:: atomic { waited -> pkmap_wake(); waited = false }
#endif
#endif
		:: kunmap(!waited)
#if KEEPS
		:: atomic { me == MAPPERS - 1 && !waited -> kept_page = p; goto asleep }
#endif
		od
	:: !waited -> break
	od;
#if WAIT || KEEPS
asleep:	skip
#endif
}

#if HELD
/* Lets go of the slot that it has from the beginning. */
proctype holder()
{
	byte p = HELD, s = HELD - 1;
	STEP_LOCALS

again:
	if
	:: p -> kunmap(true)
	:: p == 0
	fi
}
#endif

#if GETTERS
/*
 * Is there a page that is held all the while? Then page_slot_state() finds it and
 * no other, as lookup.pml shows.
 */
#define HELD_SLOT(s)	(findable[s] && state[s] > IDLE)
#define REACHES(s)	(!always || findable[s] && page[s] == wanted)
#define LOOK_AGAIN							\
	FORGET; s = 0; old = 0; p = 0; goto look

inline pkmap_get()
{
	atomic {
		if
		:: HELD_SLOT(0) -> wanted = page[0]; always = true
#if SLOTS == 2
		:: HELD_SLOT(1) -> wanted = page[1]; always = true
#endif
		:: true		/* whatever page is seen */
		fi
#if INTERRUPT
		;
		if
		:: below = 0
		:: below = 1
		:: below = MAPPERS + GETTERS + 1
		fi
#endif
	}
look:
	if
	:: atomic { REACHES(0) -> s = 0; old = state[0]; KEEP }
#if SLOTS == 2
	:: atomic { REACHES(1) -> s = 1; old = state[1]; KEEP }
#endif
	:: atomic { !always -> goto none }
	fi;
	p = page[s];
#if LEAKED && !defined(MUT_GET_NOT_STUCK)
	if	/* pkmap_is_stuck(): once it is, it stays so */
	:: atomic { state[s] == STUCK && page[s] == p -> held(); goto got }
	:: else
	fi;
#endif
	atomic {
		if
		:: old < CONDEMNED || old == STUCK -> goto stays
#ifdef MUT_GET_NO_SAVE
		:: old == CONDEMNED -> goto stays
#endif
		:: else
		fi;
		if
		:: state[s] == old && SAME_FILL ->
			state[s] = (old == CONDEMNED -> IDLE + 1 : MORE(old));
			held();
			goto got
#ifdef MUT_GET_TRIES_ONCE
		:: else -> goto none
#else
		:: else -> LOOK_AGAIN
#endif
		fi
	}
stays:	/* Of no use, and no other would make it so: whom it waits for may be below */
#ifdef MUT_GET_SPINS
	atomic { state[s] != old || !SHOWS_P(s) -> LOOK_AGAIN }
#elif defined(MUT_GET_NO_SAVE)
	atomic {
		old != CONDEMNED || state[s] != old || !SHOWS_P(s) ->
		if
		:: old == CONDEMNED -> LOOK_AGAIN
		:: else
		fi
	}
#endif
none:
	atomic { assert(!always); goto nothing }
got:
	old = 0
}

/* kmap_high_get() and kunmap_high(), in an interrupt or anywhere. */
proctype getter(byte me)
{
	byte p, s, old;

again:
#if INTERRUPT
	below = 0;
#endif
	do
	:: pkmap_get();
		atomic { always = false; wanted = 0 }
#if FILLS
		look_again();
#endif
		kunmap(true);
nothing:	atomic { FORGET; old = 0; always = false; wanted = 0; START_AGAIN }
	:: break
	od
}
#endif

#if RECLAIMERS
/* A task in pkmap_refill() */
proctype reclaimer() GOES_ON
{
	bool some;

	do
	:: lock_reclaim();
		pkmap_reclaim(false);
		reclaim_lock = false
	:: break
	od
}
#endif

#if FLUSHERS
/* Was the slot's mapping there, and nobody's, when the call began? */
#define NOT_USED(s)	(state[s] >= STALE && state[s] <= IDLE)

/* It is gone, or somebody has used it since. */
#define GONE(s)		(pte[s] == 0 && TLBS_ARE(s, 0) || !unused[s])

inline flush_begins(i)
{
	unused[i] = NOT_USED(i)
}

inline flush_ends(i)
{
#if FILLS == 0 || defined(LIMIT_WRAP)
	assert(GONE(i));
#endif
	unused[i] = false
}

/* A task in __kmap_flush_unused() */
proctype flusher() GOES_ON
{
	bool some;

	do
	:: d_step { EACH(flush_begins) };
#ifdef MUT_FLUSH_NO_WAIT
		if
		:: lock_reclaim()
		:: reclaim_lock -> goto busy
		fi;
#else
		lock_reclaim();
#endif
#ifdef MUT_FLUSH_SPARES
		pkmap_reclaim(false);
#else
		pkmap_reclaim(true);
#endif
		reclaim_lock = false;
#ifdef MUT_FLUSH_NO_WAIT
busy:		skip;
#endif
		d_step { EACH(flush_ends) }
	:: break
	od
}
#endif

#if LEAKED
inline leak_at_start()
{
	s = 0;
	p = 1;
	page[s] = p;
	set_pte();
	make_findable();
	holders[s] = LEAKED;
	state[s] = IDLE + LEAKED;
	s = 0;
	p = 0
}
#endif

#if HELD
inline hold_from_start(i)
{
	s = i;
	p = i + 1;
	page[s] = p;
	set_pte();
	make_findable();
	holders[s] = 1;
	state[s] = IDLE + 1
}
#endif

#define RESTS(s)	(state[s] == CLEAN || state[s] >= IDLE)

init
{
#if HELD || LEAKED
	byte p, s;
#endif
	atomic {
#if LEAKED
		leak_at_start();
#endif
#if HELD
		EACH(hold_from_start);
		s = 0;
		p = 0;
#endif
		run mapper(0);
#if MAPPERS > 1
		run mapper(1);
#endif
#if MAPPERS > 2
		run mapper(2);
#endif
#if GETTERS
		run getter(MAPPERS);
#endif
#if RECLAIMERS
		run reclaimer();
#endif
#if FLUSHERS
		run flusher();
#endif
#if HELD
		run holder();
#endif
		skip
	};
	/* In the end nobody has anything half done. */
	timeout ->
	assert(RESTS(0) && RESTS(SLOTS - 1) && !reclaim_lock);
	assert(!page_lock[1] && !page_lock[2] && !page_lock[PAGES])
}
