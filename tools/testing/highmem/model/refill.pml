// SPDX-License-Identifier: GPL-2.0
/*
 * How kmap() gets slots when there is no clean one, for the model checker Spin.
 *
 * kmap_high_slow() in mm/highmem.c looks at some slots only. If none of them is
 * clean, kmap_high_refill() has pkmap_refill() make some, and looks at all slots. If
 * none can be made, it calls pkmap_grow(), or sleeps. pkmap_refills tells a task that
 * waited for the mutex that another task has made some, so that one of them reclaims.
 * What is checked is that tasks do not send each other round in this loop for ever: in
 * every cycle of states a task gets a slot or goes to sleep. pkmap_refill() fails only if
 * no clean slot of the task's kind exists; and no task reclaims though slots were made
 * since it began to look.
 *
 * Slots are counted, not told apart (pkmap.pml does that): clean, idle or held,
 * for each of two kinds, since what one task reclaims may be of no use to it: of
 * another colour, or in the area of those that free memory.
 * "fresh" counts the areas that pkmap_go_on() may send kmap() to. Time is not here:
 * growing fails when there are no areas left.
 *
 * Here a search finds a clean slot if there is one. In the code it may miss one,
 * when other searches move the hand meanwhile or the CPU reads pkmap_refills after
 * the states. pkmap_any(), under the mutex, misses none: so that costs another
 * round, and no more.
 *
 * MUT_... breaks a step, and Spin must find an error then.
 */

#ifndef TASKS
#define TASKS	2	/* tasks that call kmap(): 1 to 3; odd and even ones want
			   slots of different kinds */
#endif
#ifndef SLOTS
#define SLOTS	1	/* of each kind that are not held for ever */
#endif
#ifndef AREAS
#define AREAS	1	/* how often the pool can grow, by a slot of each kind */
#endif
#ifndef FLUSHERS
#define FLUSHERS 0	/* tasks that call kmap_flush_unused(): 0 or 1 */
#endif

byte clean[2];
byte idle[2];
byte areas = AREAS;		/* that can be had still */
byte fresh;			/* that kmap() was not sent to since they got clean slots */
#define ALL_AREAS	2	/* as many as have slots that reclaim may clean */
bool reclaim_lock;
bool grow_lock;

/* Is pkmap_refills another than task t has seen? It does not wrap. */
bool changed[TASKS];

/* Only for an assertion: were slots made since task t began to look for one? */
bool made[TASKS];

#if TASKS == 1
#define ALL(what)	what[0] = true
#elif TASKS == 2
#define ALL(what)	what[0] = true; what[1] = true
#else
#define ALL(what)	what[0] = true; what[1] = true; what[2] = true
#endif

inline refills_grows()
{
	ALL(changed)
}

inline lock_reclaim()
{
	atomic { !reclaim_lock -> reclaim_lock = true }
}

/* Of both kinds, as it spares none if it finds little. */
inline pkmap_reclaim()
{
	d_step {
		if
		:: idle[0] + idle[1] > 0 ->
			/* kmap() is not sent to the area of those who free memory. */
			fresh = (idle[0] > 0 -> ALL_AREAS : fresh);
			clean[0] = clean[0] + idle[0];
			clean[1] = clean[1] + idle[1];
			idle[0] = 0;
			idle[1] = 0;
			ALL(made);
			gained = true
		:: else
		fi
	}
#ifndef MUT_RECLAIM_NO_COUNT
	if
	:: gained -> d_step { refills_grows() }
	:: else
	fi
#endif
}

inline pkmap_add_area()
{
	d_step {
		areas--;
		clean[0]++;
		clean[1]++;
		fresh++;
		refills_grows();
		ALL(made);
		gained = true
	}
}

/* Sends kmap() to an area that it was not in since it has clean slots. */
inline pkmap_go_on()
{
	d_step {
		if
		:: fresh > 0 ->
#ifndef MUT_GO_ON_FOR_EVER
			fresh--;
#endif
			refills_grows();
			refilled = true
		:: else
		fi
	}
}

inline pkmap_refill()
{
	lock_reclaim();
	if
#ifdef MUT_REFILL_NO_SEEN
	:: true
#else
	:: changed[me] -> refilled = true
	:: else
#endif
	fi;
	if
	:: !refilled -> pkmap_go_on()
	:: else
	fi;
	if
	:: !refilled ->
		assert(!made[me]);
		pkmap_reclaim();
		if
		:: gained -> pkmap_go_on(); refilled = true
		:: else
		fi;
		gained = false
	:: else
	fi;
	if
#ifndef MUT_REFILL_NO_ANY
	:: !refilled && clean[me % 2] > 0 -> refilled = true	/* pkmap_any() */
#endif
	:: refilled
	:: else -> assert(clean[me % 2] == 0)
	fi;
#ifdef MUT_REFILL_COUNTS_ALL
	if
	:: refilled -> refills_grows()
	:: else
	fi;
#endif
	reclaim_lock = false
}

/* Without the mutex but to publish the area. One task at a time, by a trylock. */
inline pkmap_grow()
{
	bool mine = false;

	atomic {
		if
		:: !grow_lock -> grow_lock = true; mine = true
		:: else
		fi
	};
	if
	:: mine && changed[me] -> refilled = true
	:: mine && !changed[me] && areas > 0 ->
		lock_reclaim();
		pkmap_add_area();
		gained = false;
		refilled = true;
		reclaim_lock = false
	:: else
	fi;
	if
	:: mine -> grow_lock = false
	:: else
	fi
}

proctype mapper(byte me)
{
	bool refilled, gained;

	do
	:: d_step { changed[me] = false; made[me] = false };
		if	/* kmap_high_slow(): area_claim() */
		:: atomic { clean[me % 2] > 0 -> clean[me % 2]-- }; goto mapped
		:: true		/* no clean one among those it looks at */
		fi;
		do	/* kmap_high_refill() */
		:: pkmap_refill();
			if
			:: !refilled -> pkmap_grow()
			:: else
			fi;
			if
			:: refilled -> refilled = false
			:: else ->
				/* pkmap_wait(): for a time at most */
progress_sleep:			skip
			fi;
#ifdef MUT_REFILLS_LATE		/* order: pkmap_refills is read after the slots */
			made[me] = false;
#else
			d_step { changed[me] = false; made[me] = false };
#endif
			if	/* pkmap_claim() */
			:: atomic { clean[me % 2] > 0 -> clean[me % 2]-- }; break
			:: clean[me % 2] == 0
			fi
#ifdef MUT_REFILLS_LATE
			;
			changed[me] = false
#endif
		od;
mapped:		/* kmap() returns; later comes kunmap() */
progress_map:	idle[me % 2]++
	od
}

#if FLUSHERS
/* A task in __kmap_flush_unused(); with nothing idle it makes no difference. */
proctype flusher()
{
	bool gained;

	do
	:: idle[0] + idle[1] > 0 ->
		lock_reclaim();
		pkmap_reclaim();
		gained = false;
		reclaim_lock = false
	od
}
#endif

init
{
	atomic {
		idle[0] = SLOTS;
		idle[1] = SLOTS;
		run mapper(0);
#if TASKS > 1
		run mapper(1);
#endif
#if TASKS > 2
		run mapper(2);
#endif
#if FLUSHERS
		run flusher()
#endif
	}
}
