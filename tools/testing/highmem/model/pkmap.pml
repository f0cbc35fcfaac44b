// SPDX-License-Identifier: GPL-2.0
/*
 * The slot protocol of mm/pkmap.c, for the model checker Spin.
 *
 * "make model" visits every state that the scenarios in the file "scenarios" can reach,
 * with any number of calls in sequence. An atomic or a d_step is one access that other
 * processes can see, together with accesses that only its own task or the holder of the
 * same lock can see. Read the table of states in mm/pkmap.c first. Its steps are here:
 *
 *   from, to			inline		function of mm/pkmap.c
 *   UNMAPPED, held		pkmap_map	pkmap_map(), pkmap_fill()
 *   IDLE and held, held	pkmap_hold	page_slot(), pkmap_hold()
 *   CONDEMNED, held		pkmap_save	page_slot(), pkmap_hold()
 *   held, IDLE or held		kunmap		kunmap_high(), pkmap_drop()
 *   held, the same		look_again	the end of pkmap_hold()
 *   held, STUCK		pkmap_hold	pkmap_hold()
 *   STUCK, the same		stuck		pkmap_hold()
 *   IDLE, CONDEMNED		pkmap_condemn	pkmap_condemn()
 *   CONDEMNED, UNMAPPED	pkmap_clear	pkmap_clear()
 *   UNMAPPED, the same		flush_tlbs	pkmap_flush_tlb()
 *   UNMAPPED, clean		add_clean	pkmap_add_clean()
 *   none			pkmap_wait	pkmap_wait(), pkmap_room()
 *   none			wake_one	pkmap_wake()
 *
 * pkmap_get is pkmap_get() in an interrupt, with the steps above in the order of the C
 * code.
 *
 * Checked by assertion, or because Spin reports a state in which no process can move and
 * some process has not ended:
 *
 *   - A holder of a page reaches that page through the TLB of any CPU.
 *   - A page is findable in one slot at most, and in the slot that is held.
 *   - No slot becomes clean while a TLB may cache it.
 *   - The number of holders is exact, and they are users of the slot's page.
 *   - kmap_flush_unused() leaves no mapping that was unused during the whole call.
 *   - What a holder wrote is in no virtually indexed cache when its mapping is cleared.
 *   - kmap_high_get() finds a page that is held during the whole call, and does not wait
 *     for the context that it interrupts.
 *   - No task sleeps for ever while there is a slot or a page that it can have.
 *
 * Representation:
 *
 *   TLBs     A TLB may load a valid PTE at any moment and keep it until a flush. So tlb[]
 *            is the set of pages that a CPU can reach at a slot. If all sets are right,
 *            each CPU reaches the right page. CPUs are alike, so one order of flushing
 *            stands for all orders.
 *   fills    The count in a state word matters only when it is compared with an older
 *            one. age[] is the difference, modulo FILLS, for each task that keeps an
 *            older word. With FILLS 0 the count never wraps.
 *   lookup   page_slot() may reach a slot so late that it could be any slot (lookup.pml
 *            walks the chains). So tasks read the state of any slot first, and want the
 *            page that they then see in it. With another page the lookup would have no
 *            effect.
 *   kmap()   A task takes the steps of kmap() in any order, any number of times. This
 *            covers the orders of kmap_high() and kmap_high_slow(). A step that fails
 *            without effect, such as a compare-and-exchange, starts again. A task in
 *            pkmap_refill() has no slot and no page, so it is a process of its own.
 *   get      An interrupt calls kmap_high_get(). It takes the steps of pkmap_get() in
 *            order, and compares the whole state word. It interrupts a mapper, reclaim or
 *            no process; the interrupted process does not move meanwhile. A retry without
 *            a change is a wait for a change. If no process can make one, that is an
 *            error.
 *   use      A holder's access is checked when it drops the slot, which it may do at any
 *            moment.
 *   hot      Reclaim may spare any idle slot, unless it is to take all.
 *   queue    A wake-up wakes any one sleeper, not only the first. pkmap_wake() is one
 *            step: what waitqueue_active() misses, wake_up() would miss at that moment.
 *   sleep    Has no time limit. A task that sleeps when all other tasks have ended or
 *            sleep must have no slot that it can take. Nor may there be a page to share
 *            that was mapped when its wait began.
 *   reserve  With RESERVE, the last clean slot is for tasks that free memory. Task 0 is
 *            such a task.
 *   leaks    With LEAKED, slot 0 has holders that never drop it. One more holder makes
 *            its state word negative.
 *
 * With ONE_STEP, pkmap_hold and pkmap_save are one step with the lookup before. No
 * behaviour is lost: a lookup changes nothing, and a hold succeeds only if the slot was
 * not filled in between, so its page is the page of the lookup. The other scenarios show
 * this.
 *
 * Left out: colours, growing the pool (see refill.pml), and wrong use such as an
 * unbalanced kunmap(), except for leaks.
 *
 * Spin's memory is sequentially consistent. The model assumes:
 * a compare-and-exchange that succeeds is a full barrier; pkmap_fill() stores
 * the state last, with release; page_slot() reads it first, with acquire;
 * prepare_to_wait_exclusive() has a full barrier between queueing and reading the
 * slots, and kunmap() one between its change of state and reading the queue;
 * locks order as locks do; flush_tlb_kernel_range() comes after pte_clear(). Mutants
 * marked "order" swap the two accesses, as a CPU might without the barrier.
 *
 * Each MUT_... breaks one step. Spin must find an error then.
 */

