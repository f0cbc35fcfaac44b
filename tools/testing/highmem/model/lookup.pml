// SPDX-License-Identifier: GPL-2.0
/*
 * The search for the slot of a page in mm/pkmap.c, for the model checker Spin.
 *
 * page_slot() walks a chain of slots without a lock. Meanwhile other tasks remove slots
 * from the chain, fill them for other pages and add them to other chains. Checked:
 *
 *   - A page that one slot shows during the whole walk is found.
 *   - A slot that is found has shown the page at some moment of the walk. If the caller
 *     holds the page, as the caller of kunmap() does, the walk finds the slot held.
 *   - A walk ends, unless other tasks change the chains again and again.
 *
 * pkmap.pml relies on this. It has the states of slots, which are left out here: a slot
 * may be removed at any moment, and filled at any moment after that.
 *
 * Spin's memory is sequentially consistent. The model assumes that the release in
 * hlist_nulls_add_head_rcu() comes after the stores to slot->page and node->next, and
 * that a walk that reaches a slot by its address sees both. Mutants marked "order" swap
 * these accesses.
 *
 * Each MUT_... breaks one step. Spin must find an error then.
 */

#ifndef MOVERS
#define MOVERS	2	/* tasks that fill and hide slots: 1 or 2 */
#endif
#ifndef SLOTS
#define SLOTS	3	/* 2 or 3 */
#endif

/* Pages 1 and 2 belong to chain 0, page 3 to chain 1. */
#define CHAIN(p)	(p == 3 -> 1 : 0)
#define ANY_PAGE	if :: p = 1 :: p = 2 :: p = 3 fi

/* head[] and next[] lead to slot n, or with 8 + n to the end of chain n. */
#define NULLS		8
#define IS_NULLS(n)	(n >= NULLS)

byte head[2];
byte next[SLOTS];
byte page[SLOTS];
bool shown[SLOTS];		/* in a chain, and no process is about to remove it */
bool linked[SLOTS];		/* in a chain */
bool taken[SLOTS];		/* by a mover */
#ifdef MUT_LOCK_BY_PAGE
bool page_lock[4];
#define LOCK		page_lock[p]
#else
bool pkmap_lock;
#define LOCK		pkmap_lock
#endif

/*
 * The page that the walk looks for. Its chain has another page, and the other chain has
 * one, so any page would do.
 */
#define WANTED		1

/* Only assertions read these. */
bool walks;
bool always;			/* a slot has shown the page since the walk began */
bool was[SLOTS];		/* this slot has, at some time */

#define SHOWS_P(s)	(shown[s] && page[s] == p)
#if SLOTS == 3
#define SHOWN		(SHOWS_P(0) || SHOWS_P(1) || SHOWS_P(2))
#define CHOOSE(what)	if :: what(0) -> s = 0 :: what(1) -> s = 1 :: what(2) -> s = 2 fi
#else
#define SHOWN		(SHOWS_P(0) || SHOWS_P(1))
#define CHOOSE(what)	if :: what(0) -> s = 0 :: what(1) -> s = 1 fi
#endif
#define IS_FREE(s)	(!linked[s] && !taken[s])
#define IS_SHOWN(s)	(shown[s] && !taken[s])

/* A walk may find the page here from now on. */
#define SEEN		was[s] = was[s] || walks && p == WANTED

inline is_linked()
{
	linked[s] = true;
	shown[s] = true;
	SEEN
}

