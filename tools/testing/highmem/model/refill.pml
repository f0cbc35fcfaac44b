// SPDX-License-Identifier: GPL-2.0
/*
 * How kmap() gets slots when there is no clean one, for the model checker Spin.
 *
 * kmap_high_slow() in mm/highmem.c looks for a slot, and if there is none has
 * pkmap_refill() make some, and looks again; or sleeps if there are none to be
 * made. pkmap_refills tells a task that waited for the mutex whether somebody
 * was faster, so that not everybody reclaims. What is checked is that tasks do
 * not send each other round in this loop for ever: in every cycle of states
 * somebody gets a slot or goes to sleep. And nobody grows the pool or goes to
 * sleep while there is a clean slot for him.
 *
 * Slots are counted, not told apart (pkmap.pml does that): clean, idle or held,
 * for each of two kinds, since what one task reclaims may be of no use to it: of
 * another colour, or in the area of those that free memory.
 *
 * Here a task sees pkmap_refills before it looks at the slots. A CPU that reads
 * in another order may take a clean slot for none, and grow the pool too early.
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
bool reclaim_lock;

/* Is pkmap_refills another than task t has seen? It does not wrap. */
bool changed[TASKS];

inline refills_grows()
{
	changed[0] = true;
#if TASKS > 1
	changed[1] = true;
#endif
#if TASKS > 2
	changed[2] = true
#endif
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
			clean[0] = clean[0] + idle[0];
			clean[1] = clean[1] + idle[1];
			idle[0] = 0;
			idle[1] = 0;
			gained = true
		:: else
		fi
	}
	if
#ifndef MUT_RECLAIM_NO_COUNT
	:: gained -> refills_grows()
#endif
	:: else
	fi
}

inline pkmap_grow()
{
	d_step {
		if
		:: areas > 0 ->
			areas--;
			clean[0]++;
			clean[1]++;
			refills_grows();
			gained = true
		:: else
		fi
	}
}

inline pkmap_refill()
{
	lock_reclaim();
	if
#ifndef MUT_REFILL_NO_SEEN
	:: changed[me] -> refilled = true
#endif
	:: else ->
		pkmap_reclaim();
		if
		:: !gained ->
			assert(clean[me % 2] == 0);
			pkmap_grow()
		:: else
		fi;
		refilled = gained;
		gained = false;
		assert(refilled || areas == 0)
	fi;
#ifdef MUT_REFILL_COUNTS_ALL
	if
	:: refilled -> refills_grows()
	:: else
	fi;
#endif
	reclaim_lock = false
}

proctype mapper(byte me)
{
	bool refilled, gained;

	do
	:: changed[me] = false;
		if
		:: atomic { clean[me % 2] > 0 -> clean[me % 2]-- };
			/* kmap() returns; later comes kunmap() */
progress_map:		idle[me % 2]++
		:: clean[me % 2] == 0 ->
			pkmap_refill();
			if
			:: refilled -> refilled = false
			:: else ->
				/* pkmap_wait(): for a time at most */
progress_sleep:			skip
			fi
		fi
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