#ifndef MAPPERS
#define MAPPERS	2	/* tasks that call kmap() and kunmap(): 1 to 3 */
#endif
#ifndef GETTERS
#define GETTERS	0	/* interrupts that call kmap_high_get(): 0 or 1 */
#endif
#ifndef INTERRUPT
#define INTERRUPT GETTERS /* do they interrupt other processes? */
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
#define RESERVE	0	/* is the last clean slot for task 0? */
#endif
#ifndef ONE_STEP
#define ONE_STEP 0	/* is a look at a slot one step with the hold? */
#endif
#ifndef KEEPS
#define KEEPS	0	/* may the last mapper keep its page for ever? */
#endif
#ifndef LEAKED
#define LEAKED	0	/* holders of slot 0 that never drop it: 0 or 2 */
#endif
#ifndef CACHE
#define CACHE	0	/* is there a virtually indexed cache? */
#endif

#define TASKS	(MAPPERS + GETTERS)

/* enum pkmap_state; IDLE + n has n holders, and STUCK too many to be counted. */
#define UNMAPPED	0
#define CONDEMNED	1
#define IDLE		2
#define STUCK		15

byte state[SLOTS];		/* without the count of fills */
byte page[SLOTS];		/* slot->page; stays when the slot is hidden */
bool findable[SLOTS];		/* in the table from pages to slots */
bool clean[SLOTS];		/* in the list of pkmap_reclaim() */
bool victim[SLOTS];		/* in the list of pkmap_reclaim() */
byte pte[SLOTS];		/* a page or 0 */

/* The set of CPU c for slot s, a bit for each page, is tlb[3 * s + c]. */
byte tlb[3 * SLOTS];
#define SET(p)		(p -> 1 << p : 0)
#define TLBS_ARE(s, set)						\
	(tlb[3 * (s)] == (set) && tlb[3 * (s) + 1] == (set) &&		\
	 tlb[3 * (s) + 2] == (set))

bool pkmap_lock;
bool reclaim_lock;
bool queued[TASKS];		/* in the wait queue and not woken yet */

/* The slot (+ 1) of which a task keeps an older state word, and how old the word is. */
byte kept[TASKS];
#if FILLS
byte age[TASKS];
#endif

/* Only assertions read these. */
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

/* The process that the interrupt is on top of; 0 for none. */
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
 * Of an older state word only its kind and its fill matter: between two fills the slot
 * maps the same page.
 */
#ifdef MUT_HOLD_ANY_STATE
#define CAN_HOLD(s)	true
#elif defined(MUT_HOLD_CONDEMNED)
#define CAN_HOLD(s)	(state[s] >= CONDEMNED && state[s] != STUCK)
#else
#define CAN_HOLD(s)	(state[s] >= IDLE && state[s] != STUCK)
#endif

#ifdef MUT_SAVE_STALE
#define CAN_SAVE(s)	(state[s] == CONDEMNED || state[s] == UNMAPPED)
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

/* The task has no slot and no page, and starts again. */
#define START_AGAIN	s = 0; p = 0; goto again
#define GIVE_UP		FORGET; START_AGAIN