/* hlist_nulls_add_head_rcu(); the caller has the lock */
inline add_head()
{
#ifdef MUT_ADD_TAIL
	d_step {
		next[s] = NULLS + CHAIN(p);
		n = head[CHAIN(p)];
		if
		:: IS_NULLS(n) -> head[CHAIN(p)] = s
		:: else ->
			do
			:: !IS_NULLS(next[n]) -> n = next[n]
			:: else -> next[n] = s; break
			od
		fi;
		n = 0;
		is_linked()
	}
#elif defined(MUT_ADD_NEXT_LATE)	/* order: the release, against node->next */
	n = head[CHAIN(p)];
	d_step { head[CHAIN(p)] = s; is_linked() };
	d_step { next[s] = n; n = 0 }
#else
	next[s] = head[CHAIN(p)];
	d_step { head[CHAIN(p)] = s; is_linked() }
#endif
#ifdef MUT_PAGE_LATE		/* order: the release, against slot->page */
	;
	page[s] = p
#endif
}

/* In pkmap_map() and pkmap_fill() */
inline fill()
{
	atomic { CHOOSE(IS_FREE); taken[s] = true };
	atomic { ANY_PAGE; !LOCK -> LOCK = true };
	if
	:: SHOWN -> skip
	:: else ->
#ifndef MUT_PAGE_LATE
		/* A late walk may still be at this slot. */
		d_step { page[s] = p; SEEN };
#endif
		add_head()
	fi;
progress_fill:
	atomic { taken[s] = false; LOCK = false; s = 0; p = 0 }
}

/* The pointer in the chain that leads to slot s: its pprev. */
#define LEADS(t)	(linked[t] && next[t] == s)

/* hlist_nulls_del_rcu(), in pkmap_clear() */
inline hide()
{
	atomic {
		CHOOSE(IS_SHOWN);
		taken[s] = true;
		p = page[s];
		!LOCK -> LOCK = true
	}
	d_step {
		shown[s] = false;
		always = always && p != WANTED;
		if
		:: head[CHAIN(p)] == s -> head[CHAIN(p)] = next[s]
		:: head[CHAIN(p)] != s && LEADS(0) -> next[0] = next[s]
		:: head[CHAIN(p)] != s && LEADS(1) -> next[1] = next[s]
#if SLOTS == 3
		:: head[CHAIN(p)] != s && LEADS(2) -> next[2] = next[s]
#endif
#ifdef MUT_LOCK_BY_PAGE
		:: else		/* the chain is damaged already */
#endif
		fi;
#ifdef MUT_HIDE_ENDS
		next[s] = NULLS + CHAIN(p);
#endif
		linked[s] = false
	}
progress_hide:
	atomic { taken[s] = false; LOCK = false; s = 0; p = 0 }
}

proctype mover()
{
	byte p, s;
#if defined(MUT_ADD_TAIL) || defined(MUT_ADD_NEXT_LATE)
	byte n;
#endif

	do
	:: fill()
	:: hide()
	od
}

#define SHOWS(s)	(shown[s] && page[s] == WANTED)

inline begin()
{
	d_step {
		walks = true;
		was[0] = SHOWS(0);
		was[1] = SHOWS(1);
#if SLOTS == 3
		was[2] = SHOWS(2);
		always = was[0] || was[1] || was[2]
#else
		always = was[0] || was[1]
#endif
	}
}

/* page_slot() */
proctype walker()
{
	byte n;

	do
	:: begin();
again:
		n = head[CHAIN(WANTED)];
step:
		if
		:: IS_NULLS(n) ->
#ifndef MUT_WALK_ANY_END
			if
			:: n != NULLS + CHAIN(WANTED) -> goto again
			:: else
			fi;
#endif
			assert(!always)
#ifdef MUT_WALK_ANY_PAGE
		:: !IS_NULLS(n) ->
#else
		:: !IS_NULLS(n) && page[n] == WANTED ->
#endif
			assert(was[n])
		:: else ->
			n = next[n];
			goto step
		fi;
progress_end:	d_step {
			n = 0;
			walks = false;
			always = false;
			was[0] = false;
			was[1] = false;
#if SLOTS == 3
			was[2] = false;
#endif
		}
	od
}

init
{
	atomic {
		head[0] = NULLS;
		head[1] = NULLS + 1;
		run walker();
		run mover();
#if MOVERS > 1
		run mover()
#endif
	}
}
