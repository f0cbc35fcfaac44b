// SPDX-License-Identifier: GPL-2.0
/*
 * How kmap() gets a slot when no slot is clean, for the model checker Spin.
 *
 * kmap_high_slow() in mm/pkmap.c takes a clean slot. If there is none, pkmap_refill()
 * reclaims idle slots, unless another task has done so while this one waited for the
 * mutex. If all slots are held, pkmap_grow() adds some, or the task sleeps. Checked:
 *
 *   - In every cycle of states some task gets a slot or goes to sleep.
 *   - No task reclaims while there is a clean slot of its kind.
 *   - A task reclaims twice at most before it adds an area, also if other tasks take all
 *     slots that it reclaims.
 *   - pkmap_refill() fails only if no slot of the task's kind was idle, or if other tasks
 *     took all slots that its two turns made clean.
 *
 * Slots are only counted (pkmap.pml tells them apart): clean, idle or held, for each of
 * two kinds. A kind stands for a colour, or for the reserve: what a task reclaims may be
 * of the other kind. hot[] counts slots that were mapped again. Reclaim spares them once
 * if the other kind has idle slots that are not hot. There is no time: growing fails when
 * no areas are left.
 *
 * Each MUT_... breaks one step. Spin must find an error then.
 */

#ifndef TASKS
#define TASKS	2	/* tasks that call kmap(): 1 to 3; odd and even ones need
			   slots of different kinds */
#endif
#ifndef SLOTS
#define SLOTS	1	/* of each kind that are not held for ever */
#endif
#ifndef AREAS
#define AREAS	1	/* how often the pool can grow by a slot of each kind */
#endif
#ifndef FLUSHERS
#define FLUSHERS 0	/* tasks that call kmap_flush_unused(): 0 or 1 */
#endif

byte clean[2];
byte idle[2];
bool hot[2];
byte areas = AREAS;		/* that can be had still */
bool reclaim_lock;
bool grow_lock;

inline lock_reclaim()
{
	atomic { !reclaim_lock -> reclaim_lock = true }
}

inline free_kind(k)
{
	clean[k] = clean[k] + idle[k];
	idle[k] = 0
}

#define SPARED(k)	(!all && hot[k] && !hot[1 - (k)] && idle[1 - (k)] > 0)

inline pkmap_reclaim(all)
{
	d_step {
		freed = idle[0] + idle[1] > 0;
		if
		:: SPARED(0) -> free_kind(1)
		:: SPARED(1) -> free_kind(0)
		:: else -> free_kind(0); free_kind(1)
		fi;
		hot[0] = false;
		hot[1] = false
	}
}

inline pkmap_refill()
{
	lock_reclaim();
	do
#ifndef MUT_REFILL_NO_LOOK
	:: clean[me % 2] > 0 -> refilled = true; break
	:: else ->
#else
	:: true ->
#endif
		/* Without this mutex only pkmap_grow() makes slots clean. */
		assert(clean[me % 2] == 0 || areas < AREAS);
		if
		:: turns == 0 -> break
		:: turns > 0 ->
#ifndef MUT_REFILL_ENDLESS
			turns--;
#endif
			d_step {
				assert(reclaims < 2 || areas == 0);
				reclaims++;
				pkmap_reclaim(false);
				left = idle[me % 2] > 0
			};
			if
#ifndef MUT_REFILL_ONCE
			:: freed
			:: !freed -> assert(!left); break
#else
			:: true ->
				refilled = clean[me % 2] > 0;
				assert(refilled || !left);
				break
#endif
			fi
		fi
	od;
	freed = false;
	left = false;
	turns = 2;
	reclaims = 0;
	reclaim_lock = false
}

/* One task at a time, by a trylock. A task that has added an area wakes all others. */
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
	:: mine && clean[me % 2] > 0 -> refilled = true
	:: mine && clean[me % 2] == 0 && areas > 0 ->
		d_step {
			areas--;
			clean[0]++;
			clean[1]++;
			refilled = true
		}
	:: else
	fi;
	if
	:: mine -> grow_lock = false
	:: else
	fi
}

proctype mapper(byte me)
{
	bool refilled, freed, left;
	byte turns = 2;		/* of pkmap_refill() that are left */
	byte reclaims;		/* that it has begun */

	do
	::	do	/* kmap_high_slow() */
		:: atomic { clean[me % 2] > 0 -> clean[me % 2]-- }; break
		:: clean[me % 2] == 0 ->
			pkmap_refill();
			if
			:: !refilled -> pkmap_grow()
			:: else
			fi;
			if
			:: refilled -> refilled = false
			:: else ->
				/* pkmap_wait(), with a time limit */
progress_sleep:			skip
			fi
		od;
		/* kmap() returns; it may be called again; later comes kunmap() */
progress_map:	if
		:: hot[me % 2] = true
		:: true
		fi;
		idle[me % 2]++
	od
}

#if FLUSHERS
/* A task in __kmap_flush_unused(). With no idle slot it changes nothing. */
proctype flusher()
{
	bool freed;

	do
	:: idle[0] + idle[1] > 0 ->
		lock_reclaim();
		pkmap_reclaim(true);
		freed = false;
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