/*
 * One more holder, or a holder that a stuck slot does not count. Is it a user of the
 * page? If fills never wrap, it must be.
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
	/* Task 0 does not wait exclusively: a wake-up wakes it and one other task. */
	queued[0] = false;
	queued[1] = false
#else
	wake_one()
#endif
}

#define ANY_QUEUED	(queued[0] || queued[TASKS - 2] || queued[TASKS - 1])

/* The caller of kmap_high_get() cannot expect to find the page any more. */
#if GETTERS
#define NOT_ALWAYS							\
	d_step { always = always && (page[s] != wanted || state[s] > IDLE);	\
		 wanted = (always -> wanted : 0) }
#else
#define NOT_ALWAYS	skip
#endif

/* The two steps of pkmap_drop(). Both callers start again after them. */
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

/* An access to the page from any CPU: no TLB leads to another page. */
inline use()
{
	assert(TLBS_ARE(s, SET(p)));
#if CACHE
	dirty[s] = true
#endif
}

/*
 * kunmap_high() finds the slot, since its caller holds it. A stuck slot does not change.
 */
inline kunmap(ready)
{
#ifdef MUT_USE_LATE		/* order: the access against pkmap_drop() */
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

/* The end of pkmap_hold(), with the hold. */
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
 * pkmap_hold(): the state first, then the page. CAN says in which states the caller can
 * go on.
 */
#if SLOTS == 2
#define ANY_SLOT(can)	if :: can(0) -> s = 0 :: can(1) -> s = 1 fi
#else
#define ANY_SLOT(can)	can(0) -> s = 0
#endif
#define SHOWS_ANY(s)	page[s]

/* pkmap_hold() of a slot that is idle or held */
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

/* pkmap_hold() of a slot that is condemned */
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

/* pkmap_hold(): the state first, then the page. A stuck slot does not change. */
inline stuck()
{
	ANY_SLOT(IS_STUCK);
	atomic { p = page[s]; held() }
}
#endif

/* Slots ------------------------------------------------------------------ */

/* set_pte_at(): any TLB may cache the page from now on. */
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

inline set_held()	/* the last step of pkmap_fill(), with release */
{
	assert(state[s] == UNMAPPED);
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

/* May the task take a clean slot? */
#if RESERVE
#define RESERVED	(me == 0 -> 0 : RESERVE)
#else
#define RESERVED	0
#endif
#if SLOTS == 2
#define SUM(what)	(what(0) + what(1))
#else
#define SUM(what)	what(0)
#endif
#define IS_CLEAN(s)	clean[s]
#define HAS_CLEAN	(SUM(IS_CLEAN) > RESERVED)

/*
 * pkmap_map(), with the lock. If the page is mapped, the task may hold it. If there is no
 * slot, it may wait. Both start again here.
 */
inline take_clean()
{
	if
#ifndef MUT_FILL_NO_LOOK
	:: SHOWN -> pkmap_lock = false; START_AGAIN
	:: !SHOWN && !HAS_CLEAN -> pkmap_lock = false; START_AGAIN
	:: !SHOWN && HAS_CLEAN
#else
	:: !HAS_CLEAN -> pkmap_lock = false; START_AGAIN
	:: HAS_CLEAN
#endif
	fi;
	ANY_SLOT(IS_CLEAN);
#ifndef MUT_TAKE_KEEPS
	clean[s] = false
#endif
}

inline pkmap_map()
{
#ifdef MUT_FILL_NO_LOCK
	ANY_PAGE;
	atomic { take_clean(); set_pte() };
	d_step { page[s] = p; make_findable() };
#else
	atomic {
		!pkmap_lock -> pkmap_lock = true;
		ANY_PAGE;
		take_clean();
#ifndef MUT_FILL_PTE_LAST
		set_pte();
#endif
#ifndef MUT_FILL_STATE_FIRST
		page[s] = p;
		make_findable()
#endif
	}
#endif
#ifdef MUT_FILL_STATE_FIRST	/* order: the release, against slot->page */
	d_step { set_held() };
	d_step { page[s] = p; make_findable(); pkmap_lock = false }
#elif defined(MUT_FILL_PTE_LAST) /* order: the release, against the PTE */
	d_step { set_held() };
	d_step { set_pte(); pkmap_lock = false }
#else
	d_step { set_held(); pkmap_lock = false }
#endif
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
	victim[i] = true;
	some = true;
	pkmap_lock = false
}

inline pkmap_clear(i)
{
	if
#ifdef MUT_CLEAR_NO_LOOK
	:: TO_CLEAR(i) -> atomic { !pkmap_lock ->
#else
	:: atomic { TO_CLEAR(i) && !pkmap_lock ->
#endif
			pkmap_lock = true;
#ifdef MUT_CLEAR_CLEAN
			clean[i] = true;
#endif
			state[i] = UNMAPPED
		}
		d_step { pkmap_hide(i) }
	:: !TO_CLEAR(i)
	fi
}

/* pkmap_flush_tlb(): a CPU may reload a valid PTE at once. */
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

inline add_clean(i)
{
	d_step {
		if
		:: victim[i] ->
#ifdef MUT_PTE_AFTER_FLUSH
			pte[i] = 0;
#endif
			assert(state[i] == UNMAPPED && !findable[i] && TLBS_ARE(i, 0));
			victim[i] = false;
			clean[i] = true
		:: else
		fi
	}
}

inline pkmap_release()
{
#ifndef MUT_RELEASE_FIRST
	flush_tlbs();
#endif
	EACH(add_clean)
#ifdef MUT_RELEASE_FIRST
	;
	flush_tlbs()
#endif
}

/* flush_cache_kmaps() writes the cache back and empties it. */
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

#ifdef MUT_ROOM_NO_CONDEMNED
#define ROOM(s)		(clean[s] || state[s] == IDLE)
#else
#define ROOM(s)		(state[s] <= IDLE)
#endif

/* pkmap_room() reads one slot after the other and counts. */
inline look_for_room()
{
#ifdef MUT_WAIT_NO_LOOK
	skip;
#elif RESERVE
	n = (ROOM(0) -> 1 : 0);
	n = n + (ROOM(1) -> 1 : 0);
	atomic {
		if
		:: n > RESERVED -> n = 0; goto room
		:: else -> n = 0
		fi
	};
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
	atomic {	/* the page matters neither before nor after */
		ANY_PAGE;
		if
		:: SHOWN -> p = 0; goto room
		:: else -> p = 0
		fi
	}
#endif
}

/*
 * If a task sleeps when no process can move, there must be no slot for it. Its page must
 * not be mapped either, if another task held the page for ever when the wait began. A task
 * that maps the page later wakes no sleeper. In the code the sleep ends after some time,
 * and the task looks again.
 */
#define IS_FREE(s)	(state[s] <= IDLE)
#define HAS_ROOM	(SUM(IS_FREE) > RESERVED)
#ifdef LIMIT_SHARE		/* with KEEPS */
#define HAS_NONE	!(HAS_ROOM || SHOWN)
#elif KEEPS
#define HAS_NONE	!(HAS_ROOM || was_kept)
#else
#define HAS_NONE	!HAS_ROOM
#endif

inline pkmap_wait()
{
#ifdef MUT_WAIT_LOOK_FIRST	/* order: prepare_to_wait_exclusive()'s barrier */
	skip;		/* an "else" before this would be the mapper's */
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
#elif RESERVE
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
		:: pkmap_map()
#if WAIT
		:: pkmap_wait()
#endif
#if LEAKED
		:: stuck()
#endif
		fi;
		do
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
/* Drops the slot that it holds from the beginning. */
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
 * A page that is held during the whole call. page_slot() finds this page and no other, as
 * lookup.pml shows.
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
		:: true		/* any page is seen */
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
	if	/* pkmap_hold(): a stuck slot does not change */
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
stays:	/* A retry is useless: only the interrupted process can change this. */
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
/* Was the slot's mapping there, and unused, when the call began? */
#define NOT_USED(s)	(victim[s] || state[s] == CONDEMNED || state[s] == IDLE)

/* The mapping is gone, or was used since. */
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

#define RESTS(s)	(clean[s] || state[s] >= IDLE)

init
{
#if HELD || LEAKED
	byte p, s;
#endif
	atomic {
#if !HELD
		clean[0] = !LEAKED;
		clean[SLOTS - 1] = true;
#endif
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
	/* In the end no process is in the middle of an operation. */
	timeout ->
	assert(RESTS(0) && RESTS(SLOTS - 1) && !reclaim_lock);
	assert(!pkmap_lock)
}
